"""What is asked before a member of staff is excluded from a person's affairs, or readmitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext, lazy_gettext
from wtforms import RadioField, SelectField

from portal.exclusions.models import Conflict
from portal.people.forms import Chosen
from portal.web.base_form import BaseForm
from portal.web.fields import CleanText, MaxLength, Required

TEXT = MaxLength(2_000)


class OwnForm(BaseForm):
    """Exclude oneself."""

    conflict = RadioField(
        lazy_gettext("関わらない理由"),
        [Chosen(Conflict, lazy_gettext("関わらない理由を選んでください。"))],
        choices=lambda: [(conflict.value, gettext(conflict.word)) for conflict in Conflict],
        validate_choice=False,
    )
    reason = CleanText(lazy_gettext("事情"), [Required(lazy_gettext("事情を入力してください。")), TEXT])

    @property
    def why(self) -> Conflict | None:
        return Conflict(self.conflict.data) if self.conflict.data in set(Conflict) else None


class ColleagueForm(OwnForm):
    """Exclude somebody else, chosen from those whom one may exclude."""

    staff = SelectField(lazy_gettext("職員"), validate_choice=False)

    def offer(self, candidates: Iterable[Any]) -> None:
        named = [(str(one.id), f"{one.name}（{one.agency_name}）") for one in candidates]
        self.staff.choices = [("", gettext("選んでください")), *named]
        self.staff.validators = [
            Chosen([key for key, _name in named], lazy_gettext("職員を一覧から選んでください。"))
        ]


class LiftForm(BaseForm):
    why = CleanText(
        lazy_gettext("解除する理由"), [Required(lazy_gettext("解除する理由を入力してください。")), TEXT]
    )
