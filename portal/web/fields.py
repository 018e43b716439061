"""Form fields and validators that every feature shares; every form is a `BaseForm`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from flask_babel import gettext, lazy_gettext
from markupsafe import Markup
from wtforms import Field, StringField, TextAreaField
from wtforms.validators import StopValidation, ValidationError
from wtforms.widgets import TelInput, TextInput, html_params

from portal.core import clock
from portal.core.clock import DateCode, DateProblem
from portal.core.text import UnusableText, clean_text, is_blank, without_unusable
from portal.web.language import in_english

_DATE_AND_TIME = re.compile(r"(.+?)(?:\s+|(?<=\d)T)((?:午前|午後)?\s*\d{1,2}\s*[:：時].*)")

DATE_MESSAGES: Mapping[DateCode, Any] = {
    DateCode.NONSENSE: lazy_gettext("日付を「令和2年12月1日」や「2020-12-01」のように入力してください。"),
    DateCode.NO_SUCH_DAY: lazy_gettext("カレンダーにない日付です。月と日を確かめてください。"),
    DateCode.OUTSIDE_ERA: lazy_gettext(
        "この元号にはない日付です。元号と年を確かめてください（例：平成は31年4月30日まで）。"
    ),
    DateCode.UNKNOWN_ERA: lazy_gettext("この元号は使えません。西暦で入力してください。"),
    DateCode.YEAR_OUT_OF_RANGE: lazy_gettext(
        "年を確かめてください。1900年から2199年までの日付を入力できます。"
    ),
    DateCode.NO_SUCH_TIME: lazy_gettext("時刻を「10:00」や「14時30分」のように入力してください。"),
}
REMOVED = lazy_gettext("使えない文字を取り除きました。内容を確かめて、もう一度送信してください。")


class CleanString(StringField):
    """One line of text: cleaned, without outer spaces, line ends and tabs become spaces; "" when blank."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Raises ValueError, shown at the field, when characters had to be taken out."""
        self.data = ""
        if valuelist:
            typed = str(valuelist[0])
            self.data = self.tidy(without_unusable(typed))
            _refuse_unusable(typed)

    def tidy(self, text: str) -> str:
        """The cleaned text as this field keeps it."""
        return re.sub(r"[\n\t]+", " ", text).strip()


class CleanText(TextAreaField):
    """Text of several lines: cleaned, newlines are \\n, without blank ends; "" when blank."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Raises ValueError, shown at the field, when characters had to be taken out."""
        self.data = ""
        if valuelist:
            typed = str(valuelist[0])
            # Only whole blank lines in front: the first line may be indented on purpose.
            self.data = re.sub(r"\A(?:[^\S\n]*\n)+", "", without_unusable(typed)).rstrip()
            _refuse_unusable(typed)


def _refuse_unusable(typed: str) -> None:
    try:
        clean_text(typed)
    except UnusableText as error:
        raise ValueError(str(REMOVED)) from error


def bare_minutes(typed: str) -> str:
    """The digits of minutes, of any width, with or without the word for minutes."""
    return unicodedata.normalize("NFKC", typed).strip().removesuffix("分").strip()


class TelephoneField(CleanString):
    """A telephone number in digits of any width; kept half-width, with the hyphens that were typed.

    Accepts 10 or 11 digits that begin with 0 (総務省 電気通信番号計画), or + and 8 to 15 digits (E.164).
    """

    widget = TelInput()

    def tidy(self, text: str) -> str:
        """Half-width, every dash as a hyphen, （） as hyphens, no spaces: 06(0000)0000 is 06-0000-0000."""
        narrow = re.sub("[‐‑‒–—―−ー─]", "-", unicodedata.normalize("NFKC", text))
        return re.sub("-+", "-", re.sub("[()]", "-", re.sub(r"\s", "", narrow))).strip("-")

    def pre_validate(self, form: Any) -> None:
        """Refuses what cannot be dialled."""
        number = (self.data or "").replace("-", "")
        if number and not re.fullmatch(r"0[0-9]{9,10}|\+[0-9]{8,15}", number):
            raise ValidationError(gettext("電話番号を「090-0000-0000」のように入力してください。"))


