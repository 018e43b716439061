"""Acts on activities, their series, who came, and partners with their agreements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select

from portal.activities import services
from portal.activities.kinds import ActivityKind, Mode, Offer
from portal.activities.models import ActivitySeries
from portal.activities.partners import services as partner_services
from portal.activities.partners.services import PartnerFacts
from portal.activities.series import services as serie_services
from portal.activities.series.services import SeriesFacts
from portal.activities.services import ActivityFacts, Heads
from portal.core import clock
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.evaluations.catalogue import AREAS
from portal.evaluations.models import EvaluationArea
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import (
    Field,
    Fields,
    Reading,
    Sort,
    agency,
    day,
    flag,
    known,
    may,
    need,
    new,
    number,
    one_of,
    several,
    table,
    text,
)
from portal.scenario.source import Table, Value, Word

CODES = {area.name: area.code for area in AREAS} | {area.code: area.code for area in AREAS}
ANONYMOUS: Fields = {"first": may(number), "again": may(number)}


def anonymous(value: Value, reading: Reading) -> tuple[int, int]:
    """Heads without a name: a number of people who are here for the first time, or {first: 2, again: 1}."""
    if isinstance(value, Table):
        given = table(ANONYMOUS)(value, reading)
        return given.get("first", 0), given.get("again", 0)
    return number(value, reading), 0


def audience(value: Value, reading: Reading) -> str | int:
    """The audience in words, or its number."""
    is_number = isinstance(value, Word) and value.text.isascii() and value.text.isdigit()
    shape = number if is_number else text
    found: str | int = shape(value, reading)
    return found


def area_of(play: Play, actor: Actor, typed: str | None, kind: ActivityKind) -> str:
    """The code of an area that was named by code or by name; without one, that of the kind."""
    if typed is None:
        return next(area.code for area in AREAS if kind in area.kinds)
    if typed in CODES:
        return CODES[typed]
    named = or_(EvaluationArea.code == typed, EvaluationArea.name == typed)
    own = select(EvaluationArea.code).where(EvaluationArea.agency_id == actor.agency_id, named)
    if code := play.session.scalar(own):
        return code
    raise Invalid(N_("評価の項目を選んでください。"), field="area")


def together(play: Play, given: Given, otherwise: frozenset[Any] = frozenset()) -> frozenset[Any]:
    return frozenset(map(play.agency, given["with"])) if "with" in given else otherwise


def require_own(play: Play, actor: Actor, given: Given) -> None:
    """Raise unless the actor who records for an agency works there."""
    if "agency" in given and play.agency(given["agency"]) != actor.agency_id:
        raise NotAllowed(N_("活動を記録できるのは、自分の機関のものだけです。"), field="agency")


def define_activity_series(play: Play, actor: Actor, given: Given) -> None:
    kind: ActivityKind = given["kind"]
    facts = SeriesFacts(
        kind=kind,
        area=area_of(play, actor, given.get("area"), kind),
        title=given["title"],
        starts_on=given.get("starts", clock.today()),
        place=given.get("place", ""),
        mode=given.get("mode", Mode.IN_PERSON),
        together=together(play, given) - {actor.agency_id},
    )
    play.name(Sort.ACTIVITY_SERIES, given, serie_services.define(actor, facts))


def beginning(play: Play, actor: Actor, given: Given) -> Mapping[str, Any]:
    """The values that a line leaves to its series, as on the page."""
    if "series" not in given:
        kind = given["kind"]
        return {"kind": kind, "area": area_of(play, actor, given.get("area"), kind)}
    series_id = play.ids[Sort.ACTIVITY_SERIES, given["series"]]
    series = play.session.scalars(select(ActivitySeries).where(ActivitySeries.id == series_id)).one()
    area = area_of(play, actor, given["area"], series.kind) if "area" in given else series.area
    begins = {name: getattr(series, name) for name in ("mode", "title", "place")}
    return begins | {"area": area, "kind": given.get("kind", series.kind)}


def record_activity(play: Play, actor: Actor, given: Given) -> None:
    require_own(play, actor, given)
    begins = beginning(play, actor, given)
    told = {name: given[name] for name in ("title", "place", "mode", "text", "outcome") if name in given}
    reached = given.get("audience")
    facts = ActivityFacts(
        **{**begins, **told},
        held_on=given.get("date", clock.today()),
        together=together(play, given, held_with(play, given)) - {actor.agency_id},
        partner_id=play.ids[Sort.PARTNER, given["partner"]] if "partner" in given else None,
        not_held_why=given.get("not_held", ""),
        audience=reached if isinstance(reached, str) else "",
        audience_number=given.get("audience_number", reached if isinstance(reached, int) else None),
    )
    first, again = given.get("anonymous", (0, 0))
    people = [play.ids[Sort.PERSON, key] for key in given.get("attendees", ())]
    made = services.record(
        actor,
        facts,
        Heads(dict.fromkeys(people, ""), first, again),
        series_id=play.ids[Sort.ACTIVITY_SERIES, given["series"]] if "series" in given else None,
    )
    play.name(Sort.ACTIVITY, given, made.id)


def held_with(play: Play, given: Given) -> frozenset[Any]:
    """The agencies that hold the series of this line."""
    if "series" not in given:
        return frozenset()
    series_id = play.ids[Sort.ACTIVITY_SERIES, given["series"]]
    return frozenset(play.session.scalars(serie_services.holders(series_id)))


def link_attendance(play: Play, actor: Actor, given: Given) -> None:
    """Link the first recorded of the anonymous heads said to be here for the first time, or again."""
    activity_id = play.ids[Sort.ACTIVITY, given["activity"]]
    wanted = [given["is_first"]] if "is_first" in given else [True, False]
    heads = [
        head
        for is_first in wanted
        for head in play.session.scalars(services.anonymous_rows(actor, activity_id, is_first=is_first))
    ]
    if not heads:
        raise Conflict(N_("この活動に、自分の機関が記録した匿名の参加者はいません。"), field="activity")
    earliest = min(heads, key=lambda head: head.id)
    services.link(actor, activity_id, earliest.id, play.ids[Sort.PERSON, given["person"]])


TOLD: dict[str, Field] = {
    "key": may(new(Sort.ACTIVITY)),
    "title": may(text),
    "area": may(text),
    "agency": may(agency),
    "with": may(several(agency)),
    "mode": may(one_of(Mode)),
    "attendees": may(several(known(Sort.PERSON))),
    "anonymous": may(anonymous),
    "audience": may(audience),
    "audience_number": may(number),
    "outcome": may(text),
    "text": may(text),
    "date": may(day),
    "place": may(text),
    "partner": may(known(Sort.PARTNER)),
    "not_held": may(text),
}
ACTS: dict[str, Act] = {
    "define_activity_series": Act(
        define_activity_series,
        {
            "key": may(new(Sort.ACTIVITY_SERIES)),
            "kind": need(one_of(ActivityKind)),
            "title": need(text),
            "area": may(text),
            "with": may(several(agency)),
            "place": may(text),
            "mode": may(one_of(Mode)),
            "starts": may(day),
        },
    ),
    "record_activity": Act(
        record_activity,
        {"kind": need(one_of(ActivityKind))} | TOLD,
        instead={"series": need(known(Sort.ACTIVITY_SERIES)), "kind": may(one_of(ActivityKind))} | TOLD,
    ),
    "link_attendance": Act(
        link_attendance,
        {
            "activity": need(known(Sort.ACTIVITY)),
            "person": need(known(Sort.PERSON)),
            "is_first": may(flag),
        },
    ),
}


# Acts on partners and their agreements.


def add_partner(play: Play, actor: Actor, given: Given) -> None:
    contact = dict(given.get("contact", {}))
    facts = PartnerFacts(
        name=given["name"],
        offers=frozenset(given["offers"]),
        about=given.get("about", ""),
        contact_name=contact.pop("name", ""),
        **contact,
    )
    partner_id = partner_services.add(
        actor,
        facts,
        added_on=given.get("date"),
        signed_on=given.get("signed"),
        valid_until=given.get("until"),
    )
    play.name(Sort.PARTNER, given, partner_id)


def sign_agreement(play: Play, actor: Actor, given: Given) -> None:
    partner_id = play.ids[Sort.PARTNER, given["partner"]]
    partner_services.sign(actor, partner_id, given["signed"], given.get("until"))


PARTNER_ACTS: dict[str, Act] = {
    "add_partner": Act(
        add_partner,
        {
            "key": may(new(Sort.PARTNER)),
            "name": need(text),
            "offers": need(several(one_of(Offer))),
            "signed": may(day),
            "until": may(day),
            "about": may(text),
            "contact": may(table({name: may(text) for name in ("name", "telephone", "email", "address")})),
            "date": may(day),
        },
    ),
    "sign_agreement": Act(
        sign_agreement,
        {"partner": need(known(Sort.PARTNER)), "signed": need(day), "until": may(day)},
    ),
}
