"""What every page asks: what this member has open now, and on the first page what waits for him."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal import clock
from portal.agencies.models import Agency
from portal.disclosures import wall
from portal.emergency import queries
from portal.emergency.models import Emergency, EmergencyAccess, EmergencyNotice, Finding
from portal.emergency.queries import Box
from portal.exclusions import queries as exclusions
from portal.policy import Actor, Permission, Role, can

MOST = 99


@dataclass(frozen=True, slots=True)
class LiveAccess:
    """What this member has open; whose it is stands on the person's page, where the reading is logged."""

    id: UUID
    person_id: UUID
    home_name: str
    reason: Emergency
    starts_at: datetime
    ends_at: datetime
    minutes_left: int

    @property
    def until(self) -> str:
        """As clocks in Japan show it."""
        return f"{clock.in_japan(self.ends_at):%H:%M}"


@cache
def running() -> Select[*tuple[Any, ...]]:
    reader = wall.READER
    return (
        select(
            EmergencyAccess.id,
            EmergencyAccess.person_id,
            Agency.name.label("home_name"),
            EmergencyAccess.reason,
            EmergencyAccess.starts_at,
            EmergencyAccess.ends_at,
        )
        .join(Agency, Agency.id == EmergencyAccess.home_agency_id)
        .where(
            EmergencyAccess.staff_id == reader.staff_id,
            EmergencyAccess.agency_id == reader.agency_id,
            EmergencyAccess.starts_at <= wall.NOW,
            EmergencyAccess.ends_at > wall.NOW,
            EmergencyAccess.ended_at.is_(None),
            ~exclusions.is_excluded(reader, EmergencyAccess.person_id),
        )
        .order_by(EmergencyAccess.ends_at, EmergencyAccess.id)
    )


def live(session: Session, actor: Actor) -> list[LiveAccess]:
    """What this member has open at this moment, the one that ends first on top."""
    if not can(actor, Permission.EMERGENCY_USE):
        return []
    now = clock.now()
    return [
        LiveAccess(
            row.id,
            row.person_id,
            row.home_name,
            row.reason,
            row.starts_at,
            row.ends_at,
            minutes_left=max(1, math.ceil((row.ends_at - now).total_seconds() / 60)),
        )
        for row in session.execute(running(), wall.bound(actor, now))
    ]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for this reader: to agree to, to take note of, to review (and of that what is late)."""

    requests: int = 0
    notices: int = 0
    findings: int = 0
    reviews: int = 0
    overdue: int = 0

    @property
    def is_quiet(self) -> bool:
        return not (self.requests or self.notices or self.reviews)


def waiting(session: Session, actor: Actor) -> Waiting:
    """In one statement, counting no further than `MOST`."""
    if actor.role is Role.SYSTEM_ADMIN:
        return Waiting()
    now = clock.now()
    unnoted = exists().where(
        EmergencyNotice.access_id == EmergencyAccess.id,
        queries.is_for_office(actor),
        EmergencyNotice.noted_at.is_(None),
    )
    to_review = queries.in_box(actor, Box.TO_REVIEW, now)
    late = EmergencyAccess.review_by < clock.japan_date(now)
    not_justified = EmergencyAccess.finding == Finding.NOT_JUSTIFIED

    def count(*tests: ColumnElement[bool]) -> Any:
        rows = select(EmergencyAccess.id).where(queries.visible_to(actor), *tests).limit(MOST).subquery()
        return select(func.count()).select_from(rows).scalar_subquery()

    counts = (
        count(queries.in_box(actor, Box.REQUESTS, now)),
        count(unnoted),
        count(and_(unnoted, not_justified)),
        count(to_review),
        count(and_(to_review, late)),
    )
    return Waiting(*session.execute(select(*counts)).one())


def reasons(session: Session, line_ids: Sequence[UUID]) -> dict[UUID, Emergency]:
    """Why each of these lines of the ledger was opened."""
    if not line_ids:
        return {}
    wanted = select(EmergencyAccess.disclosure_id, EmergencyAccess.reason).where(
        EmergencyAccess.disclosure_id.in_(line_ids)
    )
    return {row.disclosure_id: row.reason for row in session.execute(wanted)}
