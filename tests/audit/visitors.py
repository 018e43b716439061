"""People at their desks: they open what their pages lead to, and fill in and send each form they find there."""

from __future__ import annotations

import re
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from flask import Flask, got_request_exception
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, PathConverter, Rule, UnicodeConverter, UUIDConverter
from werkzeug.routing.converters import NumberConverter

from portal.core.db import Base, db
from portal.core.policy import Role
from tests.audit.hands import NEW_PASSWORD, Desk, Hands, Sheet, is_refused, refusal, sheets_of
from tests.browsers import PASSWORD, Browser
from tests.wall.sweep import Tables, table_of, values_of

# How often somebody takes up a form, how often they mend it, and on how many pages they know it to stand.
TRIES, MENDS, PAGES = 3, 6, 4
FAR = 15
TOO_MANY = 429
URL_ENCODED = "application/x-www-form-urlencoded"
SHOWS = ("show", "person", "partner", "session", "finding", "referral", "index", "item")
LOG = {"audit_entry", "audit_detail", "audit_head", "audit_checkpoint"}
# Whoever sends one of these is out, or is somebody else: they come last.
LEAVES = re.compile(r"sign_out|stop|disable|password|end|cancel|remove|strike|transfer|agree|drop")
Call = tuple[str, str]


@dataclass(frozen=True)
class Reader:
    """Somebody who signs in; None as the address is a stranger."""

    name: str
    email: str | None
    password: str
    role: Role | None


