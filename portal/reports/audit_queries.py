"""The log as the auditor reads it: who did what when on which ground, by case number and without a client's name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal import clock
from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.cases.models import Case
from portal.db import db
from portal.people.models import Person
from portal.policy import Actor, Permission, require
from portal.referrals.models import Referral
from portal.reports import audit_words


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What the log is narrowed to; both days are inside. `number` is a referral's, a case's or a person's."""

    agency_id: UUID | None = None
    event: AuditEvent | None = None
    first: date | None = None
    last: date | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry in words (msgids). `number` is that of the record acted on, `person_number` of the person."""

    seq: int
    at: datetime
    event: str
    is_allowed: bool
    agency: str
    staff: str
    role: str
    thing: str
    number: str
    referral_id: UUID | None
    person_number: str
    ground: str
    categories: tuple[str, ...]
    channel: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Match:
    """A referral that has the number asked for."""

    id: UUID
    number: str


def listing(
    actor: Actor, wanted: AuditFilter, *, before: int | None = None, size: int = 25
) -> tuple[list[Entry], list[Match]]:
    """One page of the log, the newest first, and the referrals whose number was asked for; itself logged.

    Raises:
        NotAllowed: the reader is no auditor.
    """
    require(actor, Permission.AUDIT_READ)
    audit.record_reading(AuditEvent.AUDIT_READ, ("audit_entry", None), actor=actor)
    session = db.read()
    statement = select(AuditEntry).where(*narrowed(session, wanted))
    if before is not None:
        statement = statement.where(AuditEntry.seq < before)
    found = entries(session, statement.order_by(AuditEntry.seq.desc()).limit(size))
    return found, matches(session, wanted.number)


def narrowed(session: Session, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    tests: list[ColumnElement[bool]] = []
    if wanted.agency_id:
        tests.append(AuditEntry.agency_id == wanted.agency_id)
    if wanted.event:
        tests.append(AuditEntry.event == wanted.event.value)
    if wanted.first:
        tests.append(AuditEntry.at >= clock.start_of_day(wanted.first))
    if wanted.last:
        tests.append(AuditEntry.at < clock.end_of_day(wanted.last))
    if wanted.number:
        tests.append(numbered(session, wanted.number))
    return tests


def numbered(session: Session, number: str) -> ColumnElement[bool]:
    """Entries on the referral, the case or the person with exactly this number."""
    objects: list[UUID] = []
    for column, key in ((Referral.number, Referral.id), (Case.number, Case.id)):
        objects += session.scalars(select(key).where(column == number))
    people = session.scalars(select(Person.id).where(Person.number == number)).all()
    return or_(AuditEntry.object_id.in_(objects), AuditEntry.person_id.in_(people))


def matches(session: Session, number: str) -> list[Match]:
    if not number:
        return []
    rows = session.execute(select(Referral.id, Referral.number).where(Referral.number == number))
    return [Match(row.id, row.number) for row in rows]


def entries(session: Session, statement: Select[AuditEntry]) -> list[Entry]:
    """The entries of a statement, with what their ids are called, in a constant number of questions."""
    found = session.scalars(statement).all()
    objects = [entry.object_id for entry in found]
    words = Names(
        staff=names(session, Staff.id, Staff.name, [entry.staff_id for entry in found]),
        agencies=names(session, Agency.id, Agency.name, [entry.agency_id for entry in found]),
        referrals=names(session, Referral.id, Referral.number, objects),
        cases=names(session, Case.id, Case.number, objects),
        people=names(session, Person.id, Person.number, [entry.person_id for entry in found]),
    )
    return [in_words(entry, words) for entry in found]


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of a page are called."""

    staff: dict[UUID, str]
    agencies: dict[UUID, str]
    referrals: dict[UUID, str]
    cases: dict[UUID, str]
    people: dict[UUID, str]


def names(
    session: Session,
    key: InstrumentedAttribute[UUID],
    name: InstrumentedAttribute[str],
    ids: Sequence[UUID | None],
) -> dict[UUID, str]:
    wanted = {one for one in ids if one is not None}
    return {row[0]: row[1] for row in session.execute(select(key, name).where(key.in_(wanted)))}


def in_words(entry: AuditEntry, names: Names) -> Entry:
    body: dict[str, Any] = json.loads(entry.body)
    kind = body["object"][0] or ""
    object_id = entry.object_id
    number = ""
    if object_id:
        number = names.referrals.get(object_id) or names.cases.get(object_id) or ""
    return Entry(
        seq=entry.seq,
        at=entry.at,
        event=audit_words.event(entry.event),
        is_allowed=body["outcome"] == "allow",
        agency=names.agencies.get(entry.agency_id, "") if entry.agency_id else "",
        staff=names.staff.get(entry.staff_id, "") if entry.staff_id else "",
        role=audit_words.role(body["role"]),
        thing=audit_words.thing(kind),
        number=number,
        referral_id=object_id if object_id in names.referrals else None,
        person_number=names.people.get(entry.person_id, "") if entry.person_id else "",
        ground=audit_words.ground(body["ground"]),
        categories=audit_words.categories(body["categories"]),
        channel=audit_words.channel(body["channel"]),
        bucket=body["bucket"] or "",
    )
