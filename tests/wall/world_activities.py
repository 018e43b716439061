"""Activities, partners, milestones and a yearly evaluation in the canaries' world; b runs the programme."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from portal.activities.kinds import OUTREACH, ActivityKind, Mode, Offer
from portal.cases.codes import Milestone
from portal.core import clock
from portal.evaluations import services as closing
from portal.evaluations.models import Part
from tests.activity_factories import (
    make_activity,
    make_activity_series,
    make_agreement,
    make_area,
    make_attendance,
    make_milestone,
    make_partner,
    make_text,
)

if TYPE_CHECKING:
    from tests.factories import Member
    from tests.wall.canaries import ReadingRights
    from tests.wall.world import World

Row = dict[str, Any]


def holds(rights: ReadingRights, row: Row) -> bool:
    """Of an activity: the agencies that held it."""
    held = rights.tables["activity_agency"].values()
    return (row["id"], rights.works) in {(one["activity_id"], one["agency_id"]) for one in held}


def holds_series(rights: ReadingRights, row: Row) -> bool:
    held = rights.tables["activity_series_agency"].values()
    return (row["id"], rights.works) in {(one["series_id"], one["agency_id"]) for one in held}


def wrote(rights: ReadingRights, row: Row) -> bool:
    """What an agency wrote down of a day is its own."""
    return bool(row["agency_id"] == rights.works)


def works(rights: ReadingRights, row: Row) -> bool:
    """Partners and what is said of a year are for everybody who does casework."""
    return rights.works is not None


def own_case(rights: ReadingRights, row: Row) -> bool:
    return bool(rights.tables["support_case"][row["case_id"]]["agency_id"] == rights.works)


ACTIVITY = ("title", "place", "not_held_why", "audience", "text", "outcome", "struck_why")
PARTNER = ("name", "about", "contact_name", "telephone", "email", "address")
EVALUATION = {
    "evaluation_area": ("name",),
    "evaluation_text": ("text",),
    "evaluation_closing": ("frozen", "reopened_why"),
    "evaluation_addendum": ("text",),
}
RULES_OF_ACTIVITIES = {
    **{("activity", column): holds for column in ACTIVITY},
    ("activity_series", "title"): holds_series,
    ("activity_series", "place"): holds_series,
    ("activity_attendance", "note"): wrote,
    **{("partner", column): works for column in PARTNER},
    ("case_milestone", "text"): own_case,
    **{(table, column): works for table, columns in EVALUATION.items() for column in columns},
    ("evaluation_closing", "reopened_why"): wrote,  # the programme's own affair
}
# Who may know that such a record is there at all.
THERE = {
    "activity": holds,
    "activity_series": holds_series,
    "activity_attendance": wrote,
    "partner": works,
    "agreement": works,
    "case_milestone": own_case,
}
CODES_OF_ACTIVITIES = {
    *(("activity", "area"), ("activity_series", "area"), ("partner", "offers")),
    *(("evaluation_area", column) for column in ("code", "kinds", "measures")),
    *(("evaluation_text", "area"), ("evaluation_closing", "digest")),
}
# Who reads the yearly evaluation without doing casework: it names nobody.
EVALUATION_READERS = {"agency_admin", "auditor"}


def held_by(world: World, member: Member, *together: Member, **values: Any) -> Any:
    word = world.canaries.word
    said = {"title": word(), "place": word(), "text": word(), "outcome": word()}
    if "not_held_why" in values:
        del said["outcome"]  # nothing came of it
    if values.get("kind") in OUTREACH:
        said["audience"] = word()
    activity_id = make_activity(member, together, **said | values)
    world.activities.append(activity_id)
    return activity_id


def happen(world: World) -> None:
    a, b, c, d, word = world.a, world.b, world.c, world.d, world.canaries.word
    today = clock.today()
    series = make_activity_series(b, [c], title=word(), place=word())
    own = held_by(world, b, series_id=series)
    for name in ("live", "protected", "withdrawn", "handed over"):
        make_attendance(b, own, world.people[name], note=word())
    make_attendance(b, own, is_first=True)
    make_attendance(b, own, world.people["passed on"], linked_at=clock.now(), note=word())
    shared = held_by(world, b, a, c, series_id=series, held_on=today - timedelta(days=40))
    make_attendance(b, shared, world.people["live"], note=word())
    make_attendance(a, shared, world.people["renewed"], note=word())
    held_by(world, b, series_id=series, not_held_why=word(), held_on=today - timedelta(days=70))
    held_by(world, b, struck_at=clock.now(), struck_why=word())
    partner = make_partner(
        b,
        name=word(),
        about=word(),
        contact_name=word(),
        telephone=world.canaries.telephone(),
        email=f"{word()}@example.jp",
        address=word(),
        offers=[offer.value for offer in Offer],
    )
    make_agreement(b, partner, valid_until=today + timedelta(days=20))
    used = held_by(world, b, kind=ActivityKind.PLACEMENT, area="employment", partner_id=partner)
    make_attendance(b, used, world.people["live"], note=word())
    make_partner(d, name=word())
    for mode, ago in ((Mode.THROUGH_DOOR, 50), (Mode.IN_PERSON, 20)):
        visit = held_by(
            world, a, kind=ActivityKind.HOME_VISIT, mode=mode, held_on=today - timedelta(days=ago)
        )
        make_attendance(a, visit, world.people["parent"], note=word())
    held_by(world, d, kind=ActivityKind.SCHOOL_VISIT, area="outreach", audience_number=12)
    for member in (a, b):
        if case_id := world.case_of(member, "live"):
            make_milestone(member, case_id, text=word(), for_employment=True)
            make_milestone(
                member, case_id, Milestone.PART_TIME_JOB, text=word(), helper_agency_id=c.agency_id
            )
    evaluate(world)


def evaluate(world: World) -> None:
    """This year's texts, and the last year: closed, opened again, closed for good and added to."""
    b, word, year = world.b, world.canaries.word, clock.fiscal_year(clock.today())
    chair = world.members["b's coordinator"].actor
    make_area(b, "own", name=word(), kinds=[ActivityKind.SEMINAR.value])
    for one in (year, year - 1):
        for part in Part:
            make_text(b, one, part=part, text=word())
        make_text(b, one, "own", Part.FINDING, text=word())
    programme, last = b.agency_id, clock.fiscal_year_bounds(year - 1)[1]
    assert programme
    closing.close(chair, programme, year - 1, last)
    closing.reopen(chair, programme, year - 1, word())
    closing.close(chair, programme, year - 1, last)
    closing.add(chair, programme, year - 1, word())
