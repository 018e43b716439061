"""Minutes in one reader's eyes: addenda, attendance, texts saved, and extracts about one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, bindparam, or_, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core.db import among
from portal.core.policy import Actor, Role
from portal.meetings import item_visibility
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes.models import Addendum, MinutesRevision
from portal.meetings.outcomes.queries import OutcomeView, outcome_of, outcomes_statement
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import queries
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import HELD, ItemKind, MeetingKind, MeetingStatus
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class AddendumView:
    """A correction to approved minutes; of the whole when `item_id` is None."""

    id: UUID
    item_id: UUID | None
    created_at: datetime
    text: str
    staff_name: str
    agency_name: str


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody on the roster; `id` is their entry there."""

    id: UUID
    name: str
    agency_name: str
    is_guest: bool
    was_there: bool


def by_item(rows: Sequence[Any]) -> dict[UUID | None, list[Any]]:
    """Views grouped by their item."""
    found: dict[UUID | None, list[Any]] = {}
    for row in rows:
        found.setdefault(row.item_id, []).append(row)
    return found


def addenda_columns(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Addenda of items that may be read, and of the whole for all who may enter, with the author's agency."""
    works_for = (
        select(Agency.name)
        .join(Membership, Membership.agency_id == Agency.id)
        .join(MeetingMember, MeetingMember.agency_id == Agency.id)
        .where(Membership.staff_id == Addendum.staff_id, MeetingMember.meeting_id == Addendum.meeting_id)
        .order_by(Agency.name)
        .limit(1)
        .correlate(Addendum)
        .scalar_subquery()
    )
    open_to = or_(
        and_(Addendum.item_id.is_(None), queries.may_enter(predicates.READER)),
        and_(AgendaItem.removed_at.is_(None), item_visibility.readable(predicates.READER, predicates.NOW)),
    )
    return (
        select(
            Addendum.id,
            Addendum.item_id,
            Addendum.created_at,
            Addendum.text,
            Staff.name.label("staff_name"),
            works_for.label("agency_name"),
        )
        .join(Meeting, Meeting.id == Addendum.meeting_id)
        .join(Staff, Staff.id == Addendum.staff_id)
        .outerjoin(AgendaItem, AgendaItem.id == Addendum.item_id)
        .where(condition, open_to)
        .order_by(Addendum.id)
    )


@cache
def addenda_statement(of: str) -> Select[*tuple[Any, ...]]:
    if of == "meeting":
        return addenda_columns(Addendum.meeting_id == bindparam("meeting_id"))
    return addenda_columns(Addendum.item_id.in_(bindparam("items", expanding=True)))


def addendum_of(row: Row[*tuple[Any, ...]]) -> AddendumView:
    found = {name: getattr(row, name) for name in AddendumView.__slots__}
    return AddendumView(**found | {"agency_name": row.agency_name or ""})


def load_addenda(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> list[AddendumView]:
    rows = session.execute(addenda_statement("meeting"), predicates.bound(actor, now, meeting_id=meeting_id))
    return [addendum_of(row) for row in rows]


@cache
def attendance_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Attendance.id,
            Staff.name,
            Attendance.guest_name,
            Attendance.guest_from,
            Attendance.was_there,
            Agency.name.label("agency_name"),
        )
        .join(Meeting, Meeting.id == Attendance.meeting_id)
        .outerjoin(Staff, Staff.id == Attendance.staff_id)
        .outerjoin(Agency, Agency.id == Attendance.agency_id)
        .where(Attendance.meeting_id == bindparam("meeting_id"), queries.may_enter(predicates.READER))
        .order_by(Agency.name.is_(None), Agency.name, Attendance.id)
    )


def load_attendance(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> list[Attendee]:
    rows = session.execute(attendance_statement(), predicates.bound(actor, now, meeting_id=meeting_id))
    return [
        Attendee(
            id=row.id,
            name=row.name or row.guest_name,
            agency_name=row.agency_name or row.guest_from,
            is_guest=row.name is None,
            was_there=row.was_there,
        )
        for row in rows
    ]


@cache
def staff_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(Staff.id, Staff.name, Agency.name.label("agency_name"))
        .join(Membership, Membership.staff_id == Staff.id)
        .join(Agency, Agency.id == Membership.agency_id)
        .join(MeetingMember, MeetingMember.agency_id == Agency.id)
        .where(
            MeetingMember.meeting_id == bindparam("meeting_id"),
            among(Membership.role, [Role.STAFF, Role.COORDINATOR]),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
        )
        .order_by(Agency.name, Staff.name, Staff.id)
    )


def load_staff(session: Session, meeting_id: UUID) -> list[tuple[UUID, str, str]]:
    """Staff who could promise an action: id, name, agency."""
    return [tuple(row) for row in session.execute(staff_statement(), {"meeting_id": meeting_id})]


