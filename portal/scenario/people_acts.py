"""Acts on people and their consents, on cases, and on what an agency offers and when it is closed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from portal.agencies import services as agencies
from portal.agencies.models import Room
from portal.cases import services as cases
from portal.cases.codes import Domain, HeardBy, Method, Milestone, Outcome, Score
from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.errors import NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.disclosures import services as disclosures
from portal.people import services as people
from portal.people.categories import Category, Relation
from portal.people.services import Basics
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import (
    FLAGS,
    Reading,
    Shape,
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
    offered,
    one_of,
    several,
    table,
    text,
)
from portal.scenario.source import Value, Word

PURPOSE = "支援の調整のため"
UNTOLD = "理由は記録されていません"


def by_code(codes: type[StrEnum], inner: Shape) -> Shape:
    """A table whose names are codes."""
    members = {member.value: member for member in codes}

    def shape(value: Value, reading: Reading) -> dict[Any, Any]:
        read = table({name: may(inner) for name in members})(value, reading)
        return {members[name]: item for name, item in read.items()}

    return shape


def prohibition(value: Value, reading: Reading) -> str:
    """Why nobody may call or write; `true` when no reason is given, `false` when there is no prohibition."""
    if isinstance(value, Word) and value.text in FLAGS:
        return UNTOLD if FLAGS[value.text] else ""
    return str(text(value, reading))


BASICS = {
    "family": may(text),
    "given": may(text),
    "family_kana": may(text),
    "given_kana": may(text),
    "birth": may(day),
    "age_band": may(one_of({band: band for band in clock.AGE_BANDS})),
    "sex": may(text),
    "address": may(text),
    "telephone": may(text),
    "household": may(text),
    "protected_address": may(flag),
    "contact_prohibited": may(prohibition),
}


def basics_of(given: Given) -> Basics:
    told: dict[str, Any] = {name: given[name] for name in (*BASICS, "pseudonym") if name in given}
    if reason := told.pop("contact_prohibited", ""):
        told |= {"contact_prohibited": True, "contact_prohibited_reason": reason}
    return Basics(**told)


def register_person(play: Play, actor: Actor, given: Given) -> None:
    person_id = people.register(actor, basics_of(given))
    play.name(Sort.PERSON, given, person_id)
    for category, known_text in given.get("information", {}).items():
        people.update_information(actor, person_id, category, text=known_text)


def update_information(play: Play, actor: Actor, given: Given) -> None:
    person_id = play.ids[Sort.PERSON, given["person"]]
    people.update_information(actor, person_id, given["category"], text=given["text"])


def tie_family(play: Play, actor: Actor, given: Given) -> None:
    person, relative = (play.ids[Sort.PERSON, given[one]] for one in ("person", "relative"))
    people.tie_family(actor, person, relative, given["relation"])


def identify_person(play: Play, actor: Actor, given: Given) -> None:
    person_id = play.ids[Sort.PERSON, given["person"]]
    people.identify(actor, person_id, basics_of(given), agreed=given["agreed"])


REPRESENTATIVE = {"name": need(text), "relation": need(text)}


def giver(value: Value, reading: Reading) -> dict[str, str]:
    """`self`, or the representative's name and what they are to the person."""
    if isinstance(value, Word):
        one_of({"self": None})(value, reading)
        return {}
    told = table(REPRESENTATIVE)(value, reading)
    return {f"given_by_{name}": told.get(name, "") for name in REPRESENTATIVE}


def record_consent(play: Play, actor: Actor, given: Given) -> None:
    replaces = given.get("replaces")
    consent_id = disclosures.record_consent(
        actor,
        play.ids[Sort.PERSON, given["person"]],
        ConsentTerms(
            recipients=frozenset(play.agency(key) for key in given["recipients"]),
            categories=frozenset(given["categories"]),
            valid_from=clock.today(),
            valid_until=given["until"],
            method=given["method"],
            purpose=given.get("purpose", PURPOSE),
            **{name: given[name] for name in ("witness", "form_version", "kept_at") if name in given},
            **given["given_by"],
        ),
        replaces=play.ids[Sort.CONSENT, replaces] if replaces else None,
    )
    play.name(Sort.CONSENT, given, consent_id)


def withdraw_consent(play: Play, actor: Actor, given: Given) -> None:
    disclosures.withdraw_consent(
        actor,
        play.ids[Sort.CONSENT, given["consent"]],
        recipients=[play.agency(key) for key in given.get("recipients", [])],
        reason=given.get("reason", ""),
    )


category = one_of(Category)
ACTS = {
    "register_person": Act(
        register_person,
        BASICS
        | {
            "key": may(new(Sort.PERSON)),
            "pseudonym": may(text),
            "information": may(by_code(Category, text)),
        },
    ),
    "update_information": Act(
        update_information,
        {"person": need(known(Sort.PERSON)), "category": need(category), "text": need(text)},
    ),
    "tie_family": Act(
        tie_family,
        {
            "person": need(known(Sort.PERSON)),
            "relative": need(known(Sort.PERSON)),
            "relation": need(one_of(Relation)),
        },
    ),
    "identify_person": Act(
        identify_person,
        BASICS
        | {name: need(text) for name in ("family", "given", "family_kana", "given_kana", "agreed")}
        | {"person": need(known(Sort.PERSON))},
    ),
    "record_consent": Act(
        record_consent,
        {
            "key": may(new(Sort.CONSENT)),
            "person": need(known(Sort.PERSON)),
            "recipients": need(several(agency)),
            "categories": need(several(category)),
            "until": need(day),
            "method": need(one_of(ConsentMethod)),
            "given_by": need(giver),
            "purpose": may(text),
            "witness": may(text),
            "replaces": may(known(Sort.CONSENT)),
            "form_version": may(text),
            "kept_at": may(text),
        },
    ),
    "withdraw_consent": Act(
        withdraw_consent,
        {
            "consent": need(known(Sort.CONSENT)),
            "recipients": may(several(agency)),
            "reason": may(text),
        },
    ),
}


# Acts on cases, and on what an agency offers and when it is closed.


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
CASE_ACTS = {
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


# Acts on what an agency offers and when it is closed.


def set_room(play: Play, actor: Actor, given: Given) -> None:
    service_id = play.ids[Sort.PLACE, given["service"]]
    agencies.set_room(actor, service_id, given["room"], as_of=given.get("as_of"))


def add_closure(play: Play, actor: Actor, given: Given) -> None:
    if actor.agency_id is None:
        raise NotAllowed(N_("自分の機関の休みだけを加えられます。"))
    agencies.add_closure(actor, actor.agency_id, given["from"], given["to"], reason=given["reason"])


AGENCY_ACTS = {
    "set_room": Act(set_room, {"service": need(offered), "room": need(one_of(Room)), "as_of": may(day)}),
    "add_closure": Act(add_closure, {"from": need(day), "to": need(day), "reason": need(text)}),
}
