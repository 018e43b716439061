"""How somebody at a desk fills in a form: something plausible in every field, something else when it was refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from portal.core import clock
from tests.browsers import PASSWORD
from tests.wall.pages import Field, Form, Page

NEW_PASSWORD = "atarashii aikotoba wo tsukau"
NOT_TYPED = {"submit", "button", "reset", "image", "file"}
CHOICES = {"radio", "checkbox", "select"}
DAYS = (0, 0, 0, -1, 1, 7, -7, 30, 90, -40)
WORDS = (
    "電話で話した。",
    "次の予定を決めた。",
    "本人の希望を確かめた。",
    "家族とも相談する。",
    "様子を見る。",
)
# What is typed where the portal wants something of a certain shape: by the field's name.
SHAPES: tuple[tuple[str, Callable[[Random], str]], ...] = (
    (r"kana", lambda r: r.choice(("みほん", "れいじ", "かくう"))),
    (r"birth", lambda r: f"{r.randrange(1950, 2005)}-0{r.randrange(1, 10)}-1{r.randrange(10)}"),
    (r"email", lambda r: f"mihon{r.randrange(10**9)}@example.jp"),
    (r"telephone|fax|phone", lambda r: f"090-0000-{r.randrange(10**4):04d}"),
    (r"link|url|website", lambda r: f"https://example.jp/{r.randrange(10**6)}"),
    (r"short", lambda r: "見" + "".join(r.choices("アイウエオカキクケコサシスセソ", k=2))),
    (r"^(begins|ends|from|until|hours|opens|closes|time)(_at)?$", lambda r: r.choice(("10:00", "13:30"))),
)
DATES = re.compile(r"(_on|_from|_until|^until|^from|^since|^date|^day|_day|^valid_\w+|_by|_at)$")
NUMBERS = re.compile(r"minutes|number|count|times|size|per_|days|months|years|capacity|people|places")


class Desk(Page):
    """A page as somebody with eyes sees it: also what is marked as wrong."""

    def __init__(self, html: str, address: str) -> None:
        self.wrong: set[str] = set()
        super().__init__(html, address)

    def take_field(self, tag: str, found: dict[str, str]) -> None:
        super().take_field(tag, found)
        if found.get("aria-invalid") == "true":
            self.wrong.add(found.get("name", ""))


@dataclass
class Sheet:
    """A form on a page, with what the tests' own reading of pages leaves out."""

    form: Form
    desk: Desk
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def names(self) -> frozenset[str]:
        """Without the numbers of lists: a longer list makes no other form."""
        return frozenset(re.sub(r"[0-9a-f-]{32,}|\d+", "#", one.name) for one in self.form.fields if one.name)


def sheets_of(desk: Desk) -> list[Sheet]:
    found = []
    for form in desk.forms:
        buttons = [(one.name, one.value) for one in form.fields if one.kind == "submit"]
        found.append(Sheet(form, desk, buttons or [("", "")]))
    return found


class Hands:
    """Fills forms in; what is chosen comes from one seed. `knows` gives words that stand in the tables."""

    def __init__(self, random: Random, knows: Callable[[str, frozenset[str]], str | None]) -> None:
        self.random, self.knows, self.password = random, knows, PASSWORD
        self.pressed: Counter[frozenset[str]] = Counter()  # each button in its turn

    def fill(self, sheet: Sheet, *, is_mended: bool = False) -> dict[str, list[str]]:
        """What is sent. `is_mended`: only what the page calls wrong is said anew, all else stays as it was typed."""
        found: dict[str, list[str]] = {}
        groups: dict[str, list[Field]] = {}
        for one in sheet.form.fields:
            if not one.name or one.kind in NOT_TYPED:
                continue
            anew = one.name in sheet.desk.wrong if is_mended else self.is_anew(one)
            if one.kind in {"radio", "checkbox"}:
                groups.setdefault(one.name, []).append(one)
            elif one.kind == "hidden" or not anew:
                found.setdefault(one.name, []).append(self.keep(one, is_mended))
            elif one.kind == "select":
                found.setdefault(one.name, []).append(self.choose(one, sheet.names, keep=not is_mended))
            else:
                nth = len(found.get(one.name, []))
                said = (
                    ""
                    if is_mended and one.value and self.random.random() < 0.5
                    else self.say(one, nth, sheet.names)
                )
                found.setdefault(one.name, []).append(said)
        for name, group in groups.items():
            anew = name in sheet.desk.wrong if is_mended else True
            if values := self.tick(group, anew=anew, keep=not is_mended):
                found[name] = values
        self.pressed[sheet.names] += not is_mended
        name, value = sheet.buttons[self.pressed[sheet.names] % len(sheet.buttons)]
        if name:
            found[name] = [value]
        return found

    def is_anew(self, one: Field) -> bool:
        """Whether something is chosen or typed here; what stands there already is mostly left."""
        often = 0.6 if one.value.isdigit() else 0.25
        return one.kind in CHOICES or not one.value.strip() or self.random.random() < often

    def keep(self, one: Field, is_mended: bool) -> str:
        """What stands there already; a text is written on."""
        if one.kind == "password":
            return self.password
        return one.value + (self.random.choice(WORDS) if one.kind == "textarea" and not is_mended else "")

    def choose(self, one: Field, names: frozenset[str], *, keep: bool) -> str:
        if (known := self.knows(one.name, names)) in one.options:
            return str(known)
        if one.value and keep and self.random.random() < 0.5:
            return one.value
        real = [option for option in one.options if option]
        return self.random.choice(real) if real else one.value

    def tick(self, group: list[Field], *, anew: bool, keep: bool) -> list[str]:
        """Radio buttons and boxes. A box by itself mostly asks whether one has looked: it is ticked."""
        on = [one.value for one in group if one.is_on]
        if not anew or (on and keep and self.random.random() < 0.5):
            return on
        if group[0].kind == "radio":
            return [self.random.choice(group).value]
        if len(group) == 1:
            wanted = 0.8 if keep else not on
            return [group[0].value] if self.random.random() < wanted else []
        some = [one.value for one in group if self.random.random() < 0.5]
        return some or [self.random.choice(group).value]

    def say(self, one: Field, nth: int, names: frozenset[str]) -> str:
        """A new word for a field; the second box of one name is the time beside a date."""
        name, random = one.name.rpartition("-")[2], self.random
        if one.kind == "password" and (known := self.knows(name, names)):
            return known
        if one.kind == "password":
            is_new = name in {"new", "again"} or ("again" in names and "current" not in names)
            return NEW_PASSWORD if is_new else self.password
        if nth and DATES.search(name):
            return f"{random.randrange(9, 17)}:00"
        if (known := self.knows(name, names)) is not None and random.random() < 0.9:
            return known
        if one.value.isdigit():
            return str(max(1, int(one.value) + random.choice((-1, 1, 2))))
        if one.kind == "textarea":
            return random.choice(WORDS)
        for pattern, make in SHAPES:
            if re.search(pattern, name):
                return make(random)
        if DATES.search(name):
            return (clock.today() + timedelta(days=random.choice(DAYS))).isoformat()
        if one.kind == "number" or NUMBERS.search(name):
            return str(random.choice((1, 2, 5, 10, 30)))
        return f"見本{random.randrange(1000)}"


SUMMARY = re.compile(r"data-error-summary>(.*?)</div>", re.DOTALL)


def refusal(page: str) -> str:
    """What a page says is wrong with what was typed on it; empty when nothing is."""
    found = SUMMARY.search(page)
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split()[1:]) if found else ""


def is_refused(page: str) -> bool:
    return bool(SUMMARY.search(page))
