"""The wall at any moment, reconstructed from one person's history: who could see what, on which basis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient, Withdrawal
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.disclosures import rule
from portal.disclosures.models import Basis, Channel, Disclosure, DisclosureCategory
from portal.disclosures.rule import ConsentFacts, DisclosureFacts
from portal.exclusions.models import Exclusion
from portal.people.categories import Category
from portal.people.models import Person


class Gone(Labelled):
    """What had ended a basis by then."""

    WITHDRAWN = "withdrawn", N_("同意の撤回")
    RENEWED = "renewed", N_("同意の更新")
    EXPIRED = "expired", N_("期限切れ")
    TAKEN_BACK = "taken_back", N_("つなぎの不成立・取下げ")
    CLOSED = "closed", N_("会議の議題の終了・取下げ")
    GIVEN_BACK = "given_back", N_("緊急閲覧の終了")


class Standing(Labelled):
    """How a consent stood at a moment."""

    NOT_YET = "not_yet", N_("開始前")
    VALID = "valid", N_("有効")
    WITHDRAWN = "withdrawn", N_("撤回")
    EXPIRED = "expired", N_("期限切れ")
    RENEWED = "renewed", N_("更新済み")


@dataclass(frozen=True, slots=True)
class ConsentPast:
    """A consent with everything that was ever done to it, and when."""

    id: UUID
    created_at: datetime
    recipients: frozenset[UUID]
    categories: frozenset[Category]
    valid_from: date
    valid_until: date
    withdrawals: tuple[tuple[UUID | None, datetime], ...] = ()
    replaced_at: datetime | None = None
    replaced_by: UUID | None = None

    def at(self, moment: datetime) -> ConsentFacts:
        return ConsentFacts(
            recipients=self.recipients,
            categories=self.categories,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            withdrawn_for=frozenset(who for who, at in self.withdrawals if at <= moment),
            is_replaced=self.replaced_at is not None and self.replaced_at <= moment,
        )

    def withdrawn_at(self, recipient: UUID) -> datetime | None:
        """When it was first withdrawn for this recipient."""
        return min((at for who, at in self.withdrawals if who in {None, recipient}), default=None)

    def standing(self, recipient: UUID, moment: datetime) -> Standing:
        """The standing for this recipient; a withdrawal takes precedence over a renewal or the last day."""
        facts, day = self.at(moment), clock.japan_date(moment)
        if {None, recipient} & facts.withdrawn_for:
            return Standing.WITHDRAWN
        if facts.is_replaced:
            return Standing.RENEWED
        if day > self.valid_until:
            return Standing.EXPIRED
        return Standing.NOT_YET if day < self.valid_from else Standing.VALID


@dataclass(frozen=True, slots=True)
class Telling:
    """A disclosure with everything that was ever done to it, and when."""

    id: UUID
    from_agency_id: UUID
    to_agency_id: UUID
    to_staff_id: UUID | None
    basis: Basis
    channel: Channel
    source_id: UUID | None
    categories: frozenset[Category]
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    consent: ConsentPast | None

    def at(self, moment: datetime) -> DisclosureFacts:
        return DisclosureFacts(
            to_agency_id=self.to_agency_id,
            basis=self.basis,
            categories=self.categories,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            ended_at=self.ended_at if self.ended_at and self.ended_at <= moment else None,
            to_staff_id=self.to_staff_id,
            consent=self.consent.at(moment) if self.consent else None,
        )

    def open_at(self, moment: datetime) -> frozenset[Category]:
        """The categories that this disclosure opened to its reader then."""
        facts = self.at(moment)
        return frozenset(category for category in self.categories if facts.tells(category, moment))

    def ending(self) -> tuple[Gone | None, datetime | None]:
        """The first event that ended it, and when."""
        last = self.ends_at
        ends: list[tuple[datetime | None, Gone]] = [(self.ended_at, self.by_act()), (last, Gone.EXPIRED)]
        if self.consent:
            ends += [
                (self.consent.withdrawn_at(self.to_agency_id), Gone.WITHDRAWN),
                (self.consent.replaced_at, Gone.RENEWED),
                (clock.end_of_day(self.consent.valid_until), Gone.EXPIRED),
            ]
        known = [(at, gone) for at, gone in ends if at is not None]
        at, gone = min(known, default=(None, None), key=lambda end: end[0])
        return gone, at

    def by_act(self) -> Gone:
        if self.basis is Basis.EMERGENCY:
            return Gone.GIVEN_BACK
        return Gone.CLOSED if self.channel in {Channel.PACKET, Channel.PRINT} else Gone.TAKEN_BACK


@dataclass(frozen=True, slots=True)
class Shutting:
    """A member of staff who was shut out of the person's affairs for a time (利益相反)."""

    staff_id: UUID
    agency_id: UUID
    since: datetime
    until: datetime | None

    def holds(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True)
