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
    from tests.wall.canaries import ReadingRights
    from tests.wall.world import World

Row = dict[str, Any]


def is_concerned(rights: ReadingRights, row: Row) -> bool:
    """What was typed: by whoever asked; once it was opened by all who kept the record; and by those who may agree."""
    if row["staff_id"] == rights.staff and row["agency_id"] == rights.works:
        return True
    if row["home_agency_id"] == rights.works and row["starts_at"] is not None:
        return True
    return rights.role == "coordinator" and rights.works in {row["agency_id"], row["home_agency_id"]}


def is_there(rights: ReadingRights, table: str, row: Row) -> bool:
    """Whether the reader may know of this use, or of the notice of it."""
    access = row if table == "emergency_access" else rights.tables["emergency_access"][row["access_id"]]
    if rights.truth.is_out(rights.staff, access["person_id"]):
        return False
    if rights.role == "auditor":
        return access["starts_at"] is not None and (row is access or row["agency_id"] is None)
    if rights.works is None:
        return False
    return is_concerned(rights, access) if row is access else bool(row["agency_id"] == rights.works)


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
        world.canaries.word(),
        frozenset({Category.HEALTH}),
    )
    return services.file(member.actor, wish)


def happen(world: World) -> None:
    """Nobody of b has a part in it: two worlds that differ here are the same for them."""
    with clock.frozen(clock.now() - timedelta(days=1)):
        judged = ask(world, world.d, "live")
        services.give_back(world.d.actor, judged)
        services.review(
            world.members["auditor"].actor, judged, Finding.JUSTIFIED_WITH_NOTE, world.canaries.word()
        )
        refused = ask(world, world.d, "protected")
    with clock.frozen(clock.now() - timedelta(hours=23)):
        services.turn_down(world.chair.actor, refused, world.canaries.word())
    ask(world, world.c, "not ours")
