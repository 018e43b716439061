"""Queries of agencies, which are no secret: every signed-in reader may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from portal.agencies.calendar import NeverOpen, OpeningDays, holidays, is_yearend
from portal.agencies.models import Agency, Closure, Room, Service
from portal.core import clock
from portal.core.labels import N_


def listing(*, active_only: bool = False) -> Select[Agency]:
    statement = select(Agency).order_by(Agency.name, Agency.id)
    return statement.where(Agency.is_active) if active_only else statement


@cache
def naming() -> Select[UUID, str]:
    return listing().with_only_columns(Agency.id, Agency.name)


def others(session: Session, agency_id: UUID | None) -> list[Row[UUID, str]]:
    """The ids and names of all agencies but this one, those that have left the network too."""
    return [one for one in session.execute(naming()) if one.id != agency_id]


def services_of(agency_id: UUID, *, active_only: bool = False) -> Select[Service]:
    mine = select(Service).where(Service.agency_id == agency_id).order_by(Service.created_at, Service.id)
    return mine.where(Service.is_active) if active_only else mine


def services_by_agency(session: Session) -> dict[UUID, list[Service]]:
    """The services that each agency offers now."""
    offered = select(Service).where(Service.is_active).order_by(Service.created_at, Service.id)
    found: dict[UUID, list[Service]] = defaultdict(list)
    for service in session.scalars(offered):
        found[service.agency_id].append(service)
    return found


def closures_of(agency_id: UUID) -> Select[Closure]:
    """Closures that are not over yet, the next one first."""
    return (
        select(Closure)
        .where(Closure.agency_id == agency_id, Closure.ends_on >= clock.today())
        .order_by(Closure.starts_on, Closure.id)
    )


def days_of(agency: Agency, closures: Iterable[Closure]) -> OpeningDays:
    return OpeningDays(
        weekly_closed=agency.closed_weekdays,
        holidays_closed=agency.holidays_closed,
        yearend_closed=agency.yearend_closed,
        closures=tuple((c.starts_on, c.ends_on) for c in closures),
    )


def opening_days(session: Session, agency: Agency) -> OpeningDays:
    """When the agency is open, for counting its business days; closures of the past are left out."""
    return days_of(agency, session.scalars(closures_of(agency.id)))


def opening_days_by_agency(session: Session, agencies: Iterable[Agency]) -> dict[UUID, OpeningDays]:
    """The same for many agencies, in one statement."""
    closures: dict[UUID, list[Closure]] = defaultdict(list)
    for closure in session.scalars(select(Closure).where(Closure.ends_on >= clock.today())):
        closures[closure.agency_id].append(closure)
    return {agency.id: days_of(agency, closures[agency.id]) for agency in agencies}


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A closed day that people would not expect, and the word for why."""

    day: date
    word: str


def next_closed(days: OpeningDays, today: date, *, within: int = 60) -> list[ClosedDay]:
    """National holidays and the year-end of the coming weeks, without the weekdays that are always closed."""
    found = []
    for day in (today + timedelta(days=step) for step in range(within)):
        if day.weekday() in days.weekly_closed:
            continue
        if days.yearend_closed and is_yearend(day):
            found.append(ClosedDay(day, N_("年末年始")))
        elif days.holidays_closed and day in holidays(day.year):
            found.append(ClosedDay(day, N_("祝日")))
    return found


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an agency, or one of its services, can take somebody today.

    `next_open_day` is the first open day after today, None when none comes within a year. `room` and `as_of`
    are None when no service is meant.
    """

    is_active: bool
    closed_today: bool
    next_open_day: date | None
    room: Room | None
    as_of: date | None

    @property
    def is_full(self) -> bool:
        return self.room is Room.FULL


def availability(session: Session, agency: Agency, service: Service | None, today: date) -> Availability:
    """The availability to show before a referral goes to this agency or service."""
    return availability_on(opening_days(session, agency), agency, service, today)


def availability_on(days: OpeningDays, agency: Agency, service: Service | None, today: date) -> Availability:
    """The same, from opening days that were loaded before."""
    try:
        next_open_day = days.next_open(today)
    except NeverOpen:
        next_open_day = None
    return Availability(
        is_active=agency.is_active and (service is None or service.is_active),
        closed_today=not days.is_open(today),
        next_open_day=next_open_day,
        room=service.room if service else None,
        as_of=service.room_as_of if service else None,
    )
