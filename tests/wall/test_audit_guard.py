"""Nothing happens without an audit entry, and no entry is ever changed: whoever tries, and however."""

# ruff: noqa: S608 - the only words in these statements are names of our own tables

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.guard import UnauditedChange
from portal.audit.models import AuditDetail, Audited, AuditEntry
from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.db import Base, db
from portal.disclosures import services as disclosures
from portal.disclosures.models import Disclosure
from portal.people import services as people
from portal.people.categories import Category
from portal.people.models import Information, Person
from portal.people.services import Basics
from portal.referrals import conversation, drafts, reading, services
from portal.referrals.drafts import Proposal
from portal.referrals.models import FollowUpKind, Referral
from portal.referrals.queries import Filter
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, ReferralKind
from tests.factories import make_case, make_consent, make_member, make_note, make_person, make_referral
from tests.wall.test_policy import snapshot

pytestmark = pytest.mark.both_databases

AUDITED = sorted(
    (mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Audited)),
    key=lambda model: model.__name__,
)
APPENDED = (
    *("audit_entry", "audit_detail", "consent", "consent_recipient", "consent_category", "withdrawal"),
    *("disclosure_category", "stop_confirmation", "referral_event", "audit_checkpoint"),
)


def test_a_silent_change_is_refused(app: Flask) -> None:
    person_id = make_person(make_member())
    before = snapshot(app.config["DATABASE_URL"])
    with pytest.raises(UnauditedChange), db.transaction() as session:
        session.get_one(Person, person_id).telephone = "090-9999-9999"
    assert snapshot(app.config["DATABASE_URL"]) == before


def test_a_change_explained_for_another_record_is_still_silent(app: Flask) -> None:
    member = make_member()
    one, other = make_person(member), make_person(member)

    def change() -> None:
        with db.transaction() as session:
            session.get_one(Person, one).telephone = "090-9999-9999"
            audit.record(AuditEvent.PERSON_UPDATED, session.get_one(Person, other), actor=member.actor)

    with pytest.raises(UnauditedChange):
        change()


def test_a_silent_new_record_and_a_silent_removal_are_refused(app: Flask) -> None:
    person_id = make_person(make_member())
    with pytest.raises(UnauditedChange), db.transaction() as session:
        session.add(Information(person_id=person_id, category=Category.HEALTH, fields={}, text="こっそり"))
    people_before = db.read().scalars(select(Person.id)).all()
    with pytest.raises(UnauditedChange), db.transaction() as session:
        session.delete(session.get_one(Person, person_id))
    assert db.read().scalars(select(Person.id)).all() == people_before


def test_a_bulk_change_is_refused(app: Flask) -> None:
    """By the model or by its table; none of them reaches the database."""
    for model in (*AUDITED, AuditEntry, AuditDetail):
        key = next(iter(model.__table__.primary_key))
        for statement in (
            update(model).values({key.name: key}),
            delete(model),
            insert(model).values({key.name: None}),
            update(model.__table__).values({key.name: key}),
            delete(model.__table__),
            insert(model.__table__).values({key.name: None}),
        ):
            with pytest.raises(UnauditedChange), db.transaction() as session:
                session.execute(statement)


@pytest.mark.parametrize("model", [AuditEntry, AuditDetail])
def test_the_session_changes_no_entry(app: Flask, model: type[Base]) -> None:
    make_person(make_member())
    with db.transaction() as session:
        entry = session.scalars(select(model)).first()
    assert entry
    with pytest.raises(UnauditedChange), db.transaction() as session:
        session.delete(session.merge(entry))
    with pytest.raises(UnauditedChange), db.transaction() as session:
        session.merge(entry).seq = 999999  # type: ignore[attr-defined]


# The database itself says no, to whoever holds a connection.


@pytest.fixture
def raw(app: Flask) -> Callable[[str], None]:
    """Runs one statement as the portal's own database user, with no ORM and no guard in the way."""
    sender, recipient = make_member(), make_member()
    person_id = make_person(sender)
    consent_id = make_consent(sender, person_id, [recipient])
    make_referral(sender, recipient, person_id=person_id, consent_id=consent_id)
    referral_id = db.read().scalars(select(Referral.id)).one()
    conversation.opened(recipient.actor, referral_id)
    disclosures.withdraw_consent(sender.actor, consent_id, reason="見本")
    conversation.confirm_stop(recipient.actor, referral_id, note="停止しました")

    def run(statement: str) -> None:
        with db.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    return run


