"""Who sees which staff: an administrator those of their own agency, a system administrator all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, bindparam, exists, select, true, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Absence, Invitation, Membership, Staff
from portal.agencies.models import Agency
from portal.core.policy import Actor, Permission, Role, require

# Roles that belong to an agency, and those that belong to none.
ROLES_OF_AGENCY = (Role.STAFF, Role.COORDINATOR, Role.AGENCY_ADMIN)
ROLES_OF_NONE = (Role.AUDITOR, Role.SYSTEM_ADMIN)
CASEWORKERS = (Role.STAFF, Role.COORDINATOR)


def does_casework(staff_id: Any, agency_id: Any) -> ColumnElement[bool]:
    """This member of staff has a caseworker's post in this agency now, and may sign in; nobody (NULL) has none."""
    post, member = aliased(Membership), aliased(Staff)
    return exists().where(
        post.staff_id == staff_id,
        post.agency_id == agency_id,
        post.ended_at.is_(None),
        post.role.in_(CASEWORKERS),
        member.id == post.staff_id,
        member.disabled_at.is_(None),
    )


@cache
def working_in() -> Select[UUID, str]:
    agency_id = bindparam("agency_id", type_=Membership.agency_id.type)
    return (
        select(Staff.id, Staff.name).where(does_casework(Staff.id, agency_id)).order_by(Staff.name, Staff.id)
    )


def caseworkers(session: Session, agency_id: UUID | None) -> Sequence[Row[UUID, str]]:
    """The ids and names of those who do this agency's casework now, by name."""
    return session.execute(working_in(), {"agency_id": agency_id}).all()


def is_away(staff_id: Any, today: date) -> ColumnElement[bool]:
    """This member of staff has said to be away on this day (休み)."""
    return exists().where(Absence.staff_id == staff_id, Absence.starts_on <= today, Absence.until >= today)


def absence_of(staff_id: UUID, today: date) -> Select[Absence]:
    """The days on which this member is, or will be, away; none that have passed."""
    return select(Absence).where(Absence.staff_id == staff_id, Absence.until >= today)


def colleagues(agency_id: UUID | None, today: date) -> Select[UUID, str, date | None]:
    """The caseworkers of this agency by name; of those who are away today, until when."""
    is_today = and_(Absence.staff_id == Staff.id, Absence.starts_on <= today, Absence.until >= today)
    return (
        select(Staff.id, Staff.name, Absence.until.label("away_until"))
        .outerjoin(Absence, is_today)
        .where(does_casework(Staff.id, agency_id))
        .order_by(Staff.name, Staff.id)
    )


def roles_to_give(actor: Actor) -> tuple[Role, ...]:
    return (*ROLES_OF_AGENCY, *ROLES_OF_NONE) if actor.role is Role.SYSTEM_ADMIN else ROLES_OF_AGENCY


def members() -> Select[Staff, Membership, str | None]:
    """Staff with their present membership and the name of its agency."""
    return (
        select(Staff, Membership, Agency.name)
        .join(Membership, Membership.staff_id == Staff.id)
        .outerjoin(Agency, Agency.id == Membership.agency_id)
        .where(Membership.ended_at.is_(None))
    )


def staff_visible_to(actor: Actor) -> Select[Staff, Membership, str | None]:
    """The staff this actor looks after, the newest first.

    Raises:
        NotAllowed: the actor looks after none.
    """
    require(actor, Permission.STAFF_LIST)
    mine = true() if actor.role is Role.SYSTEM_ADMIN else Membership.agency_id == actor.agency_id
    return members().where(mine).order_by(Staff.created_at.desc(), Staff.id.desc())


def page_of_staff(
    actor: Actor, *, after: tuple[datetime, UUID] | None, limit: int, agency: UUID | None = None
) -> Select[Staff, Membership, str | None]:
    statement = staff_visible_to(actor).limit(limit)
    if agency:
        statement = statement.where(Membership.agency_id == agency)
    if after:
        statement = statement.where(tuple_(Staff.created_at, Staff.id) < tuple_(*after))
    return statement


def invitations_visible_to(actor: Actor) -> Select[Invitation]:
    """Invitations that have led nowhere yet, the newest first: open, run out, or waiting for a decision.

    Raises:
        NotAllowed: the actor looks after nobody.
    """
    require(actor, Permission.STAFF_LIST)
    mine = true() if actor.role is Role.SYSTEM_ADMIN else Invitation.agency_id == actor.agency_id
    return (
        select(Invitation)
        .where(mine, Invitation.staff_id.is_(None), Invitation.revoked_at.is_(None))
        .order_by(Invitation.created_at.desc(), Invitation.id.desc())
    )


def by_address(email: str) -> Select[Staff]:
    return select(Staff).where(Staff.email == email)


def other_administrators(session: Session, agency_id: UUID, staff_id: UUID) -> bool:
    """Whether somebody else can still look after this agency's staff. Holds the agency until the act is done."""
    session.scalars(select(Agency.id).where(Agency.id == agency_id).with_for_update()).one()
    others = (
        select(Staff.id)
        .join(Membership, Membership.staff_id == Staff.id)
        .where(
            Membership.agency_id == agency_id,
            Membership.ended_at.is_(None),
            Membership.administers | (Membership.role == Role.AGENCY_ADMIN),
            Staff.disabled_at.is_(None),
            Staff.id != staff_id,
        )
    )
    return session.scalars(others.limit(1)).first() is not None


def looks_after(membership: Membership) -> bool:
    return membership.administers or membership.role is Role.AGENCY_ADMIN
