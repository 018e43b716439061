"""What the meetings ask of an agency today: which ones come, what it promised, and packets to stop using."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Select, Uuid, and_, bindparam, or_, select, true
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import UTCDateTime, among, db
from portal.core.policy import Actor, Permission, can, require
from portal.meetings.outcomes import queries as outcome_queries
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.outcomes.queries import PromiseView, is_done
from portal.meetings.packets import services as packet_services
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import queries
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import COMING, MeetingKind, MeetingStatus
from portal.people.categories import Category
from portal.today.whose import Whose, concerns
from portal.wall import predicates

DAYS = 14
NEW_FOR = timedelta(days=5)  # a new promise stands there, however far off its day is
MOST_MEETINGS = 10
MOST_PROMISES = 20


@dataclass(frozen=True, slots=True)
class Coming:
    """A meeting of the coming days, and what it asks of this reader now."""

    id: UUID
    name: str
    kind: MeetingKind
    starts_at: datetime
    place: str
    status: MeetingStatus
    to_arrange: bool
    to_swear: bool
    may_open: bool

    @property
    def clock_time(self) -> str:
        return f"{clock.in_japan(self.starts_at):%H:%M}"

    @property
    def is_running(self) -> bool:
        return self.status is MeetingStatus.IN_SESSION


@dataclass(frozen=True, slots=True)
class MeetingsToday:
    coming: Sequence[Coming]
    promises: Sequence[PromiseView]
    stops: int

    @property
    def is_quiet(self) -> bool:
        asks = any(one.to_arrange or one.to_swear for one in self.coming)
        return not (asks or self.promises or self.stops)


def look(actor: Actor, whose: Whose) -> MeetingsToday:
    """What the meetings ask of the actor, or of all their agency; the people whom the promises name are logged.

    Raises:
        NotAllowed: the actor does no casework.
    """
    require(actor, Permission.CASEWORK)
    session, now = db.read(), clock.now()
    stops, meetings = coming(session, actor, now, whose)
    found = MeetingsToday(meetings, promises(session, actor, now, whose), stops)
    named = {one.person_id for one in found.promises if one.person_id and one.label}
    if any(one.is_readable for one in found.promises):
        audit.record_reading(
            AuditEvent.PROMISES_LISTED,
            ("today", None),
            actor=actor,
            categories=[Category.BASIC] if named else [],
            count=len(named),
            people=sorted(named),
        )
    return found


@cache
def coming_statement(whose: Whose) -> Select[*tuple[Any, ...]]:
    """The coming meetings, and on each row (or on a row without one) how many stops wait for confirmation."""
    reader = predicates.READER

    def is_named(by: ColumnElement[bool]) -> ColumnElement[bool]:
        roster = select(Attendance.id).where(Attendance.meeting_id == Meeting.id, by)
        return roster.correlate(Meeting).exists()

    named = is_named(Attendance.staff_id == reader.staff_id)
    # While the agency has named nobody, it may be anyone's; and who convenes it has the agenda to arrange.
    to_attend = or_(
        named,
        ~is_named(and_(Attendance.agency_id == reader.agency_id, Attendance.staff_id.is_not(None))),
        Meeting.convener_id == bindparam("arranges", type_=Uuid()),
    )
    ahead = and_(
        among(Meeting.status, COMING),
        Meeting.starts_at.between(
            bindparam("first_at", type_=UTCDateTime()), bindparam("last_at", type_=UTCDateTime())
        ),
    )
    meetings = (
        select(
            Meeting.id,
            Meeting.name,
            Meeting.kind,
            Meeting.starts_at,
            Meeting.place,
            Meeting.status,
            Meeting.convener_id,
            named.label("is_named"),
            queries.has_agreed(reader).label("has_agreed"),
        )
        .where(
            queries.is_invited(reader),
            or_(ahead, Meeting.status == MeetingStatus.IN_SESSION),
            *([to_attend] if whose is Whose.MINE else []),
        )
        .order_by(Meeting.starts_at, Meeting.id)
        .limit(MOST_MEETINGS)
        .subquery()
    )
    head = select(
        packet_services.count_of(reader, predicates.NOW).scalar_subquery().label("stops")
    ).subquery()
    return (
        select(head.c.stops, *meetings.c)
        .select_from(head)
        .outerjoin(meetings, true())
        .order_by(meetings.c.starts_at, meetings.c.id)
    )


def coming(session: Session, actor: Actor, now: datetime, whose: Whose) -> tuple[int, list[Coming]]:
    """The number of stops to confirm, and the meetings of the coming days, the next one first."""
    today = clock.japan_date(now)
    values = predicates.bound(
        actor,
        now,
        first_at=clock.start_of_day(today),
        last_at=clock.end_of_day(today + timedelta(days=DAYS)),
        arranges=actor.agency_id if can(actor, Permission.MEETING_CONVENE) else None,
    )
    rows = session.execute(coming_statement(whose), values).all()
    return rows[0].stops, [meeting_of(row, actor) for row in rows if row.id]


def meeting_of(row: Any, actor: Actor) -> Coming:
    is_open = row.status is not MeetingStatus.DRAFT
    needs_confidentiality = row.kind is MeetingKind.STATUTORY and not row.has_agreed
    return Coming(
        id=row.id,
        name=row.name,
        kind=row.kind,
        starts_at=row.starts_at,
        place=row.place,
        status=row.status,
        to_arrange=not is_open and can(actor, Permission.MEETING_ARRANGE, row),
        to_swear=needs_confidentiality and row.is_named,
        may_open=is_open and not needs_confidentiality,
    )


@cache
def promises_statement(whose: Whose) -> Select[*tuple[Any, ...]]:
    return outcome_queries.as_seen(
        outcome_queries.known()
        .where(
            MeetingOutcome.owner_agency_id == predicates.READER.agency_id,
            or_(
                MeetingOutcome.due_on <= bindparam("last", type_=Date()),
                MeetingOutcome.created_at >= bindparam("lately", type_=UTCDateTime()),
            ),
            ~is_done(),
            *([concerns(MeetingOutcome.owner_staff_id)] if whose is Whose.MINE else []),
        )
        .order_by(MeetingOutcome.due_on, MeetingOutcome.id)
        .limit(bindparam("size", type_=Integer()))
    )


def promises(session: Session, actor: Actor, now: datetime, whose: Whose) -> list[PromiseView]:
    """What was promised lately, or by the end of these days; overdue promises first."""
    last = clock.japan_date(now) + timedelta(days=DAYS)
    values = predicates.bound(actor, now, last=last, lately=now - NEW_FOR, size=MOST_PROMISES)
    rows = session.execute(promises_statement(whose), values).all()
    return outcome_queries.views(session, actor, rows, now)
