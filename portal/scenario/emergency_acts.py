"""Acts on emergency access: opening a record, the second person's word, giving it back, taking note, the review."""

from __future__ import annotations

from sqlalchemy import select

from portal.core.policy import Actor
from portal.emergency import services
from portal.emergency.models import Emergency, EmergencyNotice, Finding
from portal.emergency.search import Wanted
from portal.emergency.services import Wish
from portal.people.categories import Category
from portal.people.models import Person
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import Sort, known, may, need, new, one_of, several, text


def emergency_access(play: Play, actor: Actor, given: Given) -> None:
    """Open a record. The person is found by their number; a replayed scenario types no password."""
    person = play.session.scalars(
        select(Person).where(Person.id == play.ids[Sort.PERSON, given["person"]])
    ).one()
    wish = Wish(
        wanted=Wanted(agency_id=person.home_agency_id, number=person.number),
        person_id=person.id,
        reason=given["reason"],
        text=given["text"],
        categories=frozenset(given["categories"]),
    )
    play.name(Sort.EMERGENCY, given, services.file(actor, wish))


def approve_emergency(play: Play, actor: Actor, given: Given) -> None:
    services.agree(actor, play.ids[Sort.EMERGENCY, given["emergency"]])


def end_emergency(play: Play, actor: Actor, given: Given) -> None:
    services.give_back(actor, play.ids[Sort.EMERGENCY, given["emergency"]])


def note_emergency(play: Play, actor: Actor, given: Given) -> None:
    """Take note of every notice to the actor's agency, or to the auditors."""
    mine = select(EmergencyNotice.id).where(
        EmergencyNotice.access_id == play.ids[Sort.EMERGENCY, given["emergency"]],
        EmergencyNotice.agency_id.is_not_distinct_from(actor.agency_id),
    )
    for notice_id in play.session.scalars(mine.order_by(EmergencyNotice.id)).all():
        services.note(actor, notice_id)


def review_emergency(play: Play, actor: Actor, given: Given) -> None:
    access_id = play.ids[Sort.EMERGENCY, given["emergency"]]
    services.review(actor, access_id, given["finding"], given["text"])


which = {"emergency": need(known(Sort.EMERGENCY))}
ACTS = {
    "emergency_access": Act(
        emergency_access,
        {
            "key": may(new(Sort.EMERGENCY)),
            "person": need(known(Sort.PERSON)),
            "reason": need(one_of(Emergency)),
            "text": need(text),
            "categories": need(several(one_of(Category))),
        },
    ),
    "approve_emergency": Act(approve_emergency, which),
    "end_emergency": Act(end_emergency, which),
    "note_emergency": Act(note_emergency, which),
    "review_emergency": Act(review_emergency, which | {"finding": need(one_of(Finding)), "text": need(text)}),
}
