"""Acts on what an agency offers and when it is closed."""

from __future__ import annotations

from portal import clock
from portal.agencies import services as agencies
from portal.agencies.kinds import Room
from portal.policy import Actor
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import Sort, day, known, may, need, one_of, text


def set_room(play: Play, actor: Actor, given: Given) -> None:
    raise NotImplementedError


def add_closure(play: Play, actor: Actor, given: Given) -> None:
    raise NotImplementedError


ACTS = {
    "set_room": Act(
        set_room,
        {"service": need(known(Sort.PLACE)), "room": need(one_of(Room)), "as_of": may(day), "text": may(text)},
    ),
    "add_closure": Act(add_closure, {"from": need(day), "to": need(day), "reason": need(text)}),
}
