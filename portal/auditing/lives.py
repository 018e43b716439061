"""The whole life of a referral for the auditor: who sent what on which basis, who looked, who answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.auditing import entries as auditing_entries
from portal.auditing import story
from portal.auditing.entries import Entry
from portal.auditing.story import Happening, Stood
from portal.cases.codes import Outcome
from portal.cases.models import Case
from portal.consents.models import Withdrawal
from portal.core import clock
from portal.core.db import db
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures import as_of
from portal.disclosures import queries as disclosure_queries
from portal.disclosures.as_of import ConsentPast, Standing
from portal.disclosures.models import Basis, Disclosure, StopConfirmation
from portal.disclosures.queries import LedgerLine, lines_from
from portal.inspections import names
from portal.inspections.names import OpenName
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.outcomes.models import MeetingOutcome
from portal.people.categories import Category
from portal.referrals.models import FollowUp, Referral, ReferralGoal
from portal.referrals.states import ReferralKind, ReferralStatus, Refusal

# Of a meeting at which the referral was an item: who opened its papers.
OF_MEETING = (AuditEvent.PACKET_OPENED.value, AuditEvent.MINUTES_READ.value)


@dataclass(frozen=True, slots=True)
class Life:
    """A referral by its number. No need, no reason, no message; `name` only while this auditor has opened it."""

    id: UUID
    number: str
    person_id: UUID
    person_number: str
    name: OpenName | None
    kind: ReferralKind
    status: ReferralStatus
    basis: Basis
    from_name: str
    to_agency_id: UUID
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
    consent_id: UUID | None
    consents: Mapping[UUID, ConsentPast]
    story: tuple[Happening, ...]
    lines: tuple[LedgerLine, ...]

    def stood(self, moment: datetime) -> Stood:
        return stood(self.basis, self.consents, self.consent_id, self.to_agency_id, moment)

    def stood_at(self, entries: Iterable[Entry]) -> dict[int, Stood]:
        """The same for each entry, by its number."""
        return {entry.seq: self.stood(entry.at) for entry in entries}


def stood(
    basis: Basis,
    consents: Mapping[UUID, ConsentPast],
    consent_id: UUID | None,
    recipient: UUID,
    moment: datetime,
) -> Stood:
    """The consent for the recipient as it stood at that moment, or the other basis."""
    if basis is not Basis.CONSENT:
        return Stood(basis.word, "plain")
    consent = as_of.standing_of(dict(consents), consent_id, moment)
    if consent is None:
        return Stood(N_("同意の記録前"), "off")
    standing = consent.standing(recipient, moment)
    tone = "go" if standing is Standing.VALID else "off"
    return Stood(standing.word, tone, as_of.in_order(consent.categories), consent.valid_until)


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
    life = load(session, actor, referral_id)
    audit.record_reading(
        AuditEvent.AUDIT_READ,
        ("referral", referral_id),
        actor=actor,
        person_id=life.person_id,
        categories=[Category.BASIC] if life.name else [],
    )
    statement = about(session, life)
    if behind is not None:
        statement = statement.where(AuditEntry.seq > behind)
    return life, auditing_entries.entries(session, statement.order_by(AuditEntry.seq).limit(size))


def load(session: Session, actor: Actor, referral_id: UUID) -> Life:
    """Raises NoResultFound: there is no such referral."""
    sender, recipient = aliased(Agency), aliased(Agency)
    referral, from_name, to_name = session.execute(
        select(Referral, sender.name, recipient.name)
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .where(Referral.id == referral_id)
    ).one()
    number, name = names.heading(session, actor, referral.person_id, clock.now())
    consents = as_of.consents(session, referral.person_id)
    lines = tuple(disclosure_queries.read(session, lines_from(referral_id), clock.now()))
    on = (referral.basis, consents, referral.consent_id, referral.to_agency_id)
    chain = list(as_of.chain(consents, referral.consent_id))
    return Life(
        id=referral.id,
        number=referral.number,
        person_id=referral.person_id,
        person_number=number,
        name=name,
        kind=referral.kind,
        status=referral.status,
        basis=referral.basis,
        from_name=from_name,
        to_agency_id=referral.to_agency_id,
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
        consent_id=referral.consent_id,
        consents=consents,
        story=story.tell(session, referral, chain, lines, lambda moment: stood(*on, moment)),
        lines=lines,
    )


def about(session: Session, life: Life) -> Select[AuditEntry]:
    """Every entry of this life: acts, readings, refusals, disclosures, and meetings that discussed it."""
    items = session.execute(
        select(AgendaItem.id, AgendaItem.meeting_id).where(AgendaItem.referral_id == life.id)
    ).all()
    objects = related(session, life, [item.id for item in items])
    return select(AuditEntry).where(
        either(
            AuditEntry.object_id.in_(objects),
            [item.meeting_id for item in items],
        )
    )


def either(ours: ColumnElement[bool], meetings: list[Any]) -> ColumnElement[bool]:
    if not meetings:
        return ours
    return or_(ours, and_(AuditEntry.object_id.in_(meetings), AuditEntry.event.in_(OF_MEETING)))


def related(session: Session, life: Life, items: list[UUID]) -> list[UUID]:
    """The referral, and every record that belongs to its life."""
    told = select(Disclosure.id).where(or_(Disclosure.source_id == life.id, Disclosure.source_id.in_(items)))
    chain = [consent.id for consent in as_of.chain(dict(life.consents), life.consent_id)]
    consents = {*chain, *([life.consent_id] if life.consent_id else [])}
    parts: list[Select[UUID]] = [
        told,
        select(StopConfirmation.id).where(StopConfirmation.disclosure_id.in_(told)),
        select(Withdrawal.id).where(Withdrawal.consent_id.in_(consents)),
        select(ReferralGoal.id).where(ReferralGoal.referral_id == life.id),
        select(FollowUp.id).where(FollowUp.referral_id == life.id),
        select(Case.id).where(Case.source_id == life.id),
        select(MeetingOutcome.id).where(
            or_(MeetingOutcome.referral_id == life.id, MeetingOutcome.item_id.in_(items))
        ),
    ]
    found = [life.id, *items, *consents]
    for part in parts:
        found += session.scalars(part)
    return found
