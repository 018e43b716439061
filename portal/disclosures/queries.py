"""The ledger (開示先一覧) and its consents: what was disclosed to whom, on which basis, and what still stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.consents.models import Consent, Withdrawal
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.core.policy import Actor, Permission, can
from portal.disclosures.models import Basis, Channel, Disclosure, DisclosureCategory, StopConfirmation
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

Column = InstrumentedAttribute[UUID]


def lines_from(source_id: UUID) -> Select[Disclosure]:
    """The disclosures of this record (a referral), their renewals included, oldest first."""
    statement = select(Disclosure).where(Disclosure.source_id == source_id)
    return statement.order_by(Disclosure.starts_at, Disclosure.id)


def categories_told(disclosure_id: UUID) -> Select[Category]:
    return select(DisclosureCategory.category).where(DisclosureCategory.disclosure_id == disclosure_id)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Disclosures: all of a person whose record is kept here, else those from one's own agency or to it.

    An anonymous request shows to the agency that asked alone: the disclosure says whom it was about.
    """
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    kept_here = exists().where(Person.id == Disclosure.person_id, Person.home_agency_id == actor.agency_id)
    return and_(
        ~predicates.is_excluded(actor, Disclosure.person_id),
        or_(
            kept_here,
            Disclosure.from_agency_id == actor.agency_id,
            predicates.is_for(Disclosure, actor),
        ),
        or_(Disclosure.basis != Basis.ANONYMOUS, Disclosure.from_agency_id == actor.agency_id),
    )


def ledger(actor: Actor, person_id: UUID) -> Select[Disclosure]:
    """The disclosures about one person, the newest first (開示先一覧)."""
    statement = select(Disclosure).where(Disclosure.person_id == person_id, visible_to(actor))
    return statement.order_by(Disclosure.starts_at.desc(), Disclosure.id.desc())


def consents_visible_to(actor: Actor) -> Select[Consent]:
    """Consents of people whose record is kept here, and those this agency recorded itself.

    A recipient does not see the consent, which names the other recipients too; it sees its own disclosures.
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
        ~predicates.is_excluded(actor, Consent.person_id),
        or_(kept_here, Consent.agency_id == actor.agency_id),
    )


def lives_for(source: Column, agency: Column, now: datetime) -> ColumnElement[bool]:
    """A live disclosure from this source to this agency: what it disclosed may still be read there."""
    return exists().where(
        Disclosure.source_id == source,
        Disclosure.to_agency_id == agency,
        predicates.disclosure_lives(Disclosure, now),
    )


def to_confirm(actor: Actor, now: datetime) -> Select[Disclosure]:
    """Disclosures to this agency on a consent that has died, whose end of use it has not confirmed.

    A renewed disclosure lives on in its successor and is not asked about; nor is one whose person's record
    this agency took over by a transfer, or what came with a referral that nobody here opened.
    """
    successor = Disclosure.__table__.alias("successor")
    # Cancelling or refusing after a withdrawal ends the disclosure, but not the duty to confirm the stop.
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
            ~predicates.is_excluded(actor, Disclosure.person_id),
            or_(
                and_(Disclosure.ended_at.is_(None), ~predicates.disclosure_lives(Disclosure, now)), taken_back
            ),
            ~exists().where(StopConfirmation.disclosure_id == Disclosure.id),
            ~exists().where(Person.id == Disclosure.person_id, Person.home_agency_id == actor.agency_id),
            ~predicates.is_unopened(Disclosure),
            ~exists().where(
                successor.c.source_id == Disclosure.source_id,
                successor.c.to_agency_id == Disclosure.to_agency_id,
                successor.c.starts_at > Disclosure.starts_at,
            ),
        )
        .order_by(Disclosure.starts_at, Disclosure.id)
    )


def legal_basis(actor: Actor, now: datetime) -> ScalarSelect[Basis | None]:
    """The basis on which the statement's `Person` is open to this reader, a consent before a council; none at home."""
    told = aliased(Disclosure)
    lines = select(func.min(told.basis)).where(
        told.person_id == Person.id,
        predicates.is_for(told, actor),
        told.basis != Basis.ANONYMOUS,
        predicates.disclosure_lives(told, now),
    )
    return lines.correlate_except(told).scalar_subquery()


# The ledger as it is read (開示先一覧): what was disclosed to whom, on which basis, and whether it still stands.


class Ending(Labelled):
    """Why a disclosure is no longer alive."""

    WITHDRAWN = "withdrawn", N_("同意の撤回")
    RENEWED = "renewed", N_("同意の更新")
    EXPIRED = "expired", N_("期限の終了")
    TAKEN_BACK = "taken_back", N_("つなぎの不成立・取下げ")
    CLOSED = "closed", N_("会議の議題の終了・取下げ")
    EMERGENCY_OVER = "emergency_over", N_("緊急閲覧の終了")


