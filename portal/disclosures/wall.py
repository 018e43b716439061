"""The wall in SQL: which person, and which category of him, this reader may see at this moment.

`rule.py` says the same in Python; a test walks every combination and keeps the two equal.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Date,
    ScalarSelect,
    Uuid,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
)
from sqlalchemy.orm import aliased
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from portal import clock
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient, Withdrawal
from portal.db import UTCDateTime, among
from portal.disclosures.models import PERSONAL, Basis, Disclosure, DisclosureCategory
from portal.exclusions import queries as exclusions
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, Role, can

# Building these predicates costs more than running them. A page that is opened all day builds its statement
# once, with these in the place of its reader and the moment, and runs it with `bound(actor, now)`.
NOW = cast(datetime, bindparam("now", type_=UTCDateTime()))
READER = Actor(
    staff_id=cast(UUID, bindparam("reader_staff", type_=Uuid())),
    membership_id=cast(UUID, None),
    name="",
    role=Role.STAFF,
    agency_id=cast(UUID, bindparam("reader_agency", type_=Uuid())),
    agency_name="",
)

Value = InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None] | UUID


def bound(actor: Actor, now: datetime, **more: Any) -> dict[str, Any]:
    """The values for a statement built with `READER` and `NOW`; who does no casework sees nothing by it."""
    agency_id = actor.agency_id if can(actor, Permission.CASEWORK) else None
    reader = {"reader_agency": agency_id, "reader_staff": actor.staff_id}
    return reader | {"now": now, "today": clock.japan_date(now), **more}


def day_of(now: Any) -> date:
    """The day in Japan, or the place where `bound` will put it."""
    if isinstance(now, BindParameter):
        return cast(date, bindparam("today", type_=Date()))
    return clock.japan_date(now)


def consent_lives(consent: type[Consent], recipient: Value, now: datetime) -> ColumnElement[bool]:
    """It names this recipient, today is within its days in Japan, and nobody took it back or renewed it."""
    newer = aliased(Consent)
    day = day_of(now)
    return and_(
        consent.valid_from <= day,
        consent.valid_until >= day,
        # `recipient` may stand two levels up, where SQLAlchemy does not correlate by itself.
        exists()
        .where(ConsentRecipient.consent_id == consent.id, ConsentRecipient.agency_id == recipient)
        .correlate_except(ConsentRecipient),
        ~exists()
        .where(
            Withdrawal.consent_id == consent.id,
            or_(Withdrawal.recipient_id.is_(None), Withdrawal.recipient_id == recipient),
        )
        .correlate_except(Withdrawal),
        ~exists().where(newer.replaces_id == consent.id),
    )


def disclosure_lives(told: type[Disclosure], now: datetime) -> ColumnElement[bool]:
    """It has begun, has not ended by time or by act, and its basis is alive."""
    consent = aliased(Consent)
    return and_(
        told.starts_at <= now,
        or_(told.ends_at.is_(None), told.ends_at > now),
        told.ended_at.is_(None),
        or_(
            told.basis != Basis.CONSENT,
            exists().where(consent.id == told.consent_id, consent_lives(consent, told.to_agency_id, now)),
        ),
    )


def is_for(told: type[Disclosure], actor: Actor) -> ColumnElement[bool]:
    """It was told to the reader's agency; what a 支援会議 or an emergency tells, to one member and no colleague."""
    return and_(
        told.to_agency_id == actor.agency_id,
        or_(~among(told.basis, PERSONAL), told.to_staff_id == actor.staff_id),
    )


def tells(told: type[Disclosure], actor: Actor, category: Category, now: datetime) -> ColumnElement[bool]:
    """This line tells this reader this category now, and its consent still covers it."""
    covered = exists().where(
        ConsentCategory.consent_id == told.consent_id, ConsentCategory.category == category
    )
    return and_(
        is_for(told, actor),
        told.basis != Basis.ANONYMOUS,
        exists().where(DisclosureCategory.disclosure_id == told.id, DisclosureCategory.category == category),
        or_(told.basis != Basis.CONSENT, covered),
        disclosure_lives(told, now),
    )


def told_to(actor: Actor, person: type[Person], category: Category, now: datetime) -> ColumnElement[bool]:
    """A live disclosure tells this reader this category of the person."""
    told = aliased(Disclosure)
    return exists().where(told.person_id == person.id, tells(told, actor, category, now))


def is_shut_out(actor: Actor, person: type[Person] = Person) -> ColumnElement[bool]:
    """Conflict of interest (利益相反): it beats every other rule, that of the home agency too."""
    return exclusions.is_excluded(actor, person.id)


def sees(
    actor: Actor, category: Category, now: datetime, person: type[Person] = Person
) -> ColumnElement[bool]:
    """`visible(reader, person, category, now)` of the design: kept at home, or told on a live basis."""
    return and_(~is_shut_out(actor, person), agency_sees(actor, category, now, person))


def agency_sees(
    actor: Actor, category: Category, now: datetime, person: type[Person] = Person
) -> ColumnElement[bool]:
    """The same, asked of what an agency may tell further: its work goes on when one member is shut out."""
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    return or_(person.home_agency_id == actor.agency_id, told_to(actor, person, category, now))


def present(actor: Actor, now: datetime, person: type[Person] = Person) -> ColumnElement[bool]:
    """May know that the person is on record at all, perhaps with everything withheld.

    Kept at home, or told once and never taken back by the one who told: an agency that was told in earnest
    has work of its own to account for when the basis dies. A 支援会議 and an emergency leave nothing behind when
    they are over.
    """
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    told = aliased(Disclosure)
    return and_(
        ~is_shut_out(actor, person),
        or_(
            person.home_agency_id == actor.agency_id,
            exists().where(
                told.person_id == person.id,
                is_for(told, actor),
                told.basis != Basis.ANONYMOUS,
                told.starts_at <= now,
                told.ended_at.is_(None),
                or_(~among(told.basis, PERSONAL), told.ends_at.is_(None), told.ends_at > now),
            ),
        ),
    )


def ground(actor: Actor, now: datetime, person: type[Person] = Person) -> ScalarSelect[Basis | None]:
    """The basis on which the person is open to this reader, a consent before a council; none at home."""
    told = aliased(Disclosure)
    lives = disclosure_lives(told, now)
    named = told.basis != Basis.ANONYMOUS
    lines = select(func.min(told.basis)).where(told.person_id == person.id, is_for(told, actor), named, lives)
    return lines.correlate_except(told).scalar_subquery()
