"""The whole life of a referral for the auditor: who sent what on which basis, who looked, who answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, aliased

from portal import clock
from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.cases.codes import Outcome
from portal.cases.models import Case
from portal.consents.models import Withdrawal
from portal.db import db
from portal.disclosures import ledger
from portal.disclosures.ledger import LedgerLine
from portal.disclosures.models import Basis, Disclosure, StopConfirmation
from portal.disclosures.queries import lines_from
from portal.policy import Actor, Permission, require
from portal.referrals.models import FollowUp, Happening, Referral, ReferralEvent, ReferralGoal
from portal.referrals.states import ReferralKind, ReferralStatus, Refusal
from portal.reports import audit_queries
from portal.reports.audit_queries import Entry


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the timeline without its text. `code` is the word (msgid) of a refusal or an outcome."""

    at: datetime
    agency: str
    who: str
    what: Happening
    code: str


@dataclass(frozen=True, slots=True)
class Life:
    """A referral by its number. No name, no need, no reason, no message: nothing that anybody typed."""

    id: UUID
    number: str
    kind: ReferralKind
    status: ReferralStatus
    basis: Basis
    from_name: str
    to_name: str
    created_at: datetime
    sent_at: datetime | None
    received_at: datetime | None
    acknowledge_by: date | None
    respond_by: date | None
    answered_at: datetime | None
    ended_at: datetime | None
    refusal: Refusal | None
    outcome: Outcome | None
    part_of: UUID | None
    steps: tuple[Step, ...]
    lines: tuple[LedgerLine, ...]


def read(
    actor: Actor, referral_id: UUID, *, behind: int | None = None, size: int = 25
) -> tuple[Life, list[Entry]]:
    """The life of a referral, and one page of the entries about it, the oldest first; itself logged.

    Raises:
        NotAllowed: the reader is no auditor.
        NoResultFound: there is no such referral.
    """
    require(actor, Permission.AUDIT_READ)
    session = db.read()
    life, person_id = load(session, referral_id)
    audit.record_reading(AuditEvent.AUDIT_READ, ("referral", referral_id), actor=actor, person_id=person_id)
    about = related(session, referral_id, [line.id for line in life.lines])
    statement = select(AuditEntry).where(AuditEntry.object_id.in_(about))
    if behind is not None:
        statement = statement.where(AuditEntry.seq > behind)
    return life, audit_queries.entries(session, statement.order_by(AuditEntry.seq).limit(size))


def load(session: Session, referral_id: UUID) -> tuple[Life, UUID]:
    sender, recipient = aliased(Agency), aliased(Agency)
    referral, from_name, to_name = session.execute(
        select(Referral, sender.name, recipient.name)
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .where(Referral.id == referral_id)
    ).one()
    life = Life(
        id=referral.id,
        number=referral.number,
        kind=referral.kind,
        status=referral.status,
        basis=referral.basis,
        from_name=from_name,
        to_name=to_name,
        created_at=referral.created_at,
        sent_at=referral.sent_at,
        received_at=referral.received_at,
        acknowledge_by=referral.acknowledge_by,
        respond_by=referral.respond_by,
        answered_at=referral.answered_at,
        ended_at=referral.ended_at,
        refusal=referral.refusal,
        outcome=referral.outcome,
        part_of=referral.part_of_id,
        steps=tuple(steps(session, referral_id)),
        lines=tuple(ledger.read(session, lines_from(referral_id), clock.now())),
    )
    return life, referral.person_id


def steps(session: Session, referral_id: UUID) -> list[Step]:
    rows = session.execute(
        select(
            ReferralEvent.created_at,
            ReferralEvent.what,
            ReferralEvent.code,
            Agency.name.label("agency"),
            Staff.name.label("who"),
        )
        .join(Agency, Agency.id == ReferralEvent.agency_id)
        .join(Staff, Staff.id == ReferralEvent.staff_id)
        .where(ReferralEvent.referral_id == referral_id)
        .order_by(ReferralEvent.id)
    )
    words = {member.value: member.word for member in (*Refusal, *Outcome)}
    return [Step(r.created_at, r.agency, r.who, r.what, words.get(r.code, "")) for r in rows]


def related(session: Session, referral_id: UUID, line_ids: list[UUID]) -> list[UUID]:
    """The referral, and every record that belongs to its life."""
    consents: Select[UUID | None] = select(Disclosure.consent_id).where(Disclosure.id.in_(line_ids))
    own_consent = select(Referral.consent_id).where(Referral.id == referral_id)
    parts: list[Select[UUID]] = [
        select(StopConfirmation.id).where(StopConfirmation.disclosure_id.in_(line_ids)),
        select(Withdrawal.id).where(
            or_(Withdrawal.consent_id.in_(consents), Withdrawal.consent_id.in_(own_consent))
        ),
        select(ReferralGoal.id).where(ReferralGoal.referral_id == referral_id),
        select(FollowUp.id).where(FollowUp.referral_id == referral_id),
        select(Case.id).where(Case.source_id == referral_id),
    ]
    found = [referral_id, *line_ids]
    for part in parts:
        found += session.scalars(part)
    found += [one for one in session.scalars(consents.union(own_consent)) if one]
    return found
