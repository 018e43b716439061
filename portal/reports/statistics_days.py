"""Business days between many pairs of days: each calendar is walked through once, however many referrals there are."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

from portal.agencies.calendar import OpeningDays


class Counting:
    """Counts from `origin` on, before which no day is asked about."""

    def __init__(self, origin: date) -> None:
        self.origin = origin
        # Of each calendar: how many open days there were up to the first, the second, the third day.
        self.passed: defaultdict[OpeningDays, list[int]] = defaultdict(lambda: [0])

    def between(self, days: OpeningDays, first: date, last: date) -> int:
        """As `days.business_days_between`; nothing when `last` lies before `first`."""
        passed = self.passed[days]
        until = (last - self.origin).days
        for step in range(len(passed), until + 1):
            passed.append(passed[-1] + days.is_open(self.origin + timedelta(days=step)))
        return max(0, passed[until] - passed[(first - self.origin).days]) if last >= first else 0
