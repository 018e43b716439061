"""Opening days, national holidays, and deadlines in business days."""

from datetime import date, timedelta

import holidays as reference
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portal.agencies.calendar import (
    MONDAY,
    SUNDAY,
    WEEK,
    CalendarCode,
    CalendarProblem,
    NeverOpen,
    OpeningDays,
    holidays,
)

# 若者相談センター: closed on Sundays, Mondays, national holidays, and from 29 December to 3 January.
YOUTH_CENTRE = OpeningDays(weekly_closed=frozenset({SUNDAY, MONDAY}))
OFFICE = OpeningDays()
ALWAYS = OpeningDays(weekly_closed=frozenset(), holidays_closed=False, yearend_closed=False)

DAYS = st.dates(date(2015, 1, 1), date(2035, 12, 31))


@st.composite
def closures(draw: st.DrawFn) -> tuple[date, date]:
    first = draw(DAYS)
    return first, first + timedelta(days=draw(st.integers(0, 40)))


CALENDARS = st.builds(
    OpeningDays,
    weekly_closed=st.frozensets(st.integers(0, 6), max_size=6),
    holidays_closed=st.booleans(),
    yearend_closed=st.booleans(),
    closures=st.lists(closures(), max_size=4).map(tuple),
)


@pytest.mark.parametrize("year", range(2015, 2036))
def test_holidays_agree_with_another_library(year: int) -> None:
    assert holidays(year) == set(reference.country_holidays("JP", years=year))


@pytest.mark.parametrize(
    ("day", "closed"),
    [
        (date(2020, 2, 24), True),  # 振替休日 after Sunday 23 February
        (date(2019, 5, 6), True),  # 振替休日
        (date(2020, 5, 6), True),  # 振替休日 three days after Sunday 3 May
        (date(2019, 4, 30), True),  # 国民の休日 before the accession
        (date(2019, 5, 1), True),  # accession
        (date(2019, 5, 2), True),  # 国民の休日 after the accession
        (date(2019, 10, 22), True),  # enthronement
        (date(2015, 9, 22), True),  # 国民の休日 between 敬老の日 and 秋分の日
        (date(2026, 9, 22), True),  # the same, the year this was written
        (date(2020, 7, 20), False),  # 海の日 moved for the games
        (date(2020, 7, 23), True),
        (date(2020, 7, 24), True),
        (date(2020, 8, 11), False),
        (date(2020, 8, 10), True),
        (date(2020, 10, 12), False),
        (date(2021, 7, 19), False),
        (date(2021, 7, 22), True),
        (date(2021, 7, 23), True),
        (date(2021, 8, 9), True),  # 振替休日 of the moved 山の日
        (date(2021, 8, 11), False),
        (date(2021, 10, 11), False),
        (date(2022, 7, 18), True),  # back to the third Monday
        (date(2018, 12, 24), True),
        (date(2019, 12, 23), False),  # no more the emperor's birthday
    ],
)
def test_holidays_that_are_easy_to_get_wrong(day: date, closed: bool) -> None:
    assert (day in holidays(day.year)) is closed
    assert OFFICE.is_open(day) is (not closed)


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        (date(2020, 12, 1), True),  # Tuesday
        (date(2020, 12, 5), True),  # Saturday
        (date(2020, 12, 6), False),  # Sunday
        (date(2020, 12, 7), False),  # Monday
        (date(2020, 11, 3), False),  # Tuesday, 文化の日
        (date(2020, 12, 26), True),  # Saturday
        (date(2020, 12, 29), False),
        (date(2021, 1, 2), False),  # Saturday, yet still the year-end closing
        (date(2021, 1, 5), True),
    ],
)
def test_the_youth_centre(day: date, is_open: bool) -> None:
    assert YOUTH_CENTRE.is_open(day) is is_open


def test_the_youth_centre_answers_after_the_new_year() -> None:
    received = date(2020, 12, 25)  # Friday
    assert YOUTH_CENTRE.add_business_days(received, 1) == date(2020, 12, 26)
    # Sunday 27, Monday 28, year-end, Sunday 3 and Monday 4 January do not count.
    assert YOUTH_CENTRE.add_business_days(received, 2) == date(2021, 1, 5)
    assert YOUTH_CENTRE.add_business_days(received, 5) == date(2021, 1, 8)
    assert YOUTH_CENTRE.business_days_between(received, date(2021, 1, 5)) == 2
    assert YOUTH_CENTRE.business_days_between(date(2021, 1, 5), received) == -2
    assert YOUTH_CENTRE.next_open(date(2020, 12, 26)) == date(2021, 1, 5)


def test_the_day_of_receipt_does_not_count() -> None:
    tuesday = date(2020, 12, 1)
    assert OFFICE.add_business_days(tuesday, 1) == date(2020, 12, 2)
    assert OFFICE.add_business_days(date(2020, 12, 5), 1) == date(2020, 12, 7)  # received on a Saturday
    assert OFFICE.add_business_days(tuesday, 0) == tuesday


