"""The areas of a programme as its people arrange them, retired ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal.evaluations import areas
from portal.evaluations.catalogue import AREAS, Area


@dataclass(frozen=True, slots=True)
class Arranged:
    """An area and the version of its row; 0 while it is as the portal came with it."""

    area: Area
    version: int
    position: int


def all_areas(session: Session, programme_id: UUID) -> Sequence[Arranged]:
    """Every area in its order, those retired too."""
    own = {row.code: row for row in areas.rows_of(session, programme_id)}
    found = [Arranged(areas.as_area(row), row.version, row.position) for row in own.values()]
    found += [Arranged(area, 0, areas.POSITIONS[area.code]) for area in AREAS if area.code not in own]
    return sorted(found, key=lambda one: (one.position, one.area.code))


def area_of(session: Session, programme_id: UUID, year: int, code: str) -> Area:
    """One area of that year.

    Raises:
        NoResultFound: the programme has none of this code in that year.
    """
    for area in areas.areas_of(session, programme_id, year):
        if area.code == code:
            return area
    raise NoResultFound
