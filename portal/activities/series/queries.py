"""Queries of series of activities, month by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from sqlalchemy import Date, Row, Select, bindparam, exists, false, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.activities import queries
from portal.activities.models import Activity, ActivitySeries, ActivitySeriesAgency
from portal.agencies.models import Agency
from portal.core import clock
from portal.core.errors import Conflict
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can
from portal.wall import predicates

MONTHS, WEEK = 12, 7


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a series: what was held or not held in it, and whether an activity is expected at all."""

    first: date
    last: date
    rows: Sequence[Row[Any]]
    is_expected: bool


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Series that the reader's agency holds."""
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    return (
        exists()
        .where(
            ActivitySeriesAgency.series_id == ActivitySeries.id,
            ActivitySeriesAgency.agency_id == actor.agency_id,
        )
        .correlate(ActivitySeries)
    )


def columns() -> Select[*tuple[Any, ...]]:
    return (
        select(
            ActivitySeries.id,
            ActivitySeries.agency_id,
            ActivitySeries.kind,
            ActivitySeries.area,
            ActivitySeries.title,
            ActivitySeries.place,
            ActivitySeries.mode,
            ActivitySeries.starts_on,
            ActivitySeries.ended_on,
            ActivitySeries.version,
            Agency.name.label("agency_name"),
        )
        .join(Agency, Agency.id == ActivitySeries.agency_id)
        .where(visible_to(predicates.READER))
        .order_by(ActivitySeries.title, ActivitySeries.id)
    )


@cache
def going_on() -> Select[*tuple[Any, ...]]:
    still = or_(ActivitySeries.ended_on.is_(None), ActivitySeries.ended_on >= bindparam("day", type_=Date()))
    return columns().where(still)


def live(session: Session, actor: Actor, now: datetime) -> Sequence[Row[Any]]:
    """The series that the reader's agency holds and that go on."""
    values = predicates.bound(actor, now, day=clock.japan_date(now))
    return session.execute(going_on(), values).all()


@cache
def one() -> Select[*tuple[Any, ...]]:
    return columns().where(ActivitySeries.id == bindparam("series_id"))


def detail(session: Session, actor: Actor, series_id: UUID, now: datetime) -> Row[Any]:
    """One series.

    Raises:
        NoResultFound: none that the reader's agency holds.
    """
    return session.execute(one(), predicates.bound(actor, now, series_id=series_id)).one()


def agencies_of(series_id: UUID) -> Select[UUID, str]:
    """The agencies that hold a series which the reader sees, by name."""
    return (
        select(Agency.id, Agency.name)
        .join(ActivitySeriesAgency, ActivitySeriesAgency.agency_id == Agency.id)
        .where(ActivitySeriesAgency.series_id == series_id)
        .order_by(Agency.name, Agency.id)
    )


def open_on(session: Session, actor: Actor, series_id: UUID, day: date) -> None:
    """Raise unless the actor's agency holds the series and it goes on at this day.

    Raises:
        NoResultFound: none that this actor's agency holds.
        Conflict: it had ended by then.
    """
    mine = select(ActivitySeries).where(ActivitySeries.id == series_id, visible_to(actor))
    series = session.scalars(mine).one()
    if series.ended_on is not None and day > series.ended_on:
        raise Conflict(
            N_("この定例の活動は、その日より前に終了しています。日付を確かめてください。"), field="held_on"
        )


@cache
def of_year() -> Select[*tuple[Any, ...]]:
    return (
        select(Activity.id, Activity.held_on, Activity.title, Activity.mode, Activity.not_held_why)
        .where(
            Activity.series_id == bindparam("series_id"),
            Activity.held_on >= bindparam("begins", type_=Date()),
            Activity.held_on <= bindparam("ends", type_=Date()),
            Activity.struck_at.is_(None),
            queries.visible_to(predicates.READER),
        )
        .order_by(Activity.held_on, Activity.id)
    )


def months(session: Session, actor: Actor, series: Any, year: int, now: datetime) -> list[Month]:
    """The months of a fiscal year; a month is expected from the beginning of the series to today, or to its end."""
    begins, ends = clock.fiscal_year_bounds(year)
    values = predicates.bound(actor, now, series_id=series.id, begins=begins, ends=ends)
    rows = session.execute(of_year(), values).all()
    until = min(series.ended_on or date.max, clock.japan_date(now))
    made = []
    for n in range(MONTHS):
        first = begins + relativedelta(months=n)
        last = first + relativedelta(months=1) - timedelta(days=1)
        here = [row for row in rows if first <= row.held_on <= last]
        made.append(Month(first, last, here, series.starts_on <= last and first <= until))
    return made


def like(usual: date, month: date) -> date:
    """The day of `month` that corresponds to `usual` in its own month: the second Saturday, for instance."""
    nth, first = (usual.day - 1) // WEEK, month.replace(day=1)
    day = first + timedelta(days=(usual.weekday() - first.weekday()) % WEEK + WEEK * nth)
    return day if day.month == month.month else day - timedelta(days=WEEK)


def last_held(session: Session, series_id: UUID, before: date) -> date | None:
    """When the series was last held before a day."""
    return session.scalar(
        select(func.max(Activity.held_on)).where(
            Activity.series_id == series_id,
            Activity.held_on < before,
            Activity.struck_at.is_(None),
            Activity.not_held_why == "",
        )
    )
