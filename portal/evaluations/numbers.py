"""The figures of a year as of a day, counted now or as they were frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.audit.services import canonical
from portal.cases.codes import Domain
from portal.evaluations import areas, counting, goal_counts, text_queries
from portal.evaluations.catalogue import Area, Measure
from portal.evaluations.figures import Key
from portal.evaluations.goal_counts import Goals
from portal.evaluations.models import Part
from portal.evaluations.period import Period


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was counted of one year: raw, for those who may see it."""

    year: int
    as_of: date
    areas: Sequence[Area]
    counts: Mapping[Key, int]
    months: Mapping[Key, Sequence[int]]
    goals: Sequence[Goals]


def counted(session: Session, programme_id: UUID, year: int, as_of: date, *, whole: bool = True) -> Numbers:
    """Out of the records; without `whole` the figures alone, no months and no goals."""
    of_year = areas.areas_of(session, programme_id, year)
    period = Period(year, as_of)
    return Numbers(
        year=year,
        as_of=as_of,
        areas=of_year,
        counts=counting.count(session, programme_id, period, of_year),
        months=counting.by_month(session, programme_id, year, of_year, as_of) if whole else {},
        goals=list(goal_counts.goals(session, programme_id, period).values()) if whole else [],
    )


def frozen(session: Session, programme_id: UUID, year: int, as_of: date) -> dict[str, Any]:
    """Figures and texts of a year as closing keeps them: whole numbers, codes and words, in canonical order."""
    numbers = counted(session, programme_id, year, as_of)
    texts = text_queries.of_years(session, programme_id, [year])
    kept = {
        "v": 1,
        "programme": programme_id,
        "year": year,
        "as_of": as_of,
        "areas": [
            {"code": area.code, "name": area.name, "kinds": area.kinds, "measures": area.measures}
            for area in numbers.areas
        ],
        "figures": by_area(numbers.counts),
        "months": by_area(numbers.months),
        "goals": {
            one.domain: {"achieved": one.achieved, "partial": one.partial, "not": one.not_achieved}
            for one in numbers.goals
        },
        "texts": {
            area.code: {part: text for part in Part if (text := texts.get((year, area.code, part)))}
            for area in numbers.areas
        },
    }
    found: dict[str, Any] = json.loads(canonical(kept))
    return found


def by_area(values: Mapping[Key, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        found.setdefault(key.area, {})[key.code] = value
    return found


def thawed(kept: Mapping[str, Any]) -> Numbers:
    """The figures of a closed year."""
    return Numbers(
        year=kept["year"],
        as_of=date.fromisoformat(kept["as_of"]),
        areas=[
            Area(
                area["code"],
                area["name"],
                tuple(ActivityKind(kind) for kind in area["kinds"]),
                tuple(Measure(measure) for measure in area["measures"]),
            )
            for area in kept["areas"]
        ],
        counts=by_key(kept["figures"]),
        months=by_key(kept["months"]),
        goals=[
            Goals(domain, scores["achieved"], scores["partial"], scores["not"])
            for domain in Domain
            if (scores := kept["goals"].get(domain.value))
        ],
    )


def by_key(values: Mapping[str, Mapping[str, Any]]) -> dict[Key, Any]:
    return {Key(area, code): value for area, codes in values.items() for code, value in codes.items()}


def texts_of(kept: Mapping[str, Any]) -> text_queries.Texts:
    return {
        (kept["year"], area, Part(part)): text
        for area, parts in kept["texts"].items()
        for part, text in parts.items()
    }
