"""What speaks against a step of a meeting: another day than the planned one, or nobody who attended."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.errors import Conflict, Invalid
from portal.core.labels import N_
from portal.meetings.agenda.queries import MeetingView
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingAction, MeetingKind

# Who sat at these tables, and on which day, is part of the record that the law and the city ask for.
COUNCILS = frozenset({MeetingKind.STATUTORY, MeetingKind.COORDINATION})


@dataclass(frozen=True, slots=True)
class Doubt:
    """The fact in words; what a council does instead, if it may not be confirmed there; whether a reason is asked."""

    fact: str
    instead: str = ""
    asks_why: bool = False


TOO_EARLY = Doubt(
    N_("会議の予定の日は、まだ来ていません。"),
    N_("支援会議と支援調整会議は、予定の日より前に始められません。先に会議の日時を変えてください。"),
    asks_why=True,
)
TOO_LATE = Doubt(N_("会議の予定の日は、もう過ぎています。"), asks_why=True)
NOBODY_CAME = Doubt(
    N_("出席した人が、一人も記録されていません。"),
    N_("支援会議と支援調整会議では、出席した人の記録が要ります。先に「名簿・出欠」で記録してください。"),
)


def about(session: Session, meeting: Meeting | MeetingView, action: MeetingAction) -> Doubt | None:
    """What speaks against this step now, if anything does."""
    if action is MeetingAction.BEGIN:
        planned, today = clock.japan_date(meeting.starts_at), clock.today()
        return TOO_EARLY if today < planned else TOO_LATE if today > planned else None
    if action in {MeetingAction.CLOSE, MeetingAction.APPROVE}:
        came = exists().where(Attendance.meeting_id == meeting.id, Attendance.was_there)
        return None if session.scalar(select(came)) else NOBODY_CAME
    return None


def is_refused(meeting: Meeting | MeetingView, doubt: Doubt) -> bool:
    return bool(doubt.instead) and meeting.kind in COUNCILS


def settle(session: Session, meeting: Meeting, action: MeetingAction, *, confirmed: bool, why: str) -> None:
    """Raise unless nothing speaks against the step, or it was confirmed, with a reason where one is asked.

    Raises:
        Conflict: a council, which says what to do instead.
        Invalid: not confirmed, or without the reason.
    """
    doubt = about(session, meeting, action)
    if doubt is None:
        return
    if is_refused(meeting, doubt):
        raise Conflict(doubt.instead)
    if not confirmed:
        raise Invalid(doubt.fact, field="confirmed")
    if doubt.asks_why and not why:
        raise Invalid(N_("理由を入力してください。"), field="text")
