"""A fiscal year up to a day, and the places in statements where its bounds and the programme are put in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Date, Uuid, bindparam

from portal import clock
from portal.db import UTCDateTime

PROGRAMME = cast(UUID, bindparam("programme", type_=Uuid()))
FIRST, LAST = (cast(date, bindparam(name, type_=Date())) for name in ("first_day", "last_day"))
# The same as moments; the second is no longer part of it.
BEGINS, ENDS = (cast(datetime, bindparam(name, type_=UTCDateTime())) for name in ("begins", "ends"))


@dataclass(frozen=True, slots=True)
class Period:
    """A fiscal year as of a day: before its first day nothing has happened in it."""

    year: int
    as_of: date

    @classmethod
    def whole(cls, year: int) -> Period:
        return cls(year, clock.fiscal_year_bounds(year)[1])

    @property
    def first(self) -> date:
        return clock.fiscal_year_bounds(self.year)[0]

    @property
    def last(self) -> date:
        return min(clock.fiscal_year_bounds(self.year)[1], self.as_of)

    def values(self, programme_id: UUID) -> dict[str, Any]:
        """What statements built with the names above are run with."""
        return {
            "programme": programme_id,
            "first_day": self.first,
            "last_day": self.last,
            "begins": clock.start_of_day(self.first),
            "ends": clock.end_of_day(self.last),
        }
