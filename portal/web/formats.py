"""Template filters: dates as the reader's language says them, words of enums, and plain text as safe HTML."""

from __future__ import annotations

import re
from datetime import date, datetime

from babel.dates import format_date
from flask import Flask
from markupsafe import Markup, escape

from portal.core import clock
from portal.web.language import in_english, translated

WEEKDAYS = "月火水木金土日"

_PARAGRAPHS = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def _day(value: date) -> date:
    """The day in Japan of an instant, or the day itself. Raises ValueError for an instant without a zone."""
    return clock.japan_date(value) if isinstance(value, datetime) else value


def era_date(value: date | None) -> str:
    """令和8年11月23日, in English 23 November 2026; an instant by its day in Japan; nothing for None.

    Raises ValueError for an instant without a zone, like every date filter here.
    """
    if value is None:
        return ""
    day = _day(value)
    return format_date(day, "d MMMM y", locale="en") if in_english() else clock.era_date(day)


def era_datetime(value: datetime | None) -> str:
    """令和8年11月23日 9時30分, in English 23 November 2026 9:30: the time in Japan; nothing for None."""
    if value is None:
        return ""
    at = clock.in_japan(value)
    shown = f"{at.hour}:{at.minute:02}" if in_english() else f"{at.hour}時{at.minute:02}分"
    return f"{era_date(at)} {shown}"


def era_seconds(value: datetime | None) -> str:
    """令和8年11月23日 9時30分05秒, in English 23 November 2026 9:30:05: to be held against another clock."""
    if value is None:
        return ""
    at = clock.in_japan(value)
    return era_datetime(at) + (f":{at.second:02}" if in_english() else f"{at.second:02}秒")


def era_short(value: date | None) -> str:
    """R8.11.23 for lists, in English 23 Nov 2026; nothing for None."""
    if value is None:
        return ""
    day = _day(value)
    return format_date(day, "d MMM y", locale="en") if in_english() else clock.era_short(day)


def weekday(value: date | None) -> str:
    """月, in English Mon; nothing for None."""
    if value is None:
        return ""
    day = _day(value)
    return format_date(day, "EEE", locale="en") if in_english() else WEEKDAYS[day.weekday()]


def month_word(value: date | None, *, short: bool = False) -> str:
    """11月, in English November, or Nov."""
    if value is None:
        return ""
    pattern = "LLL" if short else "LLLL"
    return format_date(value, pattern, locale="en") if in_english() else f"{value.month}月"


def iso(value: date | None) -> str:
    """2026-11-23, or an instant as 2026-11-23T09:30:00+09:00: for machines (`<time datetime>`)."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return clock.in_japan(value).isoformat(timespec="seconds")
    return value.isoformat()


def lines(value: str | None) -> Markup:
    """Plain text as paragraphs (at blank lines) and line breaks; everything else in it is escaped."""
    text = (value or "").replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        return Markup()
    return Markup().join(_paragraph(part) for part in _PARAGRAPHS.split(text))


def _paragraph(text: str) -> Markup:
    return Markup("<p>{}</p>").format(Markup("<br>").join(escape(line) for line in text.split("\n")))


def t(value: str | None) -> str:
    """A Japanese message (the word of an enum, a title) in the reader's language; nothing for nothing.

    For what is marked with `N_` in the code; text that somebody typed is never translated.
    """
    return translated(value) if value else ""  # the catalogue's own header answers to ""


FILTERS = (era_date, era_datetime, era_seconds, era_short, month_word, weekday, iso, lines, t)


def init_app(app: Flask) -> None:
    """Give every template the filters, each under its function's name."""
    app.jinja_env.filters.update({function.__name__: function for function in FILTERS})
