"""Activities of a period by area and kind: held, not held, online, audience; who came, 延べ and 実."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, extract, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance
from portal.evaluations.catalogue import Count
from portal.evaluations.period import FIRST, LAST, PROGRAMME

Counted = dict[tuple[str, ActivityKind, Count], int]

HELD = Activity.not_held_why == ""
ONLINE = and_(HELD, Activity.mode.in_([Mode.ONLINE, Mode.BOTH]))
HEAD = ActivityAttendance.struck_at.is_(None)
# The fiscal year's months, April first.
MONTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3)


def within() -> list[ColumnElement[bool]]:
    """Activities of the programme, alone or with others, in the period: one range of an index."""
    return [
        ActivityAgency.agency_id == PROGRAMME,
        ActivityAgency.held_on.between(FIRST, LAST),
        Activity.id == ActivityAgency.activity_id,
        Activity.struck_at.is_(None),
    ]


def many(test: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((test, 1), else_=0)), 0)


def month() -> ColumnElement[int]:
    return extract("month", ActivityAgency.held_on)


@cache
def acts(*, by_month: bool = False) -> Select[*tuple[Any, ...]]:
    by: list[Any] = [Activity.area, Activity.kind, *([month()] if by_month else [])]
    columns = {
        Count.HELD: many(HELD),
        Count.NOT_HELD: many(~HELD),
        Count.ONLINE: many(ONLINE),
        Count.AUDIENCE: func.coalesce(func.sum(case((HELD, Activity.audience_number))), 0),
    }
    named = [column.label(count.value) for count, column in columns.items()]
    return select(*by, *named).where(*within()).group_by(*by)


@cache
def heads() -> Select[*tuple[Any, ...]]:
    """By area and kind: heads, anonymous ones who came for the first time, and the most at one activity."""
    first = and_(ActivityAttendance.person_id.is_(None), ActivityAttendance.is_first)
    one = (
        select(Activity.area, Activity.kind, func.count().label("heads"), many(first).label("firsts"))
        .where(*within(), HELD, ActivityAttendance.activity_id == Activity.id, HEAD)
        .group_by(Activity.id, Activity.area, Activity.kind)
        .subquery()
    )
    counts = (func.sum(one.c.heads), func.sum(one.c.firsts), func.max(one.c.heads))
    return select(one.c.area, one.c.kind, *counts).group_by(one.c.area, one.c.kind)


@cache
def heads_by_activity() -> Select[*tuple[Any, ...]]:
    """Of one area and kind, by activity: how many came, and how many of them count as persons there.

    A named person counts where they came first in the period, an anonymous one where they came for the first time.
    """
    person = ActivityAttendance.person_id
    in_order = (ActivityAgency.held_on, Activity.id, ActivityAttendance.id)
    one = (
        select(
            Activity.id,
            person,
            ActivityAttendance.is_first,
            func.row_number().over(partition_by=person, order_by=in_order).label("place"),
        )
        .where(
            *within(),
            HELD,
            Activity.area == bindparam("area"),
            Activity.kind == bindparam("kind", type_=Activity.kind.type),
            ActivityAttendance.activity_id == Activity.id,
            HEAD,
        )
        .subquery()
    )
    counts = or_(
        and_(one.c.person_id.is_(None), one.c.is_first), and_(one.c.person_id.is_not(None), one.c.place == 1)
    )
    return select(one.c.id, func.count(), many(counts)).group_by(one.c.id)


@cache
def names() -> Select[*tuple[Any, ...]]:
    """By area and kind: how many different persons are known by name."""
    return (
        select(Activity.area, Activity.kind, func.count(ActivityAttendance.person_id.distinct()))
        .where(*within(), HELD, ActivityAttendance.activity_id == Activity.id, HEAD)
        .group_by(Activity.area, Activity.kind)
    )


@cache
def visits_by_month() -> Select[*tuple[Any, ...]]:
    by = (Activity.area, Activity.kind, month())
    came = select(*by, func.count()).where(
        *within(), HELD, ActivityAttendance.activity_id == Activity.id, HEAD
    )
    return came.group_by(*by)


def count(session: Session, values: dict[str, Any]) -> Counted:
    """All counts that are not zero, in three statements."""
    found: Counted = {}
    for area, kind, held, not_held, online, audience in session.execute(acts(), values):
        counts = (
            (Count.HELD, held),
            (Count.NOT_HELD, not_held),
            (Count.ONLINE, online),
            (Count.AUDIENCE, audience),
        )
        found |= {(area, kind, what): int(value) for what, value in counts}
    known = {(area, kind): number for area, kind, number in session.execute(names(), values)}
    for area, kind, visits, firsts, most in session.execute(heads(), values):
        found[area, kind, Count.VISITS] = int(visits)
        found[area, kind, Count.PEOPLE] = max(known[area, kind] + int(firsts), int(most))
    return found


ADDITIVE: Collection[Count] = (Count.HELD, Count.NOT_HELD, Count.ONLINE, Count.AUDIENCE, Count.VISITS)


def by_month(session: Session, values: dict[str, Any]) -> dict[tuple[str, ActivityKind, Count], list[int]]:
    """Of what adds up, twelve numbers, April first. 実 does not add up: who comes in May may come in June."""
    found: dict[tuple[str, ActivityKind, Count], list[int]] = {}

    def put(area: str, kind: ActivityKind, what: Count, of: int, value: int) -> None:
        found.setdefault((area, kind, what), [0] * 12)[MONTHS.index(int(of))] = int(value)

    for area, kind, of, held, not_held, online, audience in session.execute(acts(by_month=True), values):
        for what, value in zip(ADDITIVE, (held, not_held, online, audience), strict=False):
            put(area, kind, what, of, value)
    for area, kind, of, visits in session.execute(visits_by_month(), values):
        put(area, kind, Count.VISITS, of, visits)
    return found
