"""One consent as its page shows it: its terms, what became of it for each recipient, and its renewals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, or_, select, true
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.consents.models import Consent, ConsentMethod, ConsentRecipient, Withdrawal
from portal.consents.queries import categories_of
from portal.disclosures import consent_list, queries
from portal.disclosures.consent_list import ConsentRow, ConsentState
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class Recipient:
    """An agency that a consent names, and the withdrawal that took it out, if one did.

    `reason` is empty for a reader to whom the words of the agency that wrote it down do not belong.
    """

    agency_id: UUID
    name: str
    is_active: bool
    withdrawn_at: datetime | None
    withdrawn_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConsentView:
    """`label` is empty where the person's name may not be seen; `chain` is its renewals, the newest first."""

    id: UUID
    person_id: UUID
    is_home: bool
    label: str
    state: ConsentState
    days_left: int
    recipients: tuple[Recipient, ...]
    categories: tuple[Category, ...]
    purpose: str
    valid_from: date
    valid_until: date
    method: ConsentMethod
    given_by_name: str
    given_by_relation: str
    witness: str
    form_version: str
    kept_at: str
    recorded_at: datetime
    recorded_by: str
    recorded_at_agency: str
    chain: tuple[ConsentRow, ...]

    @property
    def stands(self) -> bool:
        return self.state in {ConsentState.LIVE, ConsentState.PARTLY}

    @property
    def live_recipients(self) -> tuple[Recipient, ...]:
        """Whom it still lets be told, if it stands at all."""
        return tuple(r for r in self.recipients if r.withdrawn_at is None)

    @property
    def successor(self) -> ConsentRow | None:
        return next((row for row in self.chain if row.replaces_id == self.id), None)


def load(session: Session, actor: Actor, consent_id: UUID, now: datetime) -> ConsentView:
    """The consent, for a reader who keeps the person's record or whose agency recorded it.

    Raises:
        NoResultFound: there is no such consent, or none that this reader may know of.
    """
    consent, recorded_by, agency_name, home_agency_id = session.execute(
        queries.consents_visible_to(actor)
        .where(Consent.id == consent_id)
        .join(Staff, Staff.id == Consent.recorded_by_id)
        .join(Agency, Agency.id == Consent.agency_id)
        .outerjoin(Person, Person.id == Consent.person_id)
        .add_columns(Staff.name, Agency.name, Person.home_agency_id)
    ).one()
    others = consent_list.of_person(session, actor, consent.person_id, now)
    row = next(row for row in others if row.id == consent_id)
    told = set(session.scalars(categories_of(consent_id)))
    return ConsentView(
        id=consent.id,
        person_id=consent.person_id,
        is_home=home_agency_id == actor.agency_id,
        label=row.label,
        state=row.state,
        days_left=row.days_left,
        recipients=recipients_of(session, actor, consent_id, is_home=home_agency_id == actor.agency_id),
        categories=tuple(c for c in Category if c in told),
        purpose=consent.purpose,
        valid_from=consent.valid_from,
        valid_until=consent.valid_until,
        method=consent.method,
        given_by_name=consent.given_by_name,
        given_by_relation=consent.given_by_relation,
        witness=consent.witness,
        form_version=consent.form_version,
        kept_at=consent.kept_at,
        recorded_at=consent.created_at,
        recorded_by=recorded_by,
        recorded_at_agency=agency_name,
        chain=chain_of(row, others),
    )


def recipients_of(
    session: Session, actor: Actor, consent_id: UUID, *, is_home: bool
) -> tuple[Recipient, ...]:
    """Those named, each with the earliest withdrawal that concerns it: its own, or that of the whole."""
    taken, by = aliased(Withdrawal), aliased(Staff)
    rows = session.execute(
        select(
            Agency.id,
            Agency.name,
            Agency.is_active,
            taken.withdrawn_at,
            case((true() if is_home else taken.agency_id == actor.agency_id, taken.reason)).label("reason"),
            by.name.label("withdrawn_by"),
        )
        .select_from(ConsentRecipient)
        .join(Agency, Agency.id == ConsentRecipient.agency_id)
        .outerjoin(
            taken,
            (taken.consent_id == ConsentRecipient.consent_id)
            & or_(taken.recipient_id.is_(None), taken.recipient_id == ConsentRecipient.agency_id),
        )
        .outerjoin(by, by.id == taken.recorded_by_id)
        .where(ConsentRecipient.consent_id == consent_id)
        .order_by(Agency.name, Agency.id, taken.withdrawn_at)
    ).all()
    first: dict[UUID, Any] = {}
    for row in rows:
        first.setdefault(row.id, row)
    return tuple(
        Recipient(r.id, r.name, r.is_active, r.withdrawn_at, r.withdrawn_by or "", r.reason or "")
        for r in first.values()
    )


def chain_of(row: ConsentRow, others: list[ConsentRow]) -> tuple[ConsentRow, ...]:
    """All consents that renew one another around this one, the newest first."""
    by_id = {other.id: other for other in others}
    by_former = {other.replaces_id: other for other in others if other.replaces_id}
    chain = [row]
    while (newer := by_former.get(chain[0].id)) is not None:
        chain.insert(0, newer)
    while chain[-1].replaces_id and (older := by_id.get(chain[-1].replaces_id)):
        chain.append(older)
    return tuple(chain)
