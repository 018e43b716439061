"""How the ledger, and the consents behind it, are read."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, exists, false, or_, select
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from portal.consents.models import Consent, Withdrawal
from portal.disclosures import wall
from portal.disclosures.models import Basis, Disclosure, DisclosureCategory, StopConfirmation
from portal.exclusions import queries as exclusions
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, can

Column = InstrumentedAttribute[UUID]


def lines_from(source_id: UUID) -> Select[Disclosure]:
    """What this record (a referral) told, the renewals of it included, oldest first."""
    statement = select(Disclosure).where(Disclosure.source_id == source_id)
    return statement.order_by(Disclosure.starts_at, Disclosure.id)


def categories_told(disclosure_id: UUID) -> Select[Category]:
    return select(DisclosureCategory.category).where(DisclosureCategory.disclosure_id == disclosure_id)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Lines of the ledger: all of a person whose record is kept here, else those from one's own agency or to it.

    What was asked without a name shows to the agency that asked alone: the line says whom it was about.
    """
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    kept_here = exists().where(Person.id == Disclosure.person_id, Person.home_agency_id == actor.agency_id)
    return and_(
        ~exclusions.is_excluded(actor, Disclosure.person_id),
        or_(
            kept_here,
            Disclosure.from_agency_id == actor.agency_id,
            wall.is_for(Disclosure, actor),
        ),
        or_(Disclosure.basis != Basis.ANONYMOUS, Disclosure.from_agency_id == actor.agency_id),
    )


def ledger(actor: Actor, person_id: UUID) -> Select[Disclosure]:
    """The lines about one person, the newest first (開示先一覧)."""
    statement = select(Disclosure).where(Disclosure.person_id == person_id, visible_to(actor))
    return statement.order_by(Disclosure.starts_at.desc(), Disclosure.id.desc())


def consents_visible_to(actor: Actor) -> Select[Consent]:
    """Consents of people whose record is kept here, and those this agency recorded itself.

    A recipient does not see the consent, which names the other recipients too; it sees what it was told.
    """
    statement = select(Consent).order_by(Consent.valid_until.desc(), Consent.id.desc())
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return statement.where(false())
    kept_here = (
        exists()
        .where(Person.id == Consent.person_id, Person.home_agency_id == actor.agency_id)
        .correlate_except(Person)
    )
    return statement.where(
        ~exclusions.is_excluded(actor, Consent.person_id),
        or_(kept_here, Consent.agency_id == actor.agency_id),
    )


def lives_for(source: Column, agency: Column, now: datetime) -> ColumnElement[bool]:
    """A live line from this source to this agency: what the source told may still be read there."""
    return exists().where(
        Disclosure.source_id == source,
        Disclosure.to_agency_id == agency,
        wall.disclosure_lives(Disclosure, now),
    )


def to_confirm(actor: Actor, now: datetime) -> Select[Disclosure]:
    """What this agency was told on a consent that has died, and has not confirmed to have stopped using.

    A line that was renewed lives on in its successor and is not asked about; nor is what became this agency's
    own record by a transfer.
    """
    successor = Disclosure.__table__.alias("successor")
    # Cancelling or refusing after a withdrawal ends the line, and not the duty to say that its use has stopped.
    taken_back = exists().where(
        Withdrawal.consent_id == Disclosure.consent_id,
        or_(Withdrawal.recipient_id.is_(None), Withdrawal.recipient_id == Disclosure.to_agency_id),
        Withdrawal.withdrawn_at <= Disclosure.ended_at,
    )
    return (
        select(Disclosure)
        .where(
            Disclosure.to_agency_id == actor.agency_id,
            Disclosure.basis == Basis.CONSENT,
            ~exclusions.is_excluded(actor, Disclosure.person_id),
            or_(and_(Disclosure.ended_at.is_(None), ~wall.disclosure_lives(Disclosure, now)), taken_back),
            ~exists().where(StopConfirmation.disclosure_id == Disclosure.id),
            ~exists().where(Person.id == Disclosure.person_id, Person.home_agency_id == actor.agency_id),
            ~exists().where(
                successor.c.source_id == Disclosure.source_id,
                successor.c.to_agency_id == Disclosure.to_agency_id,
                successor.c.starts_at > Disclosure.starts_at,
            ),
        )
        .order_by(Disclosure.starts_at, Disclosure.id)
    )
