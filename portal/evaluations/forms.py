"""Forms of a year: texts, areas, closing, additions."""

from __future__ import annotations

from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import HiddenField, SelectField
from wtforms.validators import ValidationError

from portal.activities.kinds import ActivityKind
from portal.core import clock
from portal.evaluations.catalogue import Measure
from portal.evaluations.services import LONGEST, LONGEST_NAME
from portal.evaluations.telling import Telling
from portal.referrals.forms import ManyOf, choices_of
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, not_after_today


class DayForm(BaseForm):
    """The day of the figures, asked for in the address."""

    class Meta:
        csrf = False  # it changes nothing

    as_of = EraDateField(lazy_gettext("いつの時点の数字か"))

    def __init__(self, year: int, asked: object) -> None:
        super().__init__(formdata=asked)
        self.first, self.last = clock.fiscal_year_bounds(year)

    def validate_as_of(self, field: EraDateField) -> None:
        if field.data and not self.first <= field.data <= self.last:
            raise ValidationError(gettext("この年度の中の日付を入力してください。"))
        not_after_today(self, field)


class TellingForm(BaseForm):
    """A text that others read; `told` is what of it was pointed out to its writer already."""

    told = HiddenField()

    def must_point_out(self, telling: Telling | None) -> bool:
        """Whether the writer has not yet been shown what these words reveal; once only, and they may stay."""
        is_new = telling is not None and self.told.data != telling.mark
        self.told.data = telling.mark if telling else ""
        return is_new


class TextForm(TellingForm):
    text = CleanText(lazy_gettext("文章"), [MaxLength(LONGEST)])
    seen = HiddenField()

    @property
    def seen_id(self) -> UUID | None:
        """The version that the form showed; None for none. A value that is no id matches no version."""
        try:
            return UUID(self.seen.data) if self.seen.data else None
        except ValueError:
            return UUID(int=0)


class AreaForm(BaseForm):
    name = CleanString(
        lazy_gettext("項目の名前"),
        [Required(lazy_gettext("項目の名前を入力してください。")), MaxLength(LONGEST_NAME)],
    )
    kinds = ManyOf(lazy_gettext("この項目に数える活動"), choices=choices_of(ActivityKind))
    measures = ManyOf(lazy_gettext("この項目に示す数字"), choices=choices_of(Measure))

    def chosen_kinds(self) -> list[ActivityKind]:
        return [kind for kind in ActivityKind if kind.value in (self.kinds.data or ())]

    def chosen_measures(self) -> list[Measure]:
        return [measure for measure in Measure if measure.value in (self.measures.data or ())]


class AreaChangeForm(AreaForm):
    retired_from = SelectField(lazy_gettext("使い終わる年度"), default="")
    version = VersionField()

    def offer_years(self, years: range, kept: int | None) -> None:
        every = sorted({*years, *([kept] if kept else [])})
        self.retired_from.choices = [
            ("", gettext("使い続ける")),
            *(
                (str(year), gettext("%(year)sから使わない", year=clock.era_fiscal_year(year)))
                for year in every
            ),
        ]

    @property
    def year(self) -> int | None:
        return int(self.retired_from.data) if self.retired_from.data else None


class CloseForm(BaseForm):
    as_of = EraDateField(
        lazy_gettext("いつの時点で確定するか"),
        [Required(lazy_gettext("日付を入力してください。")), not_after_today],
    )


class ReopenForm(BaseForm):
    why = CleanText(
        lazy_gettext("確定を解除する理由"),
        [Required(lazy_gettext("理由を入力してください。")), MaxLength(2000)],
    )


class AdditionForm(TellingForm):
    text = CleanText(
        lazy_gettext("追記"), [Required(lazy_gettext("内容を入力してください。")), MaxLength(LONGEST)]
    )
