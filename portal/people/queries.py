"""How an agency finds people on its own record. Everything beyond it is in `disclosures`, behind the wall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, false, or_, select
from sqlalchemy.orm import Session

from portal.core.policy import Actor, Permission, can
from portal.people.models import Person
from portal.people.names import LIKE_ESCAPE, identity_keys, like_pattern, search_key
from portal.people.services import Basics
from portal.wall import predicates

# More than this many of one name are not told apart by a list.
MOST = 20


@dataclass(frozen=True, slots=True)
class OwnPerson:
    """A person of one's own record, with just enough to tell people apart."""

    id: UUID
    number: str
    label: str
    kana: str
    birth: date | None
    is_identified: bool


def own(actor: Actor) -> Select[*tuple[Any, ...]]:
    """Columns of the people whose record this agency keeps, the latest first."""
    mine = Person.home_agency_id == actor.agency_id if can(actor, Permission.CASEWORK) else false()
    return (
        select(
            Person.id,
            Person.number,
            Person.is_identified,
            Person.pseudonym,
            Person.family,
            Person.given,
            Person.family_kana,
            Person.given_kana,
            Person.birth,
        )
        .where(mine, ~predicates.is_excluded(actor, Person.id))
        .order_by(Person.id.desc())
    )


def shown(row: Any) -> OwnPerson:
    named = f"{row.family} {row.given}" if row.is_identified else row.pseudonym
    kana = f"{row.family_kana} {row.given_kana}".strip()
    return OwnPerson(row.id, row.number, named, kana, row.birth, row.is_identified)


def search_own(session: Session, actor: Actor, q: str, *, but: UUID) -> list[OwnPerson]:
    """People of one's own record by any spelling of a name, or by number, except one of them."""
    key = search_key(q[:200])
    named = Person.search_key.like(like_pattern(key), escape=LIKE_ESCAPE) if key else false()
    found = own(actor).where(or_(named, Person.number == q.strip()), Person.id != but)
    return [shown(row) for row in session.execute(found.limit(MOST))]


def possible_duplicates(
    session: Session, actor: Actor, basics: Basics, *, but: UUID | None = None
) -> list[OwnPerson]:
    """People of one's own record who may be the one about to be registered; never another agency's."""
    typed = identity_keys(
        family=basics.family,
        given=basics.given,
        family_kana=basics.family_kana,
        given_kana=basics.given_kana,
        birth=basics.birth,
    )
    pseudonym = "" if basics.family else search_key(basics.pseudonym)
    tests = [
        Person.search_key.like(like_pattern(key), escape=LIKE_ESCAPE)
        for key in (typed.name, typed.kana, pseudonym)
        if key
    ]
    if not tests:
        return []
    found = own(actor).where(or_(*tests))
    if but:
        found = found.where(Person.id != but)
    return [shown(row) for row in session.execute(found) if is_alike(row, typed, pseudonym)][:MOST]


def is_alike(row: Any, typed: Any, pseudonym: str) -> bool:
    if not row.is_identified:
        return bool(pseudonym) and search_key(row.pseudonym) == pseudonym
    known = identity_keys(
        family=row.family,
        given=row.given,
        family_kana=row.family_kana,
        given_kana=row.given_kana,
        birth=row.birth,
    )
    return bool(typed.may_be_same(known))
