"""A person's file for the auditor, by number: who kept it, who ever read it, and who could have at any moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.auditing import entries
from portal.auditing.entries import Entry
from portal.cases.models import Case
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.disclosures import as_of
from portal.disclosures import queries as disclosure_queries
from portal.disclosures.as_of import Past, Shutting, Sight
from portal.disclosures.models import Disclosure
from portal.disclosures.person_header import label_of
from portal.disclosures.queries import LedgerLine
from portal.inspections import names
from portal.inspections.names import OpenName
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals.models import Referral

# Readings of one person. Lists are logged with how many they showed, not with whom.
READINGS = tuple(
    event.value
    for event in AuditEvent
    if event.value.endswith(":read") or event in {AuditEvent.PACKET_OPENED, AuditEvent.NAME_OPENED}
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who read something of the person, how often, and from when to when."""

    agency: str
    staff: str
    times: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Keeping:
    """Since when an agency has kept the record."""

    since: datetime
    agency: str


@dataclass(frozen=True, slots=True)
class PersonFile:
    """A person by number; `name` only while this auditor has opened it. `referrals` are pairs of id and number."""

    id: UUID
    number: str
    name: OpenName | None
    homes: tuple[Keeping, ...]
    referrals: tuple[tuple[UUID, str], ...]
    readers: tuple[Reader, ...]
    lines: tuple[LedgerLine, ...]


@dataclass(frozen=True, slots=True)
class Seer:
    """A reader who could see: an agency, or one member of it."""

    agency: str
    staff: str
    sight: Sight


@dataclass(frozen=True, slots=True)
class AsOf:
    """Who could see what of a person at a moment. `excluded` are pairs of agency and member of staff."""

    person_id: UUID
    number: str
    name: OpenName | None
    moment: datetime
    is_known: bool
    seers: tuple[Seer, ...]
    excluded: tuple[tuple[str, str], ...]


def read(
    actor: Actor, person_id: UUID, *, behind: int | None = None, size: int = 25
) -> tuple[PersonFile, list[Entry]]:
    """The file of a person, and one page of the entries about them, the oldest first; itself logged.

    Raises:
        NotAllowed: the reader is no auditor.
        NoResultFound: there is no such person.
    """
    require(actor, Permission.AUDIT_READ)
    session = db.read()
    number, name = names.heading(session, actor, person_id, clock.now())
    note(actor, person_id, name)
    past, _consents = as_of.load(session, person_id)
    agencies = entries.names(session, Agency.id, Agency.name, [one for _at, one in past.homes])
    told = select(Disclosure).where(Disclosure.person_id == person_id)
    lines = disclosure_queries.read(session, told.order_by(Disclosure.starts_at, Disclosure.id), clock.now())
    found = PersonFile(
        id=person_id,
        number=number,
        name=name,
        homes=tuple(Keeping(since, agencies.get(one, "")) for since, one in past.homes),
        referrals=numbers_of(session, Referral, [person_id]).get(person_id, ()),
        readers=tuple(readers_of(session, person_id)),
        lines=tuple(lines),
    )
    statement = about(person_id)
    if behind is not None:
        statement = statement.where(AuditEntry.seq > behind)
    return found, entries.entries(session, statement.order_by(AuditEntry.seq).limit(size))


def named(actor: Actor, person_id: UUID) -> tuple[str, OpenName | None]:
    """The person's number, and the name where this auditor has opened it.

    Raises:
        NotAllowed: the reader is no auditor.
        NoResultFound: there is no such person.
    """
    require(actor, Permission.AUDIT_READ)
    return names.heading(db.read(), actor, person_id, clock.now())


@dataclass(frozen=True, slots=True)
class Found:
    """A person whose name this auditor has opened, with the numbers that lead on; pairs of id and number."""

    id: UUID
    label: str
    number: str
    agency: str
    referrals: tuple[tuple[UUID, str], ...]
    cases: tuple[tuple[UUID, str], ...]


def found(actor: Actor, ids: Sequence[UUID]) -> list[Found]:
    """Those of these people whose names this auditor has open now, with their numbers; itself logged.

    Raises:
        NotAllowed: the reader is no auditor.
    """
    require(actor, Permission.AUDIT_READ)
    session = db.read()
    rows = session.execute(
        select(
            *(Person.id, Person.family, Person.given, Person.pseudonym, Person.number),
            Agency.name.label("agency"),
        )
        .join(Agency, Agency.id == Person.home_agency_id)
        .where(Person.id.in_(ids), names.is_open_to(actor, Person.id, clock.now()))
        .order_by(Agency.name, Person.id)
    ).all()
    referrals, cases = (numbers_of(session, model, [row.id for row in rows]) for model in (Referral, Case))
    audit.record_reading(
        AuditEvent.AUDIT_READ,
        ("person", None),
        actor=actor,
        person_id=rows[0].id if len(rows) == 1 else None,
        categories=[Category.BASIC] if rows else [],
        count=len(rows),
    )
    return [
        Found(row.id, label_of(row), row.number, row.agency, referrals.get(row.id, ()), cases.get(row.id, ()))
        for row in rows
    ]


