"""Readings of consents and of the ledger: found through the wall, and logged before the page is answered."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.disclosures import consent_list, consent_view, heading, ledger
from portal.disclosures.consent_list import ConsentRow, Show
from portal.disclosures.consent_view import ConsentView
from portal.disclosures.heading import PersonHeading
from portal.disclosures.ledger import LedgerLine
from portal.people.categories import Category
from portal.policy import Actor, Permission, require


def open_heading(actor: Actor, person_id: UUID, *, channel: str = "portal") -> PersonHeading:
    """Whom a page is about.

    Raises:
        NoResultFound: nobody that this reader may know of.
    """
    shown = heading.load(db.read(), actor, person_id, clock.now())
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
) -> tuple[PersonHeading, list[LedgerLine]]:
    """The ledger of one person, as far as this reader may see it (開示先一覧).

    Raises:
        NoResultFound: nobody that this reader may know of.
        NotAllowed: only the agency that keeps the record hands it over on paper.
    """
    now = clock.now()
    shown = heading.load(db.read(), actor, person_id, now)
    if channel == "print":
        require(actor, Permission.LEDGER_HAND_OVER, shown)
    lines = ledger.lines(db.read(), actor, person_id, now)
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
    """A consent, and what was told on it.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    now = clock.now()
    view = consent_view.load(db.read(), actor, consent_id, now)
    lines = ledger.told_on(db.read(), actor, consent_id, now)
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
    """One page of the list of consents."""
    require(actor, Permission.CASEWORK)
    rows = consent_list.page(db.read(), actor, show, clock.now(), after=after, size=size)
    audit.record_reading(
        AuditEvent.CONSENT_READ,
        ("consent", None),
        actor=actor,
        categories=[Category.BASIC] if any(row.label for row in rows) else [],
        ground="own_work",
        count=len({row.person_id for row in rows if row.label}),
    )
    return rows
