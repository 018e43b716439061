"""Opening days of an agency, and counting in its business days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache

import jpholiday

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)
WEEK = frozenset(range(7))

# An agency that does not open within this many days has no next open day.
LONGEST_CLOSURE = timedelta(days=366)

_DAY = timedelta(days=1)


class CalendarCode(StrEnum):
    """Why opening days, or a question about them, were refused."""

    NO_SUCH_WEEKDAY = "no_such_weekday"
    ENDS_BEFORE_START = "ends_before_start"
    NEVER_OPEN = "never_open"
    COUNT_BELOW_ZERO = "count_below_zero"


class CalendarProblem(ValueError):
    """Opening days that cannot be, or a question they cannot answer; `code` says why."""

    def __init__(self, code: CalendarCode) -> None:
        super().__init__(code.value)
        self.code = code


class NeverOpen(CalendarProblem):
    """The agency does not open within a year, so no deadline can be counted in its days."""

    def __init__(self) -> None:
        super().__init__(CalendarCode.NEVER_OPEN)


@cache
def holidays(year: int) -> frozenset[date]:
    """The national holidays of a year, with substitute holidays (振替休日) and 国民の休日.

    By 国民の祝日に関する法律 as the library jpholiday knows it, with the moves for the games of 2020 and 21.
    """
    return frozenset(day for day, _name in jpholiday.between(date(year, 1, 1), date(year, 12, 31)))


def is_yearend(day: date) -> bool:
    """29 December to 3 January: the year-end closing of public offices."""
    return (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)


@dataclass(frozen=True, slots=True)
class OpeningDays:
    """When an agency is open. A closure is a first and a last day, both closed.

    Weekdays count from Monday 0 to Sunday 6. Raises CalendarProblem for a weekday or closure that cannot be.
    """

    weekly_closed: frozenset[int] = frozenset({SATURDAY, SUNDAY})
    holidays_closed: bool = True
    yearend_closed: bool = True
    closures: tuple[tuple[date, date], ...] = ()

    def __post_init__(self) -> None:
        if not self.weekly_closed <= WEEK:
            raise CalendarProblem(CalendarCode.NO_SUCH_WEEKDAY)
        if any(last < first for first, last in self.closures):
            raise CalendarProblem(CalendarCode.ENDS_BEFORE_START)

    def is_open(self, day: date) -> bool:
        """Whether the agency works on that day."""
        return not (
            day.weekday() in self.weekly_closed
            or (self.yearend_closed and is_yearend(day))
            or (self.holidays_closed and day in holidays(day.year))
            or any(first <= day <= last for first, last in self.closures)
        )

    def next_open(self, day: date) -> date:
        """The first open day after `day`. Raises NeverOpen when none comes within a year."""
        return next(self._open_days_after(day))

    def add_business_days(self, start: date, n: int) -> date:
        """The n-th open day after `start`; n = 0 is the day itself.

        The day of receipt does not count: 初日不算入, 民法第140条.
        Raises NeverOpen when the agency is closed for more than a year before that day comes, and
        CalendarProblem when n is below zero.
        """
        if n < 0:
            raise CalendarProblem(CalendarCode.COUNT_BELOW_ZERO)
        day, following = start, self._open_days_after(start)
        for _ in range(n):
            day = next(following)
        return day

    def business_days_between(self, a: date, b: date) -> int:
        """Open days after `a` up to and including `b`: from today to a deadline, the days left.

        Negative when b lies before a, by the open days that have passed since b: so many days overdue.
        """
        if b < a:
            return -self.business_days_between(b, a)
        return sum(self.is_open(a + _DAY * step) for step in range(1, (b - a).days + 1))

    def _open_days_after(self, start: date) -> Iterator[date]:
        day = last_open = start
        while day - last_open <= LONGEST_CLOSURE:
            day += _DAY
            if self.is_open(day):
                last_open = day
                yield day
        raise NeverOpen
