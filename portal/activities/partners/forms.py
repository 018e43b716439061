"""Forms of a partner and its agreements, and the filter of the list of partners."""

from __future__ import annotations

from typing import Any, TypeVar

from flask_babel import gettext, lazy_gettext
from wtforms import SelectField

from portal.activities.kinds import Offer
from portal.activities.partners.queries import AgreementState, Filter, PartnerView
from portal.activities.partners.services import PartnerFacts
from portal.agencies.forms import Ticks, is_mail, worded
from portal.core.labels import Labelled
from portal.people.forms import differences
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import (
    CleanString,
    CleanText,
    EraDateField,
    MaxLength,
    Required,
    TelephoneField,
    not_after_today,
)

LINE, TEXT = MaxLength(200), MaxLength(2000)
Code = TypeVar("Code", bound=Labelled)
TYPED = ("name", "about", "contact_name", "telephone", "email", "address")


class PartnerForm(BaseForm):
    name = CleanString(
        lazy_gettext("協力先の名前"), [Required(lazy_gettext("協力先の名前を入力してください。")), LINE]
    )
    offers = Ticks(lazy_gettext("協力の内容"), choices=lambda: worded(Offer))
    about = CleanText(lazy_gettext("仕事の内容・気をつけること"), [TEXT])
    contact_name = CleanString(lazy_gettext("窓口の人"), [LINE])
    telephone = TelephoneField(lazy_gettext("電話"), [LINE])
    email = CleanString(lazy_gettext("メールアドレス"), [LINE, is_mail])
    address = CleanString(lazy_gettext("所在地"), [LINE])
    version = VersionField()

    def facts(self) -> PartnerFacts:
        typed = {name: self[name].data or "" for name in TYPED}
        return PartnerFacts(**typed, offers=frozenset(Offer(one) for one in self.offers.data or ()))

    def clashes(self, theirs: PartnerView) -> list[tuple[str, str, str]]:
        """The fields whose value differs from what a colleague saved meanwhile."""
        found = differences(self, {name: getattr(theirs, name) for name in TYPED})
        mine = tuple(one for one in Offer if one.value in (self.offers.data or ()))
        if mine != theirs.offers:
            found.append((str(self.offers.label.text), together(mine), together(theirs.offers)))
        return found


class NewPartnerForm(PartnerForm):
    """A new partner, with the first agreement if there is one already."""

    added_on = EraDateField(
        lazy_gettext("協力先になった日"),
        [Required(lazy_gettext("日付を入力してください。")), not_after_today],
    )
    signed_on = EraDateField(lazy_gettext("協定を結んだ日"), [not_after_today])
    valid_until = EraDateField(lazy_gettext("協定の有効期限"))


class AgreementForm(BaseForm):
    signed_on = EraDateField(
        lazy_gettext("協定を結んだ日"), [Required(lazy_gettext("日付を入力してください。")), not_after_today]
    )
    valid_until = EraDateField(lazy_gettext("協定の有効期限"))


class EndPartnerForm(BaseForm):
    ended_on = EraDateField(
        lazy_gettext("受け入れを終えた日"),
        [Required(lazy_gettext("日付を入力してください。")), not_after_today],
    )
    version = VersionField()


class AgainForm(BaseForm):
    version = VersionField()


def together(offers: tuple[Offer, ...]) -> str:
    return str(gettext("、").join(gettext(one.word) for one in offers))


class PartnerFilterForm(BaseForm):
    """Codes in the address; it changes nothing."""

    class Meta:
        csrf = False

    idempotency_key = None  # type: ignore[assignment]
    offer = SelectField(lazy_gettext("協力の内容"), default="", validate_choice=False)
    agreement = SelectField(lazy_gettext("協定"), default="", validate_choice=False)
    show = SelectField(lazy_gettext("受け入れ"), default="", validate_choice=False)

    def __init__(self, asked: Any) -> None:
        super().__init__(formdata=asked)
        everything = ("", gettext("すべて"))
        self.offer.choices = [everything, *worded(Offer)]
        self.agreement.choices = [everything, *worded(AgreementState)]
        self.show.choices = [
            ("", gettext("受け入れている協力先")),
            ("ended", gettext("受け入れを終えた協力先")),
        ]

    def wanted(self) -> Filter:
        """The filter as asked for; a value that no choice has narrows nothing."""
        return Filter(
            has_ended=self.show.data == "ended",
            offer=member(Offer, self.offer.data),
            state=member(AgreementState, self.agreement.data),
        )


def member(codes: type[Code], asked: str | None) -> Code | None:
    return next((one for one in codes if one.value == asked), None)
