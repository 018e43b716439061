"""What hangs on a member of staff: the same records are counted for the page and handed over by the act."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.cases.models import Case
from portal.core.db import among
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.outcomes.queries import is_done, is_promise
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import COMING
from portal.referrals.models import Referral
from portal.referrals.queries import Box, worker_of
from portal.referrals.states import OPEN, ReferralStatus

UNFINISHED = OPEN | {ReferralStatus.DRAFT}


@dataclass(frozen=True, slots=True)
class Hanging:
    """How much hangs on a member of staff; whoever looks after the staff is told numbers and nothing else."""

    cases: int
    received: int
    sent: int
    promises: int
    meetings: int

    def __bool__(self) -> bool:
        return any((self.cases, self.received, self.sent, self.promises, self.meetings))


def cases(staff_id: UUID, agency_id: UUID) -> Select[Case]:
    return select(Case).where(
        Case.agency_id == agency_id, Case.worker_id == staff_id, Case.closed_on.is_(None)
    )


def referrals(staff_id: UUID, agency_id: UUID, box: Box) -> Select[Referral]:
    """The unfinished ones on one side, the sender's with its drafts."""
    own = Referral.to_agency_id if box is Box.IN else Referral.from_agency_id
    return select(Referral).where(
        own == agency_id, worker_of(box) == staff_id, among(Referral.status, UNFINISHED)
    )


def promises(staff_id: UUID, agency_id: UUID) -> Select[MeetingOutcome]:
    return select(MeetingOutcome).where(
        MeetingOutcome.owner_agency_id == agency_id,
        MeetingOutcome.owner_staff_id == staff_id,
        is_promise(),
        ~is_done(),
    )


def attendances(staff_id: UUID, agency_id: UUID) -> Select[Attendance]:
    """The places on the rosters of meetings to come."""
    return (
        select(Attendance)
        .join(Meeting, Meeting.id == Attendance.meeting_id)
        .where(
            Attendance.staff_id == staff_id,
            Attendance.agency_id == agency_id,
            among(Meeting.status, COMING),
        )
    )


def number(rows: Select[object]) -> ColumnElement[int]:
    return select(func.count()).select_from(rows.subquery()).scalar_subquery()


def hanging(session: Session, staff_id: UUID, agency_id: UUID | None) -> Hanging:
    """Counts on a session that sees every row, for an administrator who sees no client."""
    if agency_id is None:
        return Hanging(0, 0, 0, 0, 0)
    row = session.execute(
        select(
            number(cases(staff_id, agency_id)),
            number(referrals(staff_id, agency_id, Box.IN)),
            number(referrals(staff_id, agency_id, Box.OUT)),
            number(promises(staff_id, agency_id)),
            number(attendances(staff_id, agency_id)),
        )
    ).one()
    return Hanging(*row)
