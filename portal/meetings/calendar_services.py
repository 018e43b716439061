"""A member of staff's private calendar address: made, renewed, revoked, and whose it is."""

from __future__ import annotations

import hashlib
import secrets
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.meetings.models import CalendarLink
from portal.policy import Actor, Permission, Role, require


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def held_link(session: Session, staff_id: UUID) -> CalendarLink | None:
    """The link, if there is one; nobody else can make one for this member of staff meanwhile."""
    session.scalars(select(Staff.id).where(Staff.id == staff_id).with_for_update()).one()
    return session.scalars(select(CalendarLink).where(CalendarLink.staff_id == staff_id)).one_or_none()


def renew(actor: Actor) -> str:
    """A new address, the only one that works from now on; its token is returned once and stored nowhere.

    Raises:
        NotAllowed: who does no casework has no meetings.
    """
    require(actor, Permission.CASEWORK)
    token = secrets.token_urlsafe(32)
    with db.transaction() as session:
        link = held_link(session, actor.staff_id)
        if link is None:
            link = CalendarLink(staff_id=actor.staff_id)
            session.add(link)
        link.token_hash, link.renewed_at = hashed(token), clock.now()
        audit.record(AuditEvent.CALENDAR_RENEWED, link, actor=actor)
    return token


def revoke(actor: Actor) -> None:
    """The address works no longer; nothing happens when there is none."""
    require(actor, Permission.CASEWORK)
    with db.transaction() as session:
        link = held_link(session, actor.staff_id)
        if link is not None:
            audit.record(AuditEvent.CALENDAR_REVOKED, link, actor=actor)
            session.delete(link)


def owner(session: Session, token: str) -> Actor:
    """Whose address this is.

    Raises:
        NoResultFound: nobody's; or its owner was disabled, or does no casework any more.
    """
    casework = (
        select(
            Staff.id,
            Staff.name,
            Membership.id.label("membership_id"),
            Membership.role,
            Membership.administers,
            Membership.agency_id,
            Agency.name.label("agency_name"),
        )
        .join(CalendarLink, CalendarLink.staff_id == Staff.id)
        .join(Membership, Membership.staff_id == Staff.id)
        .join(Agency, Agency.id == Membership.agency_id)
        .where(
            CalendarLink.token_hash == hashed(token),
            Staff.disabled_at.is_(None),
            Membership.ended_at.is_(None),
            Membership.role.in_([Role.STAFF, Role.COORDINATOR]),
        )
    )
    row = session.execute(casework).one()
    return Actor(
        staff_id=row.id,
        membership_id=row.membership_id,
        name=row.name,
        role=row.role,
        agency_id=row.agency_id,
        agency_name=row.agency_name,
        administers=row.administers,
    )
