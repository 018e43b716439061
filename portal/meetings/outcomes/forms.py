"""Forms of outcomes, and of closing a promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]

from portal.meetings.outcomes.services import OutcomeFacts
from portal.meetings.states import OutcomeKind
from portal.referrals.forms import Chosen, OneOf, choices_of, uuid_or_none
from portal.referrals.states import ReferralAction
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanText, EraDateField, MaxLength, Required


class PromiseDoneForm(BaseForm):
    version = VersionField()
    note = CleanText(lazy_gettext("結果・理由"), [MaxLength(1000)])


class OutcomeForm(BaseForm):
    """The services say what a 対応事項 needs, and name the field."""

    version = VersionField()
    kind = OneOf(
        lazy_gettext("種類"),
        [Required(lazy_gettext("種類を選んでください。"))],
        choices=choices_of(OutcomeKind),
        default=OutcomeKind.DECISION.value,
    )
    text = CleanText(
        lazy_gettext("内容"), [Required(lazy_gettext("内容を入力してください。")), MaxLength(1000)]
    )
    owner = Chosen(lazy_gettext("担当する機関"))
    due_on = EraDateField(lazy_gettext("期限"))
    staff = Chosen(lazy_gettext("担当する職員"))
    referral_step = Chosen(lazy_gettext("つなぎの手続き"))
    to_agency = Chosen(lazy_gettext("新しくつなぐ先"))

    def offer(
        self,
        members: Mapping[UUID, str],
        staff: Sequence[tuple[UUID, str, str]] = (),
        steps: Sequence[ReferralAction] = (),
        agencies: Sequence[tuple[UUID, str]] = (),
    ) -> None:
        """Fill the lists; `staff` are id, name and agency. What has nothing to offer stays an empty list."""
        self.owner.choices = listed(gettext("選んでください"), members.items())
        self.staff.choices = [
            SelectChoice("", gettext("機関で決める")),
            *(SelectChoice(str(key), name, optgroup=agency) for key, name, agency in staff),
        ]
        self.referral_step.choices = [SelectChoice("", gettext("なし")), *choices_of(steps)]
        self.to_agency.choices = listed(gettext("なし"), agencies)

    def facts(self) -> OutcomeFacts:
        step = self.referral_step.data
        return OutcomeFacts(
            kind=OutcomeKind(self.kind.data),
            text=self.text.data or "",
            owner_agency_id=uuid_or_none(self.owner.data),
            owner_staff_id=uuid_or_none(self.staff.data),
            due_on=self.due_on.data,
            referral_step=ReferralAction(step) if step else None,
            to_agency_id=uuid_or_none(self.to_agency.data),
        )


def listed(nothing: str, entries: Any) -> list[SelectChoice]:
    return [SelectChoice("", nothing), *(SelectChoice(str(key), name) for key, name in entries)]
