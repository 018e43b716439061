"""People behind the wall: PersonView, the only shape in which one leaves the domain, and lists of those a reader may see."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, case, exists, false, select, true, union, union_all
from sqlalchemy.orm import Session

from portal.agencies.models import Agency
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.core.ordering import Key, Sort, behind, in_order, place
from portal.core.policy import Actor
from portal.core.text import LONGEST_QUERY
from portal.disclosures.models import Basis, Disclosure, DisclosureCategory
from portal.disclosures.person_header import label_columns, label_of
from portal.disclosures.queries import legal_basis
from portal.people.categories import FILED, MIRROR, Category, Relation
from portal.people.models import FamilyTie, Information, Person
from portal.people.names import LIKE_ESCAPE, like_pattern, search_key
from portal.wall import predicates


class Withheld(Labelled):
    """Why a category is not shown. Says nothing of whether anything is on file in it."""

    NOT_TOLD = "not_told", N_("提供を受けていない区分です")
    ENDED = "ended", N_("同意が終わったため表示できません")
    PROTECTED = "protected", N_("住所等は保護されています。登録機関に確認してください")


@dataclass(frozen=True, slots=True)
class BasicView:
    """Basic information (基本情報). `address` and `telephone` are withheld outside the home if protected."""

    is_identified: bool
    label: str
    kana: str
    birth: date | None
    age: int | None
    age_band: str
    sex: str
    address: str | Withheld
    telephone: str | Withheld
    household: str
    family: str
    given: str
    family_kana: str
    given_kana: str


@dataclass(frozen=True, slots=True)
class InformationView:
    category: Category
    fields: Mapping[str, str]
    text: str
    version: int


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person as one agency may see them at one moment.

    `ground` is the basis of a reading of the person, for the log. `number` is empty outside the home.
    `information` has all five filed categories, each shown, empty (`None`) or withheld.
    """

    id: UUID
    version: int
    is_home: bool
    ground: str
    home_agency_name: str
    number: str
    contact_prohibited: bool
    contact_prohibited_reason: str
    protected_address: bool
    basic: BasicView | Withheld
    information: Mapping[Category, InformationView | Withheld | None]
    erased_at: datetime | None = None

    @property
    def label(self) -> str:
        """Name or pseudonym; empty when it is withheld."""
        return self.basic.label if isinstance(self.basic, BasicView) else ""

    @property
    def visible_categories(self) -> list[Category]:
        filed = [c for c, shown in self.information.items() if not isinstance(shown, Withheld)]
        return ([Category.BASIC] if isinstance(self.basic, BasicView) else []) + filed


@cache
def presence() -> Select[*tuple[Any, ...]]:
    """The person's row without any category's columns, and which categories the reader sees."""
    flags = [
        predicates.sees(predicates.READER, category, predicates.NOW, Person).label(category.value)
        for category in Category
    ]
    return (
        select(
            Person.id,
            Person.version,
            Person.home_agency_id,
            Agency.name.label("home_agency_name"),
            Person.number,
            Person.contact_prohibited,
            Person.contact_prohibited_reason,
            Person.protected_address,
            Person.erased_at,
            legal_basis(predicates.READER, predicates.NOW).label("ground"),
            *flags,
        )
        .join(Agency, Agency.id == Person.home_agency_id)
        .where(
            Person.id == bindparam("person_id"), predicates.present(predicates.READER, predicates.NOW, Person)
        )
    )


BASIC = select(
    Person.is_identified,
    Person.pseudonym,
    Person.family,
    Person.given,
    Person.family_kana,
    Person.given_kana,
    Person.birth,
    Person.age_band,
    Person.sex,
    Person.address,
    Person.telephone,
    Person.household,
    Person.protected_address,
).where(Person.id == bindparam("person_id"))

FILE = select(Information.category, Information.fields, Information.text, Information.version).where(
    Information.person_id == bindparam("person_id"),
    Information.category.in_(bindparam("categories", expanding=True)),
)

# The categories once disclosed to a reader: what is withheld of them is withheld because it ended.
ONCE_TOLD = select(DisclosureCategory.category).where(
    exists().where(
        Disclosure.id == DisclosureCategory.disclosure_id,
        Disclosure.person_id == bindparam("person_id"),
        predicates.is_for(Disclosure, predicates.READER),
        Disclosure.basis != Basis.ANONYMOUS,
    )
)


