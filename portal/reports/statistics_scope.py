"""Who asks for the monthly statistics, about what, and below which number he is told nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from portal import clock
from portal.reports.statistics_figures import Period


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, about what, and the numbers below which it is hidden from him: 1 hides nothing."""

    session: Session
    period: Period
    agency_id: UUID | None
    own_id: UUID | None
    sees_all: bool
    least: int

    @property
    def is_exact(self) -> bool:
        """Everything asked about is the reader's own."""
        return self.sees_all or (self.own_id is not None and self.agency_id == self.own_id)

    @property
    def told_until(self) -> date:
        """The last day that is counted. Of others only whole months: nobody watches a number go up by one."""
        today = clock.today()
        return today if self.is_exact else today.replace(day=1) - timedelta(days=1)

    def given(self, period: Period) -> dict[str, Any]:
        first, last = period.bounds
        last = min(last, self.told_until)
        return {
            "first": first,
            "last": last,
            "since": clock.start_of_day(first),
            "until": clock.end_of_day(last),
            "today": min(self.told_until + timedelta(days=1), clock.today()),
            "told_on": self.told_until,
            "told": clock.end_of_day(self.told_until),
            "agency": self.agency_id,
            "own": self.own_id,
        }