# The texts ever saved for the minutes of an item, and those that came second and wait for their writer.


@dataclass(frozen=True, slots=True)
class RevisionView:
    """A text as it was once saved, or refused because another came first."""

    id: UUID
    created_at: datetime
    staff_id: UUID
    staff_name: str
    text: str
    is_refused: bool


@cache
def revisions_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(
            MinutesRevision.id,
            MinutesRevision.created_at,
            MinutesRevision.staff_id,
            Staff.name.label("staff_name"),
            MinutesRevision.text,
            MinutesRevision.is_refused,
        )
        .join(AgendaItem, AgendaItem.id == MinutesRevision.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Staff, Staff.id == MinutesRevision.staff_id)
        .where(
            MinutesRevision.item_id == bindparam("item_id"),
            item_visibility.readable(predicates.READER, predicates.NOW),
        )
        .order_by(MinutesRevision.id.desc())
    )


def load_revisions(session: Session, actor: Actor, item_id: UUID, now: datetime) -> list[RevisionView]:
    """Every text ever saved for an item, the newest first."""
    rows = session.execute(revisions_statement(), predicates.bound(actor, now, item_id=item_id))
    return [RevisionView(*row) for row in rows]


@cache
def waiting_statement() -> Select[*tuple[Any, ...]]:
    """The reader's own texts that came second and that the reader has not decided about yet."""
    later = aliased(MinutesRevision)
    decided = (
        select(later.id)
        .where(
            later.item_id == MinutesRevision.item_id,
            later.staff_id == MinutesRevision.staff_id,
            later.id > MinutesRevision.id,
        )
        .correlate(MinutesRevision)
        .exists()
    )
    return (
        select(MinutesRevision.item_id, MinutesRevision.text)
        .join(AgendaItem, AgendaItem.id == MinutesRevision.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            AgendaItem.meeting_id == bindparam("meeting_id"),
            MinutesRevision.staff_id == predicates.READER.staff_id,
            MinutesRevision.is_refused,
            ~decided,
            item_visibility.readable(predicates.READER, predicates.NOW),
        )
    )


def load_waiting(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> dict[UUID, str]:
    """The reader's waiting texts by item: typed while somebody else's text was saved first."""
    rows = session.execute(waiting_statement(), predicates.bound(actor, now, meeting_id=meeting_id))
    return {row.item_id: row.text for row in rows}


# What the minutes of all meetings say of one person, to a reader who may both read and name (for the case file).


@dataclass(frozen=True, slots=True)
class Part:
    """One item about the person in one meeting."""

    id: UUID
    meeting_id: UUID
    meeting_name: str
    meeting_kind: MeetingKind
    starts_at: datetime
    status: MeetingStatus
    kind: ItemKind
    title: str
    minutes_text: str
    postponed_why: str
    outcomes: list[OutcomeView]
    addenda: list[AddendumView]


@cache
def parts_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(
            AgendaItem.id,
            Meeting.id.label("meeting_id"),
            Meeting.name.label("meeting_name"),
            Meeting.kind.label("meeting_kind"),
            Meeting.starts_at,
            Meeting.status,
            AgendaItem.kind,
            AgendaItem.title,
            AgendaItem.minutes_text,
            AgendaItem.postponed_why,
        )
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Person, Person.id == AgendaItem.person_id)
        .where(
            AgendaItem.person_id == bindparam("person_id"),
            AgendaItem.removed_at.is_(None),
            among(Meeting.status, HELD),
            item_visibility.readable(predicates.READER, predicates.NOW),
            item_visibility.named(predicates.READER, predicates.NOW, Person),
        )
        .order_by(Meeting.starts_at.desc(), Meeting.id, AgendaItem.position, AgendaItem.id)
    )


def load(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[Part]:
    """The items about the person, of the newest meeting first."""
    rows = session.execute(parts_statement(), predicates.bound(actor, now, person_id=person_id)).all()
    values = predicates.bound(actor, now, items=[row.id for row in rows])
    outcomes = by_item([outcome_of(one) for one in session.execute(outcomes_statement("items"), values)])
    addenda = by_item([addendum_of(one) for one in session.execute(addenda_statement("items"), values)])
    return [
        Part(**row._asdict(), outcomes=outcomes.get(row.id, []), addenda=addenda.get(row.id, []))
        for row in rows
    ]


def note(actor: Actor, person_id: UUID, parts: list[Part], channel: str) -> None:
    """Log that the extract was read, before it is shown."""
    audit.record_reading(
        AuditEvent.MINUTES_READ,
        ("person", person_id),
        actor=actor,
        person_id=person_id,
        categories=[Category.BASIC] if parts else [],
        channel=channel,
        items=[part.id for part in parts],
    )
