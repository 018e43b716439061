"""Conflicts of interest in the canaries' world: a colleague of a's who keeps out of it, and one who is let in again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.disclosures import exclusions
from portal.exclusions.models import Conflict
from tests.factories import make_member

if TYPE_CHECKING:
    from tests.wall.canaries import ReadingRights
    from tests.wall.world import World

Row = dict[str, Any]


def is_concerned(rights: ReadingRights, row: Row) -> bool:
    """Who knows of the person, at the agency of the member or where the record is kept."""
    at = {row["agency_id"], rights.truth.homes[row["person_id"]]}
    return rights.works in at and rights.truth.knows_of(
        rights.works, row["person_id"], rights.now, rights.staff
    )


RULES_OF_EXCLUSIONS = {("exclusion", column): is_concerned for column in ("reason", "lifted_why")}


def person_of(rights: ReadingRights, table: str, row: Row) -> Any:
    """Whom a row is about, by whatever it hangs on; nobody's rows are about None."""
    if table == "person":
        return row["id"]
    if "person_id" in row:
        return row["person_id"]
    parents = (
        ("case_id", "support_case"),
        ("referral_id", "referral"),
        ("consent_id", "consent"),
        ("disclosure_id", "disclosure"),
        ("item_id", "agenda_item"),
        ("access_id", "emergency_access"),
    )
    for column, parent in parents:
        if row.get(column):
            return person_of(rights, parent, rights.tables[parent][row[column]])
    return None


def happen(world: World) -> None:
    """Nobody of b has a part in it: two worlds that differ here are the same for them."""
    relative, word = make_member(world.a.agency_id), world.canaries.word
    for name in ("parent", "protected"):
        made = exclusions.exclude(
            world.a.actor, world.people[name], relative.staff_id, Conflict.RELATIVE, word()
        )
    exclusions.lift(world.chair.actor, made, word())
