"""How agencies are read. Agencies are no secret: every signed-in reader may see them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.calendar import OpeningDays
from portal.agencies.models import Agency, Closure, Service


def listing(*, active_only: bool = False) -> Select[Agency]:
    statement = select(Agency).order_by(Agency.name, Agency.id)
    return statement.where(Agency.is_active) if active_only else statement


def services_of(agency_id: UUID) -> Select[Service]:
    return select(Service).where(Service.agency_id == agency_id).order_by(Service.created_at, Service.id)


def closures_of(agency_id: UUID) -> Select[Closure]:
    """Closures that are not over yet, the next one first."""
    return (
        select(Closure)
        .where(Closure.agency_id == agency_id, Closure.ends_on >= clock.today())
        .order_by(Closure.starts_on, Closure.id)
    )


def opening_days(session: Session, agency: Agency) -> OpeningDays:
    """When the agency is open, for counting its business days; closures of the past are left out."""
    spans = session.execute(
        select(Closure.starts_on, Closure.ends_on).where(
            Closure.agency_id == agency.id, Closure.ends_on >= clock.today()
        )
    ).all()
    return OpeningDays(
        weekly_closed=agency.closed_weekdays,
        holidays_closed=agency.holidays_closed,
        yearend_closed=agency.yearend_closed,
        closures=tuple((row.starts_on, row.ends_on) for row in spans),
    )
