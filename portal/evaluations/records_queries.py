"""The records behind a figure: of those that were counted, the ones that this reader may open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Select, Uuid, bindparam, select, tuple_, union_all
from sqlalchemy.orm import Session

from portal.activities.kinds import Mode
from portal.activities.models import ActivityAgency, ActivityAttendance
from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.evaluations import case_counts, counting
from portal.evaluations.catalogue import Count, Measure
from portal.evaluations.figures import Key
from portal.evaluations.period import FIRST, LAST, Period
from portal.evaluations.record_sources import CODES, JOBS, KINDS, RecordKind, Source, parts_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor
from portal.words import Worded

PAGE = 50


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the list. `id` is that of the page to open, `mark` where the list goes on behind it.

    `what` says what happened on that day; `name` is empty where the wall withholds it or nobody is meant.
    """

    kind: RecordKind
    id: UUID
    mark: tuple[date, UUID]
    what: Worded | None
    label: str
    person_id: UUID | None
    name: str

    @property
    def day(self) -> date:
        return self.mark[0]

    @property
    def key(self) -> UUID:
        return self.mark[1]


@cache
def paging(what: Count | Measure, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """One page, the latest first, built once: the rows, then the names of those on it."""
    rows = union_all(*parts_of(what)).subquery("rows")
    newest = (rows.c.day.desc(), rows.c.key.desc())
    chosen = select(rows)
    if not is_first:
        last = tuple_(bindparam("after_day", type_=Date()), bindparam("after_key", type_=Uuid()))
        chosen = chosen.where(tuple_(rows.c.day, rows.c.key) < last)
    page = chosen.order_by(*newest).limit(bindparam("size", type_=Integer())).subquery("page")
    return (
        select(page, *label_columns(wall.sees(wall.READER, Category.BASIC, wall.NOW)))
        .outerjoin(Person, Person.id == page.c.person_id)
        .order_by(page.c.day.desc(), page.c.key.desc())
    )


@cache
def everything(what: Count | Measure) -> Select[*tuple[Any, ...]]:
    """All rows of the list, the earliest first, without names: what they add up to."""
    rows = union_all(*parts_of(what)).subquery("rows")
    return select(rows.c.key, rows.c.day, rows.c.person_id, rows.c.number).order_by(rows.c.day, rows.c.key)


@cache
def visits_counted() -> Select[UUID]:
    """Of those whose door opened in the period: visits through the door, and those of it face to face."""
    doors = case_counts.doors()
    within = ActivityAgency.held_on.between(FIRST, LAST)
    of_them = ActivityAttendance.person_id.in_(select(doors.c.person_id))
    behind = case_counts.visited(Mode.THROUGH_DOOR, of_them, ActivityAgency.held_on <= LAST)
    before = case_counts.visited(Mode.IN_PERSON, of_them, within)
    both = union_all(*(one.with_only_columns(ActivityAttendance.id) for one in (behind, before))).subquery()
    return select(both.c.id)


def counted(what: Count | Measure, values: dict[str, Any]) -> list[UUID]:
    """Rows that a figure counted, for those where looking with the reader's eyes would count others."""
    session = counting.everybody()
    if what is Measure.DOOR_OPENED:
        return list(session.scalars(visits_counted(), values))
    if what in JOBS:
        wanted, helped = JOBS[what], what is Measure.WITH_HELLO_WORK
        rows = session.execute(case_counts.jobs(), values)
        return sorted({row.id for row in rows if row.outcome in wanted and (row.helped or not helped)})
    return []


def asked(actor: Actor, programme_id: UUID, period: Period, key: Key, now: datetime) -> dict[str, Any]:
    """What the statements of a figure's list are run with."""
    of_period = period.values(programme_id)
    values = wall.bound(actor, now, **of_period, area=key.area, kind=key.kind)
    return values | {"ids": counted(key.what, of_period)}


def records(
    session: Session,
    what: Count | Measure,
    values: dict[str, Any],
    *,
    after: tuple[date, UUID] | None = None,
    size: int = PAGE,
) -> Sequence[Record]:
    """One page of what lies behind a figure, the latest first, beginning behind the mark `after`.

    `values` are those of `asked`. There may be fewer than the figure says: the others are not this reader's to open.
    """
    values = values | {"size": size}
    if after:
        values |= {"after_day": after[0], "after_key": after[1]}
    return [
        Record(
            KINDS[source := Source(row.source)],
            row.page_id,
            (row.day, row.key),
            CODES[source](row.code) if source in CODES and row.code else None,
            row.label,
            row.person_id,
            label_of(row),
        )
        for row in session.execute(paging(what, is_first=after is None), values)
    ]