def attempts_on(table: str) -> list[str]:
    columns = list(db.metadata.tables[table].columns.keys())
    attempts = [f"UPDATE {table} SET {columns[-1]} = {columns[-1]}", f"DELETE FROM {table}"]
    if db.engine.dialect.name == "sqlite":
        replacing = f"INTO {table} SELECT * FROM {table}"
        return [*attempts, f"REPLACE {replacing}", f"INSERT OR REPLACE {replacing}"]
    keys = ", ".join(column.name for column in db.metadata.tables[table].primary_key)
    change = f"ON CONFLICT ({keys}) DO UPDATE SET {columns[-1]} = excluded.{columns[-1]}"
    return [*attempts, f"TRUNCATE {table} CASCADE", f"INSERT INTO {table} SELECT * FROM {table} {change}"]


def test_what_was_written_stays_written(raw: Callable[[str], None], app: Flask) -> None:
    before = snapshot(app.config["DATABASE_URL"])
    for table in APPENDED:
        assert before[table], f"nothing in {table} to protect: the test would prove nothing"
        for attempt in attempts_on(table):
            with pytest.raises(DBAPIError, match=r"append-only|no gaps|permission denied"):
                raw(attempt)
    assert snapshot(app.config["DATABASE_URL"]) == before


def test_a_line_of_the_ledger_can_end_and_nothing_else(raw: Callable[[str], None], app: Flask) -> None:
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
        raw("DELETE FROM disclosure")
    for column in db.metadata.tables["disclosure"].columns.keys():  # noqa: SIM118 - not a mapping
        if column != "ended_at":
            with pytest.raises(DBAPIError, match="append-only"):
                raw(f"UPDATE disclosure SET {column} = {column}")
    raw("UPDATE disclosure SET ended_at = starts_at")
    with pytest.raises(DBAPIError, match="append-only"):
        raw("UPDATE disclosure SET ended_at = NULL")


def test_entries_have_no_gaps_and_no_twins(raw: Callable[[str], None]) -> None:
    def forge(seq: str) -> None:
        raw(
            "INSERT INTO audit_entry (seq, at, event, body) "
            f"SELECT {seq}, at, event, body FROM audit_entry WHERE seq = 1"
        )

    for seq in ("1", "-1", "2000000000", "(SELECT max(seq) + 2 FROM audit_entry)", "NULL"):
        with pytest.raises(DBAPIError):
            forge(seq)
    forge("(SELECT max(seq) + 1 FROM audit_entry)")  # so it is the number that was refused, nothing else


# An act whose entry cannot be written does not happen.


