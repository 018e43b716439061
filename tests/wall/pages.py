"""What a browser would make of a page: its links, and its forms with their fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

# New with every page: the token and the key of a form, how long the session or an emergency access still lasts, and
# under which id a search was stored.
NEW_EACH_TIME = re.compile(
    r'<[^>]*name="(?:csrf[-_]token|idempotency_key|session-seconds-left|s)"[^>]*>|\d{1,2}時\d{2}分|あと\d+分'
    r"|(?<=[?&;]s=)[\w-]{12}",
    re.DOTALL,
)


def blurred(html: str) -> str:
    """The page without what is new each time it is opened."""
    return NEW_EACH_TIME.sub("", html)


@dataclass
class Field:
    name: str
    kind: str  # as in <input type>, or "textarea", "select"
    value: str
    options: list[str] = field(default_factory=list)
    is_on: bool = False  # a box that is ticked, a radio button that is chosen


@dataclass
class Form:
    method: str
    action: str
    fields: list[Field] = field(default_factory=list)

    def typed(self) -> dict[str, list[str]]:
        """What is sent when the button is pressed and nothing was changed."""
        found: dict[str, list[str]] = {}
        for one in self.fields:
            if not one.name or one.kind in {"submit", "button", "image", "reset"}:
                continue
            if one.kind in {"checkbox", "radio"} and not one.is_on:
                continue
            found.setdefault(one.name, []).append(one.value)
        return found

    def pressed(self) -> dict[str, list[str]]:
        """What the first button says, if it says anything."""
        # A button that only redraws the form for another kind sends nothing.
        first = next((one for one in self.fields if one.kind == "submit" and one.name != "shape"), None)
        return {first.name: [first.value]} if first and first.name else {}


class Page(HTMLParser):
    """`links` and `forms` of one page, addresses made whole."""

    def __init__(self, html: str, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self.address = address
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.words: list[str] = []
        self.inside: Field | None = None
        self.feed(html)

    def local(self, address: str) -> str | None:
        whole = urlsplit(urljoin(self.address, address))
        if whole.scheme or whole.netloc:
            return None
        return whole.path + (f"?{whole.query}" if whole.query else "")

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "a" and "href" in found and (address := self.local(found["href"])):
            self.links.append(address)
        if tag == "form":
            action = self.local(found.get("action", "")) or self.address
            self.forms.append(Form(found.get("method", "get").lower(), action))
        if tag in {"input", "textarea", "select", "button"}:
            self.take_field(tag, found)
        if tag == "option" and self.inside:
            self.inside.options.append(found.get("value", ""))
            if "selected" in found:
                self.inside.value = found.get("value", "")

    def take_field(self, tag: str, found: dict[str, str]) -> None:
        kind = found.get("type", "text") if tag == "input" else tag if tag != "button" else "submit"
        new = Field(found.get("name", ""), kind, found.get("value", ""), is_on="checked" in found)
        if kind in {"checkbox", "radio"} and "value" not in found:
            new.value = "on"
        if self.forms:
            self.forms[-1].fields.append(new)
        self.inside = new if tag in {"textarea", "select"} else self.inside

    def handle_endtag(self, tag: str) -> None:
        if self.inside and tag == self.inside.kind:
            if tag == "select" and not self.inside.value and self.inside.options:
                self.inside.value = self.inside.options[0]
            self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside.kind == "textarea":
            self.inside.value += data

    def questions(self) -> Iterator[str]:
        """Addresses that the page's own GET forms lead to: as they stand, and with each choice of each field."""
        for form in self.forms:
            if form.method != "get":
                continue
            plain = form.typed()
            path = form.action.partition("?")[0]
            yield f"{path}?{urlencode(plain, doseq=True)}"
            for one in form.fields:
                choices = (
                    one.options if one.kind == "select" else [one.value] * (one.kind in {"checkbox", "radio"})
                )
                for choice in choices:
                    yield f"{path}?{urlencode(plain | {one.name: [choice]}, doseq=True)}"
