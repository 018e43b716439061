"""Excluding a member of staff from one person's affairs (利益相反), and exclusions as a reader may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, exists, func, null, or_, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents.services import lock_person
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, NotOffered
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, can, require
from portal.disclosures.models import Basis, Disclosure
from portal.disclosures.person_header import label_columns, label_of
from portal.disclosures.services import present_person
from portal.exclusions.models import Conflict as Why
from portal.exclusions.models import Exclusion
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

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
    conflict: Why
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
    """Somebody who may be excluded. `is_last`: nobody else of their agency may see the person."""

    id: UUID
    name: str
    agency_id: UUID
    agency_name: str
    home_agency_id: UUID
    is_last: bool


def visible_to(actor: Actor, now: datetime, row: type[Exclusion]) -> ColumnElement[bool]:
    """Exclusions of the agency's own staff, and all of people whose record it keeps.

    Only of people whom the reader may know of. Selects from Person, joined to the row. An auditor sees each.
    """
    if can(actor, Permission.AUDIT_READ):
        return row.id.is_not(None)
    concerned = or_(row.agency_id == actor.agency_id, Person.home_agency_id == actor.agency_id)
    return and_(concerned, predicates.present(actor, now, Person))


def is_somebody_left(row: type[Exclusion]) -> ColumnElement[bool]:
    """A caseworker of the agency is left who is not excluded from this person's affairs."""
    place, who = aliased(Membership), aliased(Staff)
    return (
        exists()
        .where(
            place.agency_id == row.agency_id,
            place.ended_at.is_(None),
            place.role.in_(CASEWORKERS),
            who.id == place.staff_id,
            who.disabled_at.is_(None),
            ~predicates.is_staff_excluded(place.staff_id, row.person_id),
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
            *label_columns(predicates.sees(actor, Category.BASIC, now, Person)),
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
    """Exclusions, those in force first, the newest first. `where` narrows to a `person_id` or one `id`."""
    statement, row = columns(actor, now)
    for name, value in where.items():
        statement = statement.where(getattr(row, name) == value)
    return [view_of(one) for one in session.execute(statement.limit(LONGEST))]


def own_count(session: Session, actor: Actor) -> int:
    """The number of people the readers themselves are excluded from: all that they learn of it."""
    mine = (Exclusion.staff_id == actor.staff_id, Exclusion.lifted_at.is_(None))
    return session.scalar(select(func.count()).select_from(Exclusion).where(*mine)) or 0


def coordinators(session: Session, actor: Actor) -> Sequence[str]:
    """Other coordinators of the reader's agency, who may lift an exclusion of the reader."""
    return session.scalars(
        select(Staff.name)
        .join(Membership, Membership.staff_id == Staff.id)
        .where(*working(), Membership.agency_id == actor.agency_id, Membership.role == Role.COORDINATOR)
        .where(Staff.id != actor.staff_id)
        .order_by(Staff.name, Staff.id)
    ).all()


def working() -> tuple[ColumnElement[bool], ...]:
    """Conditions for doing casework now. Selects from Membership and Staff."""
    roles = Membership.role.in_(CASEWORKERS)
    return Membership.ended_at.is_(None), roles, Staff.disabled_at.is_(None)


def candidates(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[Colleague]:
    """The staff whom this reader may exclude from the affairs of a person the reader may know of.

    Colleagues of the reader's agency; where it keeps the record, staff of every agency it was disclosed to.
    """
    home = session.scalar(
        select(Person.home_agency_id).where(Person.id == person_id, predicates.present(actor, now, Person))
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
        .where(*working(), wanted, ~predicates.is_staff_excluded(Staff.id, person_id))
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
    """All exclusions that a coordinator or an auditor may see; itself logged.

    Raises:
        NotAllowed: neither of them.
    """
    require(actor, Permission.EXCLUSION_LIST)
    rows = read(db.read(), actor, now)
    note(actor, None, rows)
    return rows


def open_person(actor: Actor, person_id: UUID, now: datetime) -> list[ExclusionView]:
    """The exclusions of one person whom the caller has found through the wall; itself logged."""
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


# Excluding a member of staff from one person's affairs (利益相反), and lifting the exclusion.


def exclude(
    actor: Actor,
    person_id: UUID,
    staff_id: UUID,
    conflict: Why | None,
    reason: str,
    *,
    idempotency_key: str | None = None,
) -> UUID:
    """Exclude a member of staff, who sees nothing of the person from now on. Returns the exclusion's id.

    Raises:
        NoResultFound: no such person that this actor may know of.
        Invalid: nobody whom the actor may exclude, or no reason.
        NotAllowed: the actor does no casework.
    """
    require(actor, Permission.CASEWORK)
    exclusion_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, exclusion_id):
            return earlier
        # The person is held, so nothing is disclosed or sent between this and what waits for it.
        present_person(session, actor, person_id)
        if conflict is None:
            raise Invalid(N_("関わらない理由を選んでください。"), field="conflict")
        if not reason:
            raise Invalid(N_("事情を入力してください。"), field="reason")
        found = candidates(session, actor, person_id, clock.now())
        member = next((one for one in found if one.id == staff_id), None)
        if member is None:
            raise NotOffered(
                N_("職員を一覧から選び直してください。"),
                field="staff",
                about=("staff", staff_id),
                person_id=person_id,
            )
        require(actor, Permission.EXCLUSION_MAKE, member)
        row = Exclusion(
            id=exclusion_id,
            person_id=person_id,
            staff_id=staff_id,
            agency_id=member.agency_id,
            made_by_id=actor.staff_id,
            conflict=conflict,
            reason=reason,
        )
        session.add(row)
        audit.record(
            AuditEvent.EXCLUSION_MADE,
            row,
            actor=actor,
            person_id=person_id,
            member=staff_id,
            conflict=conflict,
            reason=reason,
        )
    return exclusion_id


def lift(actor: Actor, exclusion_id: UUID, why: str) -> UUID:
    """Lift an exclusion; returns the person's id. Nobody lifts their own.

    Raises:
        NoResultFound: none that this actor may know of.
        NotAllowed: neither a coordinator of that agency nor of the agency that keeps the record.
        Conflict: it was lifted already.
    """
    require(actor, Permission.CASEWORK)
    with db.transaction() as session:
        seen = read(session, actor, clock.now(), id=exclusion_id)
        if not seen:
            raise NoResultFound
        require(actor, Permission.EXCLUSION_LIFT, seen[0])
        lock_person(session, seen[0].person_id)
        row = session.scalars(
            select(Exclusion)
            .where(Exclusion.id == exclusion_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()
        if row.lifted_at is not None:
            raise Conflict(N_("この除外は、すでに解除されています。"))
        if not why:
            raise Invalid(N_("解除する理由を入力してください。"), field="why")
        row.lifted_at, row.lifted_by_id, row.lifted_why = clock.now(), actor.staff_id, why
        audit.record(
            AuditEvent.EXCLUSION_LIFTED,
            row,
            actor=actor,
            person_id=row.person_id,
            member=row.staff_id,
            why=why,
        )
        return row.person_id