class EraDateField(Field):
    """A date typed in 令和 or Western form, any width; None when blank.

    Shown as 令和8年11月23日, in English as 2026-11-23. What was typed stays in the box when it is refused.
    """

    widget = TextInput()
    data: date | None

    def _value(self) -> str:
        if self.raw_data:
            return without_unusable(str(self.raw_data[0]))
        return _shown(self.data)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Raises ValueError, shown at the field, when the date cannot be understood."""
        self.data = None
        typed = _typed(valuelist, 0)
        if typed:
            self.data = _read(clock.parse_date, typed)


class _DateAndTimeInput:
    """Two boxes under one name: the date, which the label belongs to, and the time beside it."""

    def __call__(self, field: EraDateTimeField, **kwargs: Any) -> Markup:
        shared = {"type": "text", "name": field.name, "required": bool(field.flags.required)}
        day, hour = field.shown()
        first = {**shared, "id": field.id, "value": day, **kwargs}
        second = {**first, "id": f"{field.id}-time", "value": hour, "aria-label": gettext("時刻")}
        return Markup(f"<input {html_params(**first)}> <input {html_params(**second)}>")  # noqa: S704 (escaped)


class EraDateTimeField(Field):
    """A date and a time in Japan, in two boxes or in one with a space between; an aware instant in UTC.

    None when both are blank; one without the other is refused. What was typed stays in the boxes.
    """

    widget = _DateAndTimeInput()
    data: datetime | None

    def shown(self) -> tuple[str, str]:
        """The contents of the two boxes."""
        if self.raw_data:
            return _typed(self.raw_data, 0), _typed(self.raw_data, 1)
        if self.data is None:
            return "", ""
        at = clock.in_japan(self.data)
        return _shown(at.date()), f"{at:%H:%M}"

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Raises ValueError, shown at the field, when date or time cannot be understood."""
        self.data = None
        day, hour = _typed(valuelist, 0), _typed(valuelist, 1)
        if day and not hour:
            day, hour = _split(day)
        if not day and not hour:
            return
        if not day or not hour:
            raise ValueError(gettext("日付と時刻の両方を入力してください。"))
        date_part = _read(clock.parse_date, day)
        try:
            time_part = clock.parse_time(hour)
        except DateProblem as error:
            raise ValueError(str(DATE_MESSAGES[DateCode.NO_SUCH_TIME])) from error
        self.data = clock.as_utc(datetime.combine(date_part, time_part, clock.JAPAN))


def _split(typed: str) -> tuple[str, str]:
    """A date and a time typed into one box, with a space or the T of ISO between them."""
    found = _DATE_AND_TIME.fullmatch(typed) if len(typed) <= 2 * clock.LONGEST_DATE else None
    return (found[1], found[2]) if found else (typed, "")


def _typed(values: Sequence[Any], place: int) -> str:
    """The content of one box, without outer spaces and without what cannot be shown."""
    return without_unusable(str(values[place])).strip() if len(values) > place else ""


def _shown(day: date | None) -> str:
    if day is None:
        return ""
    return day.isoformat() if in_english() else clock.era_date(day)


def _read(parse: Callable[[str], date], typed: str) -> date:
    try:
        return parse(typed)
    except DateProblem as error:
        raise ValueError(str(DATE_MESSAGES[error.code])) from error


class Required:
    """Refuses what is blank: nothing, spaces of any width, zero-width characters, no choice, no tick."""

    field_flags = {"required": True}

    def __init__(self, message: Any = None) -> None:
        self.message = message

    def __call__(self, form: Any, field: Field) -> None:
        """Report nothing for a field whose value was already refused."""
        if field.errors:
            raise StopValidation
        data = field.data
        if data is None or data is False or data in ([], ()) or (isinstance(data, str) and is_blank(data)):
            message = self.message or gettext("入力してください。")
            raise StopValidation(str(message))


class MaxLength:
    """Refuses more than `limit` characters, says how many are too many; sets no `maxlength`, which cuts."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, form: Any, field: Field) -> None:
        """Counts characters as the database does: code points."""
        over = len(field.data or "") - self.limit
        if over > 0:
            raise ValidationError(
                gettext(
                    "%(limit)s文字以内で入力してください。%(over)s文字多いです。",
                    limit=self.limit,
                    over=over,
                )
            )


def not_after_today(form: Any, field: Field) -> None:
    """Refuses a date after today in Japan, or an instant after now; None passes."""
    value = field.data
    latest = clock.now() if isinstance(value, datetime) else clock.today()
    if value is not None and value > latest:
        raise ValidationError(gettext("今日より後の日付は入力できません。日付を確かめてください。"))
