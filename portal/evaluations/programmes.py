"""The programmes (就労準備支援) whose years are evaluated, and their areas (項目) as their people arrange them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.agencies.models import EVALUATED_KINDS, Agency
from portal.core.db import among
from portal.core.policy import Actor
from portal.evaluations.catalogue import AREAS, Area, Measure
from portal.evaluations.models import EvaluationArea


def is_programme() -> ColumnElement[bool]:
    """The agency is of a kind whose years are evaluated."""
    return among(Agency.kind, EVALUATED_KINDS)


def programmes(session: Session) -> Sequence[Agency]:
    """The active programmes, in the order of their registration."""
    running = select(Agency).where(is_programme(), Agency.is_active)
    return session.scalars(running.order_by(Agency.id)).all()


def chosen(session: Session, actor: Actor, agency_id: UUID | None) -> Agency:
    """The programme asked for; else the reader's own, if it is one; else the first.

    Raises:
        NoResultFound: there is none, or what was asked for is none.
    """
    running = {agency.id: agency for agency in programmes(session)}
    wanted = agency_id or (actor.agency_id if actor.agency_id in running else next(iter(running), None))
    if wanted is None or wanted not in running:
        raise NoResultFound
    return running[wanted]


def is_inside(actor: Actor, programme_id: UUID) -> bool:
    """Whether the reader works in that programme."""
    return actor.agency_id == programme_id


# The areas (項目) of a programme's year: those the program comes with, as the programme has changed and added to them.

# Where an area stands that the programme has not changed: 10, 20, ..., with room between.
POSITIONS = {area.code: 10 * place for place, area in enumerate(AREAS, start=1)}


def rows_of(session: Session, programme_id: UUID) -> Sequence[EvaluationArea]:
    """The areas that the programme changed or added itself."""
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


# The areas of a programme as its people arrange them, retired ones too.


@dataclass(frozen=True, slots=True)
class Arranged:
    """An area and the version of its row; 0 while it is as the portal came with it."""

    area: Area
    version: int
    position: int


def all_areas(session: Session, programme_id: UUID) -> Sequence[Arranged]:
    """Every area in its order, those retired too."""
    own = {row.code: row for row in rows_of(session, programme_id)}
    found = [Arranged(as_area(row), row.version, row.position) for row in own.values()]
    found += [Arranged(area, 0, POSITIONS[area.code]) for area in AREAS if area.code not in own]
    return sorted(found, key=lambda one: (one.position, one.area.code))


def area_of(session: Session, programme_id: UUID, year: int, code: str) -> Area:
    """One area of that year.

    Raises:
        NoResultFound: the programme has none of this code in that year.
    """
    for area in areas_of(session, programme_id, year):
        if area.code == code:
            return area
    raise NoResultFound
