"""What an agency offers (支援メニュー): adding, describing, saying whether there is room, and retiring it."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.kinds import Room
from portal.agencies.models import Service
from portal.agencies.services import channel_of, locked, permit
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Invalid
from portal.once import claim
from portal.policy import Actor, Permission
from portal.words import N_


def check(name: str, as_of: date) -> None:
    if not name:
        raise Invalid(N_("支援メニューの名称を入力してください。"), field="name")
    if as_of > clock.today():
        raise Invalid(N_("空き状況の日付に先の日付は入力できません。"), field="room_as_of")


def add_service(
    actor: Actor | None,
    agency_id: UUID,
    *,
    name: str,
    for_whom: str = "",
    room: Room = Room.OPEN,
    as_of: date | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Add something that the agency offers; returns its id.

    Raises:
        Invalid: it has no name.
        NotAllowed: the actor does not look after this agency.
    """
    service_id = new_id()
    as_of = as_of or clock.today()
    with db.transaction() as session:
        locked(session, actor, agency_id)
        if actor and (earlier := claim(actor, idempotency_key, service_id)):
            return earlier
        check(name, as_of)
        service = Service(
            id=service_id, agency_id=agency_id, name=name, for_whom=for_whom, room=room, room_as_of=as_of
        )
        session.add(service)
        audit.record(
            AuditEvent.SERVICE_UPDATED,
            service,
            actor=actor,
            channel=channel_of(actor),
            added=True,
            name=name,
            for_whom=for_whom,
            room=room,
        )
    return service_id


def own_service(session: Session, actor: Actor | None, service_id: UUID, permission: Permission) -> Service:
    """The service, locked.

    Raises:
        NoResultFound: no such service.
        NotAllowed: another agency offers it.
    """
    service = session.scalars(select(Service).where(Service.id == service_id).with_for_update()).one()
    permit(actor, permission, service)
    return service


def edit_service(
    actor: Actor, service_id: UUID, *, name: str, for_whom: str, version: int | None = None
) -> None:
    """Change how a service is called and for whom it is.

    Raises:
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        service = own_service(session, actor, service_id, Permission.AGENCY_EDIT)
        check(name, service.room_as_of)
        if changes := service.apply(name=name, for_whom=for_whom):
            service.advance(version)
            audit.record(AuditEvent.SERVICE_UPDATED, service, actor=actor, changes=changes)


def set_room(actor: Actor, service_id: UUID, room: Room, *, as_of: date | None = None) -> None:
    """Say whether there is room, as of today; saying the same again renews the date.

    Asks for no version: the latest word about room is the right one, whoever said it.
    """
    as_of = as_of or clock.today()
    with db.transaction() as session:
        service = own_service(session, actor, service_id, Permission.SERVICE_ROOM)
        check(service.name, as_of)
        if changes := service.apply(room=room, room_as_of=as_of):
            service.advance(None)
            audit.record(AuditEvent.SERVICE_UPDATED, service, actor=actor, changes=changes)


def set_offered(actor: Actor, service_id: UUID, is_active: bool) -> None:
    """Retire a service, so that nobody is referred to it any more, or offer it again."""
    with db.transaction() as session:
        service = own_service(session, actor, service_id, Permission.AGENCY_EDIT)
        if changes := service.apply(is_active=is_active):
            service.advance(None)
            audit.record(AuditEvent.SERVICE_UPDATED, service, actor=actor, changes=changes)
