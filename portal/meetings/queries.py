"""How meetings are found: by those who sit at the table, and by nobody else."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, exists, false, or_, select
from sqlalchemy.sql import ColumnElement

from portal.meetings.models import Attendance, Meeting, MeetingMember, MeetingSeries, SeriesMember
from portal.meetings.states import MeetingKind
from portal.policy import Actor, Permission, can


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Meetings to which the reader's agency is invited: date, place, members; not the agenda (see `eyes`)."""
    return at_table(actor)


def at_table(reader: Actor) -> ColumnElement[bool]:
    if reader.agency_id is None or not can(reader, Permission.CASEWORK):
        return false()
    return (
        exists()
        .where(MeetingMember.meeting_id == Meeting.id, MeetingMember.agency_id == reader.agency_id)
        .correlate(Meeting)
    )


def is_sworn(reader: Actor) -> ColumnElement[bool]:
    """The reader himself is on the roster and has acknowledged the duty of secrecy."""
    return (
        exists()
        .where(
            Attendance.meeting_id == Meeting.id,
            Attendance.staff_id == reader.staff_id,
            Attendance.secrecy_at.is_not(None),
        )
        .correlate(Meeting)
    )


def may_enter(reader: Actor) -> ColumnElement[bool]:
    """At the table; of a 支援会議, sworn to secrecy besides (生活困窮者自立支援法, 支援会議の守秘義務)."""
    return at_table(reader) & or_(Meeting.kind != MeetingKind.STATUTORY, is_sworn(reader))


def visible(actor: Actor) -> Select[Meeting]:
    return select(Meeting).where(visible_to(actor))


def series_visible(actor: Actor) -> Select[MeetingSeries]:
    """Series whose coming meetings invite the reader's agency."""
    statement = select(MeetingSeries)
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return statement.where(false())
    invited = exists().where(
        SeriesMember.series_id == MeetingSeries.id, SeriesMember.agency_id == actor.agency_id
    )
    return statement.where(invited)


def members_of(meeting_id: UUID) -> Select[UUID]:
    return select(MeetingMember.agency_id).where(MeetingMember.meeting_id == meeting_id)
