"""Cases of a seeded world: opened, with goals and notes, closed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal.audit.events import AuditEvent
from portal.cases.codes import Method, Outcome, Score
from portal.seed.bulk import Who, dashed
from portal.seed.clients import FILED_CODES, Client, World
from portal.seed.invented import CLOSINGS, GOALS, NOTES
from portal.seed.network import Place

JOBS = {Outcome.EMPLOYED.value, Outcome.PART_TIME_JOB.value}
METHODS = tuple(method.value for method in Method)
OUTCOMES = tuple(outcome.value for outcome in Outcome)
SCORES = tuple(score.value for score in Score)


def open_case(
    world: World, client: Client, place: Place, who: Who, at: datetime, source: str | None = None
) -> None:
    bulk, random = world.bulk, world.random
    if place.id in client.cases:
        return
    key = bulk.ids.new(at)
    client.cases[place.id] = bulk.add(
        "support_case",
        id=key,
        created_at=at,
        agency_id=place.id,
        person_id=client.id,
        number=place.number("case", at),
        opened_on=at.date(),
        opened_by_id=who.staff,
        worker_id=who.staff,
        source_id=source,
    )
    bulk.record(at, AuditEvent.CASE_OPENED, "support_case", key, who, person=client.id, source=dashed(source))
    if random.random() < 0.1:
        set_goal(world, client, key, who, at)


def set_goal(world: World, client: Client, case_id: str, who: Who, at: datetime) -> None:
    bulk, random = world.bulk, world.random
    key, (domain, words) = bulk.ids.new(at), random.choice(GOALS)
    score = random.choice((None, *SCORES))
    goal: dict[str, Any] = {"domain": domain, "text": words, "review_on": None}
    scored_at = at if score else None
    bulk.add("case_goal", id=key, created_at=at, case_id=case_id, score=score, scored_at=scored_at, **goal)
    bulk.record(at, AuditEvent.CASE_UPDATED, "case_goal", key, who, person=client.id, **goal)


def note(world: World, client: Client, place: Place, who: Who, at: datetime) -> None:
    bulk, random = world.bulk, world.random
    key = bulk.ids.new(at)
    category = random.choice(FILED_CODES)
    contact: dict[str, Any] = {"method": random.choice(METHODS), "text": random.choice(NOTES)}
    bulk.add(
        "progress_note",
        id=key,
        created_at=at,
        case_id=client.cases[place.id]["id"],
        author_id=who.staff,
        held_on=at.date(),
        minutes=random.choice((20, 30, 45, 60)),
        category=category,
        **contact,
    )
    bulk.record(
        at,
        AuditEvent.NOTE_WRITTEN,
        "progress_note",
        key,
        who,
        person=client.id,
        categories=(category,),
        **contact,
    )


def note_job(world: World, client: Client, case_id: str, who: Who, at: datetime, what: str) -> None:
    """A job as a milestone of its own; the case ends with it too."""
    bulk, key = world.bulk, world.bulk.ids.new(at)
    step: dict[str, Any] = {"happened_on": at.date(), "for_employment": False, "text": ""}
    bulk.add(
        "case_milestone", id=key, created_at=at, case_id=case_id, noted_by_id=who.staff, what=what, **step
    )
    noted = {"milestone": what, "helper": None, **step}
    bulk.record(at, AuditEvent.MILESTONE_NOTED, "case_milestone", key, who, person=client.id, **noted)


def close_case(
    world: World, client: Client, place: Place, who: Who, at: datetime, *, transfer: bool = False
) -> None:
    case = client.cases.pop(place.id)
    outcome = Outcome.OTHER_SERVICE.value if transfer else world.random.choice(OUTCOMES)
    if outcome in JOBS and world.random.random() < 0.5:
        note_job(world, client, case["id"], who, at, outcome)
    words = "" if transfer else world.random.choice(CLOSINGS)
    case |= {"closed_on": at.date(), "outcome": outcome, "closing_text": words, "version": 2}
    said = {"transfer": True} if transfer else {"text": words}
    world.bulk.record(
        at,
        AuditEvent.CASE_CLOSED,
        "support_case",
        case["id"],
        who,
        person=client.id,
        outcome=outcome,
        **said,
    )