class Ground:
    """Why a reader could see something then, or, with `gone`, why no longer. The home needs no disclosure."""

    basis: Basis | None
    categories: tuple[Category, ...]
    since: datetime
    until: date | None
    channel: Channel | None = None
    source_id: UUID | None = None
    gone: Gone | None = None
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What one reader could see at that moment: an agency, or (`staff_id`) one sworn or emergency member of it."""

    agency_id: UUID
    staff_id: UUID | None
    categories: frozenset[Category]
    grounds: tuple[Ground, ...]
    past: tuple[Ground, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """Everything that ever opened or shut one person's record."""

    person_id: UUID
    homes: tuple[tuple[datetime, UUID], ...]
    tellings: tuple[Telling, ...]
    shuttings: tuple[Shutting, ...] = ()

    def home_at(self, moment: datetime) -> UUID | None:
        """The agency that kept the record then; None before it was made."""
        return next((agency for since, agency in reversed(self.homes) if since <= moment), None)

    def sees(self, agency_id: UUID | None, staff_id: UUID, category: Category, moment: datetime) -> bool:
        """Whether a caseworker of this agency could see this category then."""
        home = self.home_at(moment)
        return home is not None and rule.is_visible(
            agency_id,
            staff_id,
            home,
            [telling.at(moment) for telling in self.tellings],
            category,
            moment,
            is_excluded=any(one.staff_id == staff_id and one.holds(moment) for one in self.shuttings),
        )

    def excluded_at(self, moment: datetime) -> list[Shutting]:
        return [one for one in self.shuttings if one.holds(moment)]

    def sights(self, moment: datetime) -> list[Sight]:
        """What each reader saw: the home agency first, then recipients in the order of their disclosures."""
        home = self.home_at(moment)
        told: dict[tuple[UUID, UUID | None], list[Telling]] = {}
        if home is not None:
            told[home, None] = []
        for telling in sorted(self.tellings, key=lambda one: one.starts_at):
            if telling.starts_at <= moment:
                told.setdefault((telling.to_agency_id, telling.to_staff_id), []).append(telling)
        return [
            self.sight(agency, staff, lines, moment, is_home=agency == home and staff is None)
            for (agency, staff), lines in told.items()
        ]

    def sight(
        self, agency: UUID, staff: UUID | None, lines: list[Telling], moment: datetime, *, is_home: bool
    ) -> Sight:
        alive: list[Ground] = []
        if is_home:
            since = max(at for at, one in self.homes if one == agency and at <= moment)
            alive.append(Ground(None, tuple(Category), since, None))
        past: list[Ground] = []
        for line in lines:
            (alive if line.at(moment).lives(moment) else past).append(ground_of(line, moment))
        seen = {category for ground in alive for category in ground.categories}
        return Sight(agency, staff, frozenset(seen), tuple(alive), tuple(past))


def ground_of(line: Telling, moment: datetime) -> Ground:
    gone, gone_at = (None, None) if line.at(moment).lives(moment) else line.ending()
    shown = line.categories if gone else line.open_at(moment)
    return Ground(
        basis=line.basis,
        categories=in_order(shown),
        since=line.starts_at,
        until=clock.japan_date(line.ends_at - timedelta(microseconds=1)) if line.ends_at else None,
        channel=line.channel,
        source_id=line.source_id,
        gone=gone,
        gone_at=gone_at,
    )


def in_order(found: Iterable[Category]) -> tuple[Category, ...]:
    known = set(found)
    return tuple(category for category in Category if category in known)


def chain(consents: dict[UUID, ConsentPast], first: UUID | None) -> Iterator[ConsentPast]:
    """A consent and its renewals, the oldest first."""
    at = consents.get(first) if first else None
    while at is not None:
        yield at
        at = consents.get(at.replaced_by) if at.replaced_by else None


def standing_of(
    consents: dict[UUID, ConsentPast], first: UUID | None, moment: datetime
) -> ConsentPast | None:
    """The newest of a consent and its renewals that had been recorded by that moment."""
    known = [one for one in chain(consents, first) if one.created_at <= moment]
    return known[-1] if known else None


# The history behind `as_of`: one person's consents, disclosures and exclusions, and who kept the record when.

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
    """Since when each agency has kept the record: the log says who registered it and who took it over."""
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
    """The whole history of one person, in a constant number of statements; and the consents separately.

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
