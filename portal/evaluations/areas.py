"""The areas (項目) of a programme's year: those the program comes with, as the programme has changed and added to them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.evaluations.catalogue import AREAS, Area, Measure
from portal.evaluations.models import EvaluationArea

# Where an area stands that the programme has not changed: 10, 20, ..., with room between.
POSITIONS = {area.code: 10 * place for place, area in enumerate(AREAS, start=1)}


def rows_of(session: Session, programme_id: UUID) -> Sequence[EvaluationArea]:
    """What the programme changed or added itself."""
    own = select(EvaluationArea).where(EvaluationArea.agency_id == programme_id)
    return session.scalars(own.order_by(EvaluationArea.position, EvaluationArea.id)).all()


def as_area(row: EvaluationArea) -> Area:
    return Area(
        row.code,
        row.name,
        tuple(ActivityKind(code) for code in row.kinds),
        tuple(Measure(code) for code in row.measures),
        row.retired_from,
    )


def areas_of(session: Session, programme_id: UUID, year: int) -> list[Area]:
    """The areas of that fiscal year, in the order of the table."""
    places = {area.code: (POSITIONS[area.code], area) for area in AREAS}
    places |= {row.code: (row.position, as_area(row)) for row in rows_of(session, programme_id)}
    in_order = sorted(places.values(), key=lambda place: (place[0], place[1].code))
    return [area for _place, area in in_order if area.retired_from is None or area.retired_from > year]
