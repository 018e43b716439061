"""The history behind `as_of`: every consent, telling and shutting out of one person, and who kept the record when."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient, Withdrawal
from portal.disclosures.as_of import ConsentPast, Past, Shutting, Telling
from portal.disclosures.models import Disclosure, DisclosureCategory
from portal.exclusions.models import Exclusion
from portal.people.models import Person

Value = TypeVar("Value")


def grouped(session: Session, statement: Select[UUID, Value]) -> dict[UUID, list[Value]]:
    found: dict[UUID, list[Value]] = {}
    for key, value in session.execute(statement):
        found.setdefault(key, []).append(value)
    return found


def consents(session: Session, person_id: UUID) -> dict[UUID, ConsentPast]:
    """All consents of one person, by id."""
    mine = Consent.person_id == person_id
    recipients = grouped(
        session,
        select(ConsentRecipient.consent_id, ConsentRecipient.agency_id)
        .join(Consent, Consent.id == ConsentRecipient.consent_id)
        .where(mine),
    )
    categories = grouped(
        session,
        select(ConsentCategory.consent_id, ConsentCategory.category)
        .join(Consent, Consent.id == ConsentCategory.consent_id)
        .where(mine),
    )
    withdrawn: dict[UUID, list[tuple[UUID | None, datetime]]] = {}
    taken_back = (
        select(Withdrawal.consent_id, Withdrawal.recipient_id, Withdrawal.withdrawn_at)
        .join(Consent, Consent.id == Withdrawal.consent_id)
        .where(mine)
    )
    for row in session.execute(taken_back):
        withdrawn.setdefault(row.consent_id, []).append((row.recipient_id, row.withdrawn_at))
    rows = session.execute(
        select(
            Consent.id, Consent.created_at, Consent.valid_from, Consent.valid_until, Consent.replaces_id
        ).where(mine)
    ).all()
    newer = {row.replaces_id: row for row in rows if row.replaces_id}
    return {
        row.id: ConsentPast(
            id=row.id,
            created_at=row.created_at,
            recipients=frozenset(recipients.get(row.id, ())),
            categories=frozenset(categories.get(row.id, ())),
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            withdrawals=tuple(withdrawn.get(row.id, ())),
            replaced_at=newer[row.id].created_at if row.id in newer else None,
            replaced_by=newer[row.id].id if row.id in newer else None,
        )
        for row in rows
    }


def homes(session: Session, person: Any) -> tuple[tuple[datetime, UUID], ...]:
    """Since when each agency has kept the record: the log says who registered the person and who took him over."""
    events = (AuditEvent.PERSON_REGISTERED.value, AuditEvent.PERSON_MOVED.value)
    logged = session.execute(
        select(AuditEntry.at, AuditEntry.event, AuditEntry.agency_id)
        .where(
            AuditEntry.person_id == person.id,
            AuditEntry.event.in_(events),
            AuditEntry.agency_id.is_not(None),
        )
        .order_by(AuditEntry.seq)
    ).all()
    moved = [(row.at, row.agency_id) for row in logged if row.event == AuditEvent.PERSON_MOVED.value]
    first = next((row for row in logged if row.event == AuditEvent.PERSON_REGISTERED.value), None)
    if first is None:
        return tuple(moved) or ((person.created_at, person.home_agency_id),)
    return ((min(person.created_at, first.at), first.agency_id), *moved)


def load(
    session: Session, person_id: UUID, known: dict[UUID, ConsentPast] | None = None
) -> tuple[Past, dict[UUID, ConsentPast]]:
    """Everything about one person, in a constant number of statements; and the consents for themselves.

    Raises:
        NoResultFound: nobody has this id.
    """
    person = session.execute(
        select(Person.id, Person.created_at, Person.home_agency_id).where(Person.id == person_id)
    ).one()
    given = consents(session, person_id) if known is None else known
    told = grouped(
        session,
        select(DisclosureCategory.disclosure_id, DisclosureCategory.category)
        .join(Disclosure, Disclosure.id == DisclosureCategory.disclosure_id)
        .where(Disclosure.person_id == person_id),
    )
    lines = session.execute(
        select(
            *(Disclosure.id, Disclosure.from_agency_id, Disclosure.to_agency_id, Disclosure.to_staff_id),
            *(Disclosure.basis, Disclosure.channel, Disclosure.source_id, Disclosure.consent_id),
            *(Disclosure.starts_at, Disclosure.ends_at, Disclosure.ended_at),
        ).where(Disclosure.person_id == person_id)
    )
    tellings = tuple(
        Telling(
            id=row.id,
            from_agency_id=row.from_agency_id,
            to_agency_id=row.to_agency_id,
            to_staff_id=row.to_staff_id,
            basis=row.basis,
            channel=row.channel,
            source_id=row.source_id,
            categories=frozenset(told.get(row.id, ())),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            ended_at=row.ended_at,
            consent=given.get(row.consent_id) if row.consent_id else None,
        )
        for row in lines
    )
    shut = session.execute(
        select(Exclusion.staff_id, Exclusion.agency_id, Exclusion.created_at, Exclusion.lifted_at).where(
            Exclusion.person_id == person_id
        )
    )
    shuttings = tuple(Shutting(row.staff_id, row.agency_id, row.created_at, row.lifted_at) for row in shut)
    return Past(person_id, homes(session, person), tellings, shuttings), given
