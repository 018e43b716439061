"""What may be typed about findings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from portal.inspections.checks import Check
from portal.inspections.finding_services import LONGEST, Statement
from portal.inspections.models import FindingKind
from portal.referrals.forms import Chosen, OneOf, choices_of, uuid_or_none
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanText, EraDateField, MaxLength, Required


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
    """The auditor's word on an answer; `due_on` only when he asks again."""

    version = VersionField()
    text = CleanText(lazy_gettext("監査のことば"), [MaxLength(LONGEST)])
    due_on = EraDateField(lazy_gettext("もう一度回答してほしい期限"))