def ground_of(basis: Basis | None, *, is_home: bool) -> str:
    """The basis of a reading, for the log: the home's own record, a legal basis, or one's own past work."""
    return "home" if is_home else basis.value if basis else "own_work"


def load(session: Session, actor: Actor, person_id: UUID, now: datetime) -> PersonView:
    """What this reader may see of the person, in four statements at most.

    Raises:
        NoResultFound: there is no such person, or none that this reader may know of.
    """
    row = session.execute(presence(), predicates.bound(actor, now, person_id=person_id)).one()
    is_home = row.home_agency_id == actor.agency_id
    seen = [category for category in Category if getattr(row, category.value)]
    ended: dict[Category, Withheld] = {}
    if len(seen) < len(Category):
        told = session.scalars(ONCE_TOLD, predicates.bound(actor, now, person_id=person_id))
        ended = dict.fromkeys(told, Withheld.ENDED)
    filed = load_information(session, person_id, [c for c in seen if c is not Category.BASIC])
    return PersonView(
        id=row.id,
        version=row.version,
        is_home=is_home,
        ground=ground_of(row.ground, is_home=is_home),
        home_agency_name=row.home_agency_name,
        number=row.number if is_home else "",
        contact_prohibited=row.contact_prohibited,
        contact_prohibited_reason=row.contact_prohibited_reason,
        protected_address=row.protected_address,
        basic=load_basic(session, person_id, is_home=is_home, today=clock.japan_date(now))
        if Category.BASIC in seen
        else ended.get(Category.BASIC, Withheld.NOT_TOLD),
        information={c: filed.get(c) if c in seen else ended.get(c, Withheld.NOT_TOLD) for c in FILED},
        erased_at=row.erased_at,
    )


def load_basic(session: Session, person_id: UUID, *, is_home: bool, today: date) -> BasicView:
    row = session.execute(BASIC, {"person_id": person_id}).one()
    hidden = row.protected_address and not is_home
    return BasicView(
        is_identified=row.is_identified,
        label=f"{row.family} {row.given}".strip() if row.is_identified else row.pseudonym,
        kana=f"{row.family_kana} {row.given_kana}".strip(),
        birth=row.birth,
        age=clock.age_on(row.birth, today) if row.birth else None,
        age_band=row.age_band,
        sex=row.sex,
        address=Withheld.PROTECTED if hidden else row.address,
        telephone=Withheld.PROTECTED if hidden else row.telephone,
        household=row.household,
        family=row.family,
        given=row.given,
        family_kana=row.family_kana,
        given_kana=row.given_kana,
    )


def load_information(
    session: Session, person_id: UUID, categories: list[Category]
) -> dict[Category, InformationView]:
    if not categories:
        return {}
    rows = session.execute(FILE, {"person_id": person_id, "categories": categories})
    return {row.category: InformationView(row.category, row.fields, row.text, row.version) for row in rows}


# Lists of people and of relatives behind the wall: columns of those whom this reader may see, never entities.

# Dashes that a Japanese keyboard makes where a hyphen is meant; ー is a letter of agencies' short names.
DASHES = str.maketrans("‐‑‒–—―−─", "--------")


class Wanted(Enum):
    """The kind of search: everyone, a name or a number, or only a number."""

    ALL = auto()
    NAMED = auto()
    NUMBERED = auto()


