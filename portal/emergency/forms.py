"""Forms of emergency access: the search, the request, the second person's answer, and the review."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, HiddenField, PasswordField, RadioField, SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError

from portal.consents.forms import Ticks, categories, named
from portal.core import clock
from portal.core.clock import DateProblem
from portal.core.labels import Labelled
from portal.emergency.models import Emergency, Finding
from portal.emergency.search import Wanted
from portal.emergency.services import LONGEST_TEXT, Wish
from portal.people.categories import Category
from portal.web.base_form import BaseForm
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, not_after_today

LINE, TEXT = MaxLength(200), MaxLength(LONGEST_TEXT)
NOBODY = UUID(int=0)


def uuid_of(text: str | None) -> UUID:
    """The id in a hidden field; the nil id for a value that is none."""
    try:
        return UUID(text or "")
    except ValueError:
        return NOBODY


class Coded(RadioField):
    """One of the codes of an enum, each with its word."""

    def __init__(self, label: Any, codes: type[Labelled], missing: Any, **more: Any) -> None:
        choices = [SelectChoice(code.value, lazy_gettext(code.word)) for code in codes]
        super().__init__(label, [Required(missing)], choices=choices, validate_choice=False, **more)
        self.codes = codes
        self.missing = missing

    def post_validate(self, form: Any, validation_stopped: bool) -> None:
        """Refuses what was never offered."""
        if not validation_stopped and self.data not in list(self.codes):
            raise ValidationError(str(self.missing))


class FindByNameForm(BaseForm):
    """The whole name, or the whole furigana, and the birth date."""

    idempotency_key = None  # type: ignore[assignment]  # looking makes no record
    by = HiddenField(default="name")
    name = CleanString(lazy_gettext("氏名（またはふりがな）"), [Required(), LINE])
    birth = EraDateField(lazy_gettext("生年月日"), [Required(), not_after_today])

    def wanted(self) -> Wanted:
        return Wanted(name=self.name.data or "", birth=self.birth.data)


class FindByNumberForm(BaseForm):
    """The number that an agency gave, and which agency. Agencies are no secret."""

    idempotency_key = None  # type: ignore[assignment]
    by = HiddenField(default="number")
    agency = SelectField(
        lazy_gettext("番号をつけた機関"), [Required(lazy_gettext("機関を選んでください。"))], coerce=str
    )
    number = CleanString(lazy_gettext("相談者の番号"), [Required(), MaxLength(50)])

    def __init__(self, agencies: Iterable[tuple[UUID, str]], **more: Any) -> None:
        super().__init__(**more)
        self.agency.choices = [SelectChoice("", gettext("選んでください")), *named(agencies)]

    def wanted(self) -> Wanted:
        return Wanted(agency_id=uuid_of(self.agency.data), number=self.number.data or "")


class AskForm(BaseForm):
    """Why, and which categories. Who it is stands in hidden fields and is checked again at every step."""

    by = HiddenField()
    name = HiddenField()
    birth = HiddenField()
    agency = HiddenField()
    number = HiddenField()
    person = HiddenField()
    reason = Coded(lazy_gettext("理由"), Emergency, lazy_gettext("理由を選んでください。"))
    text = CleanText(lazy_gettext("いまの状況"), [Required(), TEXT])
    difficult = BooleanField(
        lazy_gettext("本人の同意を得ることが難しい"),
        [
            Required(
                lazy_gettext("本人の同意を得られるときは、緊急閲覧を使えません。同意を記録してください。")
            )
        ],
    )
    categories = Ticks(
        lazy_gettext("必要な区分"), [Required(lazy_gettext("必要な区分を一つ以上選んでください。"))]
    )
    password = PasswordField(lazy_gettext("自分のパスワード"), [Required()])

    def __init__(self) -> None:
        super().__init__()
        self.categories.choices = categories()

    def wanted(self) -> Wanted:
        if self.by.data == "number":
            return Wanted(agency_id=uuid_of(self.agency.data), number=self.number.data or "")
        try:
            birth = clock.parse_date(self.birth.data or "")
        except DateProblem:
            birth = None
        return Wanted(name=self.name.data or "", birth=birth)

    def person_id(self) -> UUID:
        return uuid_of(self.person.data)

    def wish(self) -> Wish:
        """The request as typed, once the form is valid."""
        return Wish(
            wanted=self.wanted(),
            person_id=self.person_id(),
            reason=Emergency(self.reason.data),
            text=self.text.data or "",
            categories=frozenset(Category(one) for one in self.categories.data or []),
        )

    def typed(self) -> list[tuple[str, str]]:
        """The fields that the page of confirmation carries on; the password is never among them."""
        names = ("reason", "text", "difficult", "categories")
        return [(name, str(value)) for name in names for value in self[name].raw_data or [] if value]


class AnswerForm(BaseForm):
    """The second person's yes or no."""

    idempotency_key = None  # type: ignore[assignment]  # the second answer finds the first
    why = CleanText(lazy_gettext("承認しないときの理由"), [TEXT])
    password = PasswordField(lazy_gettext("自分のパスワード"), [Required()])


class ReviewForm(BaseForm):
    idempotency_key = None  # type: ignore[assignment]
    finding = Coded(lazy_gettext("点検の結果"), Finding, lazy_gettext("点検の結果を選んでください。"))
    text = CleanText(lazy_gettext("そう判断した理由"), [Required(), TEXT])

    def chosen(self) -> Finding:
        return Finding(self.finding.data)
