"""Asking for emergency access, opening it, and giving it back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.confirming import OwnPassword, confirm
from portal.agencies.calendar import CalendarProblem
from portal.agencies.models import Agency
from portal.agencies.queries import opening_days
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis, Channel
from portal.emergency import search_services as searching
from portal.emergency.models import Emergency, EmergencyAccess, EmergencyNotice
from portal.emergency.search_services import Wanted
from portal.emergency.states import LASTS, WAITS
from portal.errors import Conflict, Invalid
from portal.once import claim, made_by
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, require
from portal.settings import queries as settings
from portal.words import N_

LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: who it is (as it was typed when he was found), why, and what of him."""

    wanted: Wanted
    person_id: UUID
    reason: Emergency
    text: str
    categories: frozenset[Category]

    @property
    def opened(self) -> list[Category]:
        """Basic information always: without it nobody can tell whether he has the right person."""
        return [c for c in Category if c is Category.BASIC or c in self.categories]


def ask(actor: Actor, wish: Wish, own: OwnPassword, *, idempotency_key: str | None = None) -> UUID:
    """Open the record for an hour, or, where a second person is needed, ask for it; returns the access's id.

    Raises:
        Invalid: something is missing, or the password is wrong.
        TooSoon: too many wrong passwords.
        NoResultFound: nobody fits what was typed, or nobody whom this member may be shown.
    """
    require(actor, Permission.EMERGENCY_USE)
    check(wish)
    confirm(actor, own)
    return file(actor, wish, idempotency_key=idempotency_key)


def check(wish: Wish) -> None:
    if not wish.text.strip():
        raise Invalid(N_("だれから何を聞き、なぜ同意を待てないかを書いてください。"), field="text")
    if len(wish.text) > LONGEST_TEXT:
        raise Invalid(N_("2000文字以内で入力してください。"), field="text")
    if not wish.categories:
        raise Invalid(N_("必要な区分を一つ以上選んでください。"), field="categories")


def file(actor: Actor, wish: Wish, *, idempotency_key: str | None = None) -> UUID:
    """`ask`, of somebody whose password was confirmed (or whose act a scenario replays)."""
    require(actor, Permission.EMERGENCY_USE)
    check(wish)
    assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
    with db.transaction() as session:
        searching.hold_member(session, actor.staff_id)
        if earlier := made_by(session, actor, idempotency_key):
            return earlier
        found = searching.fitting(wish.wanted).where(Person.id == wish.person_id)
        person = session.scalars(found.with_for_update(of=Person)).one()
        fits = {match.person_id: match for match in searching.matches(session, actor, wish.wanted)}
        if person.id not in fits:
            raise NoResultFound
        if fits[person.id].sees_all:
            raise Conflict(N_("この人の情報は、すでに見られます。緊急閲覧は要りません。"))
        now = clock.now()
        if running := already(session, actor, wish, now):
            claim(actor, idempotency_key, running)
            return running
        access = EmergencyAccess(
            id=new_id(),
            created_at=now,
            person_id=person.id,
            home_agency_id=person.home_agency_id,
            agency_id=actor.agency_id,
            staff_id=actor.staff_id,
            reason=wish.reason,
            text=wish.text,
            categories=[category.value for category in wish.opened],
            needs_second=person.protected_address or not may_alone(session, actor, now),
        )
        claim(actor, idempotency_key, access.id)
        session.add(access)
        audit.record(
            AuditEvent.EMERGENCY_ASKED,
            access,
            actor=actor,
            person_id=person.id,
            categories=wish.opened,
            ground=Basis.EMERGENCY,
            reason=wish.reason,
            text=wish.text,
            consent_cannot_be_had=True,
            second_person=access.needs_second,
        )
        if not access.needs_second:
            open_record(session, actor, access)
        return access.id


