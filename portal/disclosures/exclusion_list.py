"""Who is shut out of whose affairs, as one reader may see it; he himself sees only of how many he is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, exists, func, null, or_, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.disclosures.models import Basis, Disclosure
from portal.exclusions.models import Conflict, Exclusion
from portal.exclusions.queries import is_out
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, Role, can, require

CASEWORKERS = (Role.STAFF, Role.COORDINATOR)
LONGEST = 200


@dataclass(frozen=True, slots=True)
class ExclusionView:
    """One exclusion. `label`, `reason` and `lifted_why` are empty where they may not be seen."""

    id: UUID
    created_at: datetime
    staff_id: UUID
    staff_name: str
    agency_id: UUID
    agency_name: str
    person_id: UUID
    label: str
    number: str
    home_agency_id: UUID
    home_agency_name: str
    conflict: Conflict
    reason: str
    made_by: str
    lifted_at: datetime | None
    lifted_by: str
    lifted_why: str
    is_deserted: bool  # nobody of the agency is left who may see the person

    def may_be_lifted_by(self, actor: Actor) -> bool:
        return self.lifted_at is None and can(actor, Permission.EXCLUSION_LIFT, self)


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who may be shut out. `is_last`: nobody of his agency would be left who may see the person."""

    id: UUID
    name: str
    agency_id: UUID
    agency_name: str
    home_agency_id: UUID
    is_last: bool


def visible_to(actor: Actor, now: datetime, row: type[Exclusion]) -> ColumnElement[bool]:
    """Those of one's own agency's staff, and all of people kept here; of nobody of whom the reader may not know.

    Selects from Person, joined to the row. An auditor sees each.
    """
    if can(actor, Permission.AUDIT_READ):
        return row.id.is_not(None)
    concerned = or_(row.agency_id == actor.agency_id, Person.home_agency_id == actor.agency_id)
    return and_(concerned, wall.present(actor, now))


def is_somebody_left(row: type[Exclusion]) -> ColumnElement[bool]:
    """A member of the agency does casework there and is not shut out of this person's affairs."""
    place, who = aliased(Membership), aliased(Staff)
    return (
        exists()
        .where(
            place.agency_id == row.agency_id,
            place.ended_at.is_(None),
            place.role.in_(CASEWORKERS),
            who.id == place.staff_id,
            who.disabled_at.is_(None),
            ~is_out(place.staff_id, row.person_id),
        )
        .correlate_except(place, who)
    )


def columns(actor: Actor, now: datetime) -> tuple[Select[*tuple[Any, ...]], type[Exclusion]]:
    row, staff, maker, lifter = aliased(Exclusion), aliased(Staff), aliased(Staff), aliased(Staff)
    works, home = aliased(Agency), aliased(Agency)
    audits = can(actor, Permission.AUDIT_READ)
    numbered = Person.id.is_not(None) if audits else Person.home_agency_id == actor.agency_id
    statement = (
        select(
            row.id,
            row.created_at,
            row.staff_id,
            staff.name.label("staff_name"),
            row.agency_id,
            works.name.label("agency_name"),
            row.person_id,
            *label_columns(wall.sees(actor, Category.BASIC, now)),
            case((numbered, Person.number), else_=null()).label("number"),
            Person.home_agency_id,
            home.name.label("home_agency_name"),
            row.conflict,
            (null() if audits else row.reason).label("reason"),
            maker.name.label("made_by"),
            row.lifted_at,
            lifter.name.label("lifted_by"),
            (null() if audits else row.lifted_why).label("lifted_why"),
            and_(row.lifted_at.is_(None), ~is_somebody_left(row)).label("is_deserted"),
        )
        .select_from(row)
        .join(Person, Person.id == row.person_id)
        .join(staff, staff.id == row.staff_id)
        .join(works, works.id == row.agency_id)
        .join(home, home.id == Person.home_agency_id)
        .join(maker, maker.id == row.made_by_id)
        .outerjoin(lifter, lifter.id == row.lifted_by_id)
        .where(visible_to(actor, now, row))
        .order_by(row.lifted_at.is_not(None), row.id.desc())
    )
    return statement, row


