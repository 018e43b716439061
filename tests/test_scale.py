"""The seeded world: as large as wanted, and made of rows such as the services write."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import exists, func, inspect, select

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.agencies.models import Counter as Numbers
from portal.agencies.services import MARKS
from portal.audit.models import AuditDetail, Audited, AuditEntry, AuditHead
from portal.audit.vault import open_details
from portal.cases.models import Case
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient, Withdrawal
from portal.core import clock
from portal.core.db import Base, db
from portal.core.policy import Actor, Role
from portal.disclosures.models import Disclosure, DisclosureCategory
from portal.disclosures.queries import lives_for
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals import queries
from portal.referrals.models import Referral, ReferralCategory, ReferralEvent, TimelineEvent
from portal.referrals.states import FLOW, OPEN, ReferralAction, ReferralKind, ReferralStatus
from portal.wall import predicates
from tests import factories
from tests.browsers import Browser
from tests.conftest import scenario
from tests.databases import Databases, flask
from tests.factories import Member

pytestmark = pytest.mark.either_database

DEMO = str(Path(__file__).resolve().parent.parent / "scenarios" / "ashiya.yaml")
SIZE = 600
ACTIONS = {action.value for action in ReferralAction}
# What a busy world has no use for, or what only a page writes.
NOT_SEEDED = {"sign_in_session", "sign_in_attempt", "invitation", "known_device", "setting"} | {
    *(
        "exclusion",
        "emergency_access",
        "emergency_notice",
        "name_opening",
        "erasure",
        "absence",
        "referral_reading",
    ),
    *("audit_sample", "audit_sample_item", "audit_finding"),
    *("evaluation_area", "evaluation_text", "evaluation_closing", "evaluation_addendum"),
    *("partner", "agreement"),
}
# Nor do its agencies meet: whoever measures meetings convenes them.
UNMET = {
    *("meeting_series", "meeting_series_member", "meeting_series_regular"),
    *("meeting", "meeting_member", "attendance", "calendar_link"),
    *(
        "agenda_item",
        "agenda_item_category",
        "agenda_item_reason",
        "minutes_revision",
        "meeting_outcome",
        "addendum",
        "local_issue",
    ),
}

printed: dict[Databases, str] = {}


@pytest.fixture
def seeded(app: Flask, database: Databases) -> Iterator[list[str]]:
    """A seeded database, filled once for all tests; what the command printed, line by line."""

    def fill(url: str) -> None:
        printed[database] = flask(url, "seed", "scale", "--referrals", str(SIZE), "--agencies", "30")

    url = database.fresh("scale", fill)
    db.bind(url)
    app.config["DATABASE_URL"] = url
    yield printed[database].splitlines()
    db.dispose()
    database.drop(url)


def member_of(email: str) -> Member:
    staff, membership, agency = db.read.execute(
        select(Staff, Membership, Agency)
        .join(Membership, Membership.staff_id == Staff.id)
        .join(Agency, Agency.id == Membership.agency_id)
        .where(Staff.email == email)
    ).one()
    actor = Actor(staff.id, membership.id, staff.name, membership.role, agency.id, agency.name)
    return Member(actor, email)


def values_by(*columns: Any) -> dict[Any, list[Any]]:
    """The second of two columns, by the first."""
    found = defaultdict(list)
    for key, value in db.read.execute(select(*columns)):
        found[key].append(value)
    return found


@pytest.mark.one_database
def test_it_prints_a_sign_in_and_a_referral_whose_pages_answer(
    seeded: list[str], browser: Callable[..., Browser]
) -> None:
    sign_in, busy = seeded
    email, password, role, _agency = sign_in.split("\t")
    assert role == Role.STAFF
    client = browser(email, password)
    for path in ("/", "/referrals/", "/people/", f"/referrals/{busy.split(chr(9))[1]}"):
        assert client.get(path).status_code == 200, path


def test_there_are_as_many_referrals_as_were_asked_for_in_every_state(seeded: list[str]) -> None:
    rows = db.read.execute(select(Referral.status, Referral.kind)).all()
    assert len(rows) == SIZE
    assert {row.status for row in rows} == set(ReferralStatus)
    assert {row.kind for row in rows} == set(ReferralKind)


def test_the_first_two_agencies_share_the_same_work_whatever_the_size(seeded: list[str]) -> None:
    first, second = (member_of(f"a{n}-1@example.jp").agency_id for n in (1, 2))
    pairs = Counter(
        (row.from_agency_id, row.to_agency_id)
        for row in db.read.execute(select(Referral.from_agency_id, Referral.to_agency_id))
        if {row.from_agency_id, row.to_agency_id} & {first, second}
    )
    assert pairs == {(first, second): SIZE // 5, (second, first): SIZE // 5}


def test_the_busy_referral_is_open_alive_and_has_twenty_events(seeded: list[str]) -> None:
    busy = next(line.split("\t")[1] for line in seeded if line.startswith("busy_referral"))
    now = clock.now()
    many = select(ReferralEvent.referral_id).group_by(ReferralEvent.referral_id).having(func.count() == 20)
    found = db.read.execute(
        select(
            Referral.id, Referral.status, lives_for(Referral.id, Referral.to_agency_id, now).label("lives")
        ).where(Referral.id.in_(many))
    ).all()
    assert len(found) >= 40
    assert busy in {str(row.id) for row in found}
    assert all(row.status in OPEN and row.lives for row in found)


def test_each_timeline_is_a_walk_through_the_flow(seeded: list[str]) -> None:
    referrals = {row.id: row for row in db.read.scalars(select(Referral))}
    lines = defaultdict(list)
    for line in db.read.scalars(select(ReferralEvent).order_by(ReferralEvent.id)):
        lines[line.referral_id].append(line)
    for key, referral in referrals.items():
        mine = lines[key]
        assert mine[0].what is TimelineEvent.DRAFTED
        assert all(a.created_at <= b.created_at for a, b in pairwise(mine)), "ids do not follow the time"
        assert mine[-1].created_at <= clock.now()
        status, version = ReferralStatus.DRAFT, 1
        for line in mine:
            version += line.what.value in ACTIONS or line.what is TimelineEvent.ASSIGNED
            if line.what.value in ACTIONS:
                status = FLOW.check(ReferralAction(line.what.value), status).target
        assert (referral.status, referral.version) == (status, version)


def test_steps_that_need_a_basis_were_taken_on_a_live_one(seeded: list[str]) -> None:
    needing = [action.value for action, step in FLOW.steps.items() if step.needs_basis]
    told = defaultdict(list)
    for line in db.read.scalars(select(Disclosure)):
        told[line.source_id].append(line)
    steps = db.read.execute(
        select(ReferralEvent.referral_id, ReferralEvent.created_at, ReferralEvent.what).where(
            ReferralEvent.what.in_([TimelineEvent(value) for value in (*needing, "message")])
        )
    ).all()
    assert len(steps) > SIZE
    for step in steps:
        assert any(
            line.starts_at <= step.created_at
            and (line.ends_at is None or step.created_at < line.ends_at)
            and (line.ended_at is None or step.created_at <= line.ended_at)
            for line in told[step.referral_id]
        ), step


def test_what_was_told_is_what_was_agreed(seeded: list[str]) -> None:
    referral_categories = values_by(ReferralCategory.referral_id, ReferralCategory.category)
    line_categories = values_by(DisclosureCategory.disclosure_id, DisclosureCategory.category)
    consented = values_by(ConsentCategory.consent_id, ConsentCategory.category)
    recipients = values_by(ConsentRecipient.consent_id, ConsentRecipient.agency_id)
    consents = {consent.id: consent for consent in db.read.scalars(select(Consent))}
    lines = defaultdict(list)
    for line in db.read.scalars(select(Disclosure)):
        lines[line.source_id].append(line)
    for referral in db.read.scalars(select(Referral).where(Referral.sent_at.is_not(None))):
        assert lines[referral.id], "sent, and nothing was told"
        for line in lines[referral.id]:
            assert (line.person_id, line.from_agency_id, line.to_agency_id, line.basis) == (
                referral.person_id,
                referral.from_agency_id,
                referral.to_agency_id,
                referral.basis,
            )
            assert set(line_categories[line.id]) == set(referral_categories[referral.id])
            if line.consent_id:
                consent = consents[line.consent_id]
                assert set(line_categories[line.id]) <= set(consented[consent.id])
                assert line.to_agency_id in recipients[consent.id]
                assert consent.valid_from <= clock.japan_date(line.starts_at) <= consent.valid_until
                assert line.ends_at == clock.end_of_day(consent.valid_until)


def test_withdrawals_and_renewals_come_after_what_they_end(seeded: list[str]) -> None:
    consents = {consent.id: consent for consent in db.read.scalars(select(Consent))}
    withdrawals = db.read.scalars(select(Withdrawal)).all()
    assert withdrawals
    for row in withdrawals:
        assert consents[row.consent_id].created_at < row.withdrawn_at <= clock.now()
    renewals = [consent for consent in consents.values() if consent.replaces_id]
    assert renewals
    for consent in renewals:
        assert consents[consent.replaces_id].valid_until >= consent.valid_from


@pytest.mark.parametrize(
    ("series", "agency_id", "number"),
    [
        ("person", Person.home_agency_id, Person.number),
        ("case", Case.agency_id, Case.number),
        ("referral", Referral.from_agency_id, Referral.number),
    ],
    ids=["person", "case", "referral"],
)
def test_numbers_are_unique_and_the_counters_know_the_last(
    seeded: list[str], series: str, agency_id: Any, number: Any
) -> None:
    counters = db.read.scalars(select(Numbers).where(Numbers.series == series)).all()
    last = {(row.agency_id, clock.fiscal_prefix(row.fiscal_year)): row.last for row in counters}
    given = db.read.execute(select(agency_id, number).where(number != "")).all()
    assert len(set(given)) == len(given)
    for agency, word in given:
        prefix, _short, serial = word.split("-")
        assert int(serial.removeprefix(MARKS[series])) <= last[agency, prefix]
    moved = db.read.scalar(
        select(func.count()).select_from(AuditEntry).where(AuditEntry.event == "person:moved")
    )
    assert sum(last.values()) == len(given) + (moved if series == "person" else 0)


def opened(kept: AuditDetail) -> tuple[bytes, bytes]:
    """The salt and the details of an entry."""
    return open_details(db.read(), kept.seq, kept.key_id, kept.salt, kept.details)


@pytest.mark.one_database
def test_the_log_is_dense_in_order_and_keeps_its_commitments(seeded: list[str]) -> None:
    entries = db.read.scalars(select(AuditEntry).order_by(AuditEntry.seq)).all()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert db.read.scalars(select(AuditHead.seq)).one() == len(entries)
    assert all(first.at <= second.at for first, second in pairwise(entries))
    assert entries[-1].at <= clock.now()
    details = {row.seq: row for row in db.read.scalars(select(AuditDetail))}
    for entry in entries:
        body = json.loads(entry.body)
        repeated = [body["staff"], body["agency"], body["object"][1], body["subject"]]
        assert repeated == [
            key and str(key) for key in (entry.staff_id, entry.agency_id, entry.object_id, entry.person_id)
        ]
        kept = details.get(entry.seq)
        commitment = hashlib.sha256(b"".join(opened(kept))).hexdigest() if kept else None
        assert body["commitment"] == commitment


def test_every_audited_row_has_its_entry(seeded: list[str]) -> None:
    for mapper in Base.registry.mappers:
        model = mapper.class_
        if issubclass(model, Audited):
            unexplained = select(func.count()).where(~exists().where(AuditEntry.object_id == model.id))
            assert db.read.scalar(unexplained.select_from(model)) == 0, model


def shapes() -> tuple[set[str], dict[tuple[str, str], set[frozenset[str]]]]:
    """The tables with rows, and for each kind of entry the sets of names that its details have."""
    filled = {
        table.name for table in Base.metadata.sorted_tables if db.read.execute(select(table).limit(1)).first()
    }
    kinds: dict[tuple[str, str], set[frozenset[str]]] = defaultdict(set)
    rows = db.read.execute(
        select(AuditEntry.event, AuditEntry.body, AuditDetail).outerjoin(
            AuditDetail, AuditDetail.seq == AuditEntry.seq
        )
    )
    for event, body, kept in rows:
        kind = json.loads(body)["object"][0]
        kinds[event, kind].add(frozenset(json.loads(opened(kept)[1])) if kept else frozenset())
    return filled, kinds


@pytest.mark.one_database
def test_its_rows_are_such_as_the_services_write(seeded: list[str], app: Flask, database: Databases) -> None:
    """The demo goes through the services: what it leaves behind, the seeded world has too, in the same shape."""
    tables, kinds = shapes()
    url = database.fresh(*scenario(DEMO))
    db.bind(url)
    real_tables, real_kinds = shapes()
    db.dispose()
    database.drop(url)
    assert real_tables - tables <= NOT_SEEDED | UNMET
    assert {t.name for t in Base.metadata.sorted_tables} - tables <= NOT_SEEDED | UNMET
    assert {key for key in real_kinds if key[1] not in NOT_SEEDED | UNMET} - set(kinds) <= {
        ("information:updated", "information"),
        ("person:identified", "person"),
        ("attendance:linked", "activity_attendance"),
    }
    by_command = {
        ("agency:created", "agency"),
        ("service:updated", "service"),
        ("closure:changed", "closure"),
    }
    for key in set(kinds) & set(real_kinds) - by_command:
        assert kinds[key] <= real_kinds[key], key


def test_the_wall_lets_through_what_is_alive_and_no_more(seeded: list[str]) -> None:
    member, now = member_of("a1-1@example.jp"), clock.now()
    page = queries.rows(db.read(), member.actor, queries.Filter(), now)
    assert len(page) == 25
    assert any(row.family for row in page)
    elsewhere = select(Person.id).where(
        Person.home_agency_id != member.agency_id, predicates.sees(member.actor, Category.BASIC, now, Person)
    )
    seen = set(db.read.scalars(elsewhere))
    told = select(Disclosure.person_id).where(
        Disclosure.to_agency_id == member.agency_id, predicates.disclosure_lives(Disclosure, now)
    )
    assert seen <= set(db.read.scalars(told))
    assert seen


def test_some_referrals_stand_on_a_dead_basis(seeded: list[str]) -> None:
    stopped = select(func.count()).select_from(Referral).where(queries.is_stopped(clock.now()))
    assert 2 <= (db.read.scalar(stopped) or 0) < SIZE / 20


def test_work_goes_on_after_it(seeded: list[str]) -> None:
    sender, recipient = member_of("a1-1@example.jp"), member_of("a2-1@example.jp")
    entries = db.read.scalar(select(func.max(AuditEntry.seq))) or 0
    before = set(db.read.scalars(select(Referral.number)))
    referral_id = factories.make_referral(sender, recipient, status=ReferralStatus.COMPLETED)
    made = db.read.scalars(select(Referral).where(Referral.id == referral_id)).one()
    assert made.number not in before
    assert (db.read.scalar(select(func.max(AuditEntry.seq))) or 0) > entries


def test_every_key_is_checked_again_afterwards(seeded: list[str], app: Flask, database: Databases) -> None:
    def keys() -> dict[str, Any]:
        inspector = inspect(db.engine)
        return {
            name: sorted(inspector.get_foreign_keys(name), key=lambda key: str(key["name"]))
            for name in inspector.get_table_names()
        }

    after = keys()
    url = database.fresh()
    db.bind(url)
    assert after == keys()
    db.dispose()
    database.drop(url)


def test_it_fills_an_empty_database_only(seeded: list[str], runner: FlaskCliRunner) -> None:
    refused = runner.invoke(args=["seed", "scale", "--referrals", "200"])
    assert refused.exit_code == 1
    assert db.read.scalar(select(func.count()).select_from(Referral)) == SIZE


@pytest.mark.one_database
def test_the_same_number_makes_the_same_world(
    runner: FlaskCliRunner, renew: Callable[[], str], at: Callable[..., None]
) -> None:
    worlds = []
    for number in ("7", "7", "8"):
        renew()
        at("2026-10-01T12:00", tick=False)
        made = runner.invoke(
            args=["seed", "scale", "--referrals", "130", "--agencies", "5", "--seed", number]
        )
        assert made.exit_code == 0, made.output
        worlds.append(db.read.execute(select(Referral.id, Referral.number, Referral.status)).all())
        db.end()
    assert worlds[0] == worlds[1] != worlds[2]