def already(session: Session, actor: Actor, wish: Wish, now: datetime) -> UUID | None:
    """What this member has open of this person, or has asked for and waits for, if it covers this wish."""
    mine = select(EmergencyAccess).where(
        EmergencyAccess.staff_id == actor.staff_id,
        EmergencyAccess.person_id == wish.person_id,
        EmergencyAccess.agency_id == actor.agency_id,
        EmergencyAccess.declined_at.is_(None),
        EmergencyAccess.ended_at.is_(None),
        EmergencyAccess.created_at > now - WAITS - LASTS,
    )
    for access in session.scalars(mine):
        waits = access.starts_at is None and now < access.created_at + WAITS
        lives = access.ends_at is not None and now < access.ends_at
        if (waits or lives) and {category.value for category in wish.opened} <= set(access.categories):
            return access.id
    return None


def may_alone(session: Session, actor: Actor, now: datetime) -> bool:
    """Whether this is not yet the use for which a second person is needed; the member's row is held."""
    used = select(func.count()).where(
        EmergencyAccess.staff_id == actor.staff_id,
        EmergencyAccess.starts_at >= clock.start_of_day(clock.japan_date(now)),
    )
    allowed = settings.value(session, "emergency.alone_per_day")
    return session.execute(used).scalar_one() < allowed


def open_record(session: Session, actor: Actor, access: EmergencyAccess) -> None:
    """The hour begins: the line of the ledger, the day of the review, and word to those who must know at once."""
    now = clock.now()
    access.starts_at, access.ends_at = now, now + LASTS
    access.review_by = review_day(session, access.agency_id, clock.japan_date(now))
    categories = [Category(code) for code in access.categories]
    access.disclosure_id = disclosures.tell(
        actor,
        person_id=access.person_id,
        to_agency_id=access.agency_id,
        basis=Basis.EMERGENCY,
        categories=categories,
        channel=Channel.EMERGENCY,
        source_id=access.id,
        teller=(access.home_agency_id, access.staff_id),
        to_staff_id=access.staff_id,
        until=access.ends_at,
    )
    audit.record(
        AuditEvent.EMERGENCY_OPENED,
        access,
        actor=actor,
        person_id=access.person_id,
        categories=categories,
        ground=Basis.EMERGENCY,
        member=access.staff_id,
        until=access.ends_at,
    )
    tell_those_concerned(session, actor, access, [access.home_agency_id, None])


def review_day(session: Session, agency_id: UUID, today: date) -> date:
    """By when somebody else must have looked at it, in the business days of the agency that used it."""
    days = settings.value(session, "emergency.review_days")
    try:
        return opening_days(session, session.get_one(Agency, agency_id)).add_business_days(today, days)
    except CalendarProblem:
        return today + timedelta(days=days)


def tell_those_concerned(
    session: Session, actor: Actor, access: EmergencyAccess, agencies: Collection[UUID | None]
) -> None:
    """A notice for each, None for the auditors; it stands on their first page until somebody takes note."""
    for agency_id in agencies:
        notice = EmergencyNotice(id=new_id(), access_id=access.id, agency_id=agency_id)
        session.add(notice)
        audit.record(
            AuditEvent.EMERGENCY_TOLD,
            notice,
            actor=actor,
            person_id=access.person_id,
            recipient=agency_id,
            access=access.id,
        )


def give_back(actor: Actor, access_id: UUID) -> bool:
    """End it before the hour is over; False when it was over already.

    Raises:
        NoResultFound: it is not this member's.
    """
    require(actor, Permission.EMERGENCY_USE)
    with db.transaction() as session:
        mine = select(EmergencyAccess).where(
            EmergencyAccess.id == access_id,
            EmergencyAccess.staff_id == actor.staff_id,
            EmergencyAccess.starts_at.is_not(None),
        )
        access = session.scalars(mine.with_for_update()).one()
        now = clock.now()
        if access.ended_at is not None or access.ends_at is None or access.ends_at <= now:
            return False
        access.ended_at = now
        access.advance(None)
        disclosures.end(actor, access.id)
        audit.record(
            AuditEvent.EMERGENCY_ENDED,
            access,
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
        )
        return True
