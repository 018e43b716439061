"""What stands over one's own work on a person: the name where the wall allows it, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class Glimpse:
    """`label` is empty where the name may not be seen; nobody who is not `present` has a page to go to."""

    person_id: UUID
    present: bool = False
    label: str = ""
    contact_prohibited: bool = False
    contact_prohibited_reason: str = ""

    @property
    def categories(self) -> list[Category]:
        """What was shown, for the log."""
        return [Category.BASIC] if self.label else []


@cache
def glimpsing() -> Select[*tuple[Any, ...]]:
    """Built once; `load` runs it."""
    return select(
        Person.contact_prohibited,
        Person.contact_prohibited_reason,
        *label_columns(wall.sees(wall.READER, Category.BASIC, wall.NOW)),
    ).where(Person.id == bindparam("person_id"), wall.present(wall.READER, wall.NOW))


def load(session: Session, actor: Actor, person_id: UUID, now: datetime) -> Glimpse:
    """The person as the pages of this agency's own case show him; work stays one's own when its basis has ended."""
    row = session.execute(glimpsing(), wall.bound(actor, now, person_id=person_id)).one_or_none()
    if row is None:
        return Glimpse(person_id)
    return Glimpse(person_id, True, label_of(row), row.contact_prohibited, row.contact_prohibited_reason)
