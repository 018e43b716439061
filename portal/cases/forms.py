"""Forms about cases."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, RadioField, SelectField
from wtforms.validators import ValidationError

from portal.accounts.forms import named
from portal.cases.codes import Domain, HeardBy, Method, Milestone, Outcome, Score
from portal.core.labels import Labelled
from portal.people.categories import Category
from portal.people.forms import Chosen
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, not_after_today

TEXT = MaxLength(100_000)


def words(members: Iterable[Labelled]) -> list[tuple[str, str]]:
    return [(member.value, gettext(member.word)) for member in members]


def chosen_id(value: Any) -> UUID | None:
    """The id chosen; None for nobody. Raises ValueError for a value that is no id."""
    return UUID(str(value)) if value else None


def heard_by(value: Any) -> HeardBy | None:
    """How the person heard of it; None when nobody knows. Raises ValueError for a value that is no code."""
    return HeardBy(value) if value else None


def heard_by_choices() -> list[tuple[str, str]]:
    return [("", gettext("わからない・まだ聞いていない")), *words(HeardBy)]


class WorkerField(SelectField):
    """One of the colleagues, or nobody yet."""

    def offer(self, colleagues: Iterable[Any]) -> None:
        self.choices = [("", gettext("決めていない")), *((one.id, named(one)) for one in colleagues)]


class HelperField(SelectField):
    """Another agency with whose help it came about, or none."""

    def offer(self, agencies: Iterable[Any]) -> None:
        self.choices = [("", gettext("自分の機関だけで支援した")), *((one.id, one.name) for one in agencies)]


class HeardByField(SelectField):
    """How the person heard of the support that they ask for."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            lazy_gettext("相談に来たきっかけ"), coerce=heard_by, choices=heard_by_choices, **more
        )


class MinutesField(CleanString):
    """How long it took, in minutes, in digits of any width; None when blank."""

    @property
    def number(self) -> int | None:
        return int(self.data) if self.data else None

    def tidy(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text).strip().removesuffix("分").strip()

    def pre_validate(self, form: Any) -> None:
        if self.data and not re.fullmatch("[0-9]{1,4}", self.data):
            raise ValidationError(gettext("時間は分で、0 から 1440 までの数字を入力してください。"))


class OpenForm(BaseForm):
    opened_on = EraDateField(
        lazy_gettext("開始日"), [Required(lazy_gettext("開始日を入力してください。")), not_after_today]
    )
    worker = WorkerField(lazy_gettext("担当者"), coerce=chosen_id)
    heard_by = HeardByField()


class WorkerForm(BaseForm):
    worker = WorkerField(lazy_gettext("担当者"), coerce=chosen_id)
    version = VersionField()


class HeardByForm(BaseForm):
    heard_by = HeardByField()
    version = VersionField()


class NoteForm(BaseForm):
    """One contact, in the order in which people report it: when, how, how long, what about."""

    held_on = EraDateField(
        lazy_gettext("日付"), [Required(lazy_gettext("日付を入力してください。")), not_after_today]
    )
    method = SelectField(
        lazy_gettext("方法"), choices=lambda: words(Method), coerce=Method, default=Method.OFFICE
    )
    minutes = MinutesField(lazy_gettext("時間（分）"))
    category = SelectField(
        lazy_gettext("情報区分"),
        choices=lambda: words(Category),
        coerce=Category,
        default=Category.LIFE_HISTORY,
    )
    text = CleanText(lazy_gettext("内容"), [Required(lazy_gettext("内容を入力してください。")), TEXT])


class CorrectionForm(NoteForm):
    version = VersionField()


class GoalForm(BaseForm):
    domain = RadioField(
        lazy_gettext("領域"),
        [Chosen(Domain, lazy_gettext("領域を選んでください。"))],
        choices=lambda: words(Domain),
        validate_choice=False,
    )
    text = CleanText(lazy_gettext("目標"), [Required(lazy_gettext("目標を入力してください。")), TEXT])
    review_on = EraDateField(lazy_gettext("評価予定日"))


class ScoreForm(BaseForm):
    score = RadioField(
        lazy_gettext("達成度"),
        [Chosen(["", *Score], lazy_gettext("達成度を選んでください。"))],
        choices=lambda: [*words(Score), ("", gettext("まだ評価していない"))],
        validate_choice=False,
    )


class MilestoneForm(BaseForm):
    """A milestone: what was reached, on which day, and with whose help."""

    what = RadioField(
        lazy_gettext("節目"),
        [Chosen(Milestone, lazy_gettext("節目を選んでください。"))],
        choices=lambda: words(Milestone),
        validate_choice=False,
    )
    for_employment = BooleanField(lazy_gettext("就労支援対象者（プラン作成のときだけ）"))
    happened_on = EraDateField(
        lazy_gettext("日付"), [Required(lazy_gettext("日付を入力してください。")), not_after_today]
    )
    helper = HelperField(lazy_gettext("いっしょに支援した機関"), coerce=chosen_id)
    text = CleanText(lazy_gettext("内容"), [TEXT])


class CloseForm(BaseForm):
    outcome = SelectField(
        lazy_gettext("支援の結果"),
        [Chosen(Outcome, lazy_gettext("支援の結果を選んでください。"))],
        choices=lambda: [("", gettext("選んでください")), *words(Outcome)],
        validate_choice=False,
    )
    closed_on = EraDateField(
        lazy_gettext("終結日"), [Required(lazy_gettext("終結日を入力してください。")), not_after_today]
    )
    text = CleanText(lazy_gettext("終結の経緯"), [TEXT])
    version = VersionField()