def test_own_closures_are_closed_on_both_ends() -> None:
    summer = OpeningDays(closures=((date(2020, 8, 12), date(2020, 8, 14)),))
    assert [summer.is_open(date(2020, 8, day)) for day in range(11, 16)] == [True, False, False, False, False]
    assert summer.add_business_days(date(2020, 8, 11), 1) == date(2020, 8, 17)


def test_each_switch_alone() -> None:
    holiday, yearend = date(2020, 11, 3), date(2020, 12, 30)
    assert ALWAYS.is_open(holiday)
    assert ALWAYS.is_open(yearend)
    assert not OpeningDays(frozenset(), True, False).is_open(holiday)
    assert OpeningDays(frozenset(), True, False).is_open(yearend)
    assert OpeningDays(frozenset(), False, True).is_open(holiday)
    assert not OpeningDays(frozenset(), False, True).is_open(yearend)
    yearends = [date(2020, 12, 28) + timedelta(days=step) for step in range(8)]
    assert [OpeningDays(frozenset(), False, True).is_open(day) for day in yearends] == [True] + [
        False
    ] * 6 + [True]


@pytest.mark.parametrize(
    "never",
    [
        OpeningDays(weekly_closed=WEEK),
        OpeningDays(closures=((date(2020, 1, 1), date(2030, 12, 31)),)),
    ],
)
def test_an_agency_that_never_opens_is_said_so(never: OpeningDays) -> None:
    day = date(2020, 12, 1)
    with pytest.raises(NeverOpen) as refusal:
        never.add_business_days(day, 1)
    assert refusal.value.code is CalendarCode.NEVER_OPEN
    with pytest.raises(NeverOpen):
        never.next_open(day)
    assert never.add_business_days(day, 0) == day
    assert never.business_days_between(day, date(2020, 12, 31)) == 0


def test_counting_far_ahead_is_not_never() -> None:
    far = OFFICE.add_business_days(date(2020, 12, 1), 1000)
    assert OFFICE.business_days_between(date(2020, 12, 1), far) == 1000


def test_a_year_of_works_is_not_never() -> None:
    rebuilt = OpeningDays(closures=((date(2020, 12, 2), date(2021, 11, 30)),))
    assert rebuilt.add_business_days(date(2020, 12, 1), 1) == date(2021, 12, 1)


@pytest.mark.parametrize("weekday", [-1, 7])
def test_a_weekday_that_does_not_exist(weekday: int) -> None:
    with pytest.raises(CalendarProblem) as refusal:
        OpeningDays(weekly_closed=frozenset({weekday}))
    assert refusal.value.code is CalendarCode.NO_SUCH_WEEKDAY


def test_a_closure_that_ends_before_it_begins() -> None:
    with pytest.raises(CalendarProblem) as refusal:
        OpeningDays(closures=((date(2020, 8, 14), date(2020, 8, 12)),))
    assert refusal.value.code is CalendarCode.ENDS_BEFORE_START


def test_days_are_not_counted_backwards() -> None:
    with pytest.raises(CalendarProblem) as refusal:
        OFFICE.add_business_days(date(2020, 12, 1), -1)
    assert refusal.value.code is CalendarCode.COUNT_BELOW_ZERO


@given(CALENDARS, DAYS, st.integers(1, 15))
def test_a_deadline_is_open_and_lies_n_open_days_ahead(calendar: OpeningDays, start: date, n: int) -> None:
    deadline = calendar.add_business_days(start, n)
    assert calendar.is_open(deadline)
    assert calendar.business_days_between(start, deadline) == n
    between = [start + timedelta(days=step) for step in range(1, (deadline - start).days)]
    assert sum(map(calendar.is_open, between)) == n - 1


@given(CALENDARS, DAYS, st.integers(0, 8), st.integers(0, 8))
def test_adding_in_two_steps_is_adding_once(calendar: OpeningDays, start: date, n: int, m: int) -> None:
    once = calendar.add_business_days(start, n + m)
    assert calendar.add_business_days(calendar.add_business_days(start, n), m) == once


@given(CALENDARS, DAYS, DAYS, DAYS)
def test_counting_adds_up_and_turns_its_sign(calendar: OpeningDays, a: date, b: date, c: date) -> None:
    assume(abs(a - b) + abs(b - c) < timedelta(days=3000))
    assert calendar.business_days_between(a, b) == -calendar.business_days_between(b, a)
    there = calendar.business_days_between(a, b) + calendar.business_days_between(b, c)
    assert there == calendar.business_days_between(a, c)


@given(CALENDARS, DAYS)
def test_the_next_open_day_is_the_first(calendar: OpeningDays, day: date) -> None:
    found = calendar.next_open(day)
    assert found == calendar.add_business_days(day, 1)
    assert found > day


@given(CALENDARS, DAYS)
def test_an_extra_closure_never_makes_a_deadline_earlier(calendar: OpeningDays, day: date) -> None:
    more = OpeningDays(
        calendar.weekly_closed,
        calendar.holidays_closed,
        calendar.yearend_closed,
        (*calendar.closures, (day, day + timedelta(days=3))),
    )
    assert more.add_business_days(day, 5) >= calendar.add_business_days(day, 5)
