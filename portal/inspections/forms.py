"""Forms of findings and samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import IntegerField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import NumberRange

from portal.inspections.findings import LONGEST, Statement
from portal.inspections.hints import Check, Verdict
from portal.inspections.models import FindingKind
from portal.inspections.samples import LONGEST_NOTE, MOST, Draw
from portal.referrals.forms import Chosen, OneOf, choices_of, uuid_or_none
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, not_after_today


class FindingForm(BaseForm):
    agency = Chosen(lazy_gettext("指摘する機関"), [Required(lazy_gettext("指摘する機関を選んでください。"))])
    kind = OneOf(lazy_gettext("種類"), [Required()], choices=choices_of(FindingKind))
    check = Chosen(lazy_gettext("点検の項目"))
    text = CleanText(
        lazy_gettext("指摘の内容"),
        [Required(lazy_gettext("指摘の内容を入力してください。")), MaxLength(LONGEST)],
    )
    due_on = EraDateField(lazy_gettext("回答の期限"), [Required()])

    def __init__(self, agencies: Iterable[tuple[UUID, str]], **given: Any) -> None:
        super().__init__(**given)
        choose = [SelectChoice("", gettext("選んでください"))]
        self.agency.choices = choose + [SelectChoice(str(key), name) for key, name in agencies]
        nothing = [SelectChoice("", gettext("（項目によらない）"))]
        self.check.choices = nothing + [SelectChoice(one.value, gettext(one.word)) for one in Check]

    def statement(self, item_id: UUID | None) -> Statement:
        agency_id = uuid_or_none(self.agency.data)
        assert agency_id and self.due_on.data  # both are required  # noqa: S101, PT018
        return Statement(
            agency_id=agency_id,
            kind=FindingKind(self.kind.data),
            text=self.text.data or "",
            due_on=self.due_on.data,
            item_id=item_id,
            check=Check(self.check.data) if self.check.data else None,
        )


class AnswerForm(BaseForm):
    version = VersionField()
    text = CleanText(
        lazy_gettext("回答"), [Required(lazy_gettext("回答を入力してください。")), MaxLength(LONGEST)]
    )


class VerdictForm(BaseForm):
    """The auditor's verdict on an answer; `due_on` only when the auditor asks again."""

    version = VersionField()
    text = CleanText(lazy_gettext("監査のことば"), [MaxLength(LONGEST)])
    due_on = EraDateField(lazy_gettext("もう一度回答してほしい期限"))


# What may be typed to draw a sample, and the checklist.


class DrawForm(BaseForm):
    first = EraDateField(lazy_gettext("送付日（いつから）"), [Required()])
    last = EraDateField(lazy_gettext("送付日（いつまで）"), [Required(), not_after_today])
    agency = Chosen(lazy_gettext("機関"))
    wanted = IntegerField(
        lazy_gettext("件数"),
        [
            Required(lazy_gettext("1から200までの数を入力してください。")),
            NumberRange(1, MOST, lazy_gettext("1から200までの数を入力してください。")),
        ],
        default=20,
    )
    seed = CleanString(lazy_gettext("抽出のもとになる文字（シード）"), [MaxLength(100)])

    def __init__(self, agencies: Iterable[tuple[UUID, str]], **given: Any) -> None:
        super().__init__(**given)
        everything = [SelectChoice("", gettext("すべて"))]
        self.agency.choices = everything + [SelectChoice(str(key), name) for key, name in agencies]

    def draw(self) -> Draw:
        return Draw(
            first=self.first.data,  # type: ignore[arg-type]  # required
            last=self.last.data,  # type: ignore[arg-type]
            wanted=self.wanted.data or 0,
            agency_id=uuid_or_none(self.agency.data),
            seed=self.seed.data or "",
        )


class CheckForm(BaseForm):
    """The checklist, with a field for each check."""

    version = VersionField()
    note = CleanText(lazy_gettext("メモ"), [MaxLength(LONGEST_NOTE)])

    def verdicts(self) -> dict[Check, Verdict]:
        return {one: Verdict(self[one.value].data) for one in Check if self[one.value].data}

    def lines(self) -> list[tuple[Check, Any]]:
        return [(one, self[one.value]) for one in Check]


for one in Check:
    asked = Required(lazy_gettext("選んでください。"))
    setattr(CheckForm, one.value, OneOf(lazy_gettext(one.word), [asked], choices=choices_of(Verdict)))