# Disclosures of agenda items and emergencies: `source_id` is then no referral.
OF_MEETINGS = frozenset({Channel.PACKET, Channel.PRINT})
OF_NO_REFERRAL = OF_MEETINGS | {Channel.EMERGENCY}


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One disclosure. `until` is the last day of its basis; `ended_at` is the instant it really ended."""

    id: UUID
    at: datetime
    from_agency_id: UUID
    from_name: str
    to_agency_id: UUID
    to_name: str
    to_member: str  # of a 支援会議: the member it was disclosed to, as the agency was not
    basis: Basis
    categories: tuple[Category, ...]
    channel: Channel
    source_id: UUID | None
    until: date | None
    is_alive: bool
    ending: Ending | None
    ended_at: datetime | None
    confirmed_at: datetime | None
    is_unopened: bool

    @property
    def referral_id(self) -> UUID | None:
        """The referral behind the disclosure; None for a meeting or an emergency."""
        return None if self.channel in OF_NO_REFERRAL else self.source_id

    def is_between(self, agency_id: UUID | None) -> bool:
        """Whether this agency is sender or recipient: then the referral behind it is its own, too."""
        return agency_id in {self.from_agency_id, self.to_agency_id}


def lines(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[LedgerLine]:
    """Every disclosure about one person that this reader may see, the newest first, in two statements."""
    return read(session, ledger(actor, person_id), now)


def told_on(session: Session, actor: Actor, consent_id: UUID, now: datetime) -> list[LedgerLine]:
    """The disclosures on one consent that this reader may see, the newest first."""
    statement = (
        select(Disclosure)
        .where(Disclosure.consent_id == consent_id, visible_to(actor))
        .order_by(Disclosure.starts_at.desc(), Disclosure.id.desc())
    )
    return read(session, statement, now)


def read(session: Session, wanted: Select[Disclosure], now: datetime) -> list[LedgerLine]:
    """The disclosures of a statement, with names, categories and what became of each."""
    sender, recipient, newer = aliased(Agency), aliased(Agency), aliased(Consent)
    withdrawn_at = (
        select(func.min(Withdrawal.withdrawn_at))
        .where(
            Withdrawal.consent_id == Disclosure.consent_id,
            or_(Withdrawal.recipient_id.is_(None), Withdrawal.recipient_id == Disclosure.to_agency_id),
        )
        .correlate(Disclosure)
        .scalar_subquery()
    )
    rows = session.execute(
        wanted.with_only_columns(
            Disclosure.id,
            Disclosure.starts_at,
            Disclosure.from_agency_id,
            sender.name.label("from_name"),
            Disclosure.to_agency_id,
            recipient.name.label("to_name"),
            Staff.name.label("to_member"),
            Disclosure.basis,
            Disclosure.channel,
            Disclosure.source_id,
            Disclosure.ends_at,
            Disclosure.ended_at,
            withdrawn_at.label("withdrawn_at"),
            newer.created_at.label("renewed_at"),
            predicates.disclosure_lives(Disclosure, now).label("is_alive"),
            predicates.is_unopened(Disclosure).label("is_unopened"),
            StopConfirmation.created_at.label("confirmed_at"),
        )
        .join(sender, sender.id == Disclosure.from_agency_id)
        .join(recipient, recipient.id == Disclosure.to_agency_id)
        .outerjoin(Staff, Staff.id == Disclosure.to_staff_id)
        .outerjoin(newer, newer.replaces_id == Disclosure.consent_id)
        .outerjoin(StopConfirmation, StopConfirmation.disclosure_id == Disclosure.id)
    ).all()
    told = categories_of(session, Disclosure.id.in_([row.id for row in rows]))
    return [line_of(row, told.get(row.id, ())) for row in rows]


def line_of(row: Any, categories: tuple[Category, ...]) -> LedgerLine:
    ending, ended_at = (None, None) if row.is_alive else ending_of(row)
    return LedgerLine(
        id=row.id,
        at=row.starts_at,
        from_agency_id=row.from_agency_id,
        from_name=row.from_name,
        to_agency_id=row.to_agency_id,
        to_name=row.to_name,
        to_member=row.to_member or "",
        basis=row.basis,
        categories=categories,
        channel=row.channel,
        source_id=row.source_id,
        until=clock.japan_date(row.ends_at - timedelta(microseconds=1)) if row.ends_at else None,
        is_alive=row.is_alive,
        ending=ending,
        ended_at=ended_at,
        confirmed_at=row.confirmed_at,
        is_unopened=row.is_unopened,
    )


def ending_of(row: Any) -> tuple[Ending | None, datetime | None]:
    """The first event that ended a disclosure, and when."""
    taken_back = Ending.CLOSED if row.channel in OF_MEETINGS else Ending.TAKEN_BACK
    is_emergency = row.channel is Channel.EMERGENCY
    ends = [
        (row.ended_at, Ending.EMERGENCY_OVER if is_emergency else taken_back),
        (row.withdrawn_at, Ending.WITHDRAWN),
        (row.renewed_at, Ending.RENEWED),
        (row.ends_at, Ending.EMERGENCY_OVER if is_emergency else Ending.EXPIRED),
    ]
    known = [(at, ending) for at, ending in ends if at is not None]
    at, ending = min(known, default=(None, None), key=lambda end: end[0])
    return ending, at


def categories_of(session: Session, which: ColumnElement[bool]) -> dict[UUID, tuple[Category, ...]]:
    """The disclosed categories, by disclosure, in the order of the rules."""
    found: dict[UUID, set[Category]] = {}
    rows = session.execute(
        select(DisclosureCategory.disclosure_id, DisclosureCategory.category)
        .join(Disclosure, Disclosure.id == DisclosureCategory.disclosure_id)
        .where(which)
    )
    for line_id, category in rows:
        found.setdefault(line_id, set()).add(category)
    return {line_id: tuple(c for c in Category if c in told) for line_id, told in found.items()}
