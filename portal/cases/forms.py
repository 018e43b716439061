"""What a person may type about a case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import IntegerField, RadioField, SelectField
from wtforms.validators import NumberRange, Optional

from portal.cases.codes import Domain, Method, Outcome, Score
from portal.people.categories import Category
from portal.people.forms import VersionField
from portal.web.fields import BaseForm, CleanText, EraDateField, MaxLength, Required, not_after_today
from portal.words import Worded

TEXT = MaxLength(100_000)


def words(members: Iterable[Worded]) -> list[tuple[str, str]]:
    return [(member.value, gettext(member.word)) for member in members]


def staff_id(value: Any) -> UUID | None:
    """The member of staff chosen; None for nobody. Raises ValueError for what is no id."""
    return UUID(str(value)) if value else None


class WorkerField(SelectField):
    """One of the colleagues, or nobody yet."""

    def offer(self, colleagues: Iterable[Any]) -> None:
        self.choices = [("", gettext("決めていない")), *((one.id, one.name) for one in colleagues)]


class OpenForm(BaseForm):
    opened_on = EraDateField(
        lazy_gettext("開始日"), [Required(lazy_gettext("開始日を入力してください。")), not_after_today]
    )
    worker = WorkerField(lazy_gettext("担当者"), coerce=staff_id)


class WorkerForm(BaseForm):
    worker = WorkerField(lazy_gettext("担当者"), coerce=staff_id)
    version = VersionField()


class NoteForm(BaseForm):
    """One contact, in the order in which it is told: when, how, how long, what about."""

    held_on = EraDateField(
        lazy_gettext("日付"), [Required(lazy_gettext("日付を入力してください。")), not_after_today]
    )
    method = SelectField(lazy_gettext("方法"), choices=lambda: words(Method), coerce=Method, default=Method.OFFICE)
    minutes = IntegerField(
        lazy_gettext("時間（分）"),
        [
            Optional(),
            NumberRange(0, 24 * 60, lazy_gettext("分で、0 から 1440 までの数字を入力してください。")),
        ],
    )
    category = SelectField(
        lazy_gettext("情報区分"), choices=lambda: words(Category), coerce=Category, default=Category.LIFE_HISTORY
    )
    text = CleanText(lazy_gettext("内容"), [Required(lazy_gettext("内容を入力してください。")), TEXT])


class CorrectionForm(NoteForm):
    version = VersionField()


class GoalForm(BaseForm):
    domain = RadioField(
        lazy_gettext("領域"),
        [Required(lazy_gettext("領域を選んでください。"))],
        choices=lambda: words(Domain),
        validate_choice=False,
    )
    text = CleanText(lazy_gettext("目標"), [Required(lazy_gettext("目標を入力してください。")), TEXT])


class ScoreForm(BaseForm):
    score = SelectField(lazy_gettext("達成度"), coerce=str, validate_choice=False)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.score.choices = [("", gettext("まだ評価していない")), *words(Score)]


class CloseForm(BaseForm):
    outcome = SelectField(
        lazy_gettext("支援の結果"),
        [Required(lazy_gettext("支援の結果を選んでください。"))],
        choices=lambda: [("", gettext("選んでください")), *words(Outcome)],
        validate_choice=False,
    )
    closed_on = EraDateField(
        lazy_gettext("終結日"), [Required(lazy_gettext("終結日を入力してください。")), not_after_today]
    )
    text = CleanText(lazy_gettext("終結の経緯"), [TEXT])
    version = VersionField()
