"""The monthly statistics as one reader may see them: exact for their own agency, else without small numbers.

Counted over all agencies (`db.unrestricted`), because nobody but the auditor may read all of these records, and nobody needs
to: what comes back are counts, by agency, month and code.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.configuration import queries as settings
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.statistics import queries
from portal.statistics.figures import opening_days
from portal.statistics.tables import Counted, Item, Period, Scope, Statistics, of_flow, of_items, of_pairs


def read(
    actor: Actor, period: Period, agency_id: UUID | None = None, *, is_export: bool = False
) -> Statistics:
    """The figures; that they were read, or taken out, is logged.

    Raises:
        NotAllowed: neither caseworker, administrator nor auditor.
        NoResultFound: no such agency.
    """
    require(actor, Permission.STATISTICS_READ)
    event = AuditEvent.FIGURES_EXPORTED if is_export else AuditEvent.STATISTICS_READ
    audit.record_reading(event, ("agency", agency_id), actor=actor, year=period.year, month=period.month)
    return count(db.unrestricted(), actor, period, agency_id)


def count(session: Session, actor: Actor, period: Period, agency_id: UUID | None = None) -> Statistics:
    """Count the statistics in twelve statements, however many agencies and referrals there are."""
    agencies = session.scalars(select(Agency).order_by(Agency.created_at, Agency.id)).all()
    names = {one.id: one.name for one in agencies}
    if agency_id is not None and agency_id not in names:
        raise NoResultFound
    sees_all = actor.agency_id is None
    scope = Scope(
        session=session,
        period=period,
        agency_id=agency_id,
        own_id=actor.agency_id,
        sees_all=sees_all,
        least=1 if sees_all else settings.value(session, "figures.least_shown"),
    )
    items = of_items(scope, list(names))
    days = opening_days(session, agencies, period.bounds[0])
    counted = [Counted(*row) for row in session.execute(queries.pairs(), scope.given(period))]
    totals = {key: items[Item.REFERRED].of(key, None) for key in names}
    return Statistics(
        period=period,
        agency_id=agency_id,
        own_id=actor.agency_id,
        sees_all=sees_all,
        least=scope.least,
        told_until=scope.told_until,
        agencies=names,
        items=items,
        flow=of_flow(scope, counted, items[Item.REFERRED], days),
        pairs=of_pairs(scope, counted, totals, days),
    )
