"""Emergencies in the canaries' world: one open now, one that was judged, one that a second person declined."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from portal.core import clock
from portal.core.db import db
from portal.emergency import services
from portal.emergency.models import Emergency, Finding
from portal.emergency.search import Wanted
from portal.emergency.services import Wish
from portal.people.categories import Category
from portal.people.models import Person
from tests.factories import Member

if TYPE_CHECKING:
    from tests.wall.canaries import Eye
    from tests.wall.world import World

Row = dict[str, Any]


def is_concerned(eye: Eye, row: Row) -> bool:
    """What was typed: by whoever asked; once it was opened by all who kept the record; and by those who may agree."""
    if row["staff_id"] == eye.staff and row["agency_id"] == eye.works:
        return True
    if row["home_agency_id"] == eye.works and row["starts_at"] is not None:
        return True
    return eye.role == "coordinator" and eye.works in {row["agency_id"], row["home_agency_id"]}


def is_there(eye: Eye, table: str, row: Row) -> bool:
    """Whether the reader may know of this use, or of the notice of it."""
    access = row if table == "emergency_access" else eye.tables["emergency_access"][row["access_id"]]
    if eye.wise.is_out(eye.staff, access["person_id"]):
        return False
    if eye.role == "auditor":
        return access["starts_at"] is not None and (row is access or row["agency_id"] is None)
    if eye.works is None:
        return False
    return is_concerned(eye, access) if row is access else bool(row["agency_id"] == eye.works)


RULES_OF_EMERGENCIES = {
    ("emergency_access", column): is_concerned for column in ("text", "declined_why", "review_text")
}


def ask(world: World, member: Member, name: str) -> Any:
    person = db.read().get_one(Person, world.people[name])
    db.end()
    wish = Wish(
        Wanted(agency_id=person.home_agency_id, number=person.number),
        person.id,
        Emergency.BODY,
        world.birds.word(),
        frozenset({Category.HEALTH}),
    )
    return services.file(member.actor, wish)


def happen(world: World) -> None:
    """Nobody of b has a part in it: two worlds that differ here are the same for him."""
    with clock.frozen(clock.now() - timedelta(days=1)):
        judged = ask(world, world.d, "live")
        services.give_back(world.d.actor, judged)
        services.review(
            world.members["auditor"].actor, judged, Finding.JUSTIFIED_WITH_NOTE, world.birds.word()
        )
        refused = ask(world, world.d, "protected")
    with clock.frozen(clock.now() - timedelta(hours=23)):
        services.turn_down(world.chair.actor, refused, world.birds.word())
    ask(world, world.c, "not ours")
