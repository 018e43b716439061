"""Minutes in one reader's eyes: outcomes, addenda and attendance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, bindparam, literal_column, or_, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.db import among
from portal.disclosures import wall
from portal.meetings import eyes, queries
from portal.meetings.agenda_models import Addendum, AgendaItem, MeetingOutcome
from portal.meetings.agenda_reading import shown
from portal.meetings.models import Attendance, Meeting, MeetingMember
from portal.meetings.promise_queries import is_done, was_told
from portal.meetings.states import HELD, OutcomeKind
from portal.policy import Actor, Role
from portal.referrals.states import ReferralAction


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """What came of an item. To an owner who may no longer read the item it says only that he owes it."""

    id: UUID
    item_id: UUID
    version: int
    kind: OutcomeKind
    is_readable: bool
    is_done: bool
    owner_agency_id: UUID | None
    owner_name: str
    due_on: date | None
    text: str
    owner_staff_id: UUID | None
    owner_staff_name: str
    referral_step: ReferralAction | None
    to_agency_id: UUID | None
    to_name: str

    @property
    def is_promise(self) -> bool:
        return self.kind is OutcomeKind.ACTION


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
    name: str
    agency_name: str
    is_guest: bool
    was_there: bool


def known_outcomes() -> Select[*tuple[Any, ...]]:
    """The outcomes that the reader may know of, each with what he may see of it worked out once."""
    reader, now = wall.READER, wall.NOW
    readable = eyes.readable(reader, now)
    owed = and_(
        MeetingOutcome.owner_agency_id == reader.agency_id,
        or_(eyes.present(reader, now), was_told(reader)),
    )
    owner, to_agency, worker = aliased(Agency), aliased(Agency), aliased(Staff)
    return (
        select(
            MeetingOutcome.id,
            MeetingOutcome.item_id,
            MeetingOutcome.version,
            MeetingOutcome.kind,
            MeetingOutcome.owner_agency_id,
            MeetingOutcome.due_on,
            readable.label("is_readable"),
            and_(queries.may_enter(reader), eyes.is_party(reader)).label("is_party"),
            is_done().label("is_done"),
            owner.name.label("owner_name"),
            MeetingOutcome.text,
            MeetingOutcome.owner_staff_id,
            worker.name.label("owner_staff_name"),
            MeetingOutcome.referral_step,
            MeetingOutcome.to_agency_id,
            to_agency.name.label("to_name"),
        )
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .outerjoin(owner, owner.id == MeetingOutcome.owner_agency_id)
        .outerjoin(to_agency, to_agency.id == MeetingOutcome.to_agency_id)
        .outerjoin(worker, worker.id == MeetingOutcome.owner_staff_id)
        .where(
            MeetingOutcome.struck_at.is_(None),
            among(Meeting.status, HELD),
            AgendaItem.removed_at.is_(None),
            or_(readable, owed),
        )
    )


@cache
def outcomes_statement(of: str) -> Select[*tuple[Any, ...]]:
    """Of one meeting, of several items, or one."""
    narrowed = {
        "meeting": AgendaItem.meeting_id == bindparam("meeting_id"),
        "items": AgendaItem.id.in_(bindparam("items", expanding=True)),
        "one": MeetingOutcome.id == bindparam("outcome_id"),
    }
    # With an OFFSET no database works a condition out anew for each column that asks it.
    row = known_outcomes().where(narrowed[of]).offset(literal_column("0")).subquery("known").c
    seen_by: dict[str, ColumnElement[bool]] = {
        **dict.fromkeys(OUTCOME_HIDEABLE, row.is_readable),
        "referral_step": and_(row.is_readable, row.is_party),
    }
    plain = [column for column in row if column.name not in seen_by]
    seen = (shown(test, row[name], name) for name, test in seen_by.items())
    return select(*plain, *seen).order_by(row.id)


OUTCOME_HIDEABLE = (
    *("text", "owner_staff_id", "owner_staff_name"),
    *("referral_step", "to_agency_id", "to_name"),
)
OUTCOME_WORDS = frozenset({"text", "owner_name", "owner_staff_name", "to_name"})


def outcome_of(row: Row[*tuple[Any, ...]]) -> OutcomeView:
    found = {name: getattr(row, name) for name in OutcomeView.__slots__}
    return OutcomeView(**found | {name: found[name] or "" for name in OUTCOME_WORDS})


def by_item(rows: Sequence[Any]) -> dict[UUID | None, list[Any]]:
    """Views by their item."""
    found: dict[UUID | None, list[Any]] = {}
    for row in rows:
        found.setdefault(row.item_id, []).append(row)
    return found


def load_outcomes(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> list[OutcomeView]:
    rows = session.execute(outcomes_statement("meeting"), wall.bound(actor, now, meeting_id=meeting_id))
    return [outcome_of(row) for row in rows]


def load_outcome(session: Session, actor: Actor, outcome_id: UUID, now: datetime) -> tuple[UUID, OutcomeView]:
    """The meeting's id and the outcome.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    row = session.execute(outcomes_statement("one"), wall.bound(actor, now, outcome_id=outcome_id)).one()
    meeting_id = select(AgendaItem.meeting_id).where(AgendaItem.id == row.item_id)
    return session.scalars(meeting_id).one(), outcome_of(row)


def addenda_columns(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Of items that may be read, and of the whole for all who may enter. The author's agency sat at the table."""
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
        and_(Addendum.item_id.is_(None), queries.may_enter(wall.READER)),
        and_(AgendaItem.removed_at.is_(None), eyes.readable(wall.READER, wall.NOW)),
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
    rows = session.execute(addenda_statement("meeting"), wall.bound(actor, now, meeting_id=meeting_id))
    return [addendum_of(row) for row in rows]


@cache
def attendance_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Staff.name,
            Attendance.guest_name,
            Attendance.guest_from,
            Attendance.was_there,
            Agency.name.label("agency_name"),
        )
        .join(Meeting, Meeting.id == Attendance.meeting_id)
        .outerjoin(Staff, Staff.id == Attendance.staff_id)
        .outerjoin(Agency, Agency.id == Attendance.agency_id)
        .where(Attendance.meeting_id == bindparam("meeting_id"), queries.may_enter(wall.READER))
        .order_by(Agency.name.is_(None), Agency.name, Attendance.id)
    )


def load_attendance(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> list[Attendee]:
    rows = session.execute(attendance_statement(), wall.bound(actor, now, meeting_id=meeting_id))
    return [
        Attendee(
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
    """Who could be asked to do something: id, name, agency."""
    return [tuple(row) for row in session.execute(staff_statement(), {"meeting_id": meeting_id})]
