"""Acts on people and their consents."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from portal import clock
from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.disclosures import services as disclosures
from portal.people import services as people
from portal.people.categories import Category, Relation
from portal.people.services import Basics
from portal.policy import Actor
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import (
    FLAGS,
    Reading,
    Shape,
    Sort,
    agency,
    day,
    flag,
    known,
    may,
    need,
    new,
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
    """Why nobody may call or write; `true` when that is not told, `false` when there is no prohibition."""
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
    """`self`, or the representative's name and what he is to the person."""
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
