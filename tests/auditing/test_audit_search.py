"""The auditor's search: every filter, pages that keep it, numbers that never stand in an address, and its plan."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import insert, select, text, update

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry, AuditHead
from portal.audit.services import entry_values
from portal.auditing import entries
from portal.auditing import queries as auditing_queries
from portal.auditing.queries import MAY_BE_REFUSED, NOWHERE, AuditFilter, Outcome
from portal.core.db import Base, db
from portal.core.policy import Role
from portal.disclosures.models import Basis
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member, make_person, make_referral, step
from tests.words import words_of

pytestmark = pytest.mark.either_database

Visit = Callable[..., Browser]
Clock = Callable[..., None]
PORTAL = Path(__file__).resolve().parents[2] / "portal"


@pytest.fixture
def sender(app: Flask, at: Clock) -> Member:
    at("2026-04-06T10:00")
    return make_member(make_agency(name="自立相談支援機関", short_name="自立"), name="相談 一郎")


@pytest.fixture
def recipient(sender: Member) -> Member:
    return make_member(make_agency(name="就労準備支援事業", short_name="就労"), name="就労 次郎")


@pytest.fixture
def auditor(sender: Member) -> Member:
    return make_member(role=Role.AUDITOR, name="監査 四郎")


def events(page: Any) -> list[str]:
    found = re.findall(r'data-label="できごと">\s*<div>\s*([^<\n]+)', page.text)
    return [one.strip() for one in found]


def seqs(page: Any) -> list[int]:
    return [int(found) for found in re.findall(r'data-label="番号">(\d+)<', page.text)]


def search(visitor: Browser, **asked: Any) -> Any:
    """What the search answers, after the address it leads to."""
    answer = visitor.post("/audit/", data=asked)
    return visitor.get(answer.location) if answer.status_code == 303 else answer


def address(visitor: Browser, **asked: Any) -> str:
    return str(visitor.post("/audit/", data=asked).location)


def test_it_is_narrowed_to_one_of_the_agency_s_staff(
    browser: Visit, sender: Member, recipient: Member, auditor: Member
) -> None:
    colleague = make_member(sender.agency_id, name="同僚 三子")
    make_person(colleague)
    make_referral(sender, recipient)
    visitor = browser(auditor)
    here = search(visitor, agency=str(sender.agency_id))
    offered = here.text[here.text.index('name="staff"') : here.text.index('name="event"')]
    assert "相談 一郎" in offered, "the staff of the agency are offered"
    assert "就労 次郎" not in offered
    theirs = search(visitor, agency=str(sender.agency_id), staff=str(colleague.staff_id))
    assert events(theirs) == ["相談者を登録"]
    moved = search(visitor, agency=str(recipient.agency_id), staff=str(colleague.staff_id))
    assert not re.search(r"staff=", moved.request.url), "somebody of another agency is left out"


def test_it_is_narrowed_to_those_of_no_agency(browser: Visit, sender: Member, auditor: Member) -> None:
    visitor = browser(auditor)
    make_person(sender)
    found = events(search(visitor, agency=str(NOWHERE)))
    assert "サインイン" in found
    assert "相談者を登録" not in found


def test_it_is_narrowed_to_a_ground(
    browser: Visit, sender: Member, recipient: Member, auditor: Member
) -> None:
    make_referral(sender, recipient)
    make_referral(sender, recipient, kind="advice", basis=Basis.ANONYMOUS)
    visitor = browser(auditor)
    assert set(events(search(visitor, ground="anonymous"))) >= {"情報を提供"}
    for ground, word in (("consent", "本人の同意"), ("anonymous", "匿名（個人を特定しない）")):
        page = search(visitor, ground=ground)
        cells = re.findall(r'data-label="根拠・区分">\s*<div>\s*([^<\n]*)', page.text)
        assert {cell.strip() for cell in cells} == {word}


def test_it_is_narrowed_to_what_was_refused_or_allowed(
    browser: Visit, sender: Member, recipient: Member, auditor: Member
) -> None:
    referral = make_referral(sender, recipient)
    browser(make_member()).get(f"/referrals/{referral}")
    visitor = browser(auditor)
    assert events(search(visitor, outcome="deny")) == ["閲覧または操作を拒否"]
    allowed = search(visitor, outcome="allow", event="access:refused")
    assert "当てはまる記録はありません。" in words_of(allowed)
    assert "つなぎを送付" in events(search(visitor, outcome="allow"))


def test_a_person_s_number_finds_what_was_done_and_read_and_refused(
    browser: Visit, sender: Member, recipient: Member, auditor: Member
) -> None:
    person = make_person(sender)
    make_person(sender)
    number = number_of(person)
    browser(sender).get(f"/people/{person}")
    browser(make_member()).get(f"/people/{person}")
    visitor = browser(auditor)
    search(visitor, person_number=number)
    page = search(visitor, person_number=number)
    assert set(events(page)) >= {
        "相談者を登録",
        "相談者の情報を閲覧",
        "閲覧または操作を拒否",
        "監査記録を閲覧",
    }
    assert events(page).count("相談者を登録") == 1
    assert f'href="/audit/people/{person}"' in page.text
    nobody = search(visitor, person_number="9999")
    assert "この番号の相談者はいません。" in words_of(nobody)
    assert events(nobody) == []


def number_of(person: UUID) -> str:
    with db.transaction() as session:
        return str(session.execute(text("SELECT number FROM person")).scalars().first())


def test_no_number_stands_in_an_address(
    browser: Visit, sender: Member, recipient: Member, auditor: Member
) -> None:
    person = make_person(sender)
    visitor = browser(auditor)
    where = address(visitor, person_number=number_of(person), first="令和8年4月1日")
    assert where == f"/audit/?first=2026-04-01&person={person}"
    page = visitor.get(where)
    assert 'value="令和8年4月1日"' in page.text
    assert f'value="{number_of(person)}"' in page.text


def test_pages_keep_every_filter(browser: Visit, sender: Member, auditor: Member) -> None:
    visitor = browser(auditor)
    people = [make_person(sender) for _ in range(60)]
    where = address(
        visitor, agency=str(sender.agency_id), event="person:registered", first="2026-04-06", outcome="allow"
    )
    seen: list[int] = []
    pages = 0
    while where:
        page = visitor.get(where)
        assert set(events(page)) == {"相談者を登録"}
        assert 'value="person:registered" selected' in re.sub(
            r"selected\s+value=\"(\S+)\"", r'value="\1" selected', page.text
        )
        seen += seqs(page)
        pages += 1
        following = re.search(r'rel="next"\s+href="([^"]+)"', page.text)
        where = following[1].replace("&amp;", "&") if following else ""
    assert seen == sorted(seen, reverse=True)
    assert (len(seen), len(set(seen)), pages) == (len(people), len(people), 3)


def test_days_the_wrong_way_round_are_said(browser: Visit, auditor: Member) -> None:
    page = search(browser(auditor), first="令和8年4月7日", last="令和8年4月6日")
    assert "「いつから」より前の日付です。" in words_of(page)


def test_nothing_found_says_what_to_do(browser: Visit, auditor: Member) -> None:
    page = search(browser(auditor), event="minutes:approved")
    assert "当てはまる記録はありません。 期間を広げるか、条件を減らしてみてください。" in words_of(page)


# Words for everything that is ever recorded.


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in PORTAL.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node


def recorded() -> Iterator[tuple[Path, ast.Call]]:
    for path, call in calls():
        if isinstance(call.func, ast.Attribute | ast.Name):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
            if name in {"record", "record_reading"} and call.args and "AuditEvent" in ast.unparse(call):
                yield path, call


def texts(call: ast.Call, keyword: str) -> set[str]:
    """The literal values of a keyword, in a condition too."""
    found = [given.value for given in call.keywords if given.arg == keyword]
    while choices := [node for node in found if isinstance(node, ast.IfExp)]:
        found = [node for node in found if node not in choices]
        found += [branch for node in choices for branch in (node.body, node.orelse)]
    return {node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_kind_of_thing_has_a_word(app: Flask) -> None:
    audited = {
        mapper.class_.__tablename__
        for mapper in Base.registry.mappers
        if any(base.__name__ == "Audited" for base in mapper.class_.__mro__)
    }
    named = {
        call.args[1].elts[0].value
        for _path, call in recorded()
        if len(call.args) > 1
        and isinstance(call.args[1], ast.Tuple)
        and isinstance(call.args[1].elts[0], ast.Constant)
    }
    doors = {rule.endpoint.partition(".")[0] for rule in app.url_map.iter_rules() if rule.arguments}
    assert len(audited) > 20
    assert len(named) > 5
    assert {one for one in audited | named | doors if entries.thing(one) == one} == set()


def test_every_channel_and_ground_has_a_word() -> None:
    channels = {one for _path, call in calls() for one in texts(call, "channel")}
    grounds = {one for _path, call in recorded() for one in texts(call, "ground")}
    assert {"print", "command"} <= channels
    assert {"home", "own_work"} <= grounds
    assert {one for one in channels if entries.channel(one) == one} == set()
    assert {one for one in grounds if entries.ground(one) == one} == set()


def test_everything_that_may_be_refused_is_looked_through() -> None:
    refused = {
        found
        for _path, call in recorded()
        for given in call.keywords
        if given.arg == "allowed"
        for found in re.findall(r"AuditEvent\.(\w+)", ast.unparse(call.args[0]))
    }
    assert {"ACCESS_REFUSED", "SIGN_IN_FAILED"} <= refused
    assert refused == {event.name for event in MAY_BE_REFUSED}


def test_everything_in_the_log_of_a_busy_day_has_words(
    browser: Visit, sender: Member, recipient: Member, auditor: Member
) -> None:
    step(recipient, make_referral(sender, recipient), "accept")
    listed = auditing_queries.listing(auditor.actor, AuditFilter(), size=500)
    assert len(listed) > 15
    for entry in listed:
        assert not re.search("[a-z_]", entry.event + entry.thing + entry.ground + entry.channel + entry.role)


# How the database finds it.

SIZE = 100_000
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Log:
    """A log of 100,000 entries of four agencies (one of them small) and a thousand people over a year."""

    def __init__(self) -> None:
        self.agencies = [uuid4() for _ in range(4)]
        self.people = [uuid4() for _ in range(1000)]
        self.referrals = [uuid4() for _ in range(1000)]
        kinds = [AuditEvent.REFERRAL_READ, AuditEvent.PERSON_READ, AuditEvent.ACCESS_REFUSED]
        with db.engine.begin() as connection:
            start = connection.execute(select(AuditHead.seq)).scalar_one()
            for low in range(0, SIZE, 10_000):
                rows = [
                    entry_values(
                        start + 1 + number,
                        FIRST + timedelta(minutes=5 * number),
                        AuditEvent.ISSUE_RAISED if number == SIZE // 2 else kinds[number % 3],
                        actor=(
                            self.people[0],
                            self.agencies[0 if number % 500 == 0 else 1 + number % 3],
                            Role.STAFF,
                        ),
                        subject=("referral", self.referrals[number % 1000]),
                        person_id=self.people[number % 1000],
                        categories=(),
                        ground=None,
                        channel="portal",
                        allowed=number % 3 != 2,
                        count=None,
                        request="",
                        details={},
                        salt=b"",
                    )[0]
                    for number in range(low, low + 10_000)
                ]
                connection.execute(insert(AuditEntry.__table__), rows)
            connection.execute(update(AuditHead).values(seq=start + SIZE))
        if db.engine.dialect.name == "postgresql":
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE audit_entry"))


def plan_of(wanted: AuditFilter, before: int | None = None) -> str:
    session = db.unrestricted()
    statement = auditing_queries.chosen(session, wanted)
    if before:
        statement = statement.where(AuditEntry.seq < before)
    statement = statement.order_by(AuditEntry.seq.desc()).limit(26)
    whole = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    is_sqlite = db.engine.dialect.name == "sqlite"
    ask = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    plan = "\n".join(str(row) for row in session.connection().exec_driver_sql(f"{ask}{whole}"))
    db.end()
    return plan


def test_no_filter_reads_the_whole_log(sender: Member) -> None:
    log = Log()
    day = date(2026, 3, 1)
    asked = {
        "agency": AuditFilter(agency_id=log.agencies[0]),
        "nowhere": AuditFilter(agency_id=NOWHERE),
        "staff": AuditFilter(staff_id=uuid4()),
        "event": AuditFilter(event=AuditEvent.ISSUE_RAISED),
        "person": AuditFilter(people=(log.people[7],)),
        "object": AuditFilter(about=(log.referrals[7],)),
        "period": AuditFilter(first=day, last=day),
        "refused": AuditFilter(outcome=Outcome.DENY),
        "all of it": AuditFilter(
            agency_id=log.agencies[0], event=AuditEvent.PERSON_READ, first=day, last=day
        ),
    }
    for name, wanted in asked.items():
        for before in (None, SIZE // 2):
            plan = plan_of(wanted, before)
            assert not re.search(r"SCAN audit_entry(?! USING)|Seq Scan on audit_entry", plan), (name, plan)
            # A third of these entries are refusals: PostgreSQL finds a page of them soonest from the end.
            assert "ix_audit_entry" in plan or (name == "refused" and "pk_audit_entry" in plan), (name, plan)
