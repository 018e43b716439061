"""When a series meets: the few rules of RFC 5545 that meetings need, their words, and closed days."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from dateutil.rrule import MONTHLY, WEEKLY, rrule, weekday

from portal.agencies.calendar import OpeningDays
from portal.core.errors import Invalid
from portal.core.labels import N_, Labelled
from portal.meetings.states import ClosedDay

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")  # RFC 5545's names, Monday first as Python counts
DAY_WORDS = (
    N_("月曜"),
    N_("火曜"),
    N_("水曜"),
    N_("木曜"),
    N_("金曜"),
    N_("土曜"),
    N_("日曜"),
)
LAST = -1
NTHS = (1, 2, 3, 4, LAST)  # not every month has a fifth one: what is meant is the last
A_DAY = timedelta(days=1)
# A slot is put off no further than this, and dates are looked for no further ahead.
FARTHEST_SHIFT = 31
HORIZON = timedelta(days=800)

NOT_UNDERSTOOD = N_(
    "くり返しの決まりが読めません。毎週・隔週の曜日か、毎月の第何曜日（第1～第4、最終）で指定してください。"
)
BYDAY = re.compile(r"([+-]?[0-9])?(MO|TU|WE|TH|FR|SA|SU)")


class Frequency(Labelled):
    WEEKLY = "weekly", N_("毎週")
    FORTNIGHTLY = "fortnightly", N_("隔週")
    MONTHLY = "monthly", N_("毎月（第何曜日）")


@dataclass(frozen=True, slots=True)
class Rule:
    """Every such weekday, every second one, or the nth of each month; `nth` is 0 unless monthly, -1 the last."""

    frequency: Frequency
    weekday: int
    nth: int = 0

    def __post_init__(self) -> None:
        is_monthly = self.frequency is Frequency.MONTHLY
        if self.weekday not in range(7) or (self.nth in NTHS) is not is_monthly:
            raise Invalid(NOT_UNDERSTOOD, field="rule")

    def text(self) -> str:
        """The rule as RFC 5545 writes it."""
        day = DAYS[self.weekday]
        match self.frequency:
            case Frequency.WEEKLY:
                return f"FREQ=WEEKLY;BYDAY={day}"
            case Frequency.FORTNIGHTLY:
                return f"FREQ=WEEKLY;INTERVAL=2;BYDAY={day}"
        return f"FREQ=MONTHLY;BYDAY={self.nth}{day}"

    def dates(self, starts_on: date) -> Iterator[date]:
        """The days the rule names, from `starts_on` on; every second week counts from the first of them."""
        first = starts_on + A_DAY * ((self.weekday - starts_on.weekday()) % 7)
        begins = datetime.combine(first if self.nth == 0 else starts_on, time.min)
        day = weekday(self.weekday)
        if self.frequency is Frequency.MONTHLY:
            found = rrule(MONTHLY, dtstart=begins, byweekday=day(self.nth))
        else:
            every = 2 if self.frequency is Frequency.FORTNIGHTLY else 1
            found = rrule(WEEKLY, dtstart=begins, interval=every, byweekday=day)
        return (one.date() for one in found)

    def period(self, slot: date) -> tuple[int, ...]:
        """The period that holds at most one meeting: the week of a weekly series, else the slot itself."""
        if self.frequency is Frequency.MONTHLY:
            return (slot.toordinal(),)
        return tuple(slot.isocalendar())[:2]


def parse(text: str) -> Rule:
    """A rule in the words of RFC 5545, such as FREQ=MONTHLY;BYDAY=3TH.

    Raises:
        Invalid: anything but every week, every second week, or the nth weekday of each month.
    """
    pairs = [part.partition("=")[::2] for part in text.strip().upper().removeprefix("RRULE:").split(";")]
    parts = {name.strip(): value.strip() for name, value in pairs}
    found = BYDAY.fullmatch(parts.pop("BYDAY", ""))
    frequency, every = parts.pop("FREQ", ""), parts.pop("INTERVAL", "1")
    place = parts.pop("BYSETPOS", "")
    if len(pairs) != len(dict(pairs)) or parts or found is None or (found[1] and place):
        raise Invalid(NOT_UNDERSTOOD, field="rule")
    nth, day = found[1] or place, DAYS.index(found[2])
    match frequency, every, nth:
        case "WEEKLY", "1", "":
            return Rule(Frequency.WEEKLY, day)
        case "WEEKLY", "2", "":
            return Rule(Frequency.FORTNIGHTLY, day)
        case "MONTHLY", "1", _ if re.fullmatch("[+-]?[0-9]", nth):
            return Rule(Frequency.MONTHLY, day, int(nth))
    raise Invalid(NOT_UNDERSTOOD, field="rule")


def plainly(message: str, **values: object) -> str:
    return message % values if values else message


def words(rule: Rule, begins: time, say: Callable[..., str] = plainly) -> str:
    """毎週火曜 10:00, 隔週火曜 10:00, 第3木曜 14:00; `say` is the page's gettext."""
    given = {"day": say(DAY_WORDS[rule.weekday]), "time": f"{begins.hour}:{begins.minute:02}"}
    match rule.frequency:
        case Frequency.WEEKLY:
            return say(N_("毎週%(day)s %(time)s"), **given)
        case Frequency.FORTNIGHTLY:
            return say(N_("隔週%(day)s %(time)s"), **given)
    if rule.nth == LAST:
        return say(N_("毎月最終%(day)s %(time)s"), **given)
    return say(N_("第%(nth)s%(day)s %(time)s"), nth=rule.nth, **given)


def falls_on(slot: date, days: OpeningDays, closed_day: ClosedDay) -> date | None:
    """The day on which the meeting of a slot takes place; None when it falls out."""
    if days.is_open(slot):
        return slot
    if closed_day is ClosedDay.SKIP:
        return None
    step = -A_DAY if closed_day is ClosedDay.BEFORE else A_DAY
    near = (slot + step * n for n in range(1, FARTHEST_SHIFT + 1))
    return next((day for day in near if days.is_open(day)), None)


def plan(
    rule: Rule, starts_on: date, days: OpeningDays, closed_day: ClosedDay, since: date, until: date | None
) -> Iterator[tuple[date, date]]:
    """Slots with the day of each meeting, in order; of two that would meet on one day, one stays.

    From a month before `since`, so that what was put off from there is found, up to `until`.
    """
    last = min(until or date.max, since + HORIZON)
    slots = []
    for slot in rule.dates(starts_on):
        if slot > last:
            break
        if slot >= since - A_DAY * FARTHEST_SHIFT:
            slots.append(slot)
    used = {slot for slot in slots if days.is_open(slot)}
    for slot in slots:
        day = falls_on(slot, days, closed_day)
        if day is None or (day != slot and day in used):
            continue
        used.add(day)
        yield slot, day