def numbers_of(
    session: Session, model: type[Referral] | type[Case], people: Sequence[UUID]
) -> dict[UUID, tuple[tuple[UUID, str], ...]]:
    """The ids and numbers of each person's referrals or cases, the oldest first."""
    rows = select(model.person_id, model.id, model.number).where(model.person_id.in_(people))
    numbered: dict[UUID, tuple[tuple[UUID, str], ...]] = {}
    for row in session.execute(rows.order_by(model.id)):
        numbered[row.person_id] = (*numbered.get(row.person_id, ()), (row.id, row.number))
    return numbered


def note(actor: Actor, person_id: UUID, name: OpenName | None) -> None:
    audit.record_reading(
        AuditEvent.AUDIT_READ,
        ("person", person_id),
        actor=actor,
        person_id=person_id,
        categories=[Category.BASIC] if name else [],
    )


def about(person_id: UUID) -> Select[AuditEntry]:
    """Every entry about the person; a refusal to open their page is logged with the page's id alone."""
    return select(AuditEntry).where(or_(AuditEntry.person_id == person_id, AuditEntry.object_id == person_id))


def readers_of(session: Session, person_id: UUID) -> list[Reader]:
    """Who read something of the person, those who read most first."""
    rows = session.execute(
        select(
            Agency.name.label("agency"),
            Staff.name.label("staff"),
            func.count().label("times"),
            func.min(AuditEntry.at).label("first"),
            func.max(AuditEntry.at).label("last"),
        )
        .select_from(AuditEntry)
        .outerjoin(Agency, Agency.id == AuditEntry.agency_id)
        .outerjoin(Staff, Staff.id == AuditEntry.staff_id)
        .where(AuditEntry.person_id == person_id, AuditEntry.event.in_(READINGS))
        .group_by(AuditEntry.agency_id, AuditEntry.staff_id, Agency.name, Staff.name)
        .order_by(func.count().desc(), func.max(AuditEntry.at).desc(), Staff.name)
    )
    return [Reader(row.agency or "", row.staff or "", row.times, row.first, row.last) for row in rows]


def moment_of(actor: Actor, seq: int) -> datetime | None:
    """When the entry with this number was written; None when there is none.

    Raises:
        NotAllowed: the reader is no auditor.
    """
    require(actor, Permission.AUDIT_READ)
    return db.read.scalar(select(AuditEntry.at).where(AuditEntry.seq == seq))


def stand(actor: Actor, person_id: UUID, moment: datetime) -> AsOf:
    """Who could see what of the person at that moment, and why; itself logged.

    Raises:
        NotAllowed: the reader is no auditor.
        NoResultFound: there is no such person.
    """
    require(actor, Permission.AUDIT_READ)
    session = db.read()
    number, name = names.heading(session, actor, person_id, clock.now())
    note(actor, person_id, name)
    past, _consents = as_of.load(session, person_id)
    return in_words(session, past, moment, number, name)


def in_words(session: Session, past: Past, moment: datetime, number: str, name: OpenName | None) -> AsOf:
    sights, shut = past.sights(moment), past.excluded_at(moment)
    at_work: list[Sight | Shutting] = [*sights, *shut]
    agencies = entries.names(session, Agency.id, Agency.name, [one.agency_id for one in at_work])
    staff = entries.names(session, Staff.id, Staff.name, [one.staff_id for one in at_work])

    def called(ids: Iterable[UUID | None], known: dict[UUID, str]) -> list[str]:
        return [known.get(one, "") if one else "" for one in ids]

    seers = zip(
        called((one.agency_id for one in sights), agencies),
        called((one.staff_id for one in sights), staff),
        sights,
        strict=True,
    )
    return AsOf(
        person_id=past.person_id,
        number=number,
        name=name,
        moment=moment,
        is_known=past.home_at(moment) is not None,
        seers=tuple(Seer(*each) for each in seers),
        excluded=tuple((agencies.get(one.agency_id, ""), staff.get(one.staff_id, "")) for one in shut),
    )
