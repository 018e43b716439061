"""Regular members of a series, on the rosters of its coming meetings."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import Membership, Staff
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core.db import new_id
from portal.core.policy import Actor, Role
from portal.meetings.roster.models import Attendance, RegularMember
from portal.meetings.schedule.models import Meeting, MeetingMember


def caseworkers_of(agency_id: UUID | InstrumentedAttribute[UUID]) -> Select[UUID]:
    """Who works for this agency and may sit at a table."""
    return (
        select(Membership.staff_id)
        .join(Staff, Staff.id == Membership.staff_id)
        .where(
            Membership.agency_id == agency_id,
            Membership.role.in_([Role.STAFF, Role.COORDINATOR]),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
        )
    )


def begin_roster(
    session: Session, actor: Actor, meeting: Meeting, only: Collection[UUID] | None = None
) -> None:
    """Name the regular members of the meeting's series who still work for an agency at its table.

    `only`: of these. Who is on the roster already stays.
    """
    regular = (
        select(RegularMember.staff_id, RegularMember.agency_id)
        .join(MeetingMember, MeetingMember.agency_id == RegularMember.agency_id)
        .where(
            RegularMember.series_id == meeting.series_id,
            MeetingMember.meeting_id == meeting.id,
            RegularMember.staff_id.in_(caseworkers_of(RegularMember.agency_id)),
        )
        .order_by(RegularMember.staff_id)
    )
    named = set(session.scalars(select(Attendance.staff_id).where(Attendance.meeting_id == meeting.id)))
    for staff_id, agency_id in session.execute(regular).all():
        if staff_id in named or (only is not None and staff_id not in only):
            continue
        row = Attendance(id=new_id(), meeting_id=meeting.id, agency_id=agency_id, staff_id=staff_id)
        session.add(row)
        audit.record(AuditEvent.ROSTER_CHANGED, row, actor=actor, meeting=meeting.id, named=staff_id)


def forget(session: Session, series_id: UUID, agencies: Collection[UUID]) -> None:
    """These agencies have left the series: nobody of theirs comes regularly any more."""
    session.execute(
        delete(RegularMember).where(
            RegularMember.series_id == series_id, RegularMember.agency_id.in_(sorted(agencies))
        )
    )
