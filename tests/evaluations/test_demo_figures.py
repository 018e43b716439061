"""Every figure of the city's table comes out of the demo's records, and a day's figures are those of a demo that ends there."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from flask import Flask
from sqlalchemy import select

from portal import clock
from portal.agencies.kinds import AgencyKind
from portal.agencies.models import Agency
from portal.db import db
from portal.evaluations import areas, counting
from portal.evaluations.figures import Key
from tests.conftest import scenario
from tests.evaluations.source_figures import AS_OF, BY_MONTH, SAID, WEEKLY, Said

DEMO = Path(__file__).resolve().parent.parent.parent / "scenarios" / "ashiya.yaml"
LOADED = pytest.mark.scenario(str(DEMO))
# Between them lies everything: a year's end, the middle of a year, and the day of the table. On none of them was somebody
# already counted without a name who behaves differently with one: what a link corrects is known from the beginning.
CUTS = (date(2019, 10, 31), date(2020, 3, 31), date(2020, 8, 31), date(2020, 12, 31))


def figures(year: int, as_of: date) -> Mapping[Key, int]:
    with db.across() as session:
        programme = session.scalars(
            select(Agency.id).where(Agency.kind == AgencyKind.EMPLOYMENT_PREPARATION)
        ).one()
        return counting.count(
            session,
            programme,
            counting.Period(year, as_of),
            areas.areas_of(session, programme, year),
        )


def by_month(year: int, key: Key, months: int) -> tuple[int, ...]:
    """How much the figure grows in each month, from April on."""
    ends = [
        date(y, m, monthrange(y, m)[1])
        for y, m in [(year + (3 + n) // 12, (3 + n) % 12 + 1) for n in range(months)]
    ]
    grown = [0, *(figures(year, end)[key] for end in ends)]
    return tuple(later - before for before, later in pairwise(grown))


@LOADED
def test_every_figure_of_the_table_comes_out_of_the_records(app: Flask) -> None:
    counted = {year: figures(year, as_of) for year, as_of in AS_OF.items()}

    def wrong(said: Said) -> bool:
        number = counted[said.year][Key(said.area, said.code)]
        return number < said.number if said.least else number != said.number

    assert [(said, counted[said.year][Key(said.area, said.code)]) for said in SAID if wrong(said)] == []
