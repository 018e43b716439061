"""Calendar files (iCalendar, RFC 5545) and the private addresses by which they are fetched."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from icalendar import Calendar, Event, Timezone, TimezoneStandard, vDatetime, vText
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, Role, require
from portal.meetings.schedule.models import CalendarLink
from portal.meetings.states import MeetingStatus

ZONE = "Asia/Tokyo"
MAKER = "-//Tsunagu//Meetings//JA"


def zone() -> Timezone:
    """Japan has kept +09:00 without summer time since 1952."""
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1970, 1, 1))  # noqa: DTZ001 - a local time by definition
    standard.add("tzoffsetfrom", timedelta(hours=9))
    standard.add("tzoffsetto", timedelta(hours=9))
    standard.add("tzname", "JST")
    found = Timezone()
    found.add("tzid", ZONE)
    found.add_component(standard)
    return found


def local(instant: datetime) -> vDatetime:
    """The instant as a local time in Japan, with the name of its zone."""
    value = vDatetime(clock.in_japan(instant).replace(tzinfo=None))
    value.params["TZID"] = ZONE
    return value


def status_of(row: Any) -> str:
    if row.status is MeetingStatus.CANCELLED:
        return "CANCELLED"
    return "TENTATIVE" if row.status is MeetingStatus.DRAFT else "CONFIRMED"


def event_of(row: Any, made_at: datetime, address: Callable[[UUID], str] | None) -> Event:
    """One meeting; `address` is given for signed-in readers: the page, and the link to join by."""
    event = Event()
    event.add("uid", f"{row.id}@tsunagu")
    event.add("sequence", row.calendar_sequence)
    event.add("dtstamp", made_at)
    event["dtstart"] = local(row.starts_at)
    event["dtend"] = local(row.starts_at + timedelta(minutes=row.minutes))
    event.add("summary", row.name)
    event.add("status", status_of(row))
    if row.place:
        event.add("location", row.place)
    if address:
        event.add("url", address(row.id))
        if row.link:
            event["description"] = vText(row.link)
    return event


def file_of(rows: Iterable[Any], name: str, *, address: Callable[[UUID], str] | None = None) -> bytes:
    """A calendar of these meetings. The same meeting keeps its UID, and SEQUENCE counts its changes."""
    calendar = Calendar()
    calendar.add("prodid", MAKER)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("x-wr-timezone", ZONE)
    calendar.add_component(zone())
    made_at = clock.now().replace(microsecond=0)
    for row in rows:
        calendar.add_component(event_of(row, made_at, address))
    return bytes(calendar.to_ical())


# A member of staff's private calendar address: made, renewed, revoked, and whose it is.


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def held_link(session: Session, staff_id: UUID) -> CalendarLink | None:
    """The link, if any, locked so that nobody else can make one for this member of staff meanwhile."""
    session.scalars(select(Staff.id).where(Staff.id == staff_id).with_for_update()).one()
    return session.scalars(select(CalendarLink).where(CalendarLink.staff_id == staff_id)).one_or_none()


def renew(actor: Actor) -> str:
    """Make a new address, the only one valid from now on; its token is returned once and stored nowhere.

    Raises:
        NotAllowed: the actor does no casework and so has no meetings.
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
    """Revoke the address; nothing happens when there is none."""
    require(actor, Permission.CASEWORK)
    with db.transaction() as session:
        link = held_link(session, actor.staff_id)
        if link is not None:
            audit.record(AuditEvent.CALENDAR_REVOKED, link, actor=actor)
            session.delete(link)


def owner(session: Session, token: str) -> Actor:
    """The member of staff whose address this is.

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
