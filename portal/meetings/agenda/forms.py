"""Forms of agenda items."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, HiddenField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import ValidationError

from portal.meetings.agenda.services import BY_THEMSELVES, ItemFacts
from portal.meetings.states import ItemKind
from portal.people.categories import Category
from portal.referrals.forms import Chosen, ManyOf, choices_of, uuid_or_none
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, MaxLength, Required, bare_minutes


class MinutesField(CleanString):
    """A number of minutes, in digits of any width."""

    @property
    def number(self) -> int:
        return int(self.data or 0)

    def tidy(self, text: str) -> str:
        return bare_minutes(text)

    def pre_validate(self, form: object) -> None:
        if self.data and not re.fullmatch("[0-9]{1,3}", self.data):
            raise ValidationError(gettext("時間は分で、0 から 480 までの数字を入力してください。"))


class ArrangeForm(BaseForm):
    """The length of an item, and the agency that presents it."""

    minutes = MinutesField(
        lazy_gettext("時間（分）"), [Required(lazy_gettext("時間を入力してください。"))], default="5"
    )
    presenter = Chosen(lazy_gettext("説明する機関"), [Required(lazy_gettext("機関を選んでください。"))])
    version = VersionField()

    def seat(self, members: Mapping[UUID, str]) -> None:
        self.presenter.choices = [SelectChoice(str(key), name) for key, name in members.items()]

    @property
    def presenter_id(self) -> UUID:
        chosen = uuid_or_none(self.presenter.data)
        assert chosen is not None  # the form has refused a blank  # noqa: S101
        return chosen


class ItemForm(ArrangeForm):
    kind = Chosen(lazy_gettext("議題の種類"), [Required(lazy_gettext("議題の種類を選んでください。"))])
    title = CleanString(lazy_gettext("議題名"), [MaxLength(200)])
    text = CleanText(lazy_gettext("話したいこと"), [MaxLength(4000)])
    person = HiddenField()
    referral = HiddenField()
    shared = BooleanField(lazy_gettext("参加機関に、この人のことを共有する"))
    categories = ManyOf(lazy_gettext("共有する情報の区分"), choices=choices_of(Category))

    def offer(self, kinds: Iterable[ItemKind], known: Collection[Category]) -> None:
        self.kind.choices = choices_of(kinds)
        self.categories.choices = choices_of(c for c in Category if c in known)

    def facts(self, person_id: UUID | None, referral_id: UUID | None) -> ItemFacts:
        return ItemFacts(
            kind=ItemKind(self.kind.data),
            title=self.title.data or "",
            text=self.text.data or "",
            minutes=self.minutes.number,
            presenter_agency_id=self.presenter_id,
            person_id=person_id,
            referral_id=referral_id,
            categories=frozenset(Category(c) for c in self.categories.data or ()),
            shared=bool(self.shared.data),
        )


def kinds_to_choose(*, about_person: bool) -> list[ItemKind]:
    """Kinds that may be typed by hand; a local issue is about nobody, other kinds need a person."""
    of_person = {
        ItemKind.PLAN_CHECK,
        ItemKind.ROLES,
        ItemKind.END_EVALUATION,
        ItemKind.REPORT_AFTERWARDS,
        ItemKind.HANDOFF,
        ItemKind.CONSENT,
    }
    without = of_person if not about_person else {ItemKind.LOCAL_ISSUE}
    return [kind for kind in ItemKind if kind not in BY_THEMSELVES | without]


class WhyForm(BaseForm):
    why = CleanString(
        lazy_gettext("理由"), [Required(lazy_gettext("理由を入力してください。")), MaxLength(300)]
    )


class ShareForm(BaseForm):
    categories = ManyOf(lazy_gettext("共有する情報の区分"), choices=choices_of(Category))


class ConfirmForm(BaseForm):
    """A button alone."""
