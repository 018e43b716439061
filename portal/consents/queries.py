"""Queries of consents."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.consents.models import Consent, ConsentCategory, ConsentRecipient, Withdrawal
from portal.core import clock
from portal.core.errors import Lack
from portal.people.categories import Category
from portal.wall import predicates


def categories_of(consent_id: UUID) -> Select[Category]:
    return select(ConsentCategory.category).where(ConsentCategory.consent_id == consent_id)


def recipients_of(consent_id: UUID) -> Select[UUID]:
    return select(ConsentRecipient.agency_id).where(ConsentRecipient.consent_id == consent_id)


def withdrawals_of(consent_id: UUID) -> Select[Withdrawal]:
    statement = select(Withdrawal).where(Withdrawal.consent_id == consent_id)
    return statement.order_by(Withdrawal.withdrawn_at, Withdrawal.id)


def stands(today: date) -> ColumnElement[bool]:
    """The consent is within its days, neither withdrawn as a whole nor renewed; one recipient may be out."""
    return predicates.stands(Consent, today)


def covering(person_id: UUID, recipient_id: UUID, today: date) -> Select[Consent]:
    """Consents of this person that stand and name this recipient, the longest first."""
    return (
        select(Consent)
        .where(Consent.person_id == person_id, predicates.covers(Consent, recipient_id, today))
        .order_by(Consent.valid_until.desc(), Consent.id)
    )


def what_lacks(session: Session, person_id: UUID, recipient_id: UUID) -> Lack:
    """Why no consent of this person covers this recipient: what became of the newest that named it.

    For the audit log alone: it looks at consents that the reader may not know of.
    """
    newer = aliased(Consent)
    given = (
        select(Consent)
        .where(Consent.person_id == person_id, ~exists().where(newer.replaces_id == Consent.id))
        .order_by(Consent.created_at.desc(), Consent.id.desc())
    )
    named = exists().where(
        ConsentRecipient.consent_id == Consent.id, ConsentRecipient.agency_id == recipient_id
    )
    last = session.scalars(given.where(named).limit(1)).first()
    if last is None:
        alive = session.scalars(given.where(stands(clock.today())).limit(1)).first()
        return Lack.RECIPIENT if alive else Lack.CONSENT
    for withdrawal in session.scalars(withdrawals_of(last.id)):
        if withdrawal.recipient_id in {None, recipient_id}:
            return Lack.WITHDRAWN
    return Lack.EXPIRED if last.valid_until < clock.today() else Lack.CONSENT
