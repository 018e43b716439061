"""Acts on what an agency offers and when it is closed."""

from __future__ import annotations

from portal.agencies import services as agencies
from portal.agencies.models import Room
from portal.errors import NotAllowed
from portal.policy import Actor
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import Sort, day, may, need, offered, one_of, text
from portal.words import N_


def set_room(play: Play, actor: Actor, given: Given) -> None:
    service_id = play.ids[Sort.PLACE, given["service"]]
    agencies.set_room(actor, service_id, given["room"], as_of=given.get("as_of"))


def add_closure(play: Play, actor: Actor, given: Given) -> None:
    if actor.agency_id is None:
        raise NotAllowed(N_("自分の機関の休みだけを加えられます。"))
    agencies.add_closure(actor, actor.agency_id, given["from"], given["to"], reason=given["reason"])


ACTS = {
    "set_room": Act(set_room, {"service": need(offered), "room": need(one_of(Room)), "as_of": may(day)}),
    "add_closure": Act(add_closure, {"from": need(day), "to": need(day), "reason": need(text)}),
}
