"""The agencies, services and staff of a scenario file, entered before its first event."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import services as staff
from portal.accounts.models import Staff
from portal.accounts.services import Post
from portal.agencies import services as agencies
from portal.agencies.calendar import SATURDAY, SUNDAY
from portal.agencies.models import Agency, Room, Service
from portal.agencies.services import AgencyFacts
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core.policy import Actor
from portal.scenario.plan import Entry, Plan
from portal.scenario.play import Play, told_by_line
from portal.scenario.shapes import Sort, wrong


def enter(play: Play, plan: Plan, hashes: Mapping[str, str]) -> None:
    for entry in plan.agencies:
        with told_by_line(entry.where):
            enter_agency(play, entry)
    for entry in plan.staff:
        with told_by_line(entry.where):
            enter_member(play, entry, hashes[entry.given["email"]])
    play.session.flush()


def enter_agency(play: Play, entry: Entry) -> None:
    """Add an agency. One with the same name is taken as it is, and so is each of its services."""
    given = entry.given
    session = play.session
    there = session.scalar(select(Agency.id).where(Agency.name == given["name"]))
    if there in play.ids.values():
        line = entry.where.line_of("name")
        raise wrong(line, "同じ名称の機関が二度あります", "two agencies of one name")
    agency_id = there or agencies.create(None, facts_of(session, entry))
    play.ids[Sort.PLACE, given["key"]] = agency_id
    for closure in () if there else given.get("closures", ()):
        agencies.add_closure(None, agency_id, closure["from"], closure["to"], reason=closure["reason"])
    for service in given.get("services", ()):
        same = select(Service.id).where(Service.agency_id == agency_id, Service.name == service["name"])
        play.ids[Sort.PLACE, service["key"]] = session.scalar(same) or agencies.add_service(
            None,
            agency_id,
            name=service["name"],
            for_whom=service.get("for", ""),
            room=service.get("room", Room.OPEN),
            as_of=service.get("as_of"),
        )
        play.home[service["key"]] = agency_id


def short_name(session: Session, name: str) -> str:
    """A short name that no other agency has: the first characters of the name, or one and a number."""
    taken = set(session.scalars(select(Agency.short_name)))
    letters = "".join(char for char in name if char.isalnum()) or "機"
    tried = (letters[:2], letters[:3], *(f"{letters[0]}{n}" for n in range(2, 100)))
    return next((short for short in tried if short not in taken), "")


def facts_of(session: Session, entry: Entry) -> AgencyFacts:
    given = entry.given
    return AgencyFacts(
        name=given["name"],
        short_name=given.get("short") or short_name(session, given["name"]),
        kind=given["kind"],
        about=given.get("about", ""),
        hours=given.get("hours", ""),
        weekly_closed=frozenset(given.get("closed", (SATURDAY, SUNDAY))),
        holidays_closed=given.get("holidays", True),
        yearend_closed=given.get("yearend", True),
        **given.get("contact", {}),
    )


def enter_member(play: Play, entry: Entry, password_hash: str) -> None:
    given = entry.given
    session = play.session
    if session.scalar(select(Staff.id).where(Staff.email == given["email"])):
        line = entry.where.line_of("email")
        raise wrong(line, f"職員「{given['email']}」はすでにいます", f'"{given["email"]}" works here already')
    post = Post(
        role=given["role"],
        agency_id=play.agency(given["agency"]) if "agency" in given else None,
        administers=given.get("administers", False),
    )
    staff.check_person(given["email"], given["name"])
    staff.check_post(session, post)
    person = staff.become_member(
        session, email=given["email"], name=given["name"], password_hash=password_hash, post=post
    )
    membership = staff.membership_of(session, person.id)
    for row in (person, membership):
        audit.record(AuditEvent.STAFF_JOINED, row, actor=None, channel="command")
    agency = session.get(Agency, post.agency_id) if post.agency_id else None
    play.actors[given["email"]] = Actor(
        staff_id=person.id,
        membership_id=membership.id,
        name=person.name,
        role=membership.role,
        agency_id=post.agency_id,
        agency_name=agency.name if agency else "",
        administers=membership.administers,
    )
