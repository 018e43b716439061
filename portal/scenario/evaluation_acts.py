"""Acts on the yearly evaluation: areas and texts, closing."""

from __future__ import annotations

from uuid import UUID

from portal.activities.kinds import ActivityKind
from portal.core.errors import Invalid, NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.evaluations import programmes
from portal.evaluations import services as evaluation_services
from portal.evaluations.catalogue import Measure
from portal.evaluations.models import Part
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import day, may, need, number, one_of, several, text


def programme_of(actor: Actor) -> UUID:
    if actor.agency_id is None:
        raise NotAllowed(N_("この操作をする権限がありません。担当の機関または管理者に確認してください。"))
    return actor.agency_id


def area_code(play: Play, actor: Actor, given: Given) -> str:
    """The code of an area that is given by it or by its name."""
    for area in programmes.areas_of(play.session, programme_of(actor), given["year"]):
        if given["area"] in {area.code, area.name}:
            return area.code
    raise Invalid(N_("この年度に、この項目はありません。"), field="area")


def evaluation_text(play: Play, actor: Actor, given: Given) -> None:
    area = area_code(play, actor, given)
    evaluation_services.write(actor, programme_of(actor), given["year"], area, given["part"], given["text"])


def define_area(play: Play, actor: Actor, given: Given) -> None:
    """Add an area, or change the name and contents of one that exists."""
    there = {one.area.code: one.area for one in programmes.all_areas(play.session, programme_of(actor))}
    kinds, measures = given.get("kinds", []), given.get("measures", [])
    known = there.get(given["code"])
    if known is None:
        evaluation_services.define(
            actor, programme_of(actor), given["name"], kinds=kinds, measures=measures, code=given["code"]
        )
        return
    evaluation_services.change(
        actor,
        programme_of(actor),
        known.code,
        name=given["name"],
        kinds=kinds,
        measures=measures,
        retired_from=known.retired_from,
    )


def close_year(_play: Play, actor: Actor, given: Given) -> None:
    evaluation_services.close(actor, programme_of(actor), given["year"], given["as_of"])


ACTS: dict[str, Act] = {
    "evaluation_text": Act(
        evaluation_text,
        {"year": need(number), "area": need(text), "part": need(one_of(Part)), "text": need(text)},
    ),
    "define_area": Act(
        define_area,
        {
            "code": need(text),
            "name": need(text),
            "kinds": may(several(one_of(ActivityKind))),
            "measures": may(several(one_of(Measure))),
        },
    ),
    "close_year": Act(close_year, {"year": need(number), "as_of": need(day)}),
}
