"""Every page of the URL map, with every id there is: found by itself, so that a new page is swept too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from io import BytesIO
from itertools import product
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID
from zipfile import ZipFile

from flask import Flask
from pypdf import PdfReader
from werkzeug.routing import AnyConverter, PathConverter, Rule, UUIDConverter

from portal import URL_ENUMS
from portal.configuration.catalogue import BY_KEY
from portal.evaluations.catalogue import Measure
from portal.evaluations.models import Part
from tests.wall.canaries import CANARY, Planted, Row
from tests.wall.pages import Page
from tests.wall.world_activities import EVALUATION

Tables = dict[str, dict[UUID, Row]]
# Arguments whose word is not their table's name.
TABLE_OF = {"case": "support_case", "note": "progress_note", "goal": "case_goal", "tie": "family_tie"}
TABLE_OF |= {"session": "sign_in_session", "item": "agenda_item", "outcome": "meeting_outcome"}
TABLE_OF |= {"access": "emergency_access", "notice": "emergency_notice"}
TABLE_OF |= {"sample": "audit_sample", "finding": "audit_finding"}
TABLE_OF |= {"head": "activity_attendance", "milestone": "case_milestone"}
TABLE_OF |= {"series": "meeting_series", "issue": "local_issue"}
# Areas' own codes and some of every sort of figure.
FIGURES = ("cafe.visits", "cafe.people", "seminar.held", *Measure)[::2]
# Arguments that are no ids, with what to try.
OTHERS: dict[str, list[Any]] = {
    "token": ["no-such-token"],
    "code": ["en", "ja", "xx", "own"],
    "figure": [*FIGURES, "no-such"],
    "filename": [],
}
OTHERS |= {"key": [*BY_KEY, "no-such-key"], "size": [0, 1, 1000], "year": [2025, 2026], "month": [4, 11, 13]}
OTHERS |= {
    "area": ["place", "employment", "own", "no-such"],
    "part": [*Part, "no-such"],
    "direction": ["up", "down"],
}
# How many addresses of one kind are followed: the same page, asked the same things of different records.
SOME = 8
IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
UNKNOWN = UUID(int=0x123456789ABC4DEF8123456789ABCDEF)


class Unresolved(AssertionError):
    """A route asks for something that the sweep cannot give it: say here how, or the page goes unswept."""


def table_of(argument: str, tables: Tables) -> str:
    word = argument.removesuffix("_id")
    table = TABLE_OF.get(word, word)
    if table not in tables:
        raise Unresolved(f"no table for <{argument}>")
    return table


def values_of(rule: Rule, argument: str, tables: Tables) -> list[Any]:
    converter = rule._converters[argument]  # noqa: SLF001 - werkzeug offers no other way
    if isinstance(converter, UUIDConverter):
        return [*tables[table_of(argument, tables)], UNKNOWN]
    if isinstance(converter, AnyConverter):
        return sorted(converter.items)
    kind = next(name for name, known in rule.map.converters.items() if known is type(converter))
    if kind in URL_ENUMS:
        return list(URL_ENUMS[kind])
    if argument in OTHERS or isinstance(converter, PathConverter):
        return OTHERS[argument]
    raise Unresolved(f"nothing to put in <{argument}> of {rule.rule}")


def belongs(child: Row, parent: UUID, argument: str) -> bool:
    """Whether the row carries the parent's id, under the argument's name or any other."""
    return child.get(argument) == parent or parent in child.values()


def arguments(rule: Rule, tables: Tables) -> Iterator[dict[str, Any]]:
    """Each way to fill the rule in: children under their own parents, some under a wrong one, and what is unknown."""
    names = sorted(rule.arguments, key=rule.rule.index)
    ids = [name for name in names if isinstance(rule._converters[name], UUIDConverter)]  # noqa: SLF001
    wrong = misplaced(rule, ids, tables) if len(ids) == 2 else set()
    for filled in product(*(values_of(rule, name, tables) for name in names)):
        found = dict(zip(names, filled, strict=True))
        if len(ids) == 2:
            parent, child = found[ids[0]], found[ids[1]]
            row = tables[table_of(ids[1], tables)].get(child)
            is_seat = ids[1] == "agency_id"  # an agency belongs to no meeting, and may sit at any
            if row and not is_seat and not belongs(row, parent, ids[0]) and (parent, child) not in wrong:
                continue
        yield found


def misplaced(rule: Rule, ids: list[str], tables: Tables) -> set[tuple[UUID, UUID]]:
    """Children under a stranger, and under nobody: some from all over the table, others for each rule."""
    parents, children = (tables[table_of(name, tables)] for name in ids)
    step = max(1, len(children) // SOME)
    some = list(children)[sum(map(ord, rule.rule)) % step :: step]
    return set(product([*list(parents)[:1], UNKNOWN], some))


def get_rules(app: Flask) -> list[Rule]:
    return [
        rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.endpoint != "static"
    ]


def addresses(app: Flask, tables: Tables) -> Iterator[str]:
    adapter = app.url_map.bind("localhost")
    for rule in get_rules(app):
        for values in arguments(rule, tables):
            yield adapter.build(rule.endpoint, values)


def text_of(answer: Any) -> str:
    """All that a reader can read in an answer: on a page, on paper, or where it sends them."""
    where = answer.headers.get("Location", "")
    if answer.mimetype == "application/pdf" and answer.data.startswith(b"%PDF"):
        pages = PdfReader(BytesIO(answer.data)).pages
        return "".join("".join(page.extract_text().split()) for page in pages)
    if answer.data.startswith(b"PK"):  # a sheet or a bundle
        with ZipFile(BytesIO(answer.data)) as bundle:
            return unescape(
                "".join(bundle.read(name).decode("utf-8", "replace") for name in bundle.namelist())
            )
    return unescape(answer.data.decode("utf-8", "replace")) + where


# A meeting and who sits there, what the city lacks, an afternoon, a company, a year: of nobody who is helped.
NOBODYS = {"meeting", "meeting_series", "attendance", "local_issue", "activity", "activity_series", "partner"}
NOBODYS |= set(EVALUATION)


def is_personal(planted: Planted) -> bool:
    return planted.column != "number" and planted.table not in NOBODYS


@dataclass
class Sweep:
    """What one reader saw, canary by canary, and the pages it stood on."""

    app: Flask
    client: Any
    known: dict[str, list[Planted]]
    entries: Callable[[], int]
    some: int = SOME
    seen: dict[str, set[str]] = field(default_factory=dict)
    unlogged: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    counts: dict[int, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    numbers: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.numbers = [word for word in self.known if not CANARY.fullmatch(word)]

    def get(self, address: str, *, further: bool = True) -> None:
        if address in self.done:
            return
        self.done.add(address)
        before = self.entries()
        answer = self.client.get(address)
        self.note(address, answer, before)
        if further and answer.mimetype == "text/html" and answer.status_code == 200:
            self.follow(Page(answer.get_data(as_text=True), address))

    def post(self, address: str, data: dict[str, str]) -> Any:
        before = self.entries()
        answer = self.client.post(address, data=data, follow_redirects=True)  # a search is stored, then shown
        self.note(f"POST {address}", answer, before, but=set(data.values()))
        return answer

    def note(self, address: str, answer: Any, before: int, but: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.counts[answer.status_code] = self.counts.get(answer.status_code, 0) + 1
        if answer.status_code >= 500:
            self.errors.append(f"{answer.status_code} {address}")
        text = text_of(answer)
        found = {word for word in CANARY.findall(text) if word in self.known}
        found |= {word for word in self.numbers if stands_in(word, text)}
        for word in found - but:
            self.seen.setdefault(word, set()).add(address)
        # A number alone tells of nobody, nor do a meeting's name or a local issue; all else is personal data.
        personal = {word for word in found - but if any(map(is_personal, self.known[word]))}
        if personal and self.entries() <= before:
            self.unlogged.append(address)

    def follow(self, page: Page) -> None:
        """Filters, later pages and prefilled forms: what the page itself offers to open, some of each kind."""
        for address in (*page.links, *page.questions()):
            path, _, query = address.partition("?")
            asked = sorted(parse_qsl(query))
            kind = IDS.sub("<id>", path + " " + " ".join(name for name, _value in asked))
            if not query or path.startswith(("/language", "/static")) or self.kinds.get(kind, 0) >= self.some:
                continue
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            self.get(f"{path}?{urlencode(asked)}", further=False)

    def through(self, asked: Iterable[str]) -> None:
        for address in asked:
            self.get(address)


def stands_in(word: str, text: str) -> bool:
    """A number or a date as a whole: R8-見1-0001 does not stand in R8-見1-00011."""
    return word in text and re.search(rf"(?<![0-9A-Za-z]){re.escape(word)}(?![0-9])", text) is not None
