"""Several people at once, within the wall: what an agenda, a packet or a sheet says of each, in two statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, case, null, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.models import Agency
from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.people.categories import FILED, Category
from portal.people.models import Information, Person
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class Brief:
    """A person in a few words; made only of those whose basic information this reader may see now.

    `information` holds the text of each filed category that he may see and that has one. `age` is in years,
    None where only an age band or nothing is known.
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
    named = wall.sees(wall.READER, Category.BASIC, wall.NOW)
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
            (Person.home_agency_id == wall.READER.agency_id).label("is_home"),
            Agency.name.label("home_agency_name"),
            Person.contact_prohibited,
            Person.contact_prohibited_reason,
        )
        .join(Agency, Agency.id == Person.home_agency_id)
        .where(Person.id.in_(bindparam("people", expanding=True)), named)
    )


@cache
def filed() -> Select[*tuple[Any, ...]]:
    """The texts of each category that the reader sees; the rest is not loaded."""
    open_to = or_(
        *(
            and_(Information.category == category, wall.sees(wall.READER, category, wall.NOW))
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


def load(
    session: Session, actor: Actor, people: Collection[UUID], now: datetime, *, with_information: bool = False
) -> dict[UUID, Brief]:
    """Those of these people whom this reader may name, by id."""
    if not people:
        return {}
    values = wall.bound(actor, now, people=sorted(set(people)))
    texts: dict[UUID, dict[Category, str]] = {}
    if with_information:
        for row in session.execute(filed(), values):
            if row.text:
                texts.setdefault(row.person_id, {})[row.category] = row.text
    today = clock.japan_date(now)
    return {
        row.id: Brief(
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
