"""Time in Japan, eras, fiscal years, ages, and dates as people type them."""

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
import pytz
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st

from portal.core import clock
from portal.core.clock import DateCode, DateProblem

pytestmark = pytest.mark.quick

# What can be typed and said in an era.
ERA_DAYS = st.dates(date(1912, 7, 30), date(2117, 12, 31))
DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))


def test_now_is_aware_and_utc() -> None:
    assert clock.now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2020, 12, 31, 14, 59, 59, tzinfo=UTC), date(2020, 12, 31)),
        (datetime(2020, 12, 31, 15, 0, tzinfo=UTC), date(2021, 1, 1)),
    ],
)
def test_today_changes_at_midnight_in_japan(instant: datetime, day: date) -> None:
    with time_machine.travel(instant, tick=False):
        assert clock.today() == day


@given(st.integers(-568_000_000, 4_100_000_000))  # seconds: 1952 to 2099
def test_the_fixed_zone_agrees_with_the_zone_database(seconds: int) -> None:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    tokyo = instant.astimezone(pytz.timezone("Asia/Tokyo"))
    assert clock.in_japan(instant).replace(tzinfo=None) == tokyo.replace(tzinfo=None)


def test_frozen_stands_still_nests_and_lets_go() -> None:
    first, second = datetime(2020, 12, 1, tzinfo=UTC), datetime(2021, 1, 1, 9, tzinfo=clock.JAPAN)
    with clock.frozen(first) as at:
        assert at == clock.now() == first
        with clock.frozen(second):
            assert clock.now() == second
            assert clock.now().tzinfo is UTC
        assert clock.now() == first
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_frozen_lets_go_after_an_error() -> None:
    with pytest.raises(RuntimeError), clock.frozen(datetime(2020, 12, 1, tzinfo=UTC)):
        raise RuntimeError
    assert clock.now().year != 2020


def test_frozen_does_not_reach_another_thread() -> None:
    seen: list[datetime] = []
    with clock.frozen(datetime(2020, 12, 1, tzinfo=UTC)):
        thread = threading.Thread(target=lambda: seen.append(clock.now()))
        thread.start()
        thread.join()
    assert seen[0].year != 2020


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2020, 12, 1)  # noqa: DTZ001
    for function in (clock.as_utc, clock.in_japan, clock.japan_date):
        with pytest.raises(ValueError, match="without a zone"):
            function(naive)
    with pytest.raises(ValueError, match="without a zone"), clock.frozen(naive):
        pass


def test_a_day_in_japan_begins_nine_hours_before_the_utc_day() -> None:
    assert clock.start_of_day(date(2021, 4, 1)) == datetime(2021, 3, 31, 15, tzinfo=UTC)
    assert clock.end_of_day(date(2021, 3, 31)) == datetime(2021, 3, 31, 15, tzinfo=UTC)


@given(DAYS)
def test_days_meet_without_gap_or_overlap(day: date) -> None:
    start, end = clock.start_of_day(day), clock.end_of_day(day)
    assert end - start == timedelta(days=1)
    assert end == clock.start_of_day(day + timedelta(days=1))
    assert clock.japan_date(start) == day == clock.japan_date(end - timedelta(microseconds=1))
    assert clock.japan_date(end) == day + timedelta(days=1)


@pytest.mark.parametrize(
    "function",
    [clock.start_of_day, clock.end_of_day, clock.fiscal_year, clock.era_date, clock.era_short, clock.era_of],
)
def test_an_instant_is_not_taken_for_a_date(function) -> None:
    with pytest.raises(TypeError, match="not an instant"):
        function(datetime(2020, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2020, 3, 31), 2019),
        (date(2020, 4, 1), 2020),
        (date(2020, 12, 31), 2020),
        (date(2021, 3, 31), 2020),
        (date(2021, 4, 1), 2021),
    ],
)
def test_the_fiscal_year_runs_from_april_to_march(day: date, year: int) -> None:
    assert clock.fiscal_year(day) == year


@given(DAYS)
def test_every_day_lies_within_its_fiscal_year(day: date) -> None:
    first, last = clock.fiscal_year_bounds(clock.fiscal_year(day))
    assert first <= day <= last
    assert clock.fiscal_year(first - timedelta(days=1)) == clock.fiscal_year(last + timedelta(days=1)) - 2


@pytest.mark.parametrize(
    ("year", "words", "prefix"),
    [
        (2026, "令和8年度", "R8"),
        (2020, "令和2年度", "R2"),
        (2019, "令和元年度", "R1"),
        (2018, "平成30年度", "H30"),
        (1989, "平成元年度", "H1"),
        (1988, "昭和63年度", "S63"),
        (1911, "1911年度", "1911"),
    ],
)
def test_fiscal_years_are_named_by_era(year: int, words: str, prefix: str) -> None:
    assert clock.era_fiscal_year(year) == words
    assert clock.era_year(year) == words.removesuffix("度")
    assert clock.fiscal_prefix(year) == prefix


