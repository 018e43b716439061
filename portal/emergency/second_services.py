"""The second person's word before an emergency access begins: agreed to, and the hour begins, or declined."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.confirming import OwnPassword, confirm
from portal.accounts.models import Membership, Staff
from portal.accounts.queries import CASEWORKERS
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.disclosures.models import Basis
from portal.emergency import queries, services
from portal.emergency.models import EmergencyAccess
from portal.emergency.states import State, state_of
from portal.errors import Conflict, Invalid, Lack
from portal.exclusions import queries as exclusions
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, require
from portal.words import N_


def approve(actor: Actor, access_id: UUID, own: OwnPassword) -> None:
    """Agree: the hour of the one who asked begins now.

    Raises:
        NoResultFound: no such request that this actor may know of.
        NotAllowed: it is his own, or he is not the one to agree.
        Conflict: it was answered or has lapsed, or the one who asked may not be shown the person any more.
    """
    find(actor, access_id)
    confirm(actor, own)
    agree(actor, access_id)


def agree(actor: Actor, access_id: UUID) -> None:
    """`approve`, of somebody whose password was confirmed (or whose act a scenario replays)."""
    with db.transaction() as session:
        access = held(session, actor, access_id)
        person = session.scalars(
            select(Person).where(Person.id == access.person_id).with_for_update(of=Person)
        ).one()
        check_asker(session, access, person)
        access.home_agency_id = person.home_agency_id
        access.approved_by_id, access.approved_at = actor.staff_id, clock.now()
        access.advance(None)
        audit.record(
            AuditEvent.EMERGENCY_APPROVED,
            access,
            actor=actor,
            person_id=access.person_id,
            categories=[Category(code) for code in access.categories],
            ground=Basis.EMERGENCY,
        )
        services.open_record(session, actor, access)


def decline(actor: Actor, access_id: UUID, why: str, own: OwnPassword) -> None:
    """Say no, and why: the one who asked reads it.

    Raises:
        Invalid: no reason is given, or the password is wrong.
        Conflict: it was answered already, or has lapsed.
    """
    if not why.strip():
        raise Invalid(N_("理由を入力してください。申請した人に伝わります。"), field="why")
    find(actor, access_id)
    confirm(actor, own)
    turn_down(actor, access_id, why)


def turn_down(actor: Actor, access_id: UUID, why: str) -> None:
    """`decline`, of somebody whose password was confirmed."""
    with db.transaction() as session:
        access = held(session, actor, access_id)
        access.approved_by_id, access.declined_at = actor.staff_id, clock.now()
        access.declined_why = why
        access.advance(None)
        audit.record(
            AuditEvent.EMERGENCY_DECLINED,
            access,
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
            why=why,
        )


def find(actor: Actor, access_id: UUID) -> None:
    """Refuse before the password is asked for."""
    with db.transaction() as session:
        held(session, actor, access_id)


def held(session: Session, actor: Actor, access_id: UUID) -> EmergencyAccess:
    """The request, held until the transaction ends, still waiting for an answer of this actor."""
    wanted = select(EmergencyAccess).where(EmergencyAccess.id == access_id, queries.visible_to(actor))
    options = {"populate_existing": True}
    access = session.scalars(wanted.with_for_update(of=EmergencyAccess), execution_options=options).one()
    require(actor, Permission.EMERGENCY_SECOND, access)
    state = standing(access, clock.now())
    if state is not State.PENDING:
        raise Conflict(
            N_("この申請は、すでに「%(state)s」になっています。最新の内容を確認してください。"), state=state
        )
    return access


def standing(access: EmergencyAccess, now: datetime) -> State:
    return state_of(
        created_at=access.created_at,
        declined_at=access.declined_at,
        starts_at=access.starts_at,
        ends_at=access.ends_at,
        ended_at=access.ended_at,
        now=now,
    )


def check_asker(session: Session, access: EmergencyAccess, person: Person) -> None:
    """The one who asked still works there with people, and is not shut out from this person's affairs."""
    works = (
        select(Membership.id)
        .join(Staff, Staff.id == Membership.staff_id)
        .where(
            Membership.staff_id == access.staff_id,
            Membership.agency_id == access.agency_id,
            Membership.role.in_(CASEWORKERS),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
        )
    )
    shut_out = session.scalar(select(exclusions.is_out(access.staff_id, access.person_id)))
    if session.scalar(works) is None or shut_out:
        raise Conflict(
            N_("申請した人は、いまはこの人の情報を見られない立場です。承認できません。"),
            lack=Lack.EXCLUDED if shut_out else Lack.PERMISSION,
            about=("emergency_access", access.id),
            person_id=access.person_id,
        )
    if person.home_agency_id == access.agency_id:
        raise Conflict(N_("この人の記録は、申請した人の機関に移りました。緊急閲覧は要りません。"))
