"""Promises (宿題) in one reader's eyes: one, and the list of them by agency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Row, Select, Uuid, and_, bindparam, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal import clock
from portal.accounts.models import Staff
from portal.agencies.calendar import OpeningDays
from portal.agencies.models import Agency
from portal.agencies.queries import opening_days_by_agency
from portal.db import among
from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.meetings import eyes, queries
from portal.meetings.agenda_models import AgendaItem, MeetingOutcome
from portal.meetings.agenda_reading import shown
from portal.meetings.models import Meeting, MeetingMember
from portal.meetings.promise_queries import is_done, known_to
from portal.meetings.states import HELD
from portal.people.models import Person
from portal.policy import Actor, Permission, can
from portal.referrals.states import ReferralAction


class Show(StrEnum):
    """Which promises a list holds."""

    ALL = "all"
    MINE = "mine"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class PromiseView:
    """A promise as one reader may see it. What is not readable says only that it is owed, to whom and when.

    `days_left` counts open days of the owner, below zero when overdue; `came_back` the meetings since.
    """

    id: UUID
    version: int
    meeting_id: UUID
    meeting_name: str
    meeting_at: datetime
    item_id: UUID
    convener_id: UUID
    owner_agency_id: UUID
    owner_name: str
    is_mine: bool
    due_on: date
    is_overdue: bool
    days_left: int
    came_back: int
    is_readable: bool
    text: str
    label: str
    owner_staff_name: str
    referral_id: UUID | None
    referral_step: ReferralAction | None
    to_agency_id: UUID | None
    to_name: str
    person_id: UUID | None
    is_done: bool
    done_at: datetime | None
    done_by: str
    done_note: str

    @property
    def needs_step(self) -> bool:
        """The work itself should show it done, so closing it by hand asks why."""
        return self.referral_step is not None or self.to_agency_id is not None

    def may_be_closed_by(self, actor: Actor) -> bool:
        return self.is_mine or can(actor, Permission.MEETING_ARRANGE, self)


def times_came_back(reader: Actor, now: datetime) -> ColumnElement[int]:
    """How many meetings of the series the reader has sat at since."""
    later, seat = aliased(Meeting), aliased(MeetingMember)
    return (
        select(func.count())
        .select_from(later)
        .join(seat, and_(seat.meeting_id == later.id, seat.agency_id == reader.agency_id))
        .where(
            later.series_id == Meeting.series_id,
            later.starts_at > Meeting.starts_at,
            later.starts_at <= now,
            among(later.status, HELD),
        )
        .correlate(Meeting)
        .scalar_subquery()
    )


OLDEST = (MeetingOutcome.due_on.asc(), MeetingOutcome.id.asc())
NEWEST = (MeetingOutcome.due_on.desc(), MeetingOutcome.id.desc())


def statement(
    *tests: ColumnElement[bool], order: tuple[ColumnElement[Any], ...] = OLDEST
) -> Select[*tuple[Any, ...]]:
    """All that a page shows of `size` promises, what the reader may not see left out by the database itself.

    Whether he may is asked once of each promise. Asked beside each column, it made a statement of 29,000 steps, which
    took 16 MB on each connection; the limit keeps the planner from spreading it out again.
    """
    reader, now = wall.READER, wall.NOW
    sight = (
        select(
            MeetingOutcome.id,
            eyes.readable(reader, now).label("is_readable"),
            eyes.named(reader, now).label("is_named"),
            and_(queries.may_enter(reader), eyes.is_party(reader)).label("is_party"),
            is_done().label("is_done"),
            times_came_back(reader, now).label("came_back"),
        )
        .select_from(MeetingOutcome)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .outerjoin(Person, Person.id == AgendaItem.person_id)
        .where(known_to(reader, now), *tests)
        .order_by(*order)
        .limit(bindparam("size", type_=Integer()))
        .subquery()
    )
    readable, own = sight.c.is_readable, MeetingOutcome.owner_agency_id == reader.agency_id
    to_agency, doer, worker = aliased(Agency), aliased(Staff), aliased(Staff)
    return (
        select(
            MeetingOutcome.id,
            MeetingOutcome.version,
            MeetingOutcome.due_on,
            MeetingOutcome.owner_agency_id,
            MeetingOutcome.item_id,
            MeetingOutcome.done_at,
            Meeting.id.label("meeting_id"),
            Meeting.name.label("meeting_name"),
            Meeting.starts_at.label("meeting_at"),
            Meeting.convener_id,
            Agency,
            readable,
            sight.c.is_done,
            sight.c.came_back,
            shown(readable, MeetingOutcome.text, "text"),
            shown(or_(readable, own), worker.name, "owner_staff_name"),
            shown(or_(readable, own), doer.name, "done_by"),
            shown(or_(readable, own), MeetingOutcome.done_note, "done_note"),
            shown(sight.c.is_party, MeetingOutcome.referral_id, "referral_id"),
            shown(readable, MeetingOutcome.referral_step, "referral_step"),
            shown(readable, MeetingOutcome.to_agency_id, "to_agency_id"),
            shown(readable, to_agency.name, "to_name"),
            shown(sight.c.is_named, AgendaItem.person_id, "person_id"),
            *label_columns(sight.c.is_named),
        )
        .select_from(MeetingOutcome)
        .join(sight, sight.c.id == MeetingOutcome.id)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Agency, Agency.id == MeetingOutcome.owner_agency_id)
        .outerjoin(Person, Person.id == AgendaItem.person_id)
        .outerjoin(to_agency, to_agency.id == MeetingOutcome.to_agency_id)
        .outerjoin(worker, worker.id == MeetingOutcome.owner_staff_id)
        .outerjoin(doer, doer.id == MeetingOutcome.done_by_id)
        .order_by(*order)
    )


@cache
def one_statement() -> Select[*tuple[Any, ...]]:
    return statement(MeetingOutcome.id == bindparam("outcome_id"))


@cache
def list_statement(show: Show, *, of_agency: bool, is_first: bool) -> Select[*tuple[Any, ...]]:
    """One page: what is open by its date, the oldest first; what is done the newest first."""
    tests = [is_done() if show is Show.DONE else ~is_done()]
    if show is Show.MINE:
        tests.append(MeetingOutcome.owner_agency_id == wall.READER.agency_id)
    if of_agency:
        tests.append(MeetingOutcome.owner_agency_id == bindparam("owner_id"))
    if not is_first:
        key = tuple_(MeetingOutcome.due_on, MeetingOutcome.id)
        last = tuple_(bindparam("after_on", type_=Date()), bindparam("after_id", type_=Uuid()))
        tests.append(key < last if show is Show.DONE else key > last)
    return statement(*tests, order=NEWEST if show is Show.DONE else OLDEST)


@cache
def by_agency_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(Agency.id, Agency.name, func.count().label("count"))
        .select_from(MeetingOutcome)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Agency, Agency.id == MeetingOutcome.owner_agency_id)
        .where(known_to(wall.READER, wall.NOW), ~is_done())
        .group_by(Agency.id, Agency.name)
        .order_by(Agency.name)
    )


def page(
    session: Session,
    actor: Actor,
    show: Show,
    now: datetime,
    *,
    owner_id: UUID | None = None,
    after: tuple[date, UUID] | None = None,
    size: int = 25,
) -> list[PromiseView]:
    """One page of promises, one more than `size` when there are more."""
    values = wall.bound(actor, now, size=size + 1, owner_id=owner_id)
    if after:
        values |= {"after_on": after[0], "after_id": after[1]}
    asked = list_statement(show, of_agency=owner_id is not None, is_first=after is None)
    return views(session, actor, session.execute(asked, values).all(), now)


def by_agency(session: Session, actor: Actor, now: datetime) -> Sequence[Row[*tuple[Any, ...]]]:
    """Which agencies owe something this reader may know of, and how many of these are open."""
    return session.execute(by_agency_statement(), wall.bound(actor, now)).all()


def load(session: Session, actor: Actor, outcome_id: UUID, now: datetime) -> PromiseView:
    """One promise.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    row = session.execute(one_statement(), wall.bound(actor, now, outcome_id=outcome_id, size=1)).one()
    return views(session, actor, [row], now)[0]


def views(
    session: Session, actor: Actor, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime
) -> list[PromiseView]:
    """Rows as pages show them, the days counted by the owner's calendar."""
    if not rows:
        return []
    today = clock.japan_date(now)
    owners = {row.Agency.id: row.Agency for row in rows}
    calendars = opening_days_by_agency(session, owners.values())
    return [view_of(row, actor, today, calendars[row.owner_agency_id]) for row in rows]


def view_of(row: Any, actor: Actor, today: date, calendar: OpeningDays) -> PromiseView:
    found: dict[str, Any] = {name: getattr(row, name) for name in AS_READ}
    found |= {name: getattr(row, name) or "" for name in WORDS}
    return PromiseView(
        **found,
        owner_name=row.Agency.name,
        is_mine=row.owner_agency_id == actor.agency_id,
        is_overdue=not row.is_done and row.due_on < today,
        days_left=calendar.business_days_between(today, row.due_on),
        label=label_of(row),
    )


WORDS = frozenset({"text", "owner_staff_name", "to_name", "done_by", "done_note"})
WORKED_OUT = frozenset({"owner_name", "is_mine", "is_overdue", "days_left", "label"})
AS_READ = tuple(name for name in PromiseView.__slots__ if name not in WORDS | WORKED_OUT)
