"""Making, ending, renewing and confirming disclosures: everything written to the ledger; logged readings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents import services as consents
from portal.consents.models import Consent
from portal.consents.queries import categories_of, recipients_of
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Lack
from portal.core.idempotency import made_by
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures import consents as disclosure_consents
from portal.disclosures import people, person_header, queries
from portal.disclosures.consents import ConsentRow, ConsentView, Show
from portal.disclosures.models import Basis, Channel, Disclosure, DisclosureCategory, StopConfirmation
from portal.disclosures.people import PersonView
from portal.disclosures.person_header import PersonHeader
from portal.disclosures.queries import LedgerLine
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates


def show(actor: Actor, person_id: UUID, *, channel: str = "portal") -> PersonView:
    """The person as this reader may see them now; the reading is logged before it is returned.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    view = people.load(db.read(), actor, person_id, clock.now())
    audit.record_reading(
        AuditEvent.PERSON_READ,
        ("person", person_id),
        actor=actor,
        person_id=person_id,
        categories=view.visible_categories,
        ground=view.ground,
        channel=channel,
    )
    return view


@cache
def present_for_update() -> Select[Person]:
    present = predicates.present(predicates.READER, predicates.NOW, Person)
    return select(Person).where(Person.id == bindparam("person_id"), present).with_for_update(of=Person)