@dataclass
class Town:
    """One portal that a number of readers walk through, and what became of each rule of its URL map."""

    app: Flask
    blueprints: frozenset[str]
    random: Random
    further: int = 1  # how many times as far as usual
    most_of_a_kind: int = 2  # addresses of one kind that a reader opens
    most_sent: int = 2  # how often each role sends a form
    reached: Counter[Call] = field(default_factory=Counter)
    sent: Counter[Any] = field(default_factory=Counter)
    answers: dict[Call, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    learned: set[str] = field(default_factory=set)
    known: list[str] = field(default_factory=list)  # whose address and password a stranger knows
    wait: Callable[[], None] = lambda: None  # until whoever typed wrong passwords may try again
    tables: Tables = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.adapter = self.app.url_map.bind("localhost")
        self.secret = [
            (rule, re.compile(re.sub(r"<\w+>", r"[\\w-]{16,}", re.sub(r"([.])", r"\\\1", rule.rule))))
            for rule in self.rules()
            if "token" in rule.arguments
        ]
        self.sets = {
            rule.endpoint: {n for n, c in rule._converters.items() if not is_open(c)}  # noqa: SLF001
            for rule in self.app.url_map.iter_rules()
        }
        self.look()

    def rules(self) -> Iterator[Rule]:
        for rule in self.app.url_map.iter_rules():
            if rule.endpoint.partition(".")[0] in self.blueprints:
                yield rule

    def wanted(self) -> set[Call]:
        """Every rule and method of these parts."""
        found = set()
        for rule in self.rules():
            names = sorted(self.sets[rule.endpoint])
            for words in product(*(values_of(rule, name, self.tables) for name in names)):
                what = self.name(rule.endpoint, dict(zip(names, words, strict=True)))
                found |= {(what, method) for method in {"GET", "POST"} & (rule.methods or set())}
        return found

    def name(self, endpoint: str, values: dict[str, Any]) -> str:
        """A rule, and which of its words: each step of a referral is a thing of its own, not each figure or each year."""
        words = [str(values[one]) for one in sorted(self.sets.get(endpoint, ())) if one in values]
        return " ".join([endpoint, *words])

    def missing(self) -> set[Call]:
        """Where nobody has come to yet, or nobody got through."""
        return self.wanted() - self.reached.keys()

    def pageless(self) -> set[str]:
        """Forms that stand on the pages of other rules."""
        rules = list(self.rules())
        return {r.endpoint for r in rules} - {r.endpoint for r in rules if "GET" in (r.methods or ())}

    def look(self) -> None:
        """What stands in the tables now."""
        for name, table in Base.metadata.tables.items():
            if name not in LOG:
                rows = [dict(row) for row in db.read.execute(select(table)).mappings()]
                self.tables[name] = {row.get("id") or UUID(int=n + 1): row for n, row in enumerate(rows)}
        db.end()

    def rule_of(self, address: str, method: str) -> tuple[str, dict[str, Any]] | None:
        try:
            endpoint, values = self.adapter.match(urlsplit(address).path, method=method)
        except HTTPException:
            return None
        return endpoint, dict(values)

    def is_here(self, address: str, method: str) -> bool:
        found = self.rule_of(address, method)
        return found is not None and found[0].partition(".")[0] in self.blueprints

    def kind(self, address: str, method: str = "GET") -> str:
        """Pages that are one page asked about different records."""
        path, _, query = address.partition("?")
        names = sorted({part.partition("=")[0] for part in query.split("&") if part})
        found = self.rule_of(address, method)
        return f"{method} {self.name(*found) if found else path} {names}"

    def note(self, address: str, method: str, said: str, *, is_done: bool) -> None:
        """What was asked and answered; of what nobody reached, a test that fails tells all answers."""
        found = self.rule_of(address, method)
        if found is None:
            return
        call = (self.name(*found), method)
        self.answers.setdefault(call, Counter())[said] += 1
        if is_done:
            self.reached[call] += 1

    def learn(self, text: str) -> None:
        """Addresses with a secret in them, as the pages show them once."""
        for _rule, pattern in self.secret:
            self.learned.update(pattern.findall(text))

    def some(self, rule: Rule, most: int, asked: Collection[str] = ()) -> Iterator[str]:
        """Addresses of this rule: of some rows, newest and others, each under its own parent.

        With the words of `asked` where a word is to be chosen, if any of these is of this rule.
        """
        names = sorted(rule.arguments, key=rule.rule.index)
        ids = [n for n in names if isinstance(rule._converters[n], UUIDConverter)]  # noqa: SLF001
        table = self.tables[table_of(ids[-1], self.tables)] if ids else {}
        chosen = self.random.sample(list(table), min(most, len(table))) if ids else [None] * most
        for key in chosen:
            values: dict[str, Any] = {}
            if key is not None:
                values = {ids[-1]: key} | {one: self.parent(one, table[key]) for one in ids[:-1]}
            for name in set(names) - set(ids):
                given = values_of(rule, name, self.tables)
                given = [one for one in given if self.name(rule.endpoint, {name: one}) in asked] or given
                if not given:
                    return
                values[name] = self.random.choice(given)
            yield self.adapter.build(rule.endpoint, values)

    def parent(self, argument: str, row: Any) -> UUID:
        """The record that this row belongs to; any other where it belongs to none."""
        table = self.tables[table_of(argument, self.tables)]
        found = row.get(argument) or next((value for value in row.values() if is_in(value, table)), None)
        return found if isinstance(found, UUID) else self.random.choice([*table, UUID(int=1)])

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Server errors become pages, as in an office, and are remembered."""

        def caught(_app: Flask, exception: BaseException, **_more: Any) -> None:
            lines = traceback.format_exception(exception)
            self.faults.append("".join(lines[-4:]))

        former = self.app.config.get("PROPAGATE_EXCEPTIONS")
        self.app.config["PROPAGATE_EXCEPTIONS"] = False
        got_request_exception.connect(caught, self.app)
        try:
            yield
        finally:
            got_request_exception.disconnect(caught, self.app)
            self.app.config["PROPAGATE_EXCEPTIONS"] = former


def is_open(converter: BaseConverter) -> bool:
    """Whether there is no end of what may stand there: ids, numbers, words."""
    return isinstance(converter, UUIDConverter | UnicodeConverter | PathConverter | NumberConverter)


def is_in(value: Any, table: dict[UUID, Any]) -> bool:
    return isinstance(value, UUID) and value in table


class Visitor:
    """One reader with a browser."""

    def __init__(self, town: Town, reader: Reader) -> None:
        self.town, self.reader = town, reader
        self.random = town.random
        self.hands = Hands(town.random, self.knows)
        self.hands.password = reader.password
        self.thinks_of: Any = None
        self.opened: Counter[str] = Counter()
        self.done: set[str] = set()
        self.sheets: dict[Any, list[str]] = {}  # forms by kind, with some pages that each stands on
        self.come_in()
        self.come_in()  # on another machine: the first session is there to be ended

    def come_in(self) -> None:
        client = self.town.app.test_client()
        assert isinstance(client, Browser)
        self.client = client
        if self.reader.email is None:
            return
        # An administrator may have made a link meanwhile, by which a new password was chosen.
        for password in (self.hands.password, NEW_PASSWORD):
            data = {"email": self.reader.email, "password": password}
            answer = self.client.post("/sign-in", data=data)
            if answer.status_code == TOO_MANY:
                self.town.wait()
                answer = self.client.post("/sign-in", data=data)
            if answer.status_code in {302, 303}:
                self.hands.password = password
                return

    def knows(self, name: str, names: frozenset[str]) -> str | None:
        """What somebody knows by heart: whom to look for, by name and birth date or by number, all of one person."""
        if self.reader.email is None and "email" in names:
            passwords = self.random.choice((PASSWORD, NEW_PASSWORD))
            return {"email": self.random.choice(self.town.known), "password": passwords}.get(name)
        one = self.thinks_of
        if one is None:
            return None
        if "by" in names:  # whoever is looked for in an emergency is named in full
            full = {"name": one["family"] + one["given"], "birth": one["birth"], "number": one["number"]}
            return str((full | {"agency": one["home_agency_id"]}).get(name) or "") or None
        return str(one["family"]) if name == "q" else None

    # Reading.

    def walk(self) -> None:
        """Everything that the pages lead to, some of each kind, and some rows of each table by their addresses."""
        most, waiting = self.town.most_of_a_kind * self.town.further, ["/"]
        for rule in self.town.rules():
            if "GET" in (rule.methods or ()):
                waiting += [self.town.adapter.build(rule.endpoint)] if not rule.arguments else []
        while waiting:
            waiting += self.open(waiting.pop(0), most)
        for rule in self.town.rules():
            if rule.arguments and "GET" in (rule.methods or ()):
                waiting += self.town.some(rule, most)
        waiting += sorted(self.town.learned)
        while waiting:
            waiting += self.open(waiting.pop(0), most)

    def open(self, address: str, most: int) -> list[str]:
        """The links of the page at this address, unless enough of its kind were opened."""
        kind = self.town.kind(address)
        if address in self.done or self.opened[kind] >= most or address.startswith("/static"):
            return []
        self.done.add(address)
        answer = self.client.get(address)
        is_done = answer.status_code < 400 and not self.is_sent_away(answer)
        self.town.note(address, "GET", str(answer.status_code), is_done=is_done)
        self.opened[kind] += is_done
        return self.read(answer, address) if is_done else []

    def is_sent_away(self, answer: Any) -> bool:
        """Asked to sign in first: whoever signs out is led there too, but not back."""
        place = "/sign-in" if answer.request.method == "GET" and self.reader.email else "/sign-in?next"
        return place in answer.headers.get("Location", "")

    def read(self, answer: Any, address: str) -> list[str]:
        """What a page leads to in these parts; its forms are kept for later."""
        if answer.status_code in {301, 302, 303, 307, 308}:
            return [urlsplit(answer.headers["Location"])._replace(scheme="", netloc="").geturl()]
        if answer.mimetype != "text/html":
            return []
        text = answer.get_data(as_text=True)
        self.town.learn(text)
        page = Desk(text, address)
        for sheet in sheets_of(page):
            if sheet.form.method == "post" and self.town.is_here(sheet.form.action, "POST"):
                pages = self.sheets.setdefault(self.key(sheet), [])
                if address not in pages and len(pages) < PAGES:
                    pages.append(address)
        leads = [*page.links, *page.questions()]
        return [one for one in leads if self.town.is_here(one, "GET")]

    def key(self, sheet: Sheet) -> Any:
        """What kind of form it is."""
        found = self.town.rule_of(sheet.form.action, "POST")
        assert found
        return found[0], self.town.name(*found), sheet.names

    # Writing.

    def seek(self, missing: set[Call]) -> None:
        """Look further for what nobody has reached yet: at more rows, and for the forms of these alone."""
        wanted = {what.partition(" ")[0] for what, _method in missing}
        self.opened.clear()
        for rule in self.town.rules():
            if not rule.arguments or "GET" not in (rule.methods or ()):
                continue
            # A form without a page of its own stands on the page of its record.
            if rule.endpoint in wanted or (rule.endpoint.endswith(SHOWS) and wanted & self.town.pageless()):
                for address in self.town.some(rule, FAR, {what for what, _method in missing}):
                    self.open(address, FAR)
        # What stands on no page of its own may stand on the answer to another such form.
        wanted |= self.town.pageless() if wanted & self.town.pageless() else set()
        names = {what for what, _method in missing} | self.town.pageless()
        self.sheets = {k: pages for k, pages in self.sheets.items() if k[0] in wanted and k[1] in names}
        self.town.sent.clear()
        self.work()

    def work(self) -> None:
        """Send every form that was found, in any order; what ends something comes last."""
        keys = sorted(self.sheets, key=str)
        self.random.shuffle(keys)
        keys.sort(key=lambda key: bool(LEAVES.search(" ".join(map(str, key)))))
        for key in keys:
            # With several buttons, or several answers, it is several forms.
            for _time in range(self.town.further * self.town.most_sent):
                mine = (key, self.reader.role)
                if self.town.sent[mine] >= self.town.further * self.town.most_sent or not self.send(key):
                    break
                self.town.sent[mine] += 1

    def send(self, key: Any) -> bool:
        """Fill the form in as it stands on its page now, until it is taken."""
        pages = self.random.sample(self.sheets[key], len(self.sheets[key]))
        for nth in range(TRIES * self.town.further):
            address = pages[nth % len(pages)]
            answer = self.client.get(address)
            if self.is_sent_away(answer):
                self.come_in()
                answer = self.client.get(address)
            if answer.status_code != 200 or answer.mimetype != "text/html":
                continue
            same = self.same_on(answer.get_data(as_text=True), address, key)
            if same and self.submit(self.random.choice(same), key):
                return True
        return False

    def same_on(self, text: str, address: str, key: Any) -> list[Sheet]:
        return [one for one in sheets_of(Desk(text, address)) if self.is_same(one, key)]

    def is_same(self, sheet: Sheet, key: Any) -> bool:
        is_post = sheet.form.method == "post" and self.town.is_here(sheet.form.action, "POST")
        return is_post and self.key(sheet) == key

    def submit(self, sheet: Sheet, key: Any) -> bool:
        """Send it, mend what was wrong, and confirm what it asks to be confirmed."""
        is_mended = False
        people = [one for one in self.town.tables["person"].values() if one["family"] and one["birth"]]
        self.thinks_of = self.random.choice(people) if people else None
        for _step in range(MENDS):
            action, data = sheet.form.action, self.hands.fill(sheet, is_mended=is_mended)
            answer = self.client.post(action, data=urlencode(data, doseq=True), content_type=URL_ENCODED)
            if answer.status_code == TOO_MANY:
                self.town.wait()
            text = answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""
            is_done = answer.status_code < 400 and not is_refused(text) and not self.is_sent_away(answer)
            self.town.note(action, "POST", f"{answer.status_code} {refusal(text)}", is_done=is_done)
            if is_done:
                self.remember(action, data)
                self.read_on(answer, action)
                if answer.status_code >= 300 or not text:
                    return True
                following = self.confirming(text, action)
                if not following:
                    self.go_on(text, action)
                    return True
                sheet, is_mended = following[-1], False
                continue
            same = self.same_on(text, action, key) if is_refused(text) else []
            if not same or not same[-1].desk.wrong:
                return False
            sheet, is_mended = same[-1], True
        return False

    def go_on(self, text: str, action: str) -> None:
        """Forms that stand on an answer alone, on no page that could be opened again."""
        for sheet in sheets_of(Desk(text, action)):
            if sheet.form.method != "post" or not self.town.is_here(sheet.form.action, "POST"):
                continue
            key = self.key(sheet)
            if not self.town.sent[key, self.reader.role] and urlsplit(sheet.form.action).path != action:
                self.town.sent[key, self.reader.role] += 1
                self.submit(sheet, key)

    def confirming(self, text: str, action: str) -> list[Sheet]:
        """Forms of the answer that go on with the same thing."""
        path = urlsplit(action).path
        every = sheets_of(Desk(text, action))
        return [s for s in every if s.form.method == "post" and urlsplit(s.form.action).path == path]

    def read_on(self, answer: Any, action: str) -> None:
        """Go where the portal leads after a form, as a browser does."""
        known = set(self.town.learned)
        leads = self.read(answer, action)[:FAR]
        if answer.status_code >= 300 and leads:
            followed = self.client.get(leads[0])
            self.town.note(leads[0], "GET", str(followed.status_code), is_done=followed.status_code < 300)
            leads = self.read(followed, leads[0]) if followed.status_code < 300 else []
        for address in [*leads, *sorted(self.town.learned - known)]:
            self.open(address, self.town.most_of_a_kind + 2)

    def remember(self, action: str, data: dict[str, list[str]]) -> None:
        if action.endswith("/account/password") and (new := data.get("new")):
            self.hands.password = new[0]
