"""Forms of an activity and its attendance, and the people whom the page offers to tick."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from flask import g, request
from flask_babel import gettext, lazy_gettext
from sqlalchemy.exc import NoResultFound
from wtforms import BooleanField, Field, HiddenField, RadioField, SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError

from portal.accounts.gate import signed_in
from portal.activities import queries
from portal.activities.kinds import OUTREACH, WITH_PARTNER, ActivityKind, Mode, modes_of
from portal.activities.queries import Candidate
from portal.activities.services import ActivityFacts, Heads
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents.forms import Ticks
from portal.core import clock
from portal.core.db import db
from portal.core.labels import Labelled
from portal.core.policy import Actor
from portal.evaluations import programmes
from portal.evaluations.catalogue import AREAS, Area
from portal.evaluations.programmes import areas_of
from portal.people.categories import Category
from portal.people.forms import Chosen
from portal.web.base_form import BaseForm, VersionField
from portal.web.fields import CleanString, CleanText, EraDateField, MaxLength, Required, not_after_today
from portal.web.formats import era_date

LINE, TEXT = MaxLength(200), MaxLength(20_000)


def uuids(typed: Iterable[Any]) -> list[UUID]:
    """Ids from outside; values that are no ids are left out."""
    found = []
    for one in typed:
        try:
            found.append(UUID(str(one)))
        except ValueError:
            continue
    return found


class NumberField(CleanString):
    """A number of people in digits of any width; None when blank."""

    @property
    def number(self) -> int | None:
        return int(self.data) if self.data else None

    def tidy(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text).strip().removesuffix("人").strip()

    def pre_validate(self, form: Any) -> None:
        typed = self.data or ""
        if typed and not (typed.isascii() and typed.isdigit() and len(typed) <= 6):
            raise ValidationError(gettext("人数は数字で入力してください。"))


class PickForm(BaseForm):
    """People to choose from, and a search that offers more of them."""

    q = CleanString(lazy_gettext("氏名・ふりがなで探す"), [LINE])
    searched = HiddenField()

    @property
    def asks_for(self) -> str:
        """The name that was typed but not searched for yet; saving must not ignore it."""
        q = self.q.data or ""
        return "" if q == self.searched.data else q


class CameForm(PickForm):
    """Who came: people to tick, and a number of anonymous heads."""

    people = Ticks(lazy_gettext("参加した人"))
    first = NumberField(lazy_gettext("匿名（初めて）"))
    again = NumberField(lazy_gettext("匿名（2回目以降）"))

    def heads(self) -> Heads:
        people = dict.fromkeys(uuids(self.people.data or ()), "")
        return Heads(people, self.first.number or 0, self.again.number or 0)


class AttendanceForm(CameForm):
    """More people for an activity that is on record; `was` are the anonymous heads that the form showed."""

    was = HiddenField()

    def expected(self) -> tuple[int, int] | None:
        first, _, again = (self.was.data or "").partition("-")
        return (int(first), int(again)) if first.isdecimal() and again.isdecimal() else None


class LinkForm(PickForm):
    """The person whom an anonymous head turned out to be."""

    people = RadioField(
        lazy_gettext("相談者"),
        [Required(lazy_gettext("相談者を選んでください。"))],
        choices=[],
        validate_choice=False,
    )


class HeadForm(BaseForm):
    """The note on one person and day; `was` is the digest of the note that the form showed."""

    note = CleanText(lazy_gettext("メモ"), [TEXT])
    is_first = BooleanField(lazy_gettext("初めての参加"))
    was = HiddenField()


class UnlinkForm(BaseForm):
    note = CleanText(lazy_gettext("匿名の記録に残すメモ"), [TEXT])


# What may be typed about an activity, its series and what the list is narrowed to.
Named = Iterable[tuple[UUID, str]]


def known_areas() -> Sequence[Area]:
    """The areas of the programme that activities count for: the reader's own, else the network's first."""
    if "areas_of_activities" not in g:
        try:
            programme = programmes.chosen(db.read(), signed_in(), None)
        except NoResultFound:
            g.areas_of_activities = AREAS
        else:
            year = clock.fiscal_year(clock.today())
            g.areas_of_activities = areas_of(db.read(), programme.id, year)
    return cast("Sequence[Area]", g.areas_of_activities)


def areas() -> list[tuple[str, str]]:
    """The areas that an activity may count for, by code."""
    return [(area.code, gettext(area.name)) for area in known_areas()]


def area_of(kind: ActivityKind) -> str:
    """The area for which activities of this kind usually count."""
    known = known_areas()
    return next((area.code for area in known if kind in area.kinds), known[0].code)


def words(members: Iterable[Labelled]) -> list[tuple[str, str]]:
    return [(member.value, gettext(member.word)) for member in members]


def mode_field() -> RadioField:
    return RadioField(
        lazy_gettext("方法"),
        [Chosen(Mode, lazy_gettext("方法を選んでください。"))],
        choices=[],
        validate_choice=False,
    )


class ActivityForm(BaseForm):
    """The facts of an activity; a form for one kind leaves out the fields that the kind does not have."""

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
        """Keep the fields that this kind of activity has, and fill their choices."""
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
    """The form's values from a stored activity that `agencies` held."""
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
    """A field's value in the reader's words."""
    choices = {str(key): str(word) for key, word, *_rest in getattr(field, "choices", None) or ()}
    if isinstance(value, list):
        return "、".join(sorted(choices.get(str(one), str(one)) for one in value))
    if hasattr(value, "isoformat"):
        return str(era_date(value))
    return choices.get(str(value or ""), str(value or ""))


