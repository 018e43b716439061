"""Consents behind the wall: as lists show them, and one as its page shows it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Select, bindparam, case, exists, func, or_, select, true, tuple_, union
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.consents.models import Consent, ConsentMethod, ConsentRecipient, Withdrawal
from portal.consents.queries import categories_of, stands
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.core.policy import Actor
from portal.disclosures import queries
from portal.disclosures.person_header import label_columns, label_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

SIZE = bindparam("size", type_=Integer())


class Show(StrEnum):
    """The tabs of the list, as they stand in its address."""

    LIVE = "live"
    IN_60_DAYS = "60"
    IN_30_DAYS = "30"
    ENDED = "ended"

    @property
    def days(self) -> int | None:
        return int(self.value) if self.value.isdigit() else None


class ConsentState(Labelled):
    LIVE = "live", N_("有効")
    PARTLY = "partly", N_("一部撤回")
    WITHDRAWN = "withdrawn", N_("撤回")
    RENEWED = "renewed", N_("更新済み")
    EXPIRED = "expired", N_("期限切れ")


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """One line of a list. `label` is empty where the person's name may not be seen."""

    id: UUID
    person_id: UUID
    label: str
    recipients: tuple[str, ...]
    method: ConsentMethod
    valid_from: date
    valid_until: date
    days_left: int
    state: ConsentState
    replaces_id: UUID | None

    @property
    def stands(self) -> bool:
        return self.state in {ConsentState.LIVE, ConsentState.PARTLY}


def within(show: Show) -> list[ColumnElement[bool]]:
    today = predicates.day_of(predicates.NOW)
    if show is Show.ENDED:
        return [~stands(today)]
    if show.days is None:
        return [stands(today)]
    return [stands(today), Consent.valid_until <= bindparam("horizon", type_=Date())]


def ids(*tests: ColumnElement[bool]) -> Any:
    """The ids of `queries.consents_visible_to`, as two selections that use an index each."""
    tests = (*tests, ~predicates.is_excluded(predicates.READER, Consent.person_id))
    kept_here = (
        select(Consent.id)
        .join(Person, Person.id == Consent.person_id)
        .where(Person.home_agency_id == predicates.READER.agency_id, *tests)
    )
    recorded_here = select(Consent.id).where(Consent.agency_id == predicates.READER.agency_id, *tests)
    return union(kept_here, recorded_here).subquery()


def values(actor: Actor, show: Show, now: datetime, size: int) -> dict[str, Any]:
    """The parameters of this tab's statement."""
    found = predicates.bound(actor, now, size=size)
    return found | {"horizon": found["today"] + timedelta(days=show.days)} if show.days else found


def count(session: Session, actor: Actor, show: Show, now: datetime, *, most: int = 100) -> int:
    """The number of consents on one tab, counting no further than `most`."""
    return session.execute(counting(show), values(actor, show, now, most)).scalar_one()


@cache
def counting(show: Show) -> Select[int]:
    found = select(ids(*within(show)).c.id).limit(SIZE).subquery()
    return select(func.count()).select_from(found)


def columns(actor: Actor, now: datetime) -> list[Any]:
    newer = aliased(Consent)
    return [
        Consent.id,
        Consent.person_id,
        Consent.method,
        Consent.valid_from,
        Consent.valid_until,
        Consent.replaces_id,
        *label_columns(predicates.sees(actor, Category.BASIC, now, Person)),
        exists()
        .where(Withdrawal.consent_id == Consent.id, Withdrawal.recipient_id.is_(None))
        .label("is_withdrawn"),
        exists().where(Withdrawal.consent_id == Consent.id).label("is_touched"),
        exists().where(newer.replaces_id == Consent.id).label("is_renewed"),
    ]


def page(
    session: Session,
    actor: Actor,
    show: Show,
    now: datetime,
    *,
    after: tuple[date, UUID] | None = None,
    size: int = 25,
) -> list[ConsentRow]:
    """One page: the one that lapses first on top; of ended ones, the one that ended last."""
    given = values(actor, show, now, size)
    if after:
        given |= {"after_day": after[0], "after_id": after[1]}
    return rows_of(session, session.execute(listing(show, is_first=after is None), given).all(), now)


