"""What is kept of a person, kind by kind: whose it is, when it ended, and whether it still stands in the way.

Each rule is one SQL condition, asked both of the people of one page and of everybody when the due are listed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, exists, false, func, literal, null, or_, select, true
from sqlalchemy.orm import aliased
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from portal.cases.models import Case
from portal.consents.models import Consent, ConsentRecipient, Withdrawal
from portal.disclosures.models import Basis, Disclosure
from portal.emergency.models import EmergencyAccess
from portal.emergency.states import WAITS
from portal.inspections.models import AuditFinding, SampleItem
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingStatus, OutcomeKind
from portal.people.models import Person
from portal.referrals.models import FollowUp, Referral
from portal.referrals.states import OPEN, ReferralStatus
from portal.retention.kinds import Cut, Kind, Reason

Rows = Select[*tuple[Any, ...]]
Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class Source:
    """`rows` are all that is kept of this kind; those for which `holds` stand in the way of an erasure.

    A row has `person_id`, its `number`, the agencies whose it is (`owner`, `partner`; none: the home's), when it
    `ended` and whether it `is_open`.
    """

    rows: Rows
    person: InstrumentedAttribute[Any]
    holds: ColumnElement[bool]
    open: Reason | None
    period: Reason | None
    kind: Kind | None

    def of(self, people: Collection[UUID], *, holding: bool) -> Rows:
        found = self.rows.where(self.person.in_(people))
        return found.where(self.holds) if holding else found

    def is_in_the_way(self) -> ColumnElement[bool]:
        """Of the person of the statement around it."""
        held = self.rows.where(self.person == Person.id, self.holds)
        return held.correlate(Person).exists() if self.person is not Person.id else self.holds


def rows(
    person: Column,
    *,
    owner: Column | None = None,
    partner: Column | None = None,
    number: Column | None = None,
    ended: Column | None = None,
    is_open: ColumnElement[bool],
) -> Rows:
    return select(
        person.label("person_id"),
        (literal("") if number is None else number).label("number"),
        (null() if owner is None else owner).label("owner"),
        (null() if partner is None else partner).label("partner"),
        (null() if ended is None else ended).label("ended"),
        is_open.label("is_open"),
    )


def everything(cut: Cut) -> list[Source]:
    return [
        cases(cut),
        referrals(cut),
        consents(cut),
        items(cut),
        promises(),
        follow_ups(),
        emergencies(cut),
        findings(),
        provisions(cut),
        records(cut),
    ]


def cases(cut: Cut) -> Source:
    found = rows(
        Case.person_id,
        owner=Case.agency_id,
        number=Case.number,
        ended=Case.closed_on,
        is_open=Case.closed_on.is_(None),
    )
    holds = or_(Case.closed_on.is_(None), Case.closed_on > cut.day(Kind.CASES))
    return Source(found, Case.person_id, holds, Reason.CASE_OPEN, Reason.CASE, Kind.CASES)


def referrals(cut: Cut) -> Source:
    ended = func.coalesce(Referral.ended_at, Referral.answered_at, Referral.listed_at)
    is_open = Referral.status.in_(OPEN | {ReferralStatus.DRAFT})
    found = rows(
        Referral.person_id,
        owner=Referral.from_agency_id,
        partner=Referral.to_agency_id,
        number=Referral.number,
        ended=ended,
        is_open=is_open,
    )
    holds = or_(is_open, ended >= cut.moment(Kind.REFERRALS))
    return Source(found, Referral.person_id, holds, Reason.REFERRAL_OPEN, Reason.REFERRAL, Kind.REFERRALS)


def consents(cut: Cut) -> Source:
    """A consent lapses by its last day, or when it was renewed or taken back from every recipient."""
    newer = aliased(Consent)
    taken = or_(Withdrawal.recipient_id.is_(None), Withdrawal.recipient_id == ConsentRecipient.agency_id)
    taken_back = exists().where(Withdrawal.consent_id == ConsentRecipient.consent_id, taken)
    somebody = exists().where(ConsentRecipient.consent_id == Consent.id, ~taken_back).correlate(Consent)
    last_taken = (
        select(func.max(Withdrawal.withdrawn_at)).where(Withdrawal.consent_id == Consent.id).scalar_subquery()
    )
    renewed = select(func.min(newer.created_at)).where(newer.replaces_id == Consent.id).scalar_subquery()
    early = func.coalesce(renewed, case((~somebody, last_taken), else_=null()))
    over = cut.moment(Kind.CONSENTS)
    is_open = and_(Consent.valid_until >= cut.today, early.is_(None))
    holds = and_(
        Consent.valid_until > cut.day(Kind.CONSENTS),
        or_(early.is_(None), early >= over),
    )
    found = rows(Consent.person_id, ended=early, is_open=is_open).add_columns(Consent.valid_until)
    return Source(found, Consent.person_id, holds, Reason.CONSENT_LIVES, Reason.CONSENT, Kind.CONSENTS)


def items(cut: Cut) -> Source:
    done = {MeetingStatus.APPROVED, MeetingStatus.CANCELLED}
    is_open = Meeting.status.not_in(done)
    ended = func.coalesce(Meeting.approved_at, Meeting.starts_at)
    shared = case((AgendaItem.shared, null()), else_=AgendaItem.brought_by_id)
    found = rows(AgendaItem.person_id, owner=shared, ended=ended, is_open=is_open).join(
        Meeting, Meeting.id == AgendaItem.meeting_id
    )
    holds = or_(is_open, ended >= cut.moment(Kind.MEETINGS))
    return Source(found, AgendaItem.person_id, holds, Reason.ITEM_OPEN, Reason.MEETING, Kind.MEETINGS)


def promises() -> Source:
    found = rows(AgendaItem.person_id, owner=AgendaItem.brought_by_id, is_open=true()).join(
        MeetingOutcome, MeetingOutcome.item_id == AgendaItem.id
    )
    holds = and_(
        MeetingOutcome.kind == OutcomeKind.ACTION,
        MeetingOutcome.done_at.is_(None),
        MeetingOutcome.struck_at.is_(None),
    )
    return Source(found, AgendaItem.person_id, holds, Reason.PROMISE_OPEN, None, None)


def follow_ups() -> Source:
    found = rows(Referral.person_id, owner=FollowUp.agency_id, number=Referral.number, is_open=true()).join(
        FollowUp, FollowUp.referral_id == Referral.id
    )
    return Source(found, Referral.person_id, FollowUp.done_at.is_(None), Reason.FOLLOW_UP_OPEN, None, None)


def emergencies(cut: Cut) -> Source:
    """Until a second person has reviewed it; a request that waits for one is open too."""
    waits = and_(
        EmergencyAccess.starts_at.is_(None),
        EmergencyAccess.declined_at.is_(None),
        EmergencyAccess.created_at > cut.now - WAITS,
    )
    unreviewed = and_(EmergencyAccess.starts_at.is_not(None), EmergencyAccess.finding.is_(None))
    found = rows(EmergencyAccess.person_id, is_open=true())
    person = EmergencyAccess.person_id
    return Source(found, person, or_(waits, unreviewed), Reason.EMERGENCY_OPEN, None, None)


def findings() -> Source:
    about = func.coalesce(AuditFinding.referral_id, SampleItem.referral_id)
    found = (
        rows(Referral.person_id, owner=AuditFinding.agency_id, number=Referral.number, is_open=true())
        .select_from(AuditFinding)
        .outerjoin(SampleItem, SampleItem.id == AuditFinding.item_id)
        .join(Referral, Referral.id == about)
    )
    person = Referral.person_id
    return Source(found, person, AuditFinding.closed_at.is_(None), Reason.FINDING_OPEN, None, None)


def provisions(cut: Cut) -> Source:
    """What was told under a name; what cannot identify anybody is no provision of personal data."""
    found = rows(Disclosure.person_id, ended=Disclosure.starts_at, is_open=false())
    holds = and_(Disclosure.basis != Basis.ANONYMOUS, Disclosure.starts_at >= cut.moment(Kind.PROVISIONS))
    named = found.where(Disclosure.basis != Basis.ANONYMOUS)
    return Source(named, Disclosure.person_id, holds, None, Reason.PROVISION, Kind.PROVISIONS)


def records(cut: Cut) -> Source:
    found = rows(Person.id, owner=Person.home_agency_id, ended=Person.created_at, is_open=false())
    holds = Person.created_at >= cut.moment(Kind.CASES)
    return Source(found, Person.id, holds, None, Reason.RECORD, Kind.CASES)
