"""Forms about agencies: contacts and opening days, closures, services and their room."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, cast

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, RadioField, SelectField, SelectMultipleField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from portal.accounts.signing_in import is_address
from portal.agencies.models import Agency, AgencyKind, Room
from portal.agencies.services import LONGEST_SHORT_NAME, AgencyFacts, facts_of
from portal.core.labels import N_, Labelled
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, TelephoneField

LINE, TEXT = MaxLength(200), MaxLength(2000)
WEEKDAYS = (N_("月曜日"), N_("火曜日"), N_("水曜日"), N_("木曜日"), N_("金曜日"), N_("土曜日"), N_("日曜日"))


def worded(members: type[Labelled]) -> list[Any]:
    return [SelectChoice(member.value, gettext(member.word)) for member in members]


class Ticks(SelectMultipleField):
    """Several choices, as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


def is_mail(_form: Any, field: Any) -> None:
    if field.data and not is_address(field.data):
        raise ValidationError(gettext("メールアドレスを「name@example.jp」のように入力してください。"))


class AgencyForm(BaseForm):
    """What an agency's administrator changes; `NamedAgencyForm` has what a system administrator adds."""

    about = CleanText(lazy_gettext("機関の紹介"), [TEXT])
    telephone = TelephoneField(lazy_gettext("電話"), [LINE])
    fax = TelephoneField(lazy_gettext("ファクス"), [LINE])
    email = CleanString(lazy_gettext("メールアドレス"), [LINE, is_mail])
    address = CleanString(lazy_gettext("所在地"), [LINE])
    hours = CleanString(lazy_gettext("開所時間"), [LINE])
    weekly_closed = Ticks(lazy_gettext("毎週の休み"), coerce=int)
    holidays_closed = BooleanField(lazy_gettext("祝日は休み"))
    yearend_closed = BooleanField(lazy_gettext("年末年始（12月29日から1月3日まで）は休み"))
    version = VersionField()

    def __init__(self, agency: Agency | None = None) -> None:
        """Fill the form with the agency's facts, or with the usual ones."""
        facts = facts_of(agency) if agency else AgencyFacts("", "", AgencyKind.OTHER)
        given = {name: getattr(facts, name) for name in AgencyFacts.__slots__}
        given |= {"weekly_closed": sorted(facts.weekly_closed), "kind": facts.kind.value}
        super().__init__(data=given | {"version": agency.version if agency else 0})
        self.weekly_closed.choices = [SelectChoice(n, gettext(word)) for n, word in enumerate(WEEKDAYS)]

    def facts(self, now: AgencyFacts) -> AgencyFacts:
        """The facts as typed, on top of the present ones."""
        typed = {field.short_name: field.data for field in self if field.short_name in AgencyFacts.__slots__}
        typed["weekly_closed"] = frozenset(self.weekly_closed.data or [])
        if "kind" in typed:
            typed["kind"] = AgencyKind(typed["kind"])
        return replace(now, **typed)


class NamedAgencyForm(AgencyForm):
    name = CleanString(lazy_gettext("名称"), [Required(), LINE])
    short_name = CleanString(lazy_gettext("略称"), [Required(), MaxLength(LONGEST_SHORT_NAME)])
    kind = SelectField(lazy_gettext("種類"))

    def __init__(self, agency: Agency | None = None) -> None:
        super().__init__(agency)
        self.kind.choices = worded(AgencyKind)


class ClosureForm(BaseForm):
    starts_on = EraDateField(lazy_gettext("始まりの日"), [Required()])
    ends_on = EraDateField(lazy_gettext("終わりの日"), [Required()])
    reason = CleanString(lazy_gettext("理由"), [LINE])

    def span(self) -> tuple[date, date]:
        """The first and the last day, once the form is valid."""
        return cast(date, self.starts_on.data), cast(date, self.ends_on.data)


class ServiceForm(BaseForm):
    name = CleanString(lazy_gettext("支援メニューの名称"), [Required(), LINE])
    for_whom = CleanText(lazy_gettext("対象の人"), [TEXT])
    version = VersionField()


class NewServiceForm(ServiceForm):
    room = RadioField(
        lazy_gettext("空き状況"), [Required()], choices=lambda: worded(Room), default=Room.OPEN.value
    )


class RoomForm(BaseForm):
    """Whether there is room: one of three words, said with one button."""

    idempotency_key = None  # type: ignore[assignment]  # saying it twice says it once
    room = SelectField(choices=lambda: worded(Room))
