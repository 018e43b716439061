"""Headings of people on pages: names where the wall allows them, and nothing of the filed information."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, case, null, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.agencies.models import Agency
from portal.core import clock
from portal.core.policy import Actor
from portal.disclosures.queries import legal_basis
from portal.people.categories import FILED, Category
from portal.people.models import Information, Person
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class PersonHeader:
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
    """The columns that `label_of` reads, each NULL where the name may not be seen."""
    return [
        case((named, person.family), else_=null()).label("family"),
        case((named, person.given), else_=null()).label("given"),
        case((named, person.pseudonym), else_=null()).label("pseudonym"),
    ]


def label_of(row: Any) -> str:
    """Name or pseudonym; empty when it is withheld."""
    return f"{row.family or ''} {row.given or ''}".strip() or (row.pseudonym or "")


def load(session: Session, actor: Actor, person_id: UUID, now: datetime) -> PersonHeader:
    """The heading of this person's pages for this reader.

    Raises:
        NoResultFound: there is no such person, or none that this reader may know of.
    """
    named = predicates.sees(actor, Category.BASIC, now, Person)
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
            legal_basis(actor, now).label("ground"),
        )
        .join(Agency, Agency.id == Person.home_agency_id)
        .where(Person.id == person_id, predicates.present(actor, now, Person))
    ).one()
    is_home = row.home_agency_id == actor.agency_id
    return PersonHeader(
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


# What stands over one's own work on a person: the name where the wall allows it, and what to beware of.


@dataclass(frozen=True, slots=True)
class PersonBanner:
    """`label` is empty where the name may not be seen; nobody who is not `present` has a page to go to."""

    person_id: UUID
    present: bool = False
    label: str = ""
    contact_prohibited: bool = False
    contact_prohibited_reason: str = ""

    @property
    def categories(self) -> list[Category]:
        """The categories that were shown, for the log."""
        return [Category.BASIC] if self.label else []


@cache
def banner_statement() -> Select[*tuple[Any, ...]]:
    """The statement of `banner`, built once."""
    return select(
        Person.contact_prohibited,
        Person.contact_prohibited_reason,
        *label_columns(predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person)),
    ).where(
        Person.id == bindparam("person_id"), predicates.present(predicates.READER, predicates.NOW, Person)
    )


def banner(session: Session, actor: Actor, person_id: UUID, now: datetime) -> PersonBanner:
    """The person on the pages of the agency's own case, which it keeps when the basis has ended."""
    row = session.execute(banner_statement(), predicates.bound(actor, now, person_id=person_id)).one_or_none()
    if row is None:
        return PersonBanner(person_id)
    return PersonBanner(person_id, True, label_of(row), row.contact_prohibited, row.contact_prohibited_reason)


# Several people at once, within the wall: summaries for an agenda, a packet or a sheet, in two statements.


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """A person in a few words; made only of those whose basic information this reader may see now.

    `information` holds the text of each filed category that the reader may see and that has one. `age` is in
    years, None where only an age band or nothing is known.
    """

    id: UUID
    label: str
    kana: str
    age: int | None
    age_band: str
    sex: str
    is_home: bool
    is_identified: bool
    home_agency_name: str
    contact_prohibited: bool
    contact_prohibited_reason: str
    information: Mapping[Category, str] = field(default_factory=dict)


@cache
def basics() -> Select[*tuple[Any, ...]]:
    named = predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person)
    return (
        select(
            *label_columns(named),
            Person.id,
            Person.family_kana,
            Person.given_kana,
            Person.birth,
            Person.age_band,
            Person.sex,
            Person.is_identified,
            (Person.home_agency_id == predicates.READER.agency_id).label("is_home"),
            Agency.name.label("home_agency_name"),
            Person.contact_prohibited,
            Person.contact_prohibited_reason,
        )
        .join(Agency, Agency.id == Person.home_agency_id)
        .where(Person.id.in_(bindparam("people", expanding=True)), named)
    )


@cache
def filed() -> Select[*tuple[Any, ...]]:
    """The texts of each category that the reader sees; other texts are not loaded."""
    open_to = or_(
        *(
            and_(
                Information.category == category,
                predicates.sees(predicates.READER, category, predicates.NOW, Person),
            )
            for category in FILED
        )
    )
    return (
        select(
            Information.person_id,
            Information.category,
            case((Information.text != "", Information.text), else_=null()).label("text"),
        )
        .join(Person, Person.id == Information.person_id)
        .where(Information.person_id.in_(bindparam("people", expanding=True)), open_to)
    )


def summaries(
    session: Session, actor: Actor, people: Collection[UUID], now: datetime, *, with_information: bool = False
) -> dict[UUID, PersonSummary]:
    """The summaries of those of these people whom this reader may name, by id."""
    if not people:
        return {}
    values = predicates.bound(actor, now, people=sorted(set(people)))
    texts: dict[UUID, dict[Category, str]] = {}
    if with_information:
        for row in session.execute(filed(), values):
            if row.text:
                texts.setdefault(row.person_id, {})[row.category] = row.text
    today = clock.japan_date(now)
    return {
        row.id: PersonSummary(
            id=row.id,
            label=label_of(row),
            kana=f"{row.family_kana} {row.given_kana}".strip(),
            age=clock.age_on(row.birth, today) if row.birth else None,
            age_band=row.age_band,
            sex=row.sex,
            is_home=row.is_home,
            is_identified=row.is_identified,
            home_agency_name=row.home_agency_name,
            contact_prohibited=row.contact_prohibited,
            contact_prohibited_reason=row.contact_prohibited_reason,
            information=texts.get(row.id, {}),
        )
        for row in session.execute(basics(), values)
    }
