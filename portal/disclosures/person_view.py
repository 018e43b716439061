"""PersonView: the only shape in which a person leaves the domain, with what may not be seen left unloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, exists, select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.models import Agency
from portal.disclosures import wall
from portal.disclosures.models import Basis, Disclosure, DisclosureCategory
from portal.people.categories import FILED, Category
from portal.people.models import Information, Person
from portal.policy import Actor
from portal.words import N_, Worded


class Withheld(Worded):
    """Why a category is not shown. Says nothing of whether anything is on file in it."""

    NOT_TOLD = "not_told", N_("提供を受けていない区分です")
    ENDED = "ended", N_("同意が終わったため表示できません")
    PROTECTED = "protected", N_("住所等は保護されています。記録機関に確認してください")


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
    """A person as one agency may see him at one moment.

    `ground` is on what a reading of him stands, for the log. `number` is empty outside the home. `information`
    has all five filed categories, each shown, empty (`None`) or withheld.
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
    """The person's row without anything that belongs to a category, and which categories the reader sees."""
    flags = [wall.sees(wall.READER, category, wall.NOW).label(category.value) for category in Category]
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
            wall.ground(wall.READER, wall.NOW).label("ground"),
            *flags,
        )
        .join(Agency, Agency.id == Person.home_agency_id)
        .where(Person.id == bindparam("person_id"), wall.present(wall.READER, wall.NOW))
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

# The categories a reader was told at some time: what is withheld of them is withheld because it ended.
ONCE_TOLD = select(DisclosureCategory.category).where(
    exists().where(
        Disclosure.id == DisclosureCategory.disclosure_id,
        Disclosure.person_id == bindparam("person_id"),
        wall.is_for(Disclosure, wall.READER),
        Disclosure.basis != Basis.ANONYMOUS,
    )
)


def ground_of(basis: Basis | None, *, is_home: bool) -> str:
    """On what a reading stands, for the log: the home's own record, a basis, or one's own past work."""
    return "home" if is_home else basis.value if basis else "own_work"


def load(session: Session, actor: Actor, person_id: UUID, now: datetime) -> PersonView:
    """What this reader may see of the person, in four statements at most.

    Raises:
        NoResultFound: there is no such person, or none that this reader may know of.
    """
    row = session.execute(presence(), wall.bound(actor, now, person_id=person_id)).one()
    is_home = row.home_agency_id == actor.agency_id
    seen = [category for category in Category if getattr(row, category.value)]
    ended: dict[Category, Withheld] = {}
    if len(seen) < len(Category):
        told = session.scalars(ONCE_TOLD, wall.bound(actor, now, person_id=person_id))
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
