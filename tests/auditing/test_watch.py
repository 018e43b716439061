"""Unusual readings: each rule lists who stands out, leaves alone who stays just below, and names no client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency, Closure
from portal.agencies.queries import opening_days_by_agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.auditing import anomalies
from portal.auditing.anomalies import Rule
from portal.cases import services as cases
from portal.configuration.models import Setting
from portal.core import clock
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.policy import Actor, Role
from portal.disclosures import people as disclosure_people
from portal.disclosures import services as disclosures
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member, make_person, make_referral

SignIn = Callable[..., Browser]
At = Callable[..., None]
CountQueries = Callable[..., object]
NOON = "2026-05-20T12:00"  # a Wednesday


def limit(key: str, value: int) -> None:
    with db.transaction() as session:
        row = Setting(key=key, value=value)
        session.add(row)
        audit.record(AuditEvent.SETTING_CHANGED, row, actor=None, channel="command")


def listed(by: Actor, days: int = 7) -> set[tuple[UUID, Rule]]:
    db.end()
    return {(hit.staff_id, hit.rule) for hit in anomalies.look(by, days).hits}


def read(who: Member, *people: UUID) -> None:
    for person_id in people:
        disclosures.show(who.actor, person_id)
        db.end()


@pytest.fixture
def auditor(app: Flask, at: At) -> Actor:
    at(NOON)
    return make_member(role=Role.AUDITOR).actor


def test_more_people_than_the_setting_beyond_their_own_work(auditor: Actor, at: At) -> None:
    limit("watch.people_per_day", 3)
    home = make_agency()
    registrar, reader = make_member(home), make_member(home)
    people = [make_person(registrar, family=f"見本{n}") for n in range(5)]
    read(registrar, *people)
    read(reader, *people[:3], *people[:3])
    assert listed(auditor) == set()
    # Their own work counts for nothing: a case, a referral they wrote, a person they registered.
    cases.open_case(registrar.actor, people[3], worker_id=reader.staff_id)
    make_referral(reader, make_member(), person_id=people[4])
    read(reader, people[3], people[4], make_person(reader, family="見本9"))
    assert listed(auditor) == set()
    at("2026-05-21T09:00")
    read(reader, *people)
    assert listed(auditor) == set()
    read(reader, make_person(registrar, family="見本"))
    assert listed(auditor) == {(reader.staff_id, Rule.BEYOND)}
    [hit] = anomalies.look(auditor, 7).hits
    assert (hit.count, hit.days) == (4, {clock.today()})


@pytest.mark.parametrize(
    ("moment", "is_night"),
    [
        ("2026-05-20T21:59:59", False),
        ("2026-05-20T22:00:00", True),
        ("2026-05-21T05:59:59", True),
        ("2026-05-21T06:00:00", False),
    ],
)
def test_at_night_in_japan(auditor: Actor, at: At, moment: str, is_night: bool) -> None:
    reader = make_member()
    person = make_person(reader, family="見本")
    at(moment)
    read(reader, person)
    assert ((reader.staff_id, Rule.NIGHT) in listed(auditor)) is is_night


def test_the_night_is_a_setting(auditor: Actor, at: At) -> None:
    limit("watch.night_from", 20)
    reader = make_member()
    person = make_person(reader, family="見本")
    at("2026-05-20T20:00")
    read(reader, person)
    assert listed(auditor) == {(reader.staff_id, Rule.NIGHT)}


def test_on_a_day_on_which_the_agency_is_closed(auditor: Actor, at: At) -> None:
    closed, open_agency = make_agency(weekly_closed="56"), make_agency()
    with db.transaction() as session:
        row = Closure(agency_id=closed.id, starts_on=clock.today(), ends_on=clock.today(), reason="見本")
        session.add(row)
        audit.record(AuditEvent.AGENCY_UPDATED, row, actor=None, channel="command")
    readers = [make_member(closed), make_member(open_agency)]
    people = [make_person(reader, family="見本") for reader in readers]
    at("2026-05-22T12:00")
    for reader, person in zip(readers, people, strict=True):
        read(reader, person)
    assert listed(auditor) == set()
    at("2026-05-23T12:00")  # Saturday
    for reader, person in zip(readers, people, strict=True):
        read(reader, person)
    assert listed(auditor) == {(readers[0].staff_id, Rule.CLOSED)}
    [hit] = anomalies.look(auditor, 7).hits
    assert hit.days == {clock.today()}
    # A closure that is over counts as well.
    at("2026-05-20T13:00")
    read(readers[0], people[0])
    at("2026-05-23T13:00")
    [hit] = anomalies.look(auditor, 7).hits
    assert len(hit.days) == 2


@pytest.mark.parametrize(
    ("name", "family", "is_listed"),
    [
        ("高橋 花子", "髙橋", True),
        ("斎藤　一郎", "齋藤", True),
        ("森 次郎", "森田", False),
        ("森田 次郎", "森", False),
        ("高橋花子", "高橋", False),  # nobody can tell where the family name ends
        ("50%_ 三郎", "50X", False),
    ],
)
def test_people_of_the_same_family_name(auditor: Actor, name: str, family: str, is_listed: bool) -> None:
    home = make_agency()
    registrar, reader = make_member(home), make_member(home, name=name)
    person = make_person(registrar, family=family)
    read(registrar, person)
    assert listed(auditor) == set()
    read(reader, person)
    assert listed(auditor) == ({(reader.staff_id, Rule.FAMILY)} if is_listed else set())


def test_refused_again_and_again(auditor: Actor, browser: SignIn) -> None:
    limit("watch.refused_per_day", 2)
    reader, other = make_member(), make_member()
    people = [make_person(other, family="見本") for _n in range(3)]
    client = browser(reader)
    for person in people[:2]:
        assert client.get(f"/people/{person}").status_code == 404
    assert listed(auditor) == set()
    client.get(f"/people/{people[2]}")
    assert listed(auditor) == {(reader.staff_id, Rule.REFUSED)}


def test_the_period_ends_with_its_first_day(auditor: Actor, at: At) -> None:
    reader = make_member()
    person = make_person(reader, family="見本")
    at("2026-05-20T23:00")
    read(reader, person)
    at("2026-05-26T12:00")
    assert listed(auditor) == {(reader.staff_id, Rule.NIGHT)}
    at("2026-05-27T12:00")
    assert listed(auditor) == set()
    assert listed(auditor, days=30) == {(reader.staff_id, Rule.NIGHT)}


def night_owls(at: At) -> tuple[Member, Member, UUID, UUID]:
    mine, other = make_member(name="夜間 一郎"), make_member(name="夜間 二郎")
    people = make_person(mine, family="灯火", given="夜子"), make_person(other, family="月夜", given="見子")
    at("2026-05-20T23:30")
    read(mine, people[0])
    read(other, people[1])
    at("2026-05-21T10:00")
    return mine, other, *people


def test_an_administrator_sees_their_own_staff_and_nobody_a_client(
    auditor: Actor, at: At, browser: SignIn
) -> None:
    mine, other, person, foreign = night_owls(at)
    numbers = {
        one: disclosures.show(who.actor, one).number for who, one in ((mine, person), (other, foreign))
    }
    admin = make_member(mine.agency_id, role=Role.AGENCY_ADMIN)
    helper = make_member(mine.agency_id, administers=True)
    for who in (admin, helper):
        client = browser(who)
        page = client.get("/audit/watch/").get_data(as_text=True)
        assert "夜間 一郎" in page
        assert "夜間 二郎" not in page
        assert "22時から翌6時まで" in page
        behind = f"/audit/watch/{mine.staff_id}?agency={mine.agency_id}&rule=night"
        text = client.get(behind).get_data(as_text=True)
        assert numbers[person] in text
        assert "夜子" not in page + text
        assert client.get(behind.replace(str(mine.staff_id), str(other.staff_id))).status_code == 404
        foreign_page = f"/audit/watch/{other.staff_id}?agency={other.agency_id}&rule=night"
        assert client.get(foreign_page).status_code == 404
    member = db.read.get(Membership, auditor.membership_id)
    assert member is not None
    page = browser(email_of(auditor)).get("/audit/watch/").get_data(as_text=True)
    assert "夜間 一郎" in page
    assert "夜間 二郎" in page
    assert "灯火" not in page
    for who in (make_member(mine.agency_id), make_member(role=Role.SYSTEM_ADMIN)):
        assert browser(who).get("/audit/watch/").status_code == 403
        with pytest.raises(NotAllowed):
            anomalies.look(who.actor, 7)


def email_of(actor: Actor) -> str:
    return db.read.scalars(select(Staff.email).where(Staff.id == actor.staff_id)).one()


def test_a_client_of_another_agency_has_no_number_for_the_administrator(
    auditor: Actor, at: At, browser: SignIn
) -> None:
    home, told = make_member(), make_member()
    person = make_person(home, family="見本")
    make_referral(home, told, person_id=person)
    at("2026-05-20T23:30")
    read(told, person)
    number = disclosures.show(home.actor, person).number
    client = browser(make_member(told.agency_id, role=Role.AGENCY_ADMIN))
    page = client.get(f"/audit/watch/{told.staff_id}?agency={told.agency_id}&rule=night")
    assert number not in page.get_data(as_text=True)
    assert "ほかの機関の相談者" in page.get_data(as_text=True)
    page = browser(email_of(auditor)).get(f"/audit/watch/{told.staff_id}?agency={told.agency_id}&rule=night")
    assert number in page.get_data(as_text=True)


def test_looking_is_itself_in_the_log(auditor: Actor) -> None:
    anomalies.look(auditor, 7)
    [entry] = db.read.scalars(select(AuditEntry).where(AuditEntry.event == AuditEvent.WATCH_READ.value))
    assert entry.staff_id == auditor.staff_id


def test_as_many_statements_for_many_as_for_one_and_by_index(
    auditor: Actor, at: At, count_queries: CountQueries
) -> None:
    night_owls(at)
    db.end()
    with count_queries() as one:  # type: ignore[attr-defined]
        anomalies.gather(db.unrestricted(), auditor, anomalies.period_of(7))
    for _time in range(3):
        night_owls(at)
    db.end()
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, given: object, *_rest: object) -> None:
        asked.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    with count_queries() as many:  # type: ignore[attr-defined]
        found = anomalies.gather(db.unrestricted(), auditor, anomalies.period_of(7))
    event.remove(Engine, "before_cursor_execute", note)
    assert len(found.hits) == 8
    assert len(many) == len(one) <= 10
    if db.engine.dialect.name != "sqlite":
        return
    for statement, given in asked:
        if "audit_entry" not in statement:
            continue
        plan = db.unrestricted().connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        steps = " ".join(row[3] for row in plan)
        assert "SEARCH audit_entry USING INDEX" in steps, steps


@pytest.mark.scenario("scenarios/ashiya.yaml")
def test_an_ordinary_day_of_the_demo_lists_nobody(app: Flask, at: At, browser: SignIn) -> None:
    """All members of the demo open their pages on a day on which all are open, a week after its events."""
    agencies = db.read.scalars(select(Agency)).all()
    calendars = opening_days_by_agency(db.read(), agencies).values()
    coming = (clock.today() + timedelta(days=n) for n in range(8, 60))
    day = next(day for day in coming if all(calendar.is_open(day) for calendar in calendars))
    at(f"{day}T10:00")
    auditor = make_member(role=Role.AUDITOR).actor
    rows = db.read.execute(
        select(Staff.id, Staff.name, Membership.id, Membership.role, Membership.agency_id)
        .join(Membership, Membership.staff_id == Staff.id)
        .where(Membership.role.in_([Role.STAFF, Role.COORDINATOR]), Membership.ended_at.is_(None))
    ).all()
    looked = 0
    for staff_id, name, membership_id, role, agency_id in rows:
        who = Actor(staff_id, membership_id, name, role, agency_id, "")
        for row in disclosure_people.page(db.read(), who, clock.now(), size=10):
            disclosures.show(who, row.id)
            looked += 1
        db.end()
    assert looked > 10
    found = anomalies.look(auditor, 7).hits
    assert [(hit.staff_name, hit.rule) for hit in found] == []
