"""Lists of people and of relatives behind the wall: columns of those whom this reader may see, never entities."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, case, false, select, true, union, union_all
from sqlalchemy.orm import Session

from portal.agencies.models import Agency
from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.disclosures.models import Disclosure
from portal.exclusions import queries as exclusions
from portal.people.categories import MIRROR, Category, Relation
from portal.people.models import FamilyTie, Person
from portal.people.names import LIKE_ESCAPE, like_pattern, search_key
from portal.policy import Actor
from portal.text import LONGEST_QUERY

# Dashes that a Japanese keyboard makes where a hyphen is meant; ー is a letter of agencies' short names.
DASHES = str.maketrans("‐‑‒–—―−─", "--------")


class Wanted(Enum):
    """What is looked for: everyone, a name or a number, or what can only be a number."""

    ALL = auto()
    NAMED = auto()
    NUMBERED = auto()


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One line of the list. `number` is empty outside the home."""

    id: UUID
    created_at: datetime
    label: str
    kana: str
    number: str
    is_home: bool
    is_identified: bool
    home_agency_name: str
    contact_prohibited: bool


@dataclass(frozen=True, slots=True)
class RelativeRow:
    """A relative of the person on the page. `label` is empty where the name may not be seen."""

    tie_id: UUID
    id: UUID
    label: str
    relation: Relation
    is_identified: bool
    contact_prohibited: bool


def page(
    session: Session, actor: Actor, now: datetime, *, q: str = "", after: UUID | None = None, size: int = 25
) -> list[PersonRow]:
    """Those whose basic information this reader may see now, the latest registered first, in one statement.

    `q` is any spelling of a name or a part of it, or a whole number of the reader's own agency.
    """
    key = search_key(q[:LONGEST_QUERY])
    values = wall.bound(actor, now, after=after, size=size, pattern=like_pattern(key), numbers=spellings(q))
    wanted = Wanted.ALL if not q else Wanted.NAMED if key else Wanted.NUMBERED
    return [
        PersonRow(
            id=row.id,
            created_at=row.created_at,
            label=label_of(row),
            kana=f"{row.family_kana} {row.given_kana}".strip(),
            number=row.number,
            is_home=row.is_home,
            is_identified=row.is_identified,
            home_agency_name=row.home_agency_name,
            contact_prohibited=row.contact_prohibited,
        )
        for row in session.execute(listing(wanted, is_first=after is None), values)
    ]


@cache
def listing(wanted: Wanted, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The rows of one page, built once for each kind of search; `page` runs it."""
    ids = keys(wanted, is_first=is_first).subquery()
    home = Person.home_agency_id == wall.READER.agency_id
    return (
        select(
            Person.id,
            Person.created_at,
            Person.family,
            Person.given,
            Person.pseudonym,
            Person.family_kana,
            Person.given_kana,
            case((home, Person.number), else_="").label("number"),
            home.label("is_home"),
            Person.is_identified,
            Person.contact_prohibited,
            Agency.name.label("home_agency_name"),
        )
        .join(ids, ids.c.id == Person.id)
        .join(Agency, Agency.id == Person.home_agency_id)
        .order_by(Person.id.desc())
    )


def keys(wanted: Wanted, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The ids of one page.

    Two walks, each down an index of its own from the newest: the people at home, and the lines that told this
    agency something. Nothing begins with all people, and no OR joins the two.
    """
    at_home = Person.home_agency_id == wall.READER.agency_id
    own: Any = select(Person.id).where(at_home, ~wall.is_shut_out(wall.READER))
    told: Any = select(Disclosure.person_id.label("id")).where(
        wall.tells(Disclosure, wall.READER, Category.BASIC, wall.NOW),
        ~exclusions.is_excluded(wall.READER, Disclosure.person_id),
    )
    walks = [(own, Person.id), (told.distinct(), Disclosure.person_id)]
    if wanted is not Wanted.ALL:
        numbered = own.where(Person.number.in_(bindparam("numbers", expanding=True)))
        named = Person.search_key.like(bindparam("pattern"), escape=LIKE_ESCAPE)
        found = told.join(Person, Person.id == Disclosure.person_id).where(named).distinct()
        by_name = [(own.where(named), Person.id), (found, Disclosure.person_id)]
        walks = [*(by_name if wanted is Wanted.NAMED else ()), (numbered, Person.id)]
    size = bindparam("size", type_=Integer())
    parts = []
    for walk, column in walks:
        part = walk if is_first else walk.where(column < bindparam("after", type_=Person.id.type))
        parts.append(select(part.order_by(column.desc()).limit(size).subquery()))
    both = union(*parts).subquery()
    return select(both.c.id).order_by(both.c.id.desc()).limit(size)


def spellings(number: str) -> list[str]:
    """A number as it may have been typed: any width, small letters, any dash."""
    short = number[:LONGEST_QUERY].strip()
    narrow = unicodedata.normalize("NFKC", short).upper()
    return sorted({short, narrow, narrow.translate(DASHES)})


@cache
def related() -> Select[*tuple[Any, ...]]:
    """The relatives of `person_id` of whom the reader may know, built once; `relatives` runs it."""
    person_id = bindparam("person_id", type_=Person.id.type)
    forward = select(
        FamilyTie.id, FamilyTie.relation, FamilyTie.relative_id.label("other_id"), true().label("forward")
    )
    backward = select(
        FamilyTie.id, FamilyTie.relation, FamilyTie.person_id.label("other_id"), false().label("forward")
    )
    ties = union_all(
        forward.where(FamilyTie.person_id == person_id), backward.where(FamilyTie.relative_id == person_id)
    ).subquery()
    return (
        select(
            ties.c.id.label("tie_id"),
            ties.c.relation,
            ties.c.forward,
            Person.id,
            Person.is_identified,
            Person.contact_prohibited,
            *label_columns(wall.sees(wall.READER, Category.BASIC, wall.NOW)),
        )
        .join(Person, Person.id == ties.c.other_id)
        .where(wall.present(wall.READER, wall.NOW))
        .order_by(ties.c.id)
    )


def relatives(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[RelativeRow]:
    """The person's relatives of whom this reader may know, oldest tie first; the caller shows basic information.

    A relation reads from this person: what the other is to him.
    """
    rows = session.execute(related(), wall.bound(actor, now, person_id=person_id))
    return [
        RelativeRow(
            tie_id=row.tie_id,
            id=row.id,
            label=label_of(row),
            relation=row.relation if row.forward else MIRROR[row.relation],
            is_identified=row.is_identified,
            contact_prohibited=row.contact_prohibited,
        )
        for row in rows
    ]
