"""Forms of the dates of meetings and of series, for coordinators."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import time
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import RadioField, SelectField, SelectMultipleField
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from portal.core import clock
from portal.core.labels import Labelled
from portal.meetings.schedule import rules
from portal.meetings.schedule.rules import DAY_WORDS, LAST, NTHS, Frequency, Rule
from portal.meetings.schedule.services import MeetingFacts, SeriesFacts
from portal.meetings.states import ClosedDay, MeetingKind
from portal.people.forms import Chosen
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import (
    DATE_MESSAGES,
    CleanString,
    CleanText,
    EraDateField,
    EraDateTimeField,
    MaxLength,
    Required,
    bare_minutes,
)

SHORT, LONG = MaxLength(200), MaxLength(2000)


def words(members: Iterable[Labelled]) -> list[tuple[str, str]]:
    return [(member.value, gettext(member.word)) for member in members]


def agency_id(value: Any) -> UUID | None:
    """The agency chosen. Raises ValueError for a value that is no id."""
    return UUID(str(value)) if value else None


class AgenciesField(SelectMultipleField):
    """Some of the agencies, as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class LengthField(CleanString):
    """A length in minutes, in digits of any width."""

    number: int = 0

    def tidy(self, text: str) -> str:
        return bare_minutes(text)

    def pre_validate(self, form: Any) -> None:
        typed = self.data or ""
        if not typed:
            return
        if not (typed.isascii() and typed.isdigit() and len(typed) <= 4 and 0 < int(typed) <= 1440):
            raise ValidationError(gettext("会議の長さは、1分から1440分までで入力してください。"))
        self.number = int(typed)


class TimeField(CleanString):
    """A time of day in Japan: 10:00, 10時半, 午後2時."""

    value: time | None = None

    def pre_validate(self, form: Any) -> None:
        if not self.data:
            return
        try:
            self.value = clock.parse_time(self.data)
        except clock.DateProblem as error:
            raise ValidationError(str(DATE_MESSAGES[clock.DateCode.NO_SUCH_TIME])) from error


class TableForm(BaseForm):
    """The fields of every meeting: kind, name, length, agencies, place."""

    kind = RadioField(
        lazy_gettext("会議の種類"),
        [Chosen(MeetingKind, lazy_gettext("会議の種類を選んでください。"))],
        choices=lambda: words(MeetingKind),
        default=MeetingKind.WEEKLY.value,
        validate_choice=False,
    )
    name = CleanString(
        lazy_gettext("会議の名前"), [Required(lazy_gettext("会議の名前を入力してください。")), SHORT]
    )
    minutes = LengthField(
        lazy_gettext("長さ（分）"),
        [Required(lazy_gettext("会議の長さを入力してください。"))],
        default="60",
    )
    members = AgenciesField(lazy_gettext("参加機関"), coerce=agency_id)
    presenter = SelectField(lazy_gettext("説明する機関（特に決めないとき）"), coerce=agency_id)
    place = CleanString(lazy_gettext("場所"), [SHORT])
    link = CleanString(lazy_gettext("オンライン会議のアドレス"), [LONG])
    version = VersionField()

    @staticmethod
    def table_of(row: Any, members: Collection[UUID]) -> dict[str, Any]:
        return {
            "kind": row.kind.value,
            "name": row.name,
            "minutes": str(row.minutes),
            "members": [one for one in members if one != row.convener_id],
            "presenter": row.presenter_agency_id,
            "place": row.place,
            "link": row.link,
            "version": row.version,
        }

    def table(self) -> dict[str, Any]:
        return {
            "kind": MeetingKind(self.kind.data),
            "name": self.name.data or "",
            "minutes": self.minutes.number,
            "members": frozenset(self.members.data or ()),
            "place": self.place.data or "",
            "link": self.link.data or "",
            "presenter_agency_id": self.presenter.data,
        }


class MeetingForm(TableForm):
    starts_at = EraDateTimeField(
        lazy_gettext("日時"), [Required(lazy_gettext("日付と時刻を入力してください。"))]
    )

    @classmethod
    def filled(cls, meeting: Any) -> dict[str, Any]:
        return cls.table_of(meeting, meeting.members) | {"starts_at": meeting.starts_at}

    def facts(self) -> MeetingFacts:
        return MeetingFacts(starts_at=self.starts_at.data, **self.table())  # type: ignore[arg-type]


class SeriesForm(TableForm):
    frequency = RadioField(
        lazy_gettext("くり返し"),
        [Chosen(Frequency, lazy_gettext("くり返しを選んでください。"))],
        choices=lambda: words(Frequency),
        default=Frequency.WEEKLY.value,
        validate_choice=False,
    )
    nth = SelectField(
        lazy_gettext("第何週（毎月のとき）"),
        choices=lambda: [
            (str(n), gettext("最終") if n == LAST else gettext("第%(nth)s", nth=n)) for n in NTHS
        ],
        default="1",
    )
    rule = SelectField(
        lazy_gettext("曜日"),
        choices=lambda: [(str(n), gettext(word)) for n, word in enumerate(DAY_WORDS)],
        default="1",
    )
    begins = TimeField(
        lazy_gettext("開始時刻"), [Required(lazy_gettext("開始時刻を入力してください。"))], default="10:00"
    )
    starts_on = EraDateField(
        lazy_gettext("いつから"), [Required(lazy_gettext("始める日を入力してください。"))]
    )
    closed_day = RadioField(
        lazy_gettext("閉館日に当たるとき"),
        [Chosen(ClosedDay, lazy_gettext("閉館日に当たるときの扱いを選んでください。"))],
        choices=lambda: words(ClosedDay),
        default=ClosedDay.SKIP.value,
        validate_choice=False,
    )

    @classmethod
    def filled(cls, series: Any, members: Collection[UUID]) -> dict[str, Any]:
        rule = rules.parse(series.rule)
        return cls.table_of(series, members) | {
            "frequency": rule.frequency.value,
            "nth": str(rule.nth or 1),
            "rule": str(rule.weekday),
            "begins": f"{series.begins:%H:%M}",
            "starts_on": series.starts_on,
            "closed_day": series.closed_day.value,
        }

    def facts(self) -> SeriesFacts:
        frequency = Frequency(self.frequency.data)
        nth = int(self.nth.data) if frequency is Frequency.MONTHLY else 0
        return SeriesFacts(
            rule=Rule(frequency, int(self.rule.data), nth).text(),
            starts_on=self.starts_on.data,  # type: ignore[arg-type]
            begins=self.begins.value,  # type: ignore[arg-type]
            closed_day=ClosedDay(self.closed_day.data),
            **self.table(),
        )


class CancelForm(BaseForm):
    text = CleanText(
        lazy_gettext("中止の理由"), [Required(lazy_gettext("中止の理由を入力してください。")), LONG]
    )
    version = VersionField()


class EndForm(BaseForm):
    last_day = EraDateField(
        lazy_gettext("最後の日"), [Required(lazy_gettext("最後の日を入力してください。"))]
    )
