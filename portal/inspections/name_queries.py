"""Names as auditors see them: by case number, and by name while one has opened it; and who opened which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, false, func, select, true, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.disclosures.heading import label_of
from portal.inspections.models import NameOpening
from portal.people.models import Person
from portal.policy import Actor, Role


@dataclass(frozen=True, slots=True)
class OpenName:
    """One person's name, and until when this auditor sees it."""

    label: str
    is_pseudonym: bool
    until: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """That a name was opened. `reason` is for auditors alone; `person_id` leads to a page that only they may see."""

    id: UUID
    at: datetime
    staff_name: str
    agency_name: str
    number: str
    person_id: UUID
    reason: str
    ends_at: datetime


def live(actor: Actor, person_id: UUID, now: datetime) -> Select[datetime | None]:
    """Until when this auditor has opened the person's name; None when he has not."""
    return select(func.max(NameOpening.ends_at)).where(
        NameOpening.person_id == person_id, NameOpening.staff_id == actor.staff_id, NameOpening.ends_at > now
    )


def heading(session: Session, actor: Actor, person_id: UUID, now: datetime) -> tuple[str, OpenName | None]:
    """The person's number, and the name where this auditor has opened it: it is not even loaded otherwise.

    Raises:
        NoResultFound: there is no such person.
    """
    row = session.execute(
        select(
            Person.number,
            Person.is_identified,
            live(actor, person_id, now).scalar_subquery().label("until"),
        ).where(Person.id == person_id)
    ).one()
    if row.until is None or actor.role is not Role.AUDITOR:
        return row.number, None
    named = session.execute(
        select(Person.family, Person.given, Person.pseudonym).where(Person.id == person_id)
    ).one()
    return row.number, OpenName(label_of(named), not row.is_identified, row.until)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """All of them to an auditor; to an agency's administrator those of people whose record his agency kept then."""
    if actor.role is Role.AUDITOR:
        return true()
    if actor.agency_id is None or not (actor.role is Role.AGENCY_ADMIN or actor.administers):
        return false()
    return NameOpening.home_agency_id == actor.agency_id


def openings(
    session: Session, actor: Actor, *, after: tuple[datetime, UUID] | None, size: int
) -> list[Opening]:
    """One page of who opened which name, the newest first."""
    home = aliased(Agency)
    statement: Select[*tuple[Any, ...]] = (
        select(NameOpening, Staff.name.label("staff_name"), home.name.label("agency_name"))
        .join(Staff, Staff.id == NameOpening.staff_id)
        .join(home, home.id == NameOpening.home_agency_id)
        .where(visible_to(actor))
        .order_by(NameOpening.created_at.desc(), NameOpening.id.desc())
        .limit(size)
    )
    if after:
        statement = statement.where(tuple_(NameOpening.created_at, NameOpening.id) < tuple_(*after))
    return [opening_of(row, actor) for row in session.execute(statement)]


def opening_of(row: Any, actor: Actor) -> Opening:
    one: NameOpening = row.NameOpening
    return Opening(
        id=one.id,
        at=one.created_at,
        staff_name=row.staff_name,
        agency_name=row.agency_name,
        number=one.number,
        person_id=one.person_id,
        reason=one.reason if actor.role is Role.AUDITOR else "",
        ends_at=one.ends_at,
    )