@pytest.mark.parametrize(
    ("day", "words", "short"),
    [
        (date(2026, 11, 23), "令和8年11月23日", "R8.11.23"),
        (date(2019, 12, 31), "令和元年12月31日", "R1.12.31"),
        (date(2019, 5, 1), "令和元年5月1日", "R1.5.1"),
        (date(2019, 4, 30), "平成31年4月30日", "H31.4.30"),
        (date(1989, 1, 8), "平成元年1月8日", "H1.1.8"),
        (date(1989, 1, 7), "昭和64年1月7日", "S64.1.7"),
        (date(1926, 12, 25), "昭和元年12月25日", "S1.12.25"),
        (date(1926, 12, 24), "大正15年12月24日", "T15.12.24"),
        (date(1912, 7, 30), "大正元年7月30日", "T1.7.30"),
        (date(1912, 7, 29), "1912年7月29日", "1912.7.29"),
    ],
)
def test_dates_are_said_by_era(day: date, words: str, short: str) -> None:
    assert clock.era_date(day) == words
    assert clock.era_short(day) == short


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("令和8年11月23日", date(2026, 11, 23)),
        ("令和 8 年 11 月 23 日", date(2026, 11, 23)),
        ("令和元年5月1日", date(2019, 5, 1)),
        ("令和1年5月1日", date(2019, 5, 1)),
        ("㋿2年12月1日", date(2020, 12, 1)),
        ("平成31年4月30日", date(2019, 4, 30)),
        ("㍻31年4月30日", date(2019, 4, 30)),
        ("昭和61年5月1日", date(1986, 5, 1)),
        ("昭和64年1月7日", date(1989, 1, 7)),
        ("大正15年12月25日", date(1926, 12, 25)),
        ("昭和元年12月25日", date(1926, 12, 25)),
        ("大正元年7月30日", date(1912, 7, 30)),
        ("R8.11.23", date(2026, 11, 23)),
        ("r8.11.23", date(2026, 11, 23)),
        ("R元.5.1", date(2019, 5, 1)),
        ("H31/4/30", date(2019, 4, 30)),
        ("S61-5-1", date(1986, 5, 1)),
        ("T15.12.24", date(1926, 12, 24)),
        ("令和2.12.1", date(2020, 12, 1)),
        ("2020-12-01", date(2020, 12, 1)),
        ("2020/12/1", date(2020, 12, 1)),
        ("2020年12月1日", date(2020, 12, 1)),
        ("20201201", date(2020, 12, 1)),
        ("　２０２０年１２月１日　", date(2020, 12, 1)),
        ("令和２年１２月１日", date(2020, 12, 1)),
        ("Ｒ２．１２．１", date(2020, 12, 1)),
        ("ｒ２／１２／１", date(2020, 12, 1)),
        ("２０２０－１２－０１", date(2020, 12, 1)),
        ("２０２０ー１２ー０１", date(2020, 12, 1)),
        ("2020−12−01", date(2020, 12, 1)),
        ("２０２０１２０１", date(2020, 12, 1)),
        ("2020-02-29", date(2020, 2, 29)),
    ],
)
def test_dates_are_understood_as_people_type_them(typed: str, day: date) -> None:
    assert clock.parse_date(typed) == day


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("令和2年2月30日", DateCode.NO_SUCH_DAY),
        ("令和3年2月29日", DateCode.NO_SUCH_DAY),
        ("2021-02-29", DateCode.NO_SUCH_DAY),
        ("2020-13-01", DateCode.NO_SUCH_DAY),
        ("20200431", DateCode.NO_SUCH_DAY),
        ("2020-00-10", DateCode.NO_SUCH_DAY),
        ("平成35年1月1日", DateCode.OUTSIDE_ERA),
        ("平成35年2月30日", DateCode.OUTSIDE_ERA),
        ("平成31年5月1日", DateCode.OUTSIDE_ERA),
        ("令和元年4月30日", DateCode.OUTSIDE_ERA),
        ("令和0年12月1日", DateCode.OUTSIDE_ERA),
        ("昭和64年1月8日", DateCode.OUTSIDE_ERA),
        ("大正15年12月26日", DateCode.OUTSIDE_ERA),
        ("S99-1-1", DateCode.OUTSIDE_ERA),
        ("明治45年7月29日", DateCode.UNKNOWN_ERA),
        ("M45.7.29", DateCode.UNKNOWN_ERA),
        ("1899-12-31", DateCode.YEAR_OUT_OF_RANGE),
        ("2200-01-01", DateCode.YEAR_OUT_OF_RANGE),
        ("0000-01-01", DateCode.YEAR_OUT_OF_RANGE),
        ("9999-12-31", DateCode.YEAR_OUT_OF_RANGE),
        ("", DateCode.NONSENSE),
        ("きのう", DateCode.NONSENSE),
        ("12月1日", DateCode.NONSENSE),
        ("2020-12", DateCode.NONSENSE),
        ("2020-12/01", DateCode.NONSENSE),
        ("2020-1 2-01", DateCode.NONSENSE),
        ("202012011", DateCode.NONSENSE),
        ("20-12-01", DateCode.NONSENSE),
        ("令和100年1月1日", DateCode.NONSENSE),
        ("2020-12-01; DROP TABLE person", DateCode.NONSENSE),
        ("2020-12-01\x00", DateCode.NONSENSE),
        ("٢٠٢٠-١٢-٠١", DateCode.NONSENSE),
        ("2" * 100_000, DateCode.NONSENSE),
        ("2020-12-" + " " * clock.LONGEST_DATE + "01", DateCode.NONSENSE),
    ],
)
def test_what_is_no_date_is_refused_with_its_reason(typed: str, code: DateCode) -> None:
    with pytest.raises(DateProblem) as refusal:
        clock.parse_date(typed)
    assert refusal.value.code is code
    assert isinstance(refusal.value, ValueError)
    assert str(refusal.value) == code


