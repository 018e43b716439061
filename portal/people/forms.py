"""Forms about people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields as columns
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, Field, RadioField, SelectField
from wtforms.validators import StopValidation, ValidationError

from portal.core import clock
from portal.disclosures.people import BasicView, InformationView, PersonView
from portal.people.categories import ASKED, FILED, Asked, Category, Relation
from portal.people.queries import OwnPerson
from portal.people.services import Basics
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
from portal.web.formats import era_date

LINE, TEXT = MaxLength(200), MaxLength(100_000)


class Chosen:
    """Refuses everything but one of these codes: nothing chosen, and what was never offered."""

    field_flags = {"required": True}

    def __init__(self, codes: Iterable[str], message: Any) -> None:
        self.codes = frozenset(codes)
        self.message = message

    def __call__(self, form: Any, field: Field) -> None:
        if field.data not in self.codes:
            raise StopValidation(str(self.message))


def age_bands() -> list[tuple[str, str]]:
    return [("", gettext("わからない")), *((code, gettext(word)) for code, word in clock.AGE_BANDS.items())]


def relations() -> list[tuple[str, str]]:
    return [(relation.value, gettext(relation.word)) for relation in Relation]


class BasicsForm(BaseForm):
    """Parts of the basic information; each form below has those that its page asks for."""

    def basics(self, kept: Basics | None = None) -> Basics:
        """The basic information as typed; fields that the form does not have stay as in `kept`."""
        typed = {one.name: self[one.name].data for one in columns(Basics) if one.name in self}
        return replace(kept or Basics(), **typed)


class Names:
    family = CleanString(lazy_gettext("姓"), [LINE])
    given = CleanString(lazy_gettext("名"), [LINE])
    family_kana = CleanString(lazy_gettext("姓のふりがな"), [LINE])
    given_kana = CleanString(lazy_gettext("名のふりがな"), [LINE])


class Pseudonym:
    pseudonym = CleanString(lazy_gettext("仮名"), [LINE])


class Born:
    birth = EraDateField(lazy_gettext("生年月日"), [not_after_today])


class Described:
    """The fields that are asked of everyone, named or not."""

    age_band = SelectField(lazy_gettext("年代"), choices=age_bands, default="")
    sex = CleanString(lazy_gettext("性別"), [LINE])
    address = CleanString(lazy_gettext("住所"), [LINE])
    telephone = TelephoneField(lazy_gettext("電話番号"), [LINE])
    household = CleanText(lazy_gettext("世帯の状況"), [TEXT])
    contact_prohibited = BooleanField(lazy_gettext("連絡禁止（本人や家族に連絡してはいけない）"))
    contact_prohibited_reason = CleanString(lazy_gettext("連絡禁止の理由と範囲"), [LINE])
    protected_address = BooleanField(lazy_gettext("住所と電話番号をほかの機関に見せない（支援措置など）"))


class RegisterForm(BasicsForm, Names, Pseudonym, Born, Described):
    """A new person: by name, or by a pseudonym alone."""

    def validate_pseudonym(self, field: Field) -> None:
        if field.data and (self.family.data or self.given.data):
            raise ValidationError(gettext("氏名と仮名は、どちらか一方だけを入力してください。"))


class NamedForm(BasicsForm, Names, Born, Described):
    version = VersionField()


class PseudonymForm(BasicsForm, Pseudonym, Born, Described):
    version = VersionField()


class IdentifyForm(BasicsForm, Names, Born):
    """The name of someone who was registered under a pseudonym, and how they agreed."""

    agreed = CleanText(
        lazy_gettext("本人の同意"),
        [Required(lazy_gettext("本人がいつ、どのように同意したかを入力してください。")), TEXT],
    )
    version = VersionField()


class RelativeForm(BasicsForm, Pseudonym, Described):
    """The person whom a relative came to speak of, who has agreed to nothing yet."""

    relation = SelectField(lazy_gettext("続柄"), choices=relations, coerce=Relation, default=Relation.CHILD)


class TieForm(BaseForm):
    """A relative who is on record already: looked for first, then chosen."""

    q = CleanString(lazy_gettext("家族の氏名か番号"), [LINE])
    relative = RadioField(
        lazy_gettext("家族"),
        [Required(lazy_gettext("家族を選んでください。"))],
        choices=[],
        validate_choice=False,
    )
    relation = RadioField(
        lazy_gettext("続柄"),
        [Chosen(Relation, lazy_gettext("続柄を選んでください。"))],
        choices=relations,
        validate_choice=False,
    )

    offered: frozenset[str] = frozenset()

    def offer(self, found: list[OwnPerson]) -> None:
        self.offered = frozenset(str(one.id) for one in found)
        self.relative.choices = [
            (str(one.id), "　".join(filter(None, (one.label, one.kana, era_date(one.birth), one.number))))
            for one in found
        ]

    def chosen(self) -> tuple[UUID, Relation] | None:
        """The relative and the relation; None for a person who was never offered."""
        if self.relative.data not in self.offered:
            return None
        return UUID(self.relative.data), Relation(self.relation.data)


class SearchForm(BaseForm):
    q = CleanString(lazy_gettext("氏名・ふりがな・番号で探す"), [LINE])


class InformationForm(BaseForm):
    """One category: its short answers and its text. `form_for` makes the one of each category."""

    asked: ClassVar[tuple[Asked, ...]] = ()
    version = VersionField()

    def answers(self) -> dict[str, str]:
        return {one.code: self[one.code].data for one in self.asked if self[one.code].data}


def form_for(category: Category) -> type[InformationForm]:
    asked = ASKED[category]
    members: dict[str, Any] = {one.code: CleanString(lazy_gettext(one.label), [LINE]) for one in asked}
    members["text"] = CleanText(lazy_gettext("くわしい内容"), [TEXT])
    return type(f"{category.name.title()}Form", (InformationForm,), {**members, "asked": asked})


INFORMATION_FORMS: dict[Category, type[InformationForm]] = {
    category: form_for(category) for category in FILED
}


def basics_of(view: PersonView) -> Basics:
    """The basic information on record, for the home agency, to which all of it is shown."""
    shown = view.basic
    if not isinstance(shown, BasicView):
        raise TypeError("basic information is never withheld at home")
    return Basics(
        family=shown.family,
        given=shown.given,
        family_kana=shown.family_kana,
        given_kana=shown.given_kana,
        pseudonym="" if shown.is_identified else shown.label,
        birth=shown.birth,
        age_band=shown.age_band,
        sex=shown.sex,
        address=str(shown.address),
        telephone=str(shown.telephone),
        household=shown.household,
        contact_prohibited=view.contact_prohibited,
        contact_prohibited_reason=view.contact_prohibited_reason,
        protected_address=view.protected_address,
    )


def worded(field: Field, value: Any) -> str:
    """A field's value in the reader's words."""
    if isinstance(value, bool):
        return str(gettext("はい") if value else gettext("いいえ"))
    if isinstance(value, date):
        return str(era_date(value))
    if isinstance(field, SelectField):
        return str(dict(age_bands()).get(value) or getattr(value, "word", value)) if value else ""
    return str(value or "")


def differences(form: BaseForm, theirs: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The fields whose value differs from what a colleague saved meanwhile: label, mine, theirs."""
    return [
        (str(form[name].label.text), worded(form[name], form[name].data), worded(form[name], value))
        for name, value in theirs.items()
        if name in form and form[name].data != value
    ]


def filed(view: PersonView, category: Category) -> InformationView | None:
    """The information that the home agency has on file in a category."""
    shown = view.information[category]
    return shown if isinstance(shown, InformationView) else None