@cache
def listing(show: Show, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The statement for one page of a tab, built once; `page` runs it."""
    wanted = ids(*within(show))
    statement = (
        select(*columns(predicates.READER, predicates.NOW))
        .join(wanted, wanted.c.id == Consent.id)
        .outerjoin(Person, Person.id == Consent.person_id)
        .limit(SIZE)
    )
    newest_first = show is Show.ENDED
    if not is_first:
        place = tuple_(Consent.valid_until, Consent.id)
        last = tuple_(
            bindparam("after_day", type_=Consent.valid_until.type),
            bindparam("after_id", type_=Consent.id.type),
        )
        statement = statement.where(place < last if newest_first else place > last)
    order = (Consent.valid_until, Consent.id)
    return statement.order_by(*(c.desc() if newest_first else c for c in order))


def of_person(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[ConsentRow]:
    """The consents of one person that this reader may see, the latest ending first."""
    statement = (
        queries.consents_visible_to(actor)
        .with_only_columns(*columns(actor, now))
        .outerjoin(Person, Person.id == Consent.person_id)
        .where(Consent.person_id == person_id)
    )
    return rows_of(session, session.execute(statement).all(), now)


def rows_of(session: Session, rows: Sequence[Any], now: datetime) -> list[ConsentRow]:
    today = clock.japan_date(now)
    names = recipient_names(session, [row.id for row in rows])
    return [
        ConsentRow(
            id=row.id,
            person_id=row.person_id,
            label=label_of(row),
            recipients=tuple(names.get(row.id, ())),
            method=row.method,
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            days_left=(row.valid_until - today).days,
            state=state_of(row, today),
            replaces_id=row.replaces_id,
        )
        for row in rows
    ]


def state_of(row: Any, today: date) -> ConsentState:
    if row.is_withdrawn:
        return ConsentState.WITHDRAWN
    if row.is_renewed:
        return ConsentState.RENEWED
    if row.valid_until < today:
        return ConsentState.EXPIRED
    return ConsentState.PARTLY if row.is_touched else ConsentState.LIVE


def recipient_names(session: Session, consent_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """The names of the recipients that each of these consents still covers, without withdrawn ones."""
    found: dict[UUID, list[str]] = {}
    rows = session.execute(
        select(ConsentRecipient.consent_id, Agency.name)
        .join(Agency, Agency.id == ConsentRecipient.agency_id)
        .where(
            ConsentRecipient.consent_id.in_(consent_ids),
            ~exists().where(
                Withdrawal.consent_id == ConsentRecipient.consent_id,
                Withdrawal.recipient_id == ConsentRecipient.agency_id,
            ),
        )
        .order_by(Agency.name, Agency.id)
    )
    for consent_id, name in rows:
        found.setdefault(consent_id, []).append(name)
    return found


# One consent as its page shows it: its terms, what became of it for each recipient, and its renewals.


@dataclass(frozen=True, slots=True)
class Recipient:
    """An agency that a consent names, and the withdrawal that took it out, if one did.

    `reason` is empty for readers who may not see the words of the agency that recorded the withdrawal.
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
        """The recipients that it still covers; none when it does not stand."""
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
    others = of_person(session, actor, consent.person_id, now)
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
    """The recipients, each with the earliest withdrawal that concerns it: its own, or that of the whole."""
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
    """All consents in the chain of renewals around this one, the newest first."""
    by_id = {other.id: other for other in others}
    by_former = {other.replaces_id: other for other in others if other.replaces_id}
    chain = [row]
    while (newer := by_former.get(chain[0].id)) is not None:
        chain.insert(0, newer)
    while chain[-1].replaces_id and (older := by_id.get(chain[-1].replaces_id)):
        chain.append(older)
    return tuple(chain)
