"""What may be typed about an activity, its series and what the list is narrowed to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, Field, RadioField, SelectField

from portal import clock
from portal.activities.attendance_forms import CameForm, NumberField, uuids
from portal.activities.kinds import OUTREACH, WITH_PARTNER, ActivityKind, Mode, modes_of
from portal.activities.services import ActivityFacts
from portal.consents.forms import Ticks
from portal.evaluations.catalogue import AREAS
from portal.people.forms import Chosen
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, not_after_today
from portal.web.formats import era_date
from portal.words import Worded

LINE, TEXT = MaxLength(200), MaxLength(20_000)
Named = Iterable[tuple[UUID, str]]


def areas() -> list[tuple[str, str]]:
    """The areas that an activity may count for, by code."""
    return [(area.code, gettext(area.name)) for area in AREAS]


def area_of(kind: ActivityKind) -> str:
    """The area for which activities of this kind usually count."""
    return next((area.code for area in AREAS if kind in area.kinds), AREAS[0].code)


def words(members: Iterable[Worded]) -> list[tuple[str, str]]:
    return [(member.value, gettext(member.word)) for member in members]


def mode_field() -> RadioField:
    return RadioField(
        lazy_gettext("方法"),
        [Chosen(Mode, lazy_gettext("方法を選んでください。"))],
        choices=[],
        validate_choice=False,
    )


class ActivityForm(BaseForm):
    """What is said of an activity; a form of one kind leaves out what that kind does not have."""

    held_on = EraDateField(lazy_gettext("日付"), [Required(lazy_gettext("日付を入力してください。"))])
    title = CleanString(lazy_gettext("活動の名前"), [LINE])
    place = CleanString(lazy_gettext("場所"), [LINE])
    mode = mode_field()
    area = SelectField(lazy_gettext("評価の項目"))
    together = Ticks(lazy_gettext("いっしょに開催した機関"))
    partner = SelectField(lazy_gettext("協力先"), default="")
    audience = CleanString(lazy_gettext("対象"), [LINE])
    audience_number = NumberField(lazy_gettext("参加・配布の数"))
    text = CleanText(lazy_gettext("したこと・様子"), [TEXT])
    outcome = CleanText(lazy_gettext("成果・次につながること"), [TEXT])
    not_held_why = CleanString(lazy_gettext("開催しなかった理由"), [LINE])
    version = VersionField()

    def shape(
        self, kind: ActivityKind, *, held: bool, agencies: Named, partners: Named, area: str | None = None
    ) -> None:
        """Ask what is asked of this kind, held or not; offer what there is to choose."""
        self.mode.choices = words(modes_of(kind))
        self.area.choices = areas() + ([(area, area)] if area and area not in dict(areas()) else [])
        self.together.choices = [(str(key), name) for key, name in agencies]
        self.partner.choices = [("", gettext("なし")), *((str(key), name) for key, name in partners)]
        self.not_held_why.validators = [*self.not_held_why.validators, Required()]
        unasked = {
            *(() if kind in WITH_PARTNER else ("partner",)),
            *(() if kind in OUTREACH and held else ("audience_number",)),
            *(() if kind in OUTREACH else ("audience",)),
            *(("not_held_why",) if held else ("outcome",)),
        }
        for name in unasked:
            delattr(self, name)

    def validate_held_on(self, field: Field) -> None:
        if "not_held_why" not in self:
            not_after_today(self, field)

    def said(self, name: str) -> Any:
        return (self[name].data or "") if name in self else ""

    def facts(self, kind: ActivityKind) -> ActivityFacts:
        partner = self.said("partner")
        return ActivityFacts(
            kind=kind,
            area=self.area.data,
            held_on=self.held_on.data or clock.today(),
            title=self.title.data or "",
            place=self.place.data or "",
            mode=Mode(self.mode.data),
            together=frozenset(uuids(self.together.data or ())),
            partner_id=UUID(partner) if partner else None,
            not_held_why=self.said("not_held_why"),
            audience=self.said("audience"),
            audience_number=self.audience_number.number if "audience_number" in self else None,
            text=self.said("text"),
            outcome=self.said("outcome"),
        )


def filled(row: Any, agencies: Collection[UUID]) -> dict[str, Any]:
    """What stands in the form of a record, which `agencies` held."""
    names = ("held_on", "title", "place", "area", "audience", "text", "outcome", "not_held_why")
    number = row.audience_number
    return {
        **{name: getattr(row, name) for name in names},
        "mode": row.mode.value,
        "together": [str(one) for one in agencies if one != row.agency_id],
        "partner": str(row.partner_id or ""),
        "audience_number": "" if number is None else str(number),
    }


class RecordForm(ActivityForm, CameForm):
    """A new record, with who came."""

    note_in_case = BooleanField(lazy_gettext("ケースの経過にも書く"), default=True)


class StrikeForm(BaseForm):
    why = CleanString(
        lazy_gettext("取り消す理由"), [Required(lazy_gettext("取り消す理由を入力してください。")), LINE]
    )
    version = VersionField()


def worded(field: Field, value: Any) -> str:
    """A value of this field as a reader says it."""
    choices = {str(key): str(word) for key, word, *_rest in getattr(field, "choices", None) or ()}
    if isinstance(value, list):
        return "、".join(sorted(choices.get(str(one), str(one)) for one in value))
    if hasattr(value, "isoformat"):
        return str(era_date(value))
    return choices.get(str(value or ""), str(value or ""))


def clashes_of(form: BaseForm, theirs: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Where the form and what a colleague saved meanwhile say different things: label, mine, theirs."""
    found = [
        (str(form[name].label.text), worded(form[name], form[name].data), worded(form[name], value))
        for name, value in theirs.items()
        if name in form
    ]
    return [(label, mine, other) for label, mine, other in found if mine != other]
