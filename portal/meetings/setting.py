"""Where a meeting stands among its like: its table, its day, and the meetings of its series that were held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.db import among
from portal.meetings.models import Meeting
from portal.meetings.queries import members_of
from portal.meetings.states import HELD, MeetingKind

WINDOW = timedelta(days=14)  # what is new to a meeting without a predecessor
LAPSING_WITHIN = timedelta(days=30)
GOALS_WITHIN = timedelta(days=7)
# More of one kind than any meeting gets through; the oldest work comes first, the rest next time.
MOST = 40


@dataclass(frozen=True, slots=True)
class Setting:
    """`since` is when the last meeting of the series was held; `previous_id` is that meeting."""

    meeting_id: UUID
    series_id: UUID | None
    convener_id: UUID
    kind: MeetingKind
    members: tuple[UUID, ...]
    day: date
    starts_at: datetime
    since: datetime
    previous_id: UUID | None
    now: datetime

    def values(self) -> dict[str, Any]:
        """What the statements of `sources` ask for."""
        today = clock.japan_date(self.now)
        return {
            "meeting_id": self.meeting_id,
            "series_id": self.series_id,
            "members": list(self.members),
            "late_day": self.late_day,
            "starts_at": self.starts_at,
            "since": self.since,
            "since_day": clock.japan_date(self.since),
            "previous_id": self.previous_id,
            "now": self.now,
            "today": today,
            "lapse_day": (self.day if self.is_near else today) + LAPSING_WITHIN,
            "goal_day": self.day + GOALS_WITHIN,
            "most": MOST,
        }

    @property
    def late_day(self) -> date:
        """What is unanswered is late by today: nobody is called late before he is, on an agenda drawn up early."""
        return min(self.day, clock.japan_date(self.now))

    @property
    def is_near(self) -> bool:
        """So near that its day is what counts; of a meeting far off, today is."""
        return self.starts_at - self.now < WINDOW


def of(session: Session, meeting: Meeting, now: datetime) -> Setting:
    """The setting of this meeting."""
    previous = None
    if meeting.series_id:
        earlier = (
            select(Meeting.id, Meeting.starts_at)
            .where(
                Meeting.series_id == meeting.series_id,
                Meeting.starts_at < meeting.starts_at,
                among(Meeting.status, HELD),
                Meeting.id != meeting.id,
            )
            .order_by(Meeting.starts_at.desc())
            .limit(1)
        )
        previous = session.execute(earlier).one_or_none()
    return Setting(
        meeting_id=meeting.id,
        series_id=meeting.series_id,
        convener_id=meeting.convener_id,
        kind=meeting.kind,
        members=tuple(sorted(session.scalars(members_of(meeting.id)))),
        day=clock.japan_date(meeting.starts_at),
        starts_at=meeting.starts_at,
        since=previous.starts_at if previous else min(now, meeting.starts_at) - WINDOW,
        previous_id=previous.id if previous else None,
        now=now,
    )
