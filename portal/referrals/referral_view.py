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
from portal.referrals.states import OPEN, ReferralKind, ReferralStatus, Refusal
from portal.words import N_, Worded


class Stop(Worded):
    """Why a referral may only be ended: what became of the consent it rests on."""

    WITHDRAWN = "withdrawn", N_("同意撤回により停止")
    EXPIRED = "expired", N_("同意の期限切れにより停止")
    CHANGED = "changed", N_("同意の変更により停止")


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
    nothing left to account for. `is_stopped`: open on a dead basis; `stop` says why, while somebody must act on it.
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
    from_telephone: str
    to_agency_id: UUID
    to_name: str
    to_telephone: str
    author_name: str
    service_id: UUID | None
    service_name: str
    worker_id: UUID | None
    worker_name: str
    worker_is_out: bool  # shut out of the person's affairs (利益相反): somebody else must take over
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
    stop: Stop | None

    @property
    def is_anonymous(self) -> bool:
        return self.basis is Basis.ANONYMOUS

    @property
    def is_overdue(self) -> bool:
        waiting = self.status is ReferralStatus.REQUESTED
        return waiting and self.respond_by is not None and self.respond_by < clock.today()

    @property
    def is_sent(self) -> bool:
        return self.sent_at is not None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def other_name(self) -> str:
        return self.to_name if self.is_sender else self.from_name

    @property
    def other_telephone(self) -> str:
        return self.to_telephone if self.is_sender else self.from_telephone
