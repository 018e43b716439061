"""What may be typed to draw a sample, and the checklist."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import IntegerField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import NumberRange

from portal.inspections.checks import Check, Verdict
from portal.inspections.sample_services import LONGEST_NOTE, MOST, Draw
from portal.referrals.forms import Chosen, OneOf, choices_of, uuid_or_none
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, not_after_today


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
    """The checklist: below, a field for each check."""

    version = VersionField()
    note = CleanText(lazy_gettext("メモ"), [MaxLength(LONGEST_NOTE)])

    def verdicts(self) -> dict[Check, Verdict]:
        return {one: Verdict(self[one.value].data) for one in Check if self[one.value].data}

    def lines(self) -> list[tuple[Check, Any]]:
        return [(one, self[one.value]) for one in Check]


for one in Check:
    asked = Required(lazy_gettext("選んでください。"))
    setattr(CheckForm, one.value, OneOf(lazy_gettext(one.word), [asked], choices=choices_of(Verdict)))
