"""Time: the only source of now and today, and dates as a Japanese office says them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum

from portal.core.labels import N_

# Fixed, so that no time zone database is needed: Japan has kept +09:00 without summer time since 1952.
JAPAN = timezone(timedelta(hours=9), "JST")

# Dates that can be typed. The last person born before 1900 has died; a later year is a slip of the hand.
FIRST_YEAR, LAST_YEAR = 1900, 2199
LONGEST_DATE = 40

_frozen_at: ContextVar[datetime | None] = ContextVar("frozen_at", default=None)


class DateCode(StrEnum):
    """Why a typed date or time was refused."""

    NONSENSE = "nonsense"
    NO_SUCH_DAY = "no_such_day"
    OUTSIDE_ERA = "outside_era"
    UNKNOWN_ERA = "unknown_era"
    YEAR_OUT_OF_RANGE = "year_out_of_range"
    NO_SUCH_TIME = "no_such_time"


class DateProblem(ValueError):
    """A typed date or time that cannot be understood; `code` says why."""

    def __init__(self, code: DateCode, text: str) -> None:
        super().__init__(code.value)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Era:
    """An era (元号): its Japanese name, its letter on forms, its first day and its last."""

    name: str
    letter: str
    starts: date
    ends: date

    def year(self, western: int) -> int:
        """The year of this era that a Western year is; 1 is 元年."""
        return western - self.starts.year + 1


# 25 December 1926 belongs to both: 大正15年 until the edict of that day, 昭和元年 after; the newer is said.
ERAS = (
    Era("令和", "R", date(2019, 5, 1), date.max),
    Era("平成", "H", date(1989, 1, 8), date(2019, 4, 30)),
    Era("昭和", "S", date(1926, 12, 25), date(1989, 1, 7)),
    Era("大正", "T", date(1912, 7, 30), date(1926, 12, 25)),
)
_BY_WORD = {word: era for era in ERAS for word in (era.name, era.letter)}
_UNKNOWN_ERAS = {"明治", "M", "慶応"}

_ERA_WORDS = "|".join([*_BY_WORD, *_UNKNOWN_ERAS])
_YEAR = rf"(?:(?P<era>{_ERA_WORDS})\s*(?P<era_year>[0-9]{{1,2}}|元)|(?P<western>[0-9]{{4}}))"
_MONTH, _DAY = r"(?P<month>[0-9]{1,2})", r"(?P<day>[0-9]{1,2})"
_WORDED = re.compile(rf"{_YEAR}\s*年\s*{_MONTH}\s*月\s*{_DAY}\s*日?", re.IGNORECASE)
_MARKED = re.compile(rf"{_YEAR}\s*(?P<mark>[-/.])\s*{_MONTH}\s*(?P=mark)\s*{_DAY}", re.IGNORECASE)
_COMPACT = re.compile(r"(?P<era>)(?P<era_year>)(?P<western>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})")
_HOUR = r"(?P<half>午前|午後)?\s*(?P<hour>[0-9]{1,2})"
_MINUTE = r":\s*(?P<minute>[0-9]{2})|時\s*(?:(?P<worded>[0-9]{1,2})\s*分|(?P<thirty>半))?"
_TIME = re.compile(rf"{_HOUR}\s*(?:{_MINUTE})")
# Dashes that a Japanese keyboard makes where a hyphen is meant, beyond those that NFKC folds.
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−ー─", "-"))


def now() -> datetime:
    """This instant, aware, in UTC; the instant given to `frozen` while inside it."""
    return _frozen_at.get() or datetime.now(UTC)


def today() -> date:
    """The date it is now in Japan, whatever the server's zone."""
    return japan_date(now())


@contextmanager
def frozen(at: datetime) -> Iterator[datetime]:
    """Run what is inside with the clock standing at `at` (aware); it may be nested.

    It holds for this thread or task only. Raises ValueError when `at` has no zone.
    """
    token = _frozen_at.set(as_utc(at))
    try:
        yield now()
    finally:
        _frozen_at.reset(token)


def is_replaying() -> bool:
    """Whether the clock stands at a moment that somebody set: a scenario is being loaded."""
    return _frozen_at.get() is not None


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError when it has no zone: nobody can say when that was."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise ValueError("a time without a zone")
    return instant.astimezone(UTC)


def in_japan(instant: datetime) -> datetime:
    """The same instant as clocks in Japan show it. Raises ValueError when it has no zone."""
    return as_utc(instant).astimezone(JAPAN)


def japan_date(instant: datetime) -> date:
    """The date in Japan at that instant. Raises ValueError when it has no zone."""
    return in_japan(instant).date()


def start_of_day(day: date) -> datetime:
    """The instant (UTC) at which that day begins in Japan: 00:00 JST."""
    return datetime.combine(_plain(day), time.min, JAPAN).astimezone(UTC)


def end_of_day(day: date) -> datetime:
    """The instant (UTC) at which that day is over in Japan: 00:00 JST of the next, no longer part of it."""
    return start_of_day(_plain(day) + timedelta(days=1))


def _plain(day: date) -> date:
    """The day itself. An instant is also a `date` to Python, but its date depends on the zone: TypeError."""
    if isinstance(day, datetime):
        raise TypeError("a date is needed, not an instant: use japan_date()")
    return day


def fiscal_year(day: date) -> int:
    """The fiscal year (年度) of a day, as the Western year in which it began: 1 April to 31 March."""
    return _plain(day).year - (day.month < 4)


def fiscal_year_bounds(year: int) -> tuple[date, date]:
    """The first and the last day of a fiscal year, both inside it."""
    return date(year, 4, 1), date(year + 1, 3, 31)


