"""Queries of meetings, for those who sit at the table and nobody else; lists of dates and series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, exists, false, func, select, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.core import clock
from portal.core.db import among
from portal.core.policy import Actor, Permission, can
from portal.core.text import LIKE_ESCAPE, LONGEST_QUERY, like_pattern
from portal.meetings.roster.models import RegularMember
from portal.meetings.schedule.models import Meeting, MeetingMember, MeetingSeries, SeriesMember
from portal.meetings.states import COMING, MeetingStatus
from portal.wall import meetings as rules
from portal.wall import predicates


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Meetings to which the reader's agency is invited: date, place, members; not the agenda (see `item_visibility`)."""
    return is_invited(actor)


def is_invited(reader: Actor) -> ColumnElement[bool]:
    return of_meeting(rules.AT_TABLE.format("m.id"), reader)


def has_agreed(reader: Actor) -> ColumnElement[bool]:
    """The reader is on the roster and has acknowledged the duty of secrecy."""
    return of_meeting(rules.AGREED, reader)


def may_enter(reader: Actor) -> ColumnElement[bool]:
    """At the table; of a 支援会議, sworn to secrecy besides."""
    return of_meeting(rules.ENTERS, reader)


def of_meeting(rule: str, reader: Actor) -> ColumnElement[bool]:
    return predicates.for_caseworker(rule, reader, m=Meeting)


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


# Meetings and series as lists and calendar files show them: dates, places, agencies, and no item.

STILL_OPEN = COMING | {MeetingStatus.IN_SESSION}
# How far back a calendar goes.
CALENDAR_PAST = timedelta(days=90)
After = tuple[datetime, UUID]


class Show(StrEnum):
    """The tabs of the list, as they stand in its address."""

    COMING = "coming"
    PAST = "past"
    SERIES = "series"


def columns(actor: Actor) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Meeting.id,
            Meeting.series_id,
            Meeting.kind,
            Meeting.name,
            Meeting.starts_at,
            Meeting.minutes,
            Meeting.place,
            Meeting.link,
            Meeting.status,
            Meeting.announced_at,
            Meeting.calendar_sequence,
            Meeting.convener_id,
            Agency.name.label("convener_name"),
        )
        .join(Agency, Agency.id == Meeting.convener_id)
        .where(visible_to(actor))
    )


def never_was() -> ColumnElement[bool]:
    """A date cancelled with its series before it was announced: no part of the meetings' history."""
    fell = (
        exists()
        .where(MeetingSeries.id == Meeting.series_id, MeetingSeries.ended_on < Meeting.slot)
        .correlate(Meeting)
    )
    return and_(Meeting.status == MeetingStatus.CANCELLED, Meeting.announced_at.is_(None), fell)


def page(
    session: Session, actor: Actor, show: Show, *, after: After | None = None, size: int = 25
) -> Sequence[Row[*tuple[Any, ...]]]:
    """One page of a tab: what is still to come with the next one first, or what is over, the latest first."""
    key = tuple_(Meeting.starts_at, Meeting.id)
    if show is Show.COMING:
        chosen = columns(actor).where(among(Meeting.status, STILL_OPEN))
        chosen = chosen.where(key > tuple_(*after)) if after else chosen
        ordered = chosen.order_by(Meeting.starts_at, Meeting.id)
    else:
        chosen = columns(actor).where(~among(Meeting.status, STILL_OPEN), ~never_was())
        chosen = chosen.where(key < tuple_(*after)) if after else chosen
        ordered = chosen.order_by(Meeting.starts_at.desc(), Meeting.id.desc())
    return session.execute(ordered.limit(size)).all()


def search(session: Session, actor: Actor, q: str, *, size: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Meetings by a part of their name, the latest first."""
    words = q[:LONGEST_QUERY].strip()
    named = Meeting.name.ilike(like_pattern(words), escape=LIKE_ESCAPE) if words else false()
    found = columns(actor).where(named, ~never_was())
    return session.execute(found.order_by(Meeting.starts_at.desc(), Meeting.id.desc()).limit(size)).all()


def next_meeting() -> Any:
    """When a series meets next; NULL when nothing is to come."""
    return (
        select(func.min(Meeting.starts_at))
        .where(
            Meeting.series_id == MeetingSeries.id,
            among(Meeting.status, COMING),
            Meeting.starts_at > clock.now(),
        )
        .correlate(MeetingSeries)
        .scalar_subquery()
    )


def series_list(session: Session, actor: Actor) -> Sequence[Row[*tuple[Any, ...]]]:
    """The series that invite this reader's agency, those that have ended last."""
    statement = series_visible(actor).with_only_columns(
        *MeetingSeries.__table__.columns,
        Agency.name.label("convener_name"),
        next_meeting().label("next_at"),
    )
    ended = MeetingSeries.ended_on.is_not(None)
    statement = statement.join(Agency, Agency.id == MeetingSeries.convener_id)
    return session.execute(statement.order_by(ended, MeetingSeries.name, MeetingSeries.id)).all()


def series_detail(session: Session, actor: Actor, series_id: UUID) -> Row[*tuple[Any, ...]]:
    """One series.

    Raises:
        NoResultFound: none whose meetings invite this reader's agency.
    """
    statement = series_visible(actor).with_only_columns(
        *MeetingSeries.__table__.columns, Agency.name.label("convener_name")
    )
    statement = statement.join(Agency, Agency.id == MeetingSeries.convener_id)
    return session.execute(statement.where(MeetingSeries.id == series_id)).one()


def series_members(session: Session, series_id: UUID) -> dict[UUID, str]:
    found = (
        select(Agency.id, Agency.name)
        .join(SeriesMember, SeriesMember.agency_id == Agency.id)
        .where(SeriesMember.series_id == series_id)
        .order_by(Agency.name)
    )
    return {row.id: row.name for row in session.execute(found)}


def regulars_of(session: Session, series_id: UUID) -> Sequence[Row[*tuple[Any, ...]]]:
    """Who comes to every meeting of the series, agency by agency."""
    found = (
        select(RegularMember.staff_id, RegularMember.agency_id, Staff.name, Agency.name.label("agency_name"))
        .join(Staff, Staff.id == RegularMember.staff_id)
        .join(Agency, Agency.id == RegularMember.agency_id)
        .where(RegularMember.series_id == series_id)
        .order_by(Agency.name, Staff.name, Staff.id)
    )
    return session.execute(found).all()


def coming_of_series(session: Session, actor: Actor, series_id: UUID) -> Sequence[Row[*tuple[Any, ...]]]:
    """The coming meetings of a series, cancelled ones included, the next one first."""
    statement = columns(actor).where(
        Meeting.series_id == series_id,
        Meeting.starts_at >= clock.start_of_day(clock.today()),
        among(Meeting.status, [*STILL_OPEN, MeetingStatus.CANCELLED]),
    )
    return session.execute(statement.order_by(Meeting.starts_at, Meeting.id)).all()


def for_calendar(
    session: Session, actor: Actor, *, meeting_id: UUID | None = None, series_id: UUID | None = None
) -> Sequence[Row[*tuple[Any, ...]]]:
    """One meeting at any time; else those of a series, or all of this reader's, from 90 days ago on."""
    statement = columns(actor)
    if meeting_id is not None:
        return session.execute(statement.where(Meeting.id == meeting_id)).all()
    statement = statement.where(Meeting.starts_at >= clock.now() - CALENDAR_PAST)
    if series_id is not None:
        statement = statement.where(Meeting.series_id == series_id)
    return session.execute(statement.order_by(Meeting.starts_at, Meeting.id)).all()