def view_of(row: Row[*tuple[Any, ...]]) -> ExclusionView:
    found = {name: getattr(row, name) for name in ExclusionView.__slots__ if name != "label"}
    words = {name: found[name] or "" for name in ("number", "reason", "lifted_by", "lifted_why")}
    return ExclusionView(**found | words, label=label_of(row))


def read(session: Session, actor: Actor, now: datetime, **where: UUID) -> list[ExclusionView]:
    """Those in force first, the newest first. `where` narrows to a `person_id` or one `id`."""
    statement, row = columns(actor, now)
    for name, value in where.items():
        statement = statement.where(getattr(row, name) == value)
    return [view_of(one) for one in session.execute(statement.limit(LONGEST))]


def own_count(session: Session, actor: Actor) -> int:
    """Of how many people's affairs the reader himself is shut out: all that he is told of it."""
    mine = (Exclusion.staff_id == actor.staff_id, Exclusion.lifted_at.is_(None))
    return session.scalar(select(func.count()).select_from(Exclusion).where(*mine)) or 0


def coordinators(session: Session, actor: Actor) -> Sequence[str]:
    """Who of the reader's own agency, besides himself, may let him in again."""
    return session.scalars(
        select(Staff.name)
        .join(Membership, Membership.staff_id == Staff.id)
        .where(*working(), Membership.agency_id == actor.agency_id, Membership.role == Role.COORDINATOR)
        .where(Staff.id != actor.staff_id)
        .order_by(Staff.name, Staff.id)
    ).all()


def working() -> tuple[ColumnElement[bool], ...]:
    """Does casework somewhere now. Selects from Membership and Staff."""
    roles = Membership.role.in_(CASEWORKERS)
    return Membership.ended_at.is_(None), roles, Staff.disabled_at.is_(None)


def candidates(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[Colleague]:
    """Whom this reader may shut out of the affairs of a person he may know of.

    Colleagues of his own agency; and where the record is kept here, the staff of every agency that was told of him.
    """
    home = session.scalar(
        select(Person.home_agency_id).where(Person.id == person_id, wall.present(actor, now))
    )
    if home is None:
        return []
    told = select(Disclosure.to_agency_id).where(
        Disclosure.person_id == person_id, Disclosure.basis != Basis.ANONYMOUS, Disclosure.starts_at <= now
    )
    mine = Membership.agency_id == actor.agency_id
    wanted = or_(mine, Membership.agency_id.in_(told)) if home == actor.agency_id else mine
    rows = session.execute(
        select(Staff.id, Staff.name, Membership.agency_id, Agency.name.label("agency_name"))
        .join(Membership, Membership.staff_id == Staff.id)
        .join(Agency, Agency.id == Membership.agency_id)
        .where(*working(), wanted, ~is_out(Staff.id, person_id))
        .order_by(Membership.agency_id != actor.agency_id, Agency.name, Staff.name, Staff.id)
    ).all()
    left: dict[UUID, int] = {}
    for row in rows:
        left[row.agency_id] = left.get(row.agency_id, 0) + 1
    return [
        Colleague(row.id, row.name, row.agency_id, row.agency_name, home, is_last=left[row.agency_id] == 1)
        for row in rows
    ]


def open_list(actor: Actor, now: datetime) -> list[ExclusionView]:
    """All that a coordinator or an auditor may see; itself logged.

    Raises:
        NotAllowed: neither of them.
    """
    require(actor, Permission.EXCLUSION_LIST)
    rows = read(db.read(), actor, now)
    note(actor, None, rows)
    return rows


def open_person(actor: Actor, person_id: UUID, now: datetime) -> list[ExclusionView]:
    """Those of one person whom the caller has found through the wall; itself logged."""
    require(actor, Permission.CASEWORK)
    rows = read(db.read(), actor, now, person_id=person_id)
    note(actor, person_id, rows)
    return rows


def note(actor: Actor, person_id: UUID | None, rows: Sequence[ExclusionView]) -> None:
    audit.record_reading(
        AuditEvent.EXCLUSIONS_READ,
        ("exclusion", None),
        actor=actor,
        person_id=person_id,
        categories=[Category.BASIC] if any(one.label for one in rows) else [],
        count=len({one.person_id for one in rows}),
    )