def clashes_of(form: BaseForm, theirs: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The fields whose value differs from what a colleague saved meanwhile: label, mine, theirs."""
    found = [
        (str(form[name].label.text), worded(form[name], form[name].data), worded(form[name], value))
        for name, value in theirs.items()
        if name in form
    ]
    return [(label, mine, other) for label, mine, other in found if mine != other]


# The people that the page offers to tick: regulars, one's own open cases, and search results.


@dataclass(slots=True)
class Offered:
    """The people offered on the page in groups, each once; `found` is None when nothing was searched for."""

    regulars: list[Candidate] = field(default_factory=list)
    supported: list[Candidate] = field(default_factory=list)
    others: list[Candidate] = field(default_factory=list)
    found: list[Candidate] | None = None

    def everybody(self) -> list[Candidate]:
        return [*(self.found or ()), *self.others, *self.regulars, *self.supported]


def wants_search(form: Any) -> bool:
    """Whether the form was sent in order to search, not to save."""
    return bool(form.is_submitted() and ("find" in request.form or form.asks_for))


def offered(
    form: Any,
    actor: Actor,
    kind: ActivityKind,
    series_id: UUID | None,
    *,
    but: frozenset[UUID] = frozenset(),
) -> Offered:
    """Fill the people to tick; the names that the page will show are logged.

    Ticked people and those found last stay on the page whatever is searched for next.
    """
    session, now, q = db.read(), clock.now(), form.q.data or ""
    seen = set(but)

    def new(found: list[Candidate]) -> list[Candidate]:
        fresh = [one for one in found if one.id not in seen]
        seen.update(one.id for one in fresh)
        return fresh

    asked = form.is_submitted() and q and not form.q.errors
    typed = form.people.data or []
    ticked = uuids(typed if isinstance(typed, list) else [typed])
    made = Offered()
    made.regulars = queries.regulars(session, actor, kind, series_id, now)
    made.supported = queries.supported(session, actor, now)
    if asked:
        made.found = new(queries.search(session, actor, q, now))
    made.regulars, made.supported = new(made.regulars), new(made.supported)
    made.others = new(queries.chosen(session, actor, [one for one in ticked if one not in seen], now))
    form.people.choices = [SelectChoice(str(one.id), one.label) for one in made.everybody()]
    if form.is_submitted():
        form.searched.data = q
    note(actor, made)
    return made


def note(actor: Actor, made: Offered) -> None:
    audit.record_reading(
        AuditEvent.PEOPLE_LISTED, actor=actor, categories=[Category.BASIC], count=len(made.everybody())
    )
