"""The rules of `portal/wall/rules.py` in Python, for a past moment, whose facts no table holds any more."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from portal.core import clock
from portal.disclosures.models import PERSONAL, Basis
from portal.people.categories import Category


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """A consent with its withdrawals: `None` in `withdrawn_for` stands for all recipients."""

    recipients: Set[UUID]
    categories: Set[Category]
    valid_from: date
    valid_until: date
    withdrawn_for: Set[UUID | None] = frozenset()
    is_replaced: bool = False

    def lives(self, recipient: UUID, now: datetime) -> bool:
        return (
            recipient in self.recipients
            and self.valid_from <= clock.japan_date(now) <= self.valid_until
            and None not in self.withdrawn_for
            and recipient not in self.withdrawn_for
            and not self.is_replaced
        )


@dataclass(frozen=True, slots=True)
class DisclosureFacts:
    to_agency_id: UUID
    basis: Basis
    categories: Set[Category]
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None = None
    to_staff_id: UUID | None = None
    consent: ConsentFacts | None = None

    def lives(self, now: datetime) -> bool:
        within = self.starts_at <= now and (self.ends_at is None or now < self.ends_at)
        if not within or self.ended_at is not None:
            return False
        if self.basis is Basis.CONSENT:
            return self.consent is not None and self.consent.lives(self.to_agency_id, now)
        return True

    def is_for(self, agency_id: UUID, staff_id: UUID) -> bool:
        """Whether it is for this reader: a 支援会議 or an emergency discloses to one member only."""
        is_own = self.basis not in PERSONAL or self.to_staff_id == staff_id
        return self.to_agency_id == agency_id and is_own

    def tells(self, category: Category, now: datetime) -> bool:
        covered = self.consent is None or category in self.consent.categories
        return (
            self.basis is not Basis.ANONYMOUS and category in self.categories and covered and self.lives(now)
        )


def is_visible(
    agency_id: UUID | None,
    staff_id: UUID,
    home_agency_id: UUID,
    disclosures: Iterable[DisclosureFacts],
    category: Category,
    now: datetime,
    *,
    is_excluded: bool = False,
) -> bool:
    """Whether a caseworker of this agency may see this category of the person at this moment."""
    if agency_id is None or is_excluded:
        return False
    return agency_id == home_agency_id or any(
        d.is_for(agency_id, staff_id) and d.tells(category, now) for d in disclosures
    )
