"""What a suggested wording says besides figures: which months were left out and why, since when people meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.activities.kinds import ActivityKind
from portal.activities.models import Activity, ActivityAgency
from portal.evaluations import meeting_counts
from portal.evaluations.period import FIRST, LAST, PROGRAMME, Period
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingKind


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An activity that was planned and not held."""

    kind: ActivityKind
    on: date
    why: str


def left_out(session: Session, programme_id: UUID, period: Period, area: str) -> Sequence[LeftOut]:
    statement = (
        select(Activity.kind, Activity.held_on, Activity.not_held_why)
        .join(ActivityAgency, ActivityAgency.activity_id == Activity.id)
        .where(
            ActivityAgency.agency_id == PROGRAMME,
            ActivityAgency.held_on.between(FIRST, LAST),
            Activity.area == area,
            Activity.not_held_why != "",
            Activity.struck_at.is_(None),
        )
        .order_by(Activity.held_on, Activity.id)
    )
    return [LeftOut(*row) for row in session.execute(statement, period.values(programme_id))]


def weekly_since(session: Session, programme_id: UUID, period: Period) -> date | None:
    """The day of the year's first weekly meeting."""
    statement = select(func.min(Meeting.starts_at)).where(
        *meeting_counts.held(), Meeting.kind == MeetingKind.WEEKLY
    )
    first = session.scalar(statement, period.values(programme_id))
    return clock.japan_date(first) if first else None
