"""ReferralView: the shape in which a referral leaves the domain, with what may not be seen left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from portal import clock
from portal.cases.codes import Domain, Outcome, Score
from portal.disclosures.models import Basis
from portal.disclosures.person_view import PersonView, Withheld
from portal.people.categories import Category
from portal.referrals.models import Happening
from portal.referrals.states import ReferralKind, ReferralStatus, Refusal


@dataclass(frozen=True, slots=True)
class GoalView:
    id: UUID
    domain: Domain
    text: str | Withheld
    score: Score | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline. `code` is the refusal or the outcome that came with a step."""

    at: datetime
    who: str
    agency: str
    mine: bool
    what: Happening
    code: Refusal | Outcome | None
    text: str | Withheld
    sequel_id: UUID | None


@dataclass(frozen=True, slots=True)
class ReferralView:
    """A referral as one of its two agencies may see it at one moment.

    `person` is None where the reader may not know who it is: an anonymous asking, or a basis that died with
    nothing left to account for. `is_stopped`: open on a dead basis.
    """

    id: UUID
    number: str
    kind: ReferralKind
    status: ReferralStatus
    basis: Basis
    version: int
    is_sender: bool
    from_agency_id: UUID
    from_name: str
    to_agency_id: UUID
    to_name: str
    service_id: UUID | None
    service_name: str
    worker_id: UUID | None
    worker_name: str
    person: PersonView | None
    person_id: UUID | None
    consent_id: UUID | None
    consent_until: date | None
    categories: Sequence[Category]
    need: str | Withheld
    goals: Sequence[GoalView]
    timeline: Sequence[Line]
    anonymous_age_band: str
    appointment_at: datetime | None
    appointment_place: str
    created_at: datetime
    sent_at: datetime | None
    received_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    acknowledge_by: date | None
    respond_by: date | None
    first_contact_on: date | None
    refusal: Refusal | None
    outcome: Outcome | None
    part_of_id: UUID | None
    is_live: bool
    is_stopped: bool
    must_confirm_stop: bool

    @property
    def is_anonymous(self) -> bool:
        return self.basis is Basis.ANONYMOUS

    @property
    def is_overdue(self) -> bool:
        waiting = self.status is ReferralStatus.REQUESTED
        return waiting and self.respond_by is not None and self.respond_by < clock.today()
