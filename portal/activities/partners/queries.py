"""Queries of partners, their agreements, and what was done with them, within the wall."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Date,
    Integer,
    Select,
    String,
    Text,
    Uuid,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.activities.kinds import ActivityKind, Offer
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, Agreement, Partner
from portal.agencies.models import Agency
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.core.policy import Actor, Permission, can
from portal.disclosures.person_header import label_columns, label_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

WARNED_BEFORE = timedelta(days=30)
NO_END = date.max  # stands for an agreement without a last day


class AgreementState(Labelled):
    """Whether an agreement stands today."""

    STANDS = "stands", N_("協定あり")
    LAPSED = "lapsed", N_("期限切れ")
    NONE = "none", N_("協定なし")


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of the list: partners that take people in, or those that have ended."""

    has_ended: bool = False
    offer: Offer | None = None
    state: AgreementState | None = None


@dataclass(frozen=True, slots=True)
class PartnerView:
    """A partner as every caseworker sees it. `until` is the last day of its agreement, if it has one."""

    id: UUID
    version: int
    agency_id: UUID
    agency_name: str
    name: str
    about: str
    offers: tuple[Offer, ...]
    contact_name: str
    telephone: str
    email: str
    address: str
    added_on: date
    ended_on: date | None
    state: AgreementState
    until: date | None
    days_left: int | None

    @property
    def lapses_soon(self) -> bool:
        """Time to renew the agreement."""
        return self.days_left is not None and 0 <= self.days_left <= WARNED_BEFORE.days

    def may_be_changed_by(self, actor: Actor) -> bool:
        return can(actor, Permission.PARTNER_EDIT, self)


def latest_day() -> ColumnElement[date]:
    """The last day on which an agreement of the partner is valid; NULL when it has none."""
    end = func.coalesce(Agreement.valid_until, literal(NO_END, Date()))
    found = select(func.max(end)).where(Agreement.partner_id == Partner.id, Agreement.struck_at.is_(None))
    return found.correlate(Partner).scalar_subquery()


def columns() -> Select[*tuple[Any, ...]]:
    reader: Any = predicates.READER.agency_id  # set for caseworkers only
    return (
        select(
            Partner.id,
            Partner.version,
            Partner.agency_id,
            Agency.name.label("agency_name"),
            Partner.name,
            Partner.about,
            Partner.offers,
            Partner.contact_name,
            Partner.telephone,
            Partner.email,
            Partner.address,
            Partner.added_on,
            Partner.ended_on,
            latest_day().label("latest"),
        )
        .join(Agency, Agency.id == Partner.agency_id)
        .where(reader.is_not(None))
    )


def stands(state: AgreementState) -> ColumnElement[bool]:
    today = bindparam("today", type_=Date())
    match state:
        case AgreementState.STANDS:
            return latest_day() >= today
        case AgreementState.LAPSED:
            return latest_day() < today
        case AgreementState.NONE:
            return latest_day().is_(None)


@cache
def list_statement(
    *, has_ended: bool, of_offer: bool, state: AgreementState | None, is_first: bool
) -> Select[*tuple[Any, ...]]:
    ended = Partner.ended_on.is_not(None) if has_ended else Partner.ended_on.is_(None)
    statement = columns().where(ended)
    if of_offer:
        statement = statement.where(cast(Partner.offers, Text).like(bindparam("offer", type_=String())))
    if state:
        statement = statement.where(stands(state))
    if not is_first:
        # The address of the next page holds no name: the last partner's is looked up.
        last = bindparam("after_id", type_=Uuid())
        name = select(Partner.name).where(Partner.id == last).correlate(None).scalar_subquery()
        statement = statement.where(tuple_(Partner.name, Partner.id) > tuple_(name, last))
    return statement.order_by(Partner.name, Partner.id).limit(bindparam("size", type_=Integer()))


@cache
def one_statement() -> Select[*tuple[Any, ...]]:
    return columns().where(Partner.id == bindparam("partner_id"))


def page(
    session: Session,
    actor: Actor,
    about: Filter,
    now: datetime,
    *,
    after: UUID | None = None,
    size: int = 25,
) -> list[PartnerView]:
    """One page of partners by name, after the partner `after`."""
    values = predicates.bound(actor, now, size=size)
    if about.offer:
        values["offer"] = f'%"{about.offer.value}"%'
    if after:
        values["after_id"] = after
    statement = list_statement(
        has_ended=about.has_ended,
        of_offer=about.offer is not None,
        state=about.state,
        is_first=after is None,
    )
    today = clock.japan_date(now)
    return [view_of(row, today) for row in session.execute(statement, values)]


def load(session: Session, actor: Actor, partner_id: UUID, now: datetime) -> PartnerView:
    """One partner.

    Raises:
        NoResultFound: there is none, or the reader does no casework.
    """
    row = session.execute(one_statement(), predicates.bound(actor, now, partner_id=partner_id)).one()
    return view_of(row, clock.japan_date(now))


