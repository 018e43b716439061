"""Forms of a series of activities, and the filter of the list of activities."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField

from portal.activities.forms import LINE, Named, area_of, areas, mode_field, uuids, words
from portal.activities.kinds import ActivityKind, Mode
from portal.activities.queries import Filter, Show
from portal.activities.series.services import SeriesFacts
from portal.consents.forms import Ticks
from portal.core import clock
from portal.web.base_form import AddressForm, BaseForm, VersionField
from portal.web.fields import CleanString, EraDateField, Required
from portal.web.language import in_english


def fiscal_year_word(year: int) -> str:
    """令和2年度, in English FY 2020."""
    return f"FY {year}" if in_english() else clock.era_fiscal_year(year)


class SeriesForm(BaseForm):
    title = CleanString(
        lazy_gettext("活動の名前"), [Required(lazy_gettext("活動の名前を入力してください。")), LINE]
    )
    kind = SelectField(lazy_gettext("種類"), choices=lambda: words(ActivityKind))
    area = SelectField(lazy_gettext("評価の項目"))
    place = CleanString(lazy_gettext("場所"), [LINE])
    mode = mode_field()
    together = Ticks(lazy_gettext("いっしょに開催する機関"))
    starts_on = EraDateField(lazy_gettext("始まりの日"), [Required(lazy_gettext("日付を入力してください。"))])
    version = VersionField()

    def offer(self, agencies: Named, area: str | None = None) -> None:
        self.mode.choices = words(Mode)
        self.area.choices = [("", gettext("種類に合わせる")), *areas()]
        if area and area not in dict(areas()):
            self.area.choices.append((area, area))
        self.together.choices = [(str(key), name) for key, name in agencies]

    def facts(self) -> SeriesFacts:
        kind = ActivityKind(self.kind.data)
        return SeriesFacts(
            kind=kind,
            area=self.area.data or area_of(kind),
            title=self.title.data or "",
            starts_on=self.starts_on.data or clock.today(),
            place=self.place.data or "",
            mode=Mode(self.mode.data),
            together=frozenset(uuids(self.together.data or ())),
        )


class EndForm(BaseForm):
    last_day = EraDateField(lazy_gettext("最後の日"), [Required(lazy_gettext("日付を入力してください。"))])


class FilterForm(AddressForm):
    """Which activities the list shows."""

    kind = SelectField(lazy_gettext("種類"), default="", validate_choice=False)
    area = SelectField(lazy_gettext("評価の項目"), default="", validate_choice=False)
    year = SelectField(lazy_gettext("年度"), default="", validate_choice=False)
    show = SelectField(lazy_gettext("記録"), default="", validate_choice=False)

    def __init__(self, asked: Any, first_year: int) -> None:
        super().__init__(formdata=asked)
        everything = ("", gettext("すべて"))
        this_year = clock.fiscal_year(clock.today())
        years = range(max(this_year, first_year), min(this_year, first_year) - 1, -1)
        self.kind.choices = [everything, *words(ActivityKind)]
        self.area.choices = [everything, *areas()]
        self.year.choices = [everything, *((str(one), fiscal_year_word(one)) for one in years)]
        self.show.choices = [
            (Show.STANDING.value, gettext("取消し以外")),
            (Show.HELD.value, gettext("開催した")),
            (Show.NOT_HELD.value, gettext("開催しなかった")),
            (Show.STRUCK.value, gettext("取り消した")),
        ]
        self.settle()

    def wanted(self) -> Filter:
        return Filter(
            show=Show(self.show.data),
            kind=ActivityKind(self.kind.data) if self.kind.data else None,
            area=self.area.data,
            year=int(self.year.data) if self.year.data else None,
        )