# The orders of the list. Everybody on it has a name that its reader may see now, so that they may be sorted by it.
NEWEST, BY_NAME = Sort("new", is_descending=True), Sort("name")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One line of the list. `number` is empty outside the home; `sort_key` is what the list is sorted by."""

    id: UUID
    sort_key: datetime | str
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
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    q: str = "",
    sort: Sort = NEWEST,
    after: Key | None = None,
    size: int = 25,
) -> list[PersonRow]:
    """People whose basic information this reader may see now, in one statement.

    `q` is any spelling of a name or a part of it, or a whole number of the reader's own agency.
    """
    key = search_key(q[:LONGEST_QUERY])
    values = predicates.bound(
        actor, now, **place(after), size=size, pattern=like_pattern(key), numbers=spellings(q)
    )
    wanted = Wanted.ALL if not q else Wanted.NAMED if key else Wanted.NUMBERED
    return [
        PersonRow(
            id=row.id,
            sort_key=row.sort_key,
            label=label_of(row),
            kana=f"{row.family_kana} {row.given_kana}".strip(),
            number=row.number,
            is_home=row.is_home,
            is_identified=row.is_identified,
            home_agency_name=row.home_agency_name,
            contact_prohibited=row.contact_prohibited,
        )
        for row in session.execute(listing(wanted, sort, is_first=after is None), values)
    ]


def name_key() -> Any:
    """What people are sorted by: the furigana as far as it is known, else the name, or the pseudonym."""
    kana, name = Person.family_kana + " " + Person.given_kana, Person.family + " " + Person.given
    return case((~Person.is_identified, Person.pseudonym), (Person.family_kana != "", kana), else_=name)


@cache
def listing(wanted: Wanted, sort: Sort, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The statement for one page, built once for each kind of search and order; `page` runs it."""
    ids = keys(wanted, sort, is_first=is_first).subquery()
    home = Person.home_agency_id == predicates.READER.agency_id
    key = Person.created_at if sort.column == NEWEST.column else ids.c.key
    place_of_row = Person.id if sort.column == NEWEST.column else ids.c.key
    return (
        select(
            Person.id,
            key.label("sort_key"),
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
        .order_by(*in_order(place_of_row, Person.id, sort))
    )


def keys(wanted: Wanted, sort: Sort, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The ids of one page.

    Two walks, each down an index of its own from the newest: the people at home, and the disclosures to this
    agency. Nothing begins with all people, and no OR joins the two. Sorted by name, each walk is sorted as a whole.
    """
    at_home = Person.home_agency_id == predicates.READER.agency_id
    own: Any = select(Person.id).where(at_home, ~predicates.is_excluded(predicates.READER, Person.id))
    told: Any = select(Disclosure.person_id.label("id")).where(
        predicates.tells(Disclosure, predicates.READER, Category.BASIC, predicates.NOW),
        ~predicates.is_excluded(predicates.READER, Disclosure.person_id),
    )
    told_person = told.join(Person, Person.id == Disclosure.person_id)
    is_by_name = sort.column == BY_NAME.column
    walks = [(own, Person.id), (told_person if is_by_name else told, Disclosure.person_id)]
    if wanted is not Wanted.ALL:
        numbered = own.where(Person.number.in_(bindparam("numbers", expanding=True)))
        named = Person.search_key.like(bindparam("pattern"), escape=LIKE_ESCAPE)
        by_name = [(own.where(named), Person.id), (told_person.where(named), Disclosure.person_id)]
        walks = [*(by_name if wanted is Wanted.NAMED else ()), (numbered, Person.id)]
    size = bindparam("size", type_=Integer())
    parts = []
    for walk, row_id in walks:
        # By the newest, the id says it all: ids are given out in the order of time.
        key = name_key() if is_by_name else row_id
        part = walk.add_columns(key.label("key"))
        part = part if row_id is Person.id else part.distinct()
        if not is_first:
            part = part.where(behind(key, row_id, sort) if is_by_name else earlier(row_id, sort))
        parts.append(select(part.order_by(*in_order(key, row_id, sort)).limit(size).subquery()))
    both = union(*parts).subquery()
    return select(both.c.id, both.c.key).order_by(*in_order(both.c.key, both.c.id, sort)).limit(size)


def earlier(row_id: Any, sort: Sort) -> Any:
    last = bindparam("after_id", type_=Person.id.type)
    return row_id < last if sort.is_descending else row_id > last


def spellings(number: str) -> list[str]:
    """The ways in which a number may have been typed: any width, small letters, any dash."""
    short = number[:LONGEST_QUERY].strip()
    narrow = unicodedata.normalize("NFKC", short).upper()
    return sorted({short, narrow, narrow.translate(DASHES)})


@cache
def related() -> Select[*tuple[Any, ...]]:
    """The statement for relatives of `person_id` whom the reader may know of, built once."""
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
            *label_columns(predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person)),
        )
        .join(Person, Person.id == ties.c.other_id)
        .where(predicates.present(predicates.READER, predicates.NOW, Person))
        .order_by(ties.c.id)
    )


def relatives(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[RelativeRow]:
    """The person's relatives of whom this reader may know, oldest tie first; the caller shows basic information.

    A relation reads from this person: it says what the other is to them.
    """
    rows = session.execute(related(), predicates.bound(actor, now, person_id=person_id))
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