def view_of(row: Any, today: date) -> PartnerView:
    until = None if row.latest in {None, NO_END} else row.latest
    found: dict[str, Any] = {name: getattr(row, name) for name in AS_READ}
    return PartnerView(
        **found,
        offers=tuple(one for one in Offer if one.value in row.offers),
        state=state_of(row.latest, today),
        until=until,
        days_left=(until - today).days if until else None,
    )


def state_of(latest: date | None, today: date) -> AgreementState:
    if latest is None:
        return AgreementState.NONE
    return AgreementState.STANDS if latest >= today else AgreementState.LAPSED


WORKED_OUT = frozenset({"offers", "state", "until", "days_left"})
AS_READ = tuple(name for name in PartnerView.__slots__ if name not in WORKED_OUT)


def agreements_of(partner_id: UUID) -> Select[*tuple[Any, ...]]:
    """Every agreement, the latest first, also those struck out."""
    return (
        select(
            Agreement.id,
            Agreement.signed_on,
            Agreement.valid_until,
            Agreement.struck_at,
            Agency.name.label("agency_name"),
        )
        .join(Agency, Agency.id == Agreement.agency_id)
        .where(Agreement.partner_id == partner_id)
        .order_by(Agreement.signed_on.desc(), Agreement.id.desc())
    )


# What was done with a partner, and with whom: for the agency that held the activity, within the wall.


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person of the reader's agency whom the partner took in; `label` is empty where the name is hidden."""

    person_id: UUID
    label: str
    is_present: bool


@dataclass(frozen=True, slots=True)
class Use:
    """An activity with a partner that the reader's agency held, and the people it recorded."""

    id: UUID
    title: str
    kind: ActivityKind
    held_on: date
    outcome: str
    visitors: Sequence[Visitor]
    anonymous: int


@cache
def uses_statement(*, is_first: bool) -> Select[*tuple[Any, ...]]:
    """Held activities with a partner that the reader's agency held alone or with others."""
    held_here = exists().where(
        ActivityAgency.activity_id == Activity.id, ActivityAgency.agency_id == predicates.READER.agency_id
    )
    statement = select(Activity.id, Activity.title, Activity.kind, Activity.held_on, Activity.outcome).where(
        Activity.partner_id == bindparam("partner_id", type_=Uuid()),
        Activity.struck_at.is_(None),
        Activity.not_held_why == "",
        held_here.correlate(Activity),
    )
    if not is_first:
        last = bindparam("after_day", type_=Date()), bindparam("after_id", type_=Uuid())
        statement = statement.where(tuple_(Activity.held_on, Activity.id) < tuple_(*last))
    newest = (Activity.held_on.desc(), Activity.id.desc())
    return statement.order_by(*newest).limit(bindparam("size", type_=Integer()))


@cache
def visitors_statement() -> Select[*tuple[Any, ...]]:
    """Whom the reader's agency recorded as having come, without people the reader is excluded from."""
    return (
        select(
            ActivityAttendance.activity_id,
            ActivityAttendance.person_id,
            *label_columns(predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person)),
            predicates.present(predicates.READER, predicates.NOW, Person).label("is_present"),
        )
        .outerjoin(Person, Person.id == ActivityAttendance.person_id)
        .where(
            ActivityAttendance.activity_id.in_(bindparam("activities", expanding=True)),
            ActivityAttendance.agency_id == predicates.READER.agency_id,
            ActivityAttendance.struck_at.is_(None),
            or_(
                ActivityAttendance.person_id.is_(None),
                ~predicates.is_excluded(predicates.READER, ActivityAttendance.person_id),
            ),
        )
        .order_by(ActivityAttendance.id)
    )


def uses(
    session: Session,
    actor: Actor,
    partner_id: UUID,
    now: datetime,
    *,
    after: tuple[date, UUID] | None = None,
    size: int = 25,
) -> list[Use]:
    """What the reader's agency did with the partner, the latest day first, after the key `after`."""
    values = predicates.bound(actor, now, partner_id=partner_id, size=size)
    if after:
        values |= {"after_day": after[0], "after_id": after[1]}
    rows = session.execute(uses_statement(is_first=after is None), values).all()
    if not rows:
        return []
    visitors: dict[UUID, list[Visitor]] = defaultdict(list)
    anonymous: dict[UUID, int] = defaultdict(int)
    found = session.execute(
        visitors_statement(), predicates.bound(actor, now, activities=[row.id for row in rows])
    )
    for one in found:
        if one.person_id is None:
            anonymous[one.activity_id] += 1
        else:
            visitors[one.activity_id].append(Visitor(one.person_id, label_of(one), bool(one.is_present)))
    return [
        Use(
            id=row.id,
            title=row.title,
            kind=row.kind,
            held_on=row.held_on,
            outcome=row.outcome,
            visitors=visitors[row.id],
            anonymous=anonymous[row.id],
        )
        for row in rows
    ]
