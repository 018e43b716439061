"""Acts on cases, and on what an agency offers and when it is closed."""

from __future__ import annotations

from portal.cases import services as cases
from portal.cases.codes import Domain, HeardBy, Method, Milestone, Outcome, Score
from portal.people.categories import Category
from portal.policy import Actor
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import (
    Sort,
    agency,
    colleague,
    day,
    flag,
    known,
    may,
    need,
    new,
    number,
    one_of,
    text,
)


def open_case(play: Play, actor: Actor, given: Given) -> None:
    worker = play.actors[given["worker"]] if "worker" in given else actor
    person_id = play.ids[Sort.PERSON, given["person"]]
    heard_by = given.get("heard_by")
    case_id = cases.open_case(actor, person_id, worker_id=worker.staff_id, heard_by=heard_by)
    play.name(Sort.CASE, given, case_id)


def set_goal(play: Play, actor: Actor, given: Given) -> None:
    case_id = play.ids[Sort.CASE, given["case"]]
    goal_id = cases.set_goal(actor, case_id, given["domain"], given["text"], review_on=given.get("review"))
    play.name(Sort.GOAL, given, goal_id)


def score_goal(play: Play, actor: Actor, given: Given) -> None:
    cases.score_goal(actor, play.ids[Sort.GOAL, given["goal"]], given["score"])


def note(play: Play, actor: Actor, given: Given) -> None:
    cases.write_note(
        actor,
        play.ids[Sort.CASE, given["case"]],
        method=given["method"],
        category=given.get("category", Category.LIFE_HISTORY),
        text=given["text"],
        held_on=given.get("date"),
        minutes=given.get("minutes"),
    )


def milestone(play: Play, actor: Actor, given: Given) -> None:
    cases.note_milestone(
        actor,
        play.ids[Sort.CASE, given["case"]],
        given["what"],
        happened_on=given.get("date"),
        for_employment=given.get("for_employment", False),
        helper_agency_id=play.agency(given["helper"]) if "helper" in given else None,
        text=given.get("text", ""),
    )


def close_case(play: Play, actor: Actor, given: Given) -> None:
    cases.close_case(
        actor,
        play.ids[Sort.CASE, given["case"]],
        outcome=given["outcome"],
        text=given.get("text", ""),
    )


case = known(Sort.CASE)
ACTS = {
    "open_case": Act(
        open_case,
        {
            "key": may(new(Sort.CASE)),
            "person": need(known(Sort.PERSON)),
            "worker": may(colleague),
            "heard_by": may(one_of(HeardBy)),
        },
    ),
    "set_goal": Act(
        set_goal,
        {
            "key": may(new(Sort.GOAL)),
            "case": need(case),
            "domain": need(one_of(Domain)),
            "text": need(text),
            "review": may(day),
        },
    ),
    "score_goal": Act(score_goal, {"goal": need(known(Sort.GOAL)), "score": need(one_of(Score))}),
    "note": Act(
        note,
        {
            "case": need(case),
            "method": need(one_of(Method)),
            "text": need(text),
            "category": may(one_of(Category)),
            "minutes": may(number),
            "date": may(day),
        },
    ),
    "milestone": Act(
        milestone,
        {
            "case": need(case),
            "what": need(one_of(Milestone)),
            "date": may(day),
            "for_employment": may(flag),
            "helper": may(agency),
            "text": may(text),
        },
    ),
    "close_case": Act(close_case, {"case": need(case), "outcome": need(one_of(Outcome)), "text": may(text)}),
}
