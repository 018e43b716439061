"""Who a page is about, in one statement: the name where the wall lets it through, and nothing of the file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, null, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.agencies.models import Agency
from portal.disclosures import wall
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class PersonHeading:
    """`label` and `kana` are empty where this reader may not see basic information; `number` outside the home."""

    id: UUID
    label: str
    kana: str
    number: str
    is_home: bool
    is_identified: bool
    home_agency_id: UUID
    home_agency_name: str
    ground: str

    @property
    def is_named(self) -> bool:
        return self.label != ""


def label_columns(named: ColumnElement[bool], person: type[Person] = Person) -> list[ColumnElement[Any]]:
    """What `label_of` puts together, each nothing where the name may not be seen."""
    return [
        case((named, person.family), else_=null()).label("family"),
        case((named, person.given), else_=null()).label("given"),
        case((named, person.pseudonym), else_=null()).label("pseudonym"),
    ]


def label_of(row: Any) -> str:
    """Name or pseudonym; empty when it is withheld."""
    return f"{row.family or ''} {row.given or ''}".strip() or (row.pseudonym or "")


def load(session: Session, actor: Actor, person_id: UUID, now: datetime) -> PersonHeading:
    """The heading of this person's pages for this reader.

    Raises:
        NoResultFound: there is no such person, or none that this reader may know of.
    """
    named = wall.sees(actor, Category.BASIC, now)
    row = session.execute(
        select(
            *label_columns(named),
            case((named, Person.family_kana), else_=null()).label("family_kana"),
            case((named, Person.given_kana), else_=null()).label("given_kana"),
            Person.id,
            Person.number,
            Person.is_identified,
            Person.home_agency_id,
            Agency.name.label("home_agency_name"),
            wall.ground(actor, now).label("ground"),
        )
        .join(Agency, Agency.id == Person.home_agency_id)
        .where(Person.id == person_id, wall.present(actor, now))
    ).one()
    is_home = row.home_agency_id == actor.agency_id
    return PersonHeading(
        id=row.id,
        label=label_of(row),
        kana=f"{row.family_kana or ''} {row.given_kana or ''}".strip(),
        number=row.number if is_home else "",
        is_home=is_home,
        is_identified=row.is_identified,
        home_agency_id=row.home_agency_id,
        home_agency_name=row.home_agency_name,
        ground="home" if is_home else row.ground.value if row.ground else "own_work",
    )
