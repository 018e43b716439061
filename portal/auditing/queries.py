"""The log as the auditor searches it: who did what when on which basis, by number, without clients' names."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, or_, select
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, Staff
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.auditing.entries import Entry, entries
from portal.cases.models import Case
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.people.models import Person
from portal.referrals.models import Referral

# What may be refused: only these are looked through for refusals. A test finds every `allowed=False`.
MAY_BE_REFUSED = (
    AuditEvent.ACCESS_REFUSED,
    AuditEvent.SIGN_IN_FAILED,
    AuditEvent.STAFF_JOINED,
    AuditEvent.MINUTES_WRITTEN,
    AuditEvent.EMERGENCY_MISSED,
)
DENIED = b'"outcome":"deny"'
NOWHERE = UUID(int=0)  # stands for "of no agency": auditors, system administrators, strangers, the machine


class Outcome(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What the log is narrowed to; both days are inside. `people` and `about` (referrals, cases) are found by number."""

    agency_id: UUID | None = None
    staff_id: UUID | None = None
    event: AuditEvent | None = None
    ground: str = ""
    outcome: Outcome | None = None
    first: date | None = None
    last: date | None = None
    people: tuple[UUID, ...] = ()
    about: tuple[UUID, ...] = ()

    @property
    def is_everything(self) -> bool:
        return not any(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True, slots=True)
class Match:
    """A referral or a person that the log was narrowed to."""

    id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class Matches:
    people: list[Match]
    referrals: list[Match]
    cases: list[Match]

    @property
    def person_number(self) -> str:
        return self.people[0].number if self.people else ""

    @property
    def number(self) -> str:
        return next((match.number for match in (*self.referrals, *self.cases)), "")


NOTHING = Matches([], [], [])


def listing(actor: Actor, wanted: AuditFilter, *, before: int | None = None, size: int = 25) -> list[Entry]:
    """One page of the log, the newest first; itself logged.

    Raises:
        NotAllowed: the reader is no auditor.
    """
    require(actor, Permission.AUDIT_READ)
    audit.record_reading(
        AuditEvent.AUDIT_READ,
        ("audit_entry", None),
        actor=actor,
        person_id=wanted.people[0] if len(wanted.people) == 1 else None,
    )
    session = db.read()
    statement = chosen(session, wanted)
    if before is not None:
        statement = statement.where(AuditEntry.seq < before)
    return entries(session, statement.order_by(AuditEntry.seq.desc()).limit(size))


def chosen(session: Session, wanted: AuditFilter) -> Select[AuditEntry]:
    return select(AuditEntry).where(*narrowed(session, wanted))


def narrowed(session: Session, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    tests: list[ColumnElement[bool]] = []
    if wanted.agency_id:
        agency = None if wanted.agency_id == NOWHERE else wanted.agency_id
        tests.append(AuditEntry.agency_id == agency)
    if wanted.staff_id:
        tests.append(AuditEntry.staff_id == wanted.staff_id)
    if wanted.event:
        tests.append(AuditEntry.event == wanted.event.value)
    if wanted.ground:
        tests.append(AuditEntry.ground == wanted.ground)
    if wanted.outcome:
        tests.append(ended(session, wanted.outcome))
    if wanted.first:
        tests.append(AuditEntry.at >= clock.start_of_day(wanted.first))
    if wanted.last:
        tests.append(AuditEntry.at < clock.end_of_day(wanted.last))
    if wanted.people:
        # A refusal at the door of a person's page knows the page alone: the person is what was asked for.
        tests.append(or_(AuditEntry.person_id.in_(wanted.people), AuditEntry.object_id.in_(wanted.people)))
    if wanted.about:
        tests.append(AuditEntry.object_id.in_(wanted.about))
    return tests


def ended(session: Session, outcome: Outcome) -> ColumnElement[bool]:
    """The condition on the outcome, which only the body holds: searched only where the outcome can differ."""
    codes = [event.value for event in MAY_BE_REFUSED]
    if session.get_bind().dialect.name == "postgresql":
        is_denied: ColumnElement[bool] = func.position(literal(DENIED).op("IN")(AuditEntry.body)) > 0
    else:
        is_denied = func.instr(AuditEntry.body, DENIED) > 0
    if outcome is Outcome.DENY:
        return AuditEntry.event.in_(codes) & is_denied
    return AuditEntry.event.not_in(codes) | ~is_denied


def numbered(actor: Actor, person_number: str, number: str) -> Matches:
    """The people, and the referrals and cases, that have exactly these numbers.

    Raises:
        NotAllowed: the reader is no auditor.
    """
    require(actor, Permission.AUDIT_READ)
    session = db.read()
    return Matches(
        people=found(session, Person, Person.number == person_number) if person_number else [],
        referrals=found(session, Referral, Referral.number == number) if number else [],
        cases=found(session, Case, Case.number == number) if number else [],
    )


def matches(actor: Actor, wanted: AuditFilter) -> Matches:
    """The people, referrals and cases that the log was narrowed to, with their numbers.

    Raises:
        NotAllowed: the reader is no auditor.
    """
    require(actor, Permission.AUDIT_READ)
    if not (wanted.people or wanted.about):
        return NOTHING
    session = db.read()
    return Matches(
        people=found(session, Person, Person.id.in_(wanted.people)) if wanted.people else [],
        referrals=found(session, Referral, Referral.id.in_(wanted.about)) if wanted.about else [],
        cases=found(session, Case, Case.id.in_(wanted.about)) if wanted.about else [],
    )


def found(session: Session, model: Any, test: ColumnElement[bool]) -> list[Match]:
    rows = session.execute(select(model.id, model.number).where(test).order_by(model.id))
    return [Match(row.id, row.number) for row in rows]


def staff_of(actor: Actor, agency_id: UUID | None) -> list[tuple[UUID, str]]:
    """Everybody who works or once worked for this agency, or, for `NOWHERE`, for none.

    Raises:
        NotAllowed: the reader is no auditor.
    """
    require(actor, Permission.AUDIT_READ)
    if agency_id is None:
        return []
    where = Membership.agency_id.is_(None) if agency_id == NOWHERE else Membership.agency_id == agency_id
    rows = db.read.execute(
        select(Staff.id, Staff.name)
        .join(Membership, Membership.staff_id == Staff.id)
        .where(where)
        .distinct()
        .order_by(Staff.name, Staff.id)
    )
    return [(row.id, row.name) for row in rows]
