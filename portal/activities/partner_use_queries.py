"""What was done with a partner, and with whom: for the agency that held the activity, within the wall."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Select, Uuid, bindparam, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance
from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.exclusions import queries as exclusions
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody of the reader's agency who was taken in; `label` is empty where the wall hides the name."""

    person_id: UUID
    label: str
    is_present: bool


@dataclass(frozen=True, slots=True)
class Use:
    """An activity with a partner that the reader's agency held, and whom it wrote down."""

    id: UUID
    title: str
    kind: ActivityKind
    held_on: date
    outcome: str
    visitors: Sequence[Visitor]
    anonymous: int


@cache
def uses_statement(*, is_first: bool) -> Select[*tuple[Any, ...]]:
    """Held activities with a partner, of those that the reader's agency held alone or with others."""
    held_here = exists().where(
        ActivityAgency.activity_id == Activity.id, ActivityAgency.agency_id == wall.READER.agency_id
    )
    statement = select(Activity.id, Activity.title, Activity.kind, Activity.held_on, Activity.outcome).where(
        Activity.partner_id == bindparam("partner_id", type_=Uuid()),
        Activity.struck_at.is_(None),
        Activity.not_held_why == "",
        held_here.correlate(Activity),
    )
    if not is_first:
        last = bindparam("after_day", type_=Date()), bindparam("after_id", type_=Uuid())
        statement = statement.where(tuple_(Activity.held_on, Activity.id) < tuple_(*last))
    newest = (Activity.held_on.desc(), Activity.id.desc())
    return statement.order_by(*newest).limit(bindparam("size", type_=Integer()))


@cache
def visitors_statement() -> Select[*tuple[Any, ...]]:
    """Whom the reader's agency wrote down as having come, but for those from whose affairs he is shut out."""
    return (
        select(
            ActivityAttendance.activity_id,
            ActivityAttendance.person_id,
            *label_columns(wall.sees(wall.READER, Category.BASIC, wall.NOW)),
            wall.present(wall.READER, wall.NOW).label("is_present"),
        )
        .outerjoin(Person, Person.id == ActivityAttendance.person_id)
        .where(
            ActivityAttendance.activity_id.in_(bindparam("activities", expanding=True)),
            ActivityAttendance.agency_id == wall.READER.agency_id,
            ActivityAttendance.struck_at.is_(None),
            or_(
                ActivityAttendance.person_id.is_(None),
                ~exclusions.is_excluded(wall.READER, ActivityAttendance.person_id),
            ),
        )
        .order_by(ActivityAttendance.id)
    )


def uses(
    session: Session,
    actor: Actor,
    partner_id: UUID,
    now: datetime,
    *,
    after: tuple[date, UUID] | None = None,
    size: int = 25,
) -> list[Use]:
    """What the reader's agency did with the partner, the latest day first, beginning behind the key `after`."""
    values = wall.bound(actor, now, partner_id=partner_id, size=size)
    if after:
        values |= {"after_day": after[0], "after_id": after[1]}
    rows = session.execute(uses_statement(is_first=after is None), values).all()
    if not rows:
        return []
    visitors: dict[UUID, list[Visitor]] = defaultdict(list)
    anonymous: dict[UUID, int] = defaultdict(int)
    found = session.execute(visitors_statement(), wall.bound(actor, now, activities=[row.id for row in rows]))
    for one in found:
        if one.person_id is None:
            anonymous[one.activity_id] += 1
        else:
            visitors[one.activity_id].append(Visitor(one.person_id, label_of(one), bool(one.is_present)))
    return [
        Use(
            id=row.id,
            title=row.title,
            kind=row.kind,
            held_on=row.held_on,
            outcome=row.outcome,
            visitors=visitors[row.id],
            anonymous=anonymous[row.id],
        )
        for row in rows
    ]
