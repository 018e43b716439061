"""What one chooses from when drafting a referral: agencies with their room, and consents that stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.models import Membership, Staff
from portal.agencies.calendar import NeverOpen, OpeningDays
from portal.agencies.kinds import Room
from portal.agencies.models import Agency, Service
from portal.agencies.queries import availability_on, opening_days_by_agency
from portal.consents.models import ConsentCategory
from portal.db import among
from portal.disclosures import consent_list
from portal.exclusions.queries import is_out
from portal.people.categories import Category
from portal.policy import Actor, Role


@dataclass(frozen=True, slots=True)
class Offer:
    """A service of an agency (支援メニュー), as one line of a choice."""

    id: UUID
    name: str
    for_whom: str
    room: Room
    room_as_of: date


@dataclass(frozen=True, slots=True)
class Recipient:
    """An agency to send to: whether it is open today and, if not, when again (`None`: not within a year)."""

    id: UUID
    name: str
    telephone: str
    is_active: bool
    is_open_today: bool
    next_open: date | None
    offers: tuple[Offer, ...]
    days: OpeningDays

    @property
    def never_opens(self) -> bool:
        return not self.is_open_today and self.next_open is None

    @property
    def is_full(self) -> bool:
        """It has services, and not one of them has room."""
        return bool(self.offers) and all(offer.room is Room.FULL for offer in self.offers)

    def offer(self, service_id: UUID | None) -> Offer | None:
        return next((offer for offer in self.offers if offer.id == service_id), None)

    def deadline(self, days: int) -> date | None:
        """The last of so many business days from today, or none when it never opens."""
        try:
            return self.days.add_business_days(clock.today(), days)
        except NeverOpen:
            return None


@dataclass(frozen=True, slots=True)
class Cover:
    """A consent that stands: whom it lets be told what, and for how long."""

    id: UUID
    recipients: tuple[str, ...]
    categories: tuple[Category, ...]
    valid_until: date
    days_left: int


def recipients(session: Session, actor: Actor, *, only: UUID | None = None) -> list[Recipient]:
    """The agencies that one's own may send to, by name; three statements for all of them."""
    statement = select(Agency).where(Agency.id != actor.agency_id).order_by(Agency.name, Agency.id)
    statement = statement.where(Agency.id == only) if only else statement.where(Agency.is_active)
    agencies = session.scalars(statement).all()
    services = select(Service).where(Service.is_active).order_by(Service.created_at, Service.id)
    offers: dict[UUID, list[Offer]] = defaultdict(list)
    for s in session.scalars(services.where(Service.agency_id == only) if only else services):
        offers[s.agency_id].append(Offer(s.id, s.name, s.for_whom, s.room, s.room_as_of))
    days = opening_days_by_agency(session, agencies)
    return [recipient_of(agency, days[agency.id], tuple(offers[agency.id])) for agency in agencies]


def recipient_of(agency: Agency, days: OpeningDays, offers: tuple[Offer, ...]) -> Recipient:
    today = availability_on(days, agency, None, clock.today())
    return Recipient(
        id=agency.id,
        name=agency.name,
        telephone=agency.telephone,
        is_active=agency.is_active,
        is_open_today=not today.closed_today,
        next_open=today.next_open_day,
        offers=offers,
        days=days,
    )


def covers(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[Cover]:
    """The consents of this person that stand and that this reader may see, the longest first."""
    rows = [r for r in consent_list.of_person(session, actor, person_id, now) if r.stands and r.recipients]
    told: dict[UUID, set[Category]] = {}
    statement = select(ConsentCategory.consent_id, ConsentCategory.category)
    for consent_id, category in session.execute(
        statement.where(ConsentCategory.consent_id.in_([row.id for row in rows]))
    ):
        told.setdefault(consent_id, set()).add(category)
    return [
        Cover(
            id=row.id,
            recipients=row.recipients,
            categories=tuple(c for c in Category if c in told.get(row.id, set())),
            valid_until=row.valid_until,
            days_left=row.days_left,
        )
        for row in rows
    ]


def colleagues(session: Session, agency_id: UUID, person_id: UUID | None) -> Sequence[tuple[UUID, str]]:
    """Who works in this agency now, by name: one of them may look after a referral.

    Nobody who is shut out of the affairs of the person, if this reader may know whom it is about.
    """
    rows = session.execute(
        select(Staff.id, Staff.name)
        .join(Membership, Membership.staff_id == Staff.id)
        .where(
            Membership.agency_id == agency_id,
            among(Membership.role, [Role.STAFF, Role.COORDINATOR]),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
            ~is_out(Staff.id, person_id),
        )
        .order_by(Staff.name, Staff.id)
    )
    return [(row.id, row.name) for row in rows]