@cache
def knowing(of: Callable[..., ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    flags = [
        of(predicates.READER, category, predicates.NOW, Person).label(category.value) for category in Category
    ]
    return select(*flags).select_from(Person).where(Person.id == bindparam("person_id"))


def present_person(session: Session, actor: Actor, person_id: UUID) -> Person:
    """The row itself, for services that act on it, inside their transaction and behind the wall.

    Raises:
        NoResultFound: none that this actor may know of.
        ErasedPerson: the person's record was erased.
    """
    require(actor, Permission.CASEWORK)
    options = {"populate_existing": True}  # what was read before the lock may have been erased meanwhile
    values = predicates.bound(actor, clock.now(), person_id=person_id)
    person = session.scalars(present_for_update(), values, execution_options=options).one()
    if person.erased_at is not None:
        raise audit.ErasedPerson(
            N_("この人の記録は消去されています。新しく登録してください。"), person_id=person_id
        )
    return person


def known_categories(session: Session, actor: Actor, person_id: UUID) -> set[Category]:
    """The categories of this person that this actor may see now, and so may disclose further."""
    return categories_by(predicates.sees, session, actor, person_id)


def categories_of_agency(session: Session, actor: Actor, person_id: UUID) -> set[Category]:
    """The categories that the actor's agency may disclose further, even if the actor is excluded since."""
    return categories_by(predicates.agency_sees, session, actor, person_id)


def categories_by(
    rule: Callable[..., ColumnElement[bool]], session: Session, actor: Actor, person_id: UUID
) -> set[Category]:
    row = session.execute(knowing(rule), predicates.bound(actor, clock.now(), person_id=person_id)).one()
    return {category for category in Category if getattr(row, category.value)}


def disclose(
    actor: Actor,
    *,
    person_id: UUID,
    to_agency_id: UUID,
    basis: Basis,
    categories: Collection[Category],
    channel: Channel,
    consent: Consent | None = None,
    source_id: UUID | None = None,
    teller: tuple[UUID, UUID] | None = None,
    to_staff_id: UUID | None = None,
    until: datetime | None = None,
) -> UUID:
    """Write the disclosure, which is also the recipient's permission to read; returns its id.

    `teller` is the disclosing agency and member of staff, unless it is the actor; `until` ends a disclosure
    without consent. The caller holds the person's lock and has checked that the basis covers this.
    """
    from_agency_id, made_by_id = teller or (actor.agency_id, actor.staff_id)
    with db.transaction() as session:
        disclosure = Disclosure(
            id=new_id(),
            person_id=person_id,
            from_agency_id=from_agency_id,
            to_agency_id=to_agency_id,
            to_staff_id=to_staff_id,
            made_by_id=made_by_id,
            basis=basis,
            consent_id=consent.id if consent else None,
            channel=channel,
            source_id=source_id,
            starts_at=clock.now(),
            ends_at=clock.end_of_day(consent.valid_until) if consent else until,
        )
        session.add(disclosure)
        session.flush()
        session.add_all(DisclosureCategory(disclosure_id=disclosure.id, category=c) for c in categories)
        audit.record(
            AuditEvent.DISCLOSURE_MADE,
            disclosure,
            actor=actor,
            person_id=person_id,
            categories=categories,
            ground=basis,
            channel=channel,
            # Ids alone, in the entry itself: nobody can change the disclosure's recipient unnoticed.
            fact={
                "from": from_agency_id,
                "to": to_agency_id,
                "member": to_staff_id,
                "consent": disclosure.consent_id,
                "source": source_id,
            },
        )
        return disclosure.id


def end(actor: Actor, source_id: UUID) -> None:
    """End the disclosures of this source, because it was refused, taken back or entered in error."""
    with db.transaction() as session:
        for disclosure in session.scalars(queries.lines_from(source_id).where(Disclosure.ended_at.is_(None))):
            disclosure.ended_at = clock.now()
            audit.record(
                AuditEvent.DISCLOSURE_ENDED,
                disclosure,
                actor=actor,
                person_id=disclosure.person_id,
                ground=disclosure.basis,
            )


def record_consent(
    actor: Actor,
    person_id: UUID,
    terms: ConsentTerms,
    *,
    replaces: UUID | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Record a consent of a person this actor may see; a renewal carries on the disclosures of the old one.

    Raises:
        NoResultFound: no such person, or no such consent, that this actor may know of.
    """
    with db.transaction() as session:
        person = present_person(session, actor, person_id)
        if earlier := made_by(session, actor, idempotency_key):
            return earlier
        if Category.BASIC not in known_categories(session, actor, person_id):
            raise Conflict(
                N_("本人の基本情報を見られない機関では、同意を記録できません。"),
                lack=Lack.UNTOLD,
                person_id=person_id,
                categories=[Category.BASIC],
            )
        live: list[Disclosure] = []
        if replaces:
            old = session.scalars(queries.consents_visible_to(actor).where(Consent.id == replaces)).one()
            if old.person_id != person_id:
                raise Conflict(
                    N_("別の人の同意は更新できません。"), lack=Lack.NOT_OFFERED, about=("consent", replaces)
                )
            if session.scalar(select(Consent.id).where(Consent.replaces_id == replaces)):
                raise Conflict(N_("この同意はすでに更新されています。"))
            live = list(session.scalars(live_lines_on(replaces, clock.now())))
        consent_id = consents.record(actor, person, terms, replaces=replaces, idempotency_key=idempotency_key)
        if live:
            carry_on(session, actor, live, consent_id)
        return consent_id


def live_lines_on(consent_id: UUID, now: datetime):  # type: ignore[no-untyped-def]
    return select(Disclosure).where(
        Disclosure.consent_id == consent_id, predicates.disclosure_lives(Disclosure, now)
    )


def carry_on(session: Session, actor: Actor, disclosures: list[Disclosure], consent_id: UUID) -> None:
    """Renew the disclosures that the new consent covers, without a break; the others ended with the old."""
    consent = session.scalars(select(Consent).where(Consent.id == consent_id)).one()
    recipients = set(session.scalars(recipients_of(consent_id)))
    covered = set(session.scalars(categories_of(consent_id)))
    for disclosure in disclosures:
        told = set(session.scalars(queries.categories_told(disclosure.id))) & covered
        if disclosure.to_agency_id in recipients and told:
            disclose(
                actor,
                person_id=disclosure.person_id,
                to_agency_id=disclosure.to_agency_id,
                basis=Basis.CONSENT,
                categories=told,
                channel=disclosure.channel if disclosure.channel is Channel.PACKET else Channel.RENEWAL,
                consent=consent,
                source_id=disclosure.source_id,
            )


def withdraw_consent(
    actor: Actor,
    consent_id: UUID,
    *,
    recipients: Collection[UUID] = (),
    reason: str = "",
    idempotency_key: str | None = None,
) -> None:
    """Take back a consent of a person whose record this agency keeps, or that this agency recorded.

    Raises:
        NoResultFound: no such consent that this actor may know of.
    """
    with db.transaction() as session:
        session.scalars(queries.consents_visible_to(actor).where(Consent.id == consent_id)).one()
        consents.withdraw(
            actor, consent_id, recipients=recipients, reason=reason, idempotency_key=idempotency_key
        )


def confirm_stop(actor: Actor, disclosure: Disclosure, *, note: str = "") -> None:
    """Confirm, as the recipient, that the use of this disclosure has stopped.

    Raises:
        Conflict: it was confirmed already, or the basis is still alive.
    """
    require(actor, Permission.CASEWORK)
    with db.transaction() as session:
        same = select(StopConfirmation.id).where(StopConfirmation.disclosure_id == disclosure.id)
        if session.scalar(same):
            raise Conflict(N_("利用停止はすでに報告済みです。"))
        alive = select(Disclosure.id).where(
            Disclosure.id == disclosure.id, predicates.disclosure_lives(Disclosure, clock.now())
        )
        if session.scalar(alive):
            raise Conflict(N_("同意は有効です。利用停止の報告は要りません。"))
        row = StopConfirmation(
            disclosure_id=disclosure.id, agency_id=actor.agency_id, confirmed_by_id=actor.staff_id, note=note
        )
        session.add(row)
        audit.record(
            AuditEvent.STOP_CONFIRMED,
            row,
            actor=actor,
            person_id=disclosure.person_id,
            ground=disclosure.basis,
            line=disclosure.id,
            note=note,
        )


# Readings of consents and of the ledger: found through the wall, and logged before the page is answered.


def open_heading(actor: Actor, person_id: UUID, *, channel: str = "portal") -> PersonHeader:
    """The heading of a person's pages, whom the page is about; the reading is logged.

    Raises:
        NoResultFound: nobody that this reader may know of.
    """
    shown = person_header.load(db.read(), actor, person_id, clock.now())
    audit.record_reading(
        AuditEvent.PERSON_READ,
        ("person", person_id),
        actor=actor,
        person_id=person_id,
        categories=[Category.BASIC] if shown.is_named else [],
        ground=shown.ground,
        channel=channel,
    )
    return shown


def open_ledger(
    actor: Actor, person_id: UUID, *, channel: str = "portal"
) -> tuple[PersonHeader, list[LedgerLine]]:
    """The ledger of one person, as far as this reader may see it (開示先一覧).

    Raises:
        NoResultFound: nobody that this reader may know of.
        NotAllowed: only the agency that keeps the record hands it over on paper.
    """
    now = clock.now()
    shown = person_header.load(db.read(), actor, person_id, now)
    if channel == "print":
        require(actor, Permission.LEDGER_HAND_OVER, shown)
    lines = queries.lines(db.read(), actor, person_id, now)
    audit.record_reading(
        AuditEvent.DISCLOSURES_READ,
        ("person", person_id),
        actor=actor,
        person_id=person_id,
        categories=[Category.BASIC] if shown.is_named else [],
        ground=shown.ground,
        channel=channel,
    )
    return shown, lines


def open_consent(actor: Actor, consent_id: UUID) -> tuple[ConsentView, list[LedgerLine]]:
    """A consent and the disclosures on it; the reading is logged.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    now = clock.now()
    view = disclosure_consents.load(db.read(), actor, consent_id, now)
    lines = queries.told_on(db.read(), actor, consent_id, now)
    audit.record_reading(
        AuditEvent.CONSENT_READ,
        ("consent", consent_id),
        actor=actor,
        person_id=view.person_id,
        categories=[Category.BASIC] if view.label else [],
        ground="home" if view.is_home else "own_work",
    )
    return view, lines


def open_consents(
    actor: Actor, show: Show, *, after: tuple[date, UUID] | None, size: int
) -> list[ConsentRow]:
    """One page of the list of consents; the reading is logged."""
    require(actor, Permission.CASEWORK)
    rows = disclosure_consents.page(db.read(), actor, show, clock.now(), after=after, size=size)
    audit.record_reading(
        AuditEvent.CONSENT_READ,
        ("consent", None),
        actor=actor,
        categories=[Category.BASIC] if any(row.label for row in rows) else [],
        ground="own_work",
        count=len({row.person_id for row in rows if row.label}),
    )
    return rows