@given(ERA_DAYS)
@example(date(2019, 5, 1))
@example(date(2019, 4, 30))
@example(date(1989, 1, 7))
@example(date(1926, 12, 25))
def test_what_is_said_is_understood_again(day: date) -> None:
    wide = str.maketrans("0123456789.", "０１２３４５６７８９．")
    for text in (clock.era_date(day), clock.era_short(day), day.isoformat(), f"{day:%Y%m%d}"):
        assert clock.parse_date(text) == day
        assert clock.parse_date(text.translate(wide)) == day


@given(st.text() | st.text(alphabet="令和平成昭大正元RHSTM0123456789年月日./- 　", max_size=14))
def test_any_text_is_a_date_in_range_or_a_date_problem(text: str) -> None:
    try:
        day = clock.parse_date(text)
    except DateProblem:
        return
    assert date(1900, 1, 1) <= day <= date(2199, 12, 31)


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ("10:00", time(10)),
        ("9:05", time(9, 5)),
        ("１０：００", time(10)),
        ("9時30分", time(9, 30)),
        ("9時5分", time(9, 5)),
        ("9時半", time(9, 30)),
        ("14時", time(14)),
        ("午後2時", time(14)),
        ("午後0時30分", time(12, 30)),
        ("午前9時", time(9)),
        ("0:00", time(0)),
        ("23:59", time(23, 59)),
    ],
)
def test_times_are_understood_as_people_type_them(typed: str, at: time) -> None:
    assert clock.parse_time(typed) == at


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("25:00", DateCode.NO_SUCH_TIME),
        ("24:00", DateCode.NO_SUCH_TIME),
        ("10:60", DateCode.NO_SUCH_TIME),
        ("午後12時", DateCode.NO_SUCH_TIME),
        ("午前12時", DateCode.NO_SUCH_TIME),
        ("午前13時", DateCode.NO_SUCH_TIME),
        ("10", DateCode.NONSENSE),
        ("10:0", DateCode.NONSENSE),
        ("", DateCode.NONSENSE),
        ("ひる", DateCode.NONSENSE),
    ],
)
def test_what_is_no_time_is_refused(typed: str, code: DateCode) -> None:
    with pytest.raises(DateProblem) as refusal:
        clock.parse_time(typed)
    assert refusal.value.code is code


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [
        (date(1986, 5, 1), date(2020, 4, 30), 33),
        (date(1986, 5, 1), date(2020, 5, 1), 34),
        (date(2000, 2, 29), date(2021, 2, 28), 20),
        (date(2000, 2, 29), date(2021, 3, 1), 21),
        (date(2000, 2, 29), date(2024, 2, 29), 24),
        (date(2020, 12, 1), date(2020, 12, 1), 0),
    ],
)
def test_age_in_completed_years(birth: date, day: date, age: int) -> None:
    assert clock.age_on(birth, day) == age


def test_nobody_has_an_age_before_birth() -> None:
    with pytest.raises(ValueError, match="born after"):
        clock.age_on(date(2020, 12, 2), date(2020, 12, 1))


@pytest.mark.parametrize(
    ("age", "band", "word"),
    [
        (0, "0-14", "14歳以下"),
        (14, "0-14", "14歳以下"),
        (15, "15-19", "10代後半"),
        (30, "30-34", "30代前半"),
        (34, "30-34", "30代前半"),
        (35, "35-39", "30代後半"),
        (79, "75-79", "70代後半"),
        (80, "80+", "80歳以上"),
        (120, "80+", "80歳以上"),
    ],
)
def test_age_bands(age: int, band: str, word: str) -> None:
    assert clock.age_band(age) == band
    assert clock.AGE_BANDS[band] == word


def test_every_age_has_a_named_band_and_every_band_an_age() -> None:
    assert {clock.age_band(age) for age in range(130)} == set(clock.AGE_BANDS)
    with pytest.raises(ValueError, match="below zero"):
        clock.age_band(-1)
