"""What each record behind a figure counts, and what is left between their sum and the figure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from portal.evaluations import activity_counts, counting, records_queries
from portal.evaluations.catalogue import Count, Measure
from portal.evaluations.seen import Figure

# Each person counts once, however many records tell of them.
OF_PERSONS = frozenset(
    {
        Measure.DOOR_OPENED,
        Measure.PLACE_TO_BELONG,
        Measure.CAME_BY_LEAFLET,
        Measure.EMPLOYED,
        Measure.PART_TIME_JOB,
        Measure.WITH_HELLO_WORK,
    }
)


@dataclass(frozen=True, slots=True)
class Sum:
    """Row by row, by the key of its mark, and what else makes the figure: `total` is the sum of all the rest."""

    rows: Mapping[UUID, int]
    again: Collection[UUID]  # rows that count nobody, because an earlier one did
    came: Mapping[UUID, int] | None  # 実 from inside: how many came, beside how many of them count
    least: int  # 実: so many more, because as many came at once
    elsewhere: (
        int  # in records that this reader does not see; below zero where people are counted in several rows
    )
    since: int  # since the year was closed
    total: int

    @property
    def listed(self) -> int:
        return sum(self.rows.values())


def add_up(session: Session, figure: Figure, values: Mapping[str, Any], *, is_inside: bool) -> Sum | None:
    """How the rows make the figure; nothing where its reader is told 少数 only.

    Everything here follows from the figure as the reader sees it and from the records that they may open. Only the
    programme's own staff are told which visit of a person counts as their first: they see the figure of any day too.
    """
    if figure.is_few:
        return None
    what = figure.what
    found = session.execute(records_queries.everything(what), values).all()
    came = None
    least = 0
    if what in {Count.VISITS, Count.PEOPLE}:
        heads = heads_by_activity(values)
        rows = {row.key: heads.get(row.key, (0, 0))[0] for row in found}
        if what is Count.PEOPLE and is_inside:
            came, rows = rows, {row.key: heads.get(row.key, (0, 0))[1] for row in found}
            least = max(0, max(came.values(), default=0) - sum(rows.values()))
    elif what in OF_PERSONS:
        rows = persons(found, is_door=what is Measure.DOOR_OPENED)
    else:
        rows = {row.key: row.number for row in found}
    counted = figure.value if figure.now is None else figure.now
    return Sum(
        rows=rows,
        again={key for key, n in rows.items() if not n} if what in OF_PERSONS - {Measure.DOOR_OPENED} else (),
        came=came,
        least=least,
        elsewhere=counted - sum(rows.values()) - least,
        since=figure.value - counted,
        total=figure.value,
    )


def heads_by_activity(values: Mapping[str, Any]) -> dict[UUID, tuple[int, int]]:
    """Beside the wall; who held an activity knows how many came to it (`activities/head_counts.py`)."""
    rows = counting.everybody().execute(activity_counts.heads_by_activity(), values)
    return {activity_id: (int(came), int(count)) for activity_id, came, count in rows}


def persons(found: Iterable[Any], *, is_door: bool) -> dict[UUID, int]:
    """A person counts in the first of the records that the reader sees; who is not named counts in each.

    A door opened on the first day face to face after one at the door.
    """
    rows: dict[UUID, int] = {}
    known: set[UUID] = set()
    doors: dict[UUID, date] = {}
    for row in found:
        counts = row.number
        if row.person_id:
            if not row.number:
                doors.setdefault(row.person_id, row.day)
            behind = doors.get(row.person_id)
            if row.person_id in known or (is_door and (behind is None or behind >= row.day)):
                counts = 0
            elif counts:
                known.add(row.person_id)
        rows[row.key] = counts
    return rows
