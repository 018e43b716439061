"""What the page of a meeting says about its agenda as a whole: time taken, and the share of reports afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dateutil.relativedelta import relativedelta
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import among
from portal.meetings.agenda_models import AgendaItem
from portal.meetings.agenda_view import ItemView, MeetingView
from portal.meetings.models import Meeting
from portal.meetings.states import HELD, ItemKind, MeetingKind


@dataclass(frozen=True, slots=True)
class Time:
    """Minutes on the agenda against the length of the meeting."""

    taken: int
    whole: int

    @property
    def over(self) -> int:
        return max(0, self.taken - self.whole)


def time_of(meeting: MeetingView, items: Sequence[ItemView]) -> Time:
    return Time(sum(item.minutes for item in items if item.stands), meeting.minutes)


def share_afterwards(session: Session, meeting: MeetingView) -> int | None:
    """事後報告 of all plans of the last six months, in percent; None where there is nothing to count."""
    if meeting.kind is not MeetingKind.COORDINATION or meeting.series_id is None:
        return None
    rows = (
        select(AgendaItem.kind, func.count())
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            Meeting.series_id == meeting.series_id,
            Meeting.kind == MeetingKind.COORDINATION,
            among(Meeting.status, HELD),
            Meeting.starts_at > meeting.starts_at - relativedelta(months=6),
            Meeting.starts_at <= meeting.starts_at,
            among(AgendaItem.kind, [ItemKind.REPORT_AFTERWARDS, ItemKind.PLAN_CHECK]),
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
        )
        .group_by(AgendaItem.kind)
    )
    counted = dict(session.execute(rows).all())
    whole = sum(counted.values())
    return round(100 * counted.get(ItemKind.REPORT_AFTERWARDS, 0) / whole) if whole else None
