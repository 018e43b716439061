"""Every figure of a programme's year, as of a day, out of its records; in a constant number of statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.db import db
from portal.evaluations import activity_counts, case_counts, meeting_counts, referral_counts
from portal.evaluations.catalogue import Area, Count, counts_of
from portal.evaluations.figures import Key, of_kind, of_measure
from portal.evaluations.period import Period

__all__ = ["Period", "by_month", "count", "everybody"]


def everybody() -> Session:
    """Figures are counted beside the wall (docs/decisions/021): the programme's, whoever reads them."""
    return db.across()


def count(session: Session, programme_id: UUID, period: Period, areas: Sequence[Area]) -> dict[Key, int]:
    """All figures of these areas, in their order; also of kinds that only a record says to belong to an area."""
    values = period.values(programme_id)
    acts = activity_counts.count(session, values)
    measures = {
        **case_counts.count(session, values),
        **referral_counts.count(session, values),
        **meeting_counts.count(session, values),
    }
    found: dict[Key, int] = {}
    for area in areas:
        for kind in kinds_of(area, acts):
            for what in counts_of(kind):
                found[of_kind(area.code, kind, what)] = acts.get((area.code, kind, what), 0)
        for measure in area.measures:
            found[of_measure(area.code, measure)] = measures[measure]
    return found


def kinds_of(area: Area, acts: Iterable[tuple[str, ActivityKind, Count]]) -> list[ActivityKind]:
    """Those the area lists, then those found in its records, in the order of all kinds."""
    there = {kind for code, kind, _what in acts if code == area.code} - set(area.kinds)
    return [*area.kinds, *(kind for kind in ActivityKind if kind in there)]


def by_month(
    session: Session, programme_id: UUID, year: int, areas: Sequence[Area], as_of: date | None = None
) -> dict[Key, list[int]]:
    """Of what adds up, twelve numbers, April first. 実 is left out: months of it do not make its year."""
    period = Period(year, as_of) if as_of else Period.whole(year)
    acts = activity_counts.by_month(session, period.values(programme_id))
    return {
        of_kind(area.code, kind, what): acts.get((area.code, kind, what), [0] * 12)
        for area in areas
        for kind in kinds_of(area, acts)
        for what in counts_of(kind)
        if what in activity_counts.ADDITIVE
    }