def era_of(day: date) -> Era | None:
    """The era of a day, None before 大正; on the day of a change the new one."""
    return next((era for era in ERAS if era.starts <= _plain(day)), None)


def era_year(year: int) -> str:
    """令和8年 for 2026, 令和元年 for 2019: by the era on 31 December of that year."""
    era = era_of(date(year, 12, 31))
    return f"{era.name}{_ordinal(era.year(year))}年" if era else f"{year}年"


def era_fiscal_year(year: int) -> str:
    """令和2年度 for 2020, 令和元年度 for 2019 (as ministries wrote it afterwards), 昭和63年度 for 1988."""
    return f"{era_year(year)}度"


def fiscal_prefix(year: int) -> str:
    """R8 for the fiscal year 2026: the beginning of the numbers given out in it."""
    era = era_of(date(year, 12, 31))
    return f"{era.letter}{era.year(year)}" if era else str(year)


def era_date(day: date) -> str:
    """令和8年11月23日; the first year of an era is 元年; before 大正 the Western year."""
    era = era_of(day)
    year = f"{era.name}{_ordinal(era.year(day.year))}" if era else str(day.year)
    return f"{year}年{day.month}月{day.day}日"


def era_short(day: date) -> str:
    """R8.11.23, for lists; before 大正 the Western year."""
    era = era_of(day)
    year = f"{era.letter}{era.year(day.year)}" if era else str(day.year)
    return f"{year}.{day.month}.{day.day}"


def _ordinal(year: int) -> str:
    return "元" if year == 1 else str(year)


def parse_date(text: str) -> date:
    """A date as people type it: 令和8年11月23日, R8.11.23, H31/4/30, 2020-12-01, 20201201, in any width.

    Raises DateProblem (a ValueError): nonsense, a day that no calendar has, a day outside its era (平成35年),
    an era not understood (明治), or a year outside 1900 to 2199.
    """
    plain = _narrow(text)
    found = _WORDED.fullmatch(plain) or _MARKED.fullmatch(plain) or _COMPACT.fullmatch(plain)
    if found is None:
        raise DateProblem(DateCode.NONSENSE, text)
    if (found["era"] or "").upper() in _UNKNOWN_ERAS:
        raise DateProblem(DateCode.UNKNOWN_ERA, text)
    era = _BY_WORD[found["era"].upper()] if found["era"] else None
    year = _western_year(era, found["era_year"]) if era else int(found["western"])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise DateProblem(DateCode.YEAR_OUT_OF_RANGE, text)
    try:
        day = date(year, int(found["month"]), int(found["day"]))
    except ValueError as error:
        outside = era is not None and year > era.ends.year
        raise DateProblem(DateCode.OUTSIDE_ERA if outside else DateCode.NO_SUCH_DAY, text) from error
    if era and not era.starts <= day <= era.ends:
        raise DateProblem(DateCode.OUTSIDE_ERA, text)
    return day


def _western_year(era: Era, typed: str) -> int:
    return era.starts.year + (1 if typed == "元" else int(typed)) - 1


def parse_time(text: str) -> time:
    """A time of day in Japan as people type it: 10:00, 9時30分, 9時半, 14時, 午後2時, in any width.

    Raises DateProblem (a ValueError): nonsense, or a time that no clock shows (25:00, 午後13時).
    """
    found = _TIME.fullmatch(_narrow(text))
    if found is None:
        raise DateProblem(DateCode.NONSENSE, text)
    half_past = "30" if found["thirty"] else "0"
    hour, minute = int(found["hour"]), int(found["minute"] or found["worded"] or half_past)
    if found["half"] and hour >= 12:  # 午後12時 is midnight to the law and noon to most people
        raise DateProblem(DateCode.NO_SUCH_TIME, text)
    try:
        return time(hour + (12 if found["half"] == "午後" else 0), minute)
    except ValueError as error:
        raise DateProblem(DateCode.NO_SUCH_TIME, text) from error


def _narrow(text: str) -> str:
    """Half-width digits, letters and marks; ㋿ and ㍻ become words; no more than a date can be long."""
    if len(text) > LONGEST_DATE:
        raise DateProblem(DateCode.NONSENSE, text)
    return unicodedata.normalize("NFKC", text).translate(_DASHES).strip()


def age_on(birth: date, day: date) -> int:
    """Completed years on a day. Who was born on 29 February turns a year older on 1 March of a common year.

    Raises ValueError when the birth lies after the day.
    """
    if _plain(birth) > _plain(day):
        raise ValueError("born after that day")
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


AGE_BANDS = {
    "0-14": N_("14歳以下"),
    "15-19": N_("10代後半"),
    "20-24": N_("20代前半"),
    "25-29": N_("20代後半"),
    "30-34": N_("30代前半"),
    "35-39": N_("30代後半"),
    "40-44": N_("40代前半"),
    "45-49": N_("40代後半"),
    "50-54": N_("50代前半"),
    "55-59": N_("50代後半"),
    "60-64": N_("60代前半"),
    "65-69": N_("60代後半"),
    "70-74": N_("70代前半"),
    "75-79": N_("70代後半"),
    "80+": N_("80歳以上"),
}


def age_band(age: int) -> str:
    """The code of an age's band, a key of `AGE_BANDS`: "30-34" for 34. Raises ValueError below zero."""
    if age < 0:
        raise ValueError("an age below zero")
    if age < 15:
        return "0-14"
    if age >= 80:
        return "80+"
    lowest = age - age % 5
    return f"{lowest}-{lowest + 4}"
