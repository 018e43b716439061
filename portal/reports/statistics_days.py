"""Business days between many pairs of days: each calendar is walked through once, however many referrals there are."""

from __future__ import annotations

from datetime import date, timedelta

from portal.agencies.calendar import OpeningDays

DAY = timedelta(days=1)


class Passed(dict[date, int]):
    """How many open days there were since `origin`, up to each day and with it; earlier days are not asked about.

    From one day to another there lie `passed[last] - passed[first]`, as `OpeningDays.business_days_between` counts.
    """

    def __init__(self, days: OpeningDays, origin: date) -> None:
        super().__init__({origin: 0})
        self.days, self.newest = days, origin

    def __missing__(self, day: date) -> int:
        while self.newest < day:
            number = self[self.newest]
            self.newest += DAY
            self[self.newest] = number + self.days.is_open(self.newest)
        return self[day]