@contextmanager
def log_broken(how: str) -> Iterator[None]:
    """The log cannot take an entry: its head is gone, or the database refuses the row."""
    if how == "no head":
        with db.engine.begin() as connection:
            head = connection.execute(text("SELECT * FROM audit_head")).mappings().one()
            connection.execute(text("DELETE FROM audit_head"))
        yield
        with db.engine.begin() as connection:
            places = ", ".join(f":{column}" for column in head)
            connection.execute(
                text(f"INSERT INTO audit_head ({', '.join(head)}) VALUES ({places})"),
                dict(head),
            )
        return

    def refuse(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO audit_entry"):
            raise SQLAlchemyError("disk full")

    event.listen(db.engine, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", refuse)


def acts() -> dict[str, Callable[[], object]]:
    """One of each kind of act and of reading, each on a record of its own."""
    a, b = make_member(), make_member()
    named = Basics(family="見本", given="花子", family_kana="みほん", given_kana="はなこ")
    person, requested, draft = make_person(a), make_referral(a, b), make_referral(a, b, status="draft")
    talked_of, refused = make_referral(a, b), make_referral(a, b)
    consent = make_consent(a, make_person(a), [b])
    case, answer = make_case(a), Answer(text="見本")
    terms = make_terms(b.agency_id)
    proposal = Proposal(
        person_id=person, to_agency_id=b.actor.agency_id or UUID(int=0), kind=ReferralKind.REFERRAL,
        need="見本", categories=frozenset({Category.BASIC}),
    )  # fmt: skip
    return {
        "register": lambda: people.register(a.actor, named),
        "update basics": lambda: people.update_basics(
            a.actor, person, Basics(family="別", given="花子", family_kana="べつ", given_kana="はなこ")
        ),
        "inform": lambda: people.update_information(a.actor, person, Category.HEALTH, text="見本"),
        "consent": lambda: disclosures.record_consent(a.actor, person, terms),
        "withdraw": lambda: disclosures.withdraw_consent(a.actor, consent),
        "draft": lambda: drafts.draft(a.actor, proposal),
        "send": lambda: services.perform(a.actor, ReferralAction.SEND, draft),
        "accept": lambda: services.perform(b.actor, ReferralAction.ACCEPT, requested),
        "cancel": lambda: services.perform(a.actor, ReferralAction.CANCEL, refused, answer),
        "receive": lambda: conversation.opened(b.actor, talked_of),
        "message": lambda: conversation.send_message(a.actor, talked_of, "見本"),
        "assign": lambda: conversation.assign_worker(b.actor, talked_of, b.staff_id),
        "follow up": lambda: conversation.follow_up(a.actor, talked_of, FollowUpKind.MEETING, "見本"),
        "note": lambda: make_note(a, case),
        "case": lambda: make_case(a, person),
        "look at person": lambda: disclosures.show(a.actor, person),
        "look at referral": lambda: reading.show(b.actor, requested),
        "list referrals": lambda: reading.page(a.actor, Filter()),
    }


def make_terms(recipient: UUID | None) -> Any:
    return ConsentTerms(
        recipients=frozenset({recipient} if recipient else ()),
        categories=frozenset({Category.BASIC}),
        valid_from=clock.today(),
        valid_until=clock.today(),
        method=ConsentMethod.WRITTEN,
        purpose="見本",
    )


@pytest.mark.parametrize("how", ["no head", "refused"])
def test_what_cannot_be_logged_does_not_happen(app: Flask, how: str) -> None:
    done = acts()
    with log_broken(how):
        before = snapshot(app.config["DATABASE_URL"])
        for name, act in done.items():
            with pytest.raises((SQLAlchemyError, RuntimeError)):
                act()
            db.end()
            assert snapshot(app.config["DATABASE_URL"]) == before, name
    for act in done.values():
        before = snapshot(app.config["DATABASE_URL"])
        act()
        assert len(snapshot(app.config["DATABASE_URL"])["audit_entry"]) > len(before["audit_entry"])


def test_a_page_whose_reading_cannot_be_logged_shows_nothing(app: Flask, browser: Callable[..., Any]) -> None:
    member = make_member()
    person_id = make_person(member, telephone="090-1234-0000", address="見本市かなりや町")
    page = browser(member)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        for how in ("no head", "refused"):
            with log_broken(how):
                for path in (f"/people/{person_id}", "/people/", "/referrals/", "/"):
                    answer = page.get(path)
                    # The first page may show nobody, and then has nothing to log.
                    assert answer.status_code == 500 or (path == "/" and answer.status_code == 200), (
                        how,
                        path,
                    )
                    assert "090-1234-0000" not in answer.text
                    assert "かなりや" not in answer.text
                    assert "花子" not in answer.text
    finally:
        app.config["PROPAGATE_EXCEPTIONS"] = None
    assert page.get(f"/people/{person_id}").status_code == 200


def test_the_lines_of_the_ledger_are_what_the_guard_thinks_they_are() -> None:
    """A model that holds what was told, agreed or done must be among the audited."""
    assert {
        "Person",
        "Information",
        "FamilyTie",
        "Consent",
        "Withdrawal",
        "Disclosure",
        "StopConfirmation",
    } <= {model.__name__ for model in AUDITED}
    assert issubclass(Disclosure, Audited)
