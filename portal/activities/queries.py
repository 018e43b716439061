"""Queries of activities and attendance: an agency sees those it held, and people whom it may name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Date,
    Integer,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    null,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.activities.kinds import ActivityKind
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, Partner
from portal.agencies.models import Agency
from portal.cases.models import Case
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, can
from portal.disclosures import people
from portal.disclosures.models import Basis, Disclosure
from portal.disclosures.person_header import label_columns, label_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates


class Show(StrEnum):
    """Which records the list shows, as it stands in its address."""

    STANDING = ""
    HELD = "held"
    NOT_HELD = "not_held"
    STRUCK = "struck"


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of the list; `year` is a fiscal year."""

    show: Show = Show.STANDING
    kind: ActivityKind | None = None
    area: str = ""
    year: int | None = None


@dataclass(frozen=True, slots=True)
class Heads:
    """How many came to one activity (延べ): live attendance rows of all agencies that held it."""

    visits: int = 0
    named: int = 0
    first: int = 0  # anonymous, here for the first time
    again: int = 0


NOBODY_CAME = Heads()


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Activities that the reader's agency held, struck out or not."""
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    return (
        exists()
        .where(ActivityAgency.activity_id == Activity.id, ActivityAgency.agency_id == actor.agency_id)
        .correlate(Activity)
    )


def columns() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Activity.id,
            Activity.agency_id,
            Activity.series_id,
            Activity.partner_id,
            Activity.kind,
            Activity.area,
            Activity.title,
            Activity.held_on,
            Activity.place,
            Activity.mode,
            Activity.not_held_why,
            Activity.audience,
            Activity.audience_number,
            Activity.struck_at,
            Agency.name.label("agency_name"),
        )
        .join(Agency, Agency.id == Activity.agency_id)
        .where(visible_to(predicates.READER))
    )


def shown(show: Show) -> ColumnElement[bool]:
    if show is Show.STRUCK:
        return Activity.struck_at.is_not(None)
    held = {Show.HELD: Activity.not_held_why == "", Show.NOT_HELD: Activity.not_held_why != ""}
    return and_(Activity.struck_at.is_(None), held.get(show, true()))


@cache
def paging(
    show: Show, *, of_kind: bool, of_area: bool, of_year: bool, is_first: bool
) -> Select[*tuple[Any, ...]]:
    """The statement for one page, built once for each sort of filter: keys first, by the agency's index."""
    keys = (
        select(ActivityAgency.activity_id)
        .join(Activity, Activity.id == ActivityAgency.activity_id)
        .where(ActivityAgency.agency_id == predicates.READER.agency_id, shown(show))
    )
    if of_kind:
        keys = keys.where(Activity.kind == bindparam("kind", type_=Activity.kind.type))
    if of_area:
        keys = keys.where(Activity.area == bindparam("area"))
    if of_year:
        begins, ends = bindparam("begins", type_=Date()), bindparam("ends", type_=Date())
        keys = keys.where(ActivityAgency.held_on >= begins, ActivityAgency.held_on <= ends)
    key = (ActivityAgency.held_on, ActivityAgency.activity_id)
    if not is_first:
        last = bindparam("after_day", type_=Date()), bindparam("after_id", type_=Activity.id.type)
        keys = keys.where(tuple_(*key) < tuple_(*last))
    chosen = (
        keys.order_by(*(column.desc() for column in key)).limit(bindparam("size", type_=Integer())).subquery()
    )
    newest = (Activity.held_on.desc(), Activity.id.desc())
    return columns().join(chosen, chosen.c.activity_id == Activity.id).order_by(*newest)


def page(
    session: Session,
    actor: Actor,
    about: Filter,
    now: datetime,
    *,
    after: tuple[date, UUID] | None = None,
    size: int = 25,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """One page of the reader's activities, the latest day first, after the key `after`."""
    values = predicates.bound(actor, now, size=size, kind=about.kind, area=about.area)
    if about.year is not None:
        values["begins"], values["ends"] = clock.fiscal_year_bounds(about.year)
    if after:
        values |= {"after_day": after[0], "after_id": after[1]}
    statement = paging(
        about.show,
        of_kind=about.kind is not None,
        of_area=bool(about.area),
        of_year=about.year is not None,
        is_first=after is None,
    )
    return session.execute(statement, values).all()


@cache
def detailed() -> Select[*tuple[Any, ...]]:
    more = (Activity.version, Activity.text, Activity.outcome, Activity.struck_why, Activity.created_at)
    return (
        columns()
        .add_columns(*more, Staff.name.label("recorded_by"), Partner.name.label("partner_name"))
        .join(Staff, Staff.id == Activity.recorded_by_id)
        .outerjoin(Partner, Partner.id == Activity.partner_id)
        .where(Activity.id == bindparam("activity_id"))
    )


def detail(session: Session, actor: Actor, activity_id: UUID, now: datetime) -> Row[*tuple[Any, ...]]:
    """One activity.

    Raises:
        NoResultFound: none that the reader's agency held.
    """
    return session.execute(detailed(), predicates.bound(actor, now, activity_id=activity_id)).one()


def agencies_of(session: Session, activity_ids: Collection[UUID]) -> Mapping[UUID, dict[UUID, str]]:
    """The agencies that held each of these activities, which the reader sees: names by id, sorted by name."""
    statement = (
        select(ActivityAgency.activity_id, Agency.id, Agency.name)
        .join(Agency, Agency.id == ActivityAgency.agency_id)
        .where(ActivityAgency.activity_id.in_(activity_ids))
        .order_by(Agency.name, Agency.id)
    )
    found: dict[UUID, dict[UUID, str]] = defaultdict(dict)
    for activity_id, agency_id, name in session.execute(statement):
        found[activity_id][agency_id] = name
    return found


def heads_of(activity_ids: Collection[UUID]) -> Select[*tuple[Any, ...]]:
    """The number of heads of each activity; an activity without a row has none."""
    anonymous = ActivityAttendance.person_id.is_(None)
    return (
        select(
            ActivityAttendance.activity_id,
            func.count().label("visits"),
            func.count(ActivityAttendance.person_id).label("named"),
            func.count(case((and_(anonymous, ActivityAttendance.is_first), 1))).label("first"),
            func.count(case((and_(anonymous, ~ActivityAttendance.is_first), 1))).label("again"),
        )
        .where(ActivityAttendance.activity_id.in_(activity_ids), ActivityAttendance.struck_at.is_(None))
        .group_by(ActivityAttendance.activity_id)
    )


def heads(session: Session, activity_ids: Collection[UUID]) -> Mapping[UUID, Heads]:
    """The heads of each activity as figures, those of other agencies too; only counts, no names.

    An agency that held an activity knows how many came: the session reads across agencies, and the ids are of
    activities that the reader sees.
    """
    found = {row.activity_id: Heads(*row[1:]) for row in session.execute(heads_of(activity_ids))}
    return defaultdict(lambda: NOBODY_CAME, found)


def oldest_day(actor: Actor) -> Select[date | None]:
    """The first day for which the reader's agency has a record."""
    return select(func.min(ActivityAgency.held_on)).where(ActivityAgency.agency_id == actor.agency_id)


def partners(*, also: UUID | None = None) -> Select[UUID, str]:
    """Partners that take people in today, and one that is chosen already."""
    still = (Partner.ended_on.is_(None)) | (Partner.ended_on > clock.today()) | (Partner.id == also)
    return select(Partner.id, Partner.name).where(still).order_by(Partner.name, Partner.id)


# Who came, as one agency wrote it down; whom it may name; whom to offer first when an afternoon is recorded.

# How long a regular is remembered, and how many are offered at once.
REMEMBERED = timedelta(days=366)
MOST_OFFERED = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who may be named as having come; `number` is empty outside the home."""

    id: UUID
    label: str
    kana: str
    number: str


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One head as its own agency sees it: `label` is empty for somebody anonymous, and where the wall hides it."""

    id: UUID
    person_id: UUID | None
    label: str
    kana: str
    present: bool
    is_first: bool
    note: str
    linked_at: datetime | None

    @property
    def is_anonymous(self) -> bool:
        return self.person_id is None


def nameable(reader: Actor, now: datetime, person: type[Person] = Person) -> ColumnElement[bool]:
    """People whom the reader's agency may record by name: its own, or disclosed to it on a live consent.

    What a 支援会議 or an emergency discloses is for one member of staff, and for that matter alone.
    """
    told = aliased(Disclosure)
    on_consent = exists().where(
        told.person_id == person.id,
        told.basis == Basis.CONSENT,
        predicates.tells(told, reader, Category.BASIC, now),
    )
    return and_(
        ~predicates.is_excluded(reader, person.id),
        person.erased_at.is_(None),
        or_(person.home_agency_id == reader.agency_id, on_consent),
    )


def of_own_agency(reader: Actor) -> ColumnElement[bool]:
    """Rows that the reader's agency wrote, without people the reader is excluded from."""
    free = or_(
        ActivityAttendance.person_id.is_(None), ~predicates.is_excluded(reader, ActivityAttendance.person_id)
    )
    return and_(
        ActivityAttendance.agency_id == reader.agency_id, ActivityAttendance.struck_at.is_(None), free
    )


@cache
def listing() -> Select[*tuple[Any, ...]]:
    named = predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person)
    return (
        select(
            ActivityAttendance.id,
            ActivityAttendance.person_id,
            ActivityAttendance.is_first,
            ActivityAttendance.note,
            ActivityAttendance.linked_at,
            *label_columns(named),
            case((named, Person.family_kana), else_=null()).label("family_kana"),
            case((named, Person.given_kana), else_=null()).label("given_kana"),
            predicates.present(predicates.READER, predicates.NOW, Person).label("present"),
        )
        .outerjoin(Person, Person.id == ActivityAttendance.person_id)
        .where(
            ActivityAttendance.activity_id == bindparam("activity_id"),
            of_own_agency(predicates.READER),
        )
        .order_by(ActivityAttendance.id)
    )


def rows(session: Session, actor: Actor, activity_id: UUID, now: datetime) -> list[HeadRow]:
    """Who came to an activity, as the reader's agency recorded it: named people, then anonymous heads."""
    found = [
        HeadRow(
            id=row.id,
            person_id=row.person_id,
            label=label_of(row),
            kana=f"{row.family_kana or ''} {row.given_kana or ''}".strip(),
            present=bool(row.present),
            is_first=row.is_first,
            note=row.note,
            linked_at=row.linked_at,
        )
        for row in session.execute(listing(), predicates.bound(actor, now, activity_id=activity_id))
    ]
    return sorted(found, key=lambda one: (one.is_anonymous, not one.label, one.kana, not one.is_first))


def candidate_columns() -> tuple[Any, ...]:
    number = case((Person.home_agency_id == predicates.READER.agency_id, Person.number), else_="")
    return (
        Person.id,
        Person.family,
        Person.given,
        Person.pseudonym,
        Person.family_kana,
        Person.given_kana,
        number.label("number"),
    )


def candidates(found: Sequence[Row[Any]]) -> list[Candidate]:
    """The rows as candidates, in the order of their names."""
    made = [
        Candidate(row.id, label_of(row), f"{row.family_kana} {row.given_kana}".strip(), row.number)
        for row in found
    ]
    return sorted(made, key=lambda one: (one.kana or one.label, one.id))


@cache
def regulars_statement(*, of_series: bool) -> Select[*tuple[Any, ...]]:
    same = (
        Activity.series_id == bindparam("series_id", type_=Uuid())
        if of_series
        else Activity.kind == bindparam("kind", type_=Activity.kind.type)
    )
    came = (
        select(ActivityAttendance.person_id, func.max(Activity.held_on).label("last_on"))
        .select_from(ActivityAgency)
        .join(Activity, Activity.id == ActivityAgency.activity_id)
        .join(ActivityAttendance, ActivityAttendance.activity_id == Activity.id)
        .where(
            ActivityAgency.agency_id == predicates.READER.agency_id,
            ActivityAgency.held_on >= bindparam("since", type_=Date()),
            Activity.struck_at.is_(None),
            same,
            ActivityAttendance.agency_id == predicates.READER.agency_id,
            ActivityAttendance.struck_at.is_(None),
            ActivityAttendance.person_id.is_not(None),
        )
        .group_by(ActivityAttendance.person_id)
        .subquery()
    )
    return (
        select(*candidate_columns())
        .join(came, came.c.person_id == Person.id)
        .where(nameable(predicates.READER, predicates.NOW))
        .order_by(came.c.last_on.desc(), Person.id.desc())
        .limit(bindparam("size", type_=Integer()))
    )


def regulars(
    session: Session, actor: Actor, kind: ActivityKind, series_id: UUID | None, now: datetime
) -> list[Candidate]:
    """People who came lately to the same series, or to the same kind of activity, and may be named."""
    since = clock.japan_date(now) - REMEMBERED
    values = predicates.bound(actor, now, since=since, kind=kind, series_id=series_id, size=MOST_OFFERED)
    statement = regulars_statement(of_series=series_id is not None)
    return candidates(session.execute(statement, values).all())


@cache
def supported_statement() -> Select[*tuple[Any, ...]]:
    is_mine = case((Case.worker_id == predicates.READER.staff_id, 0), else_=1)
    return (
        select(*candidate_columns())
        .join(Case, Case.person_id == Person.id)
        .where(
            Case.agency_id == predicates.READER.agency_id,
            Case.closed_on.is_(None),
            nameable(predicates.READER, predicates.NOW),
        )
        .order_by(is_mine, Case.opened_on.desc(), Case.id.desc())
        .limit(bindparam("size", type_=Integer()))
    )


def supported(session: Session, actor: Actor, now: datetime) -> list[Candidate]:
    """People the agency supports now, the reader's own cases first."""
    return candidates(
        session.execute(supported_statement(), predicates.bound(actor, now, size=MOST_OFFERED)).all()
    )


@cache
def chosen_statement() -> Select[*tuple[Any, ...]]:
    ids = Person.id.in_(bindparam("ids", expanding=True))
    return select(*candidate_columns()).where(ids, nameable(predicates.READER, predicates.NOW))


def chosen(session: Session, actor: Actor, ids: Collection[UUID], now: datetime) -> list[Candidate]:
    """Those of these people who may be named."""
    if not ids:
        return []
    return candidates(session.execute(chosen_statement(), predicates.bound(actor, now, ids=list(ids))).all())


def search(session: Session, actor: Actor, q: str, now: datetime) -> list[Candidate]:
    """People who may be named, found by a part of the name in any spelling, or by the agency's own number."""
    found = people.page(session, actor, now, q=q, size=MOST_OFFERED)
    return chosen(session, actor, [one.id for one in found], now)


def nameable_for_update(ids: Collection[UUID]) -> Select[*tuple[Any, ...]]:
    """Those of these people who may be named, locked against a concurrent erasure."""
    return (
        select(Person.id, Person.family, Person.given, Person.family_kana, Person.given_kana)
        .where(Person.id.in_(ids), nameable(predicates.READER, predicates.NOW))
        .order_by(Person.id)
        .with_for_update(of=Person)
    )


@cache
def of_person_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Activity.id,
            Activity.kind,
            Activity.title,
            Activity.held_on,
            Activity.mode,
            ActivityAttendance.note,
        )
        .join(ActivityAttendance, ActivityAttendance.activity_id == Activity.id)
        .where(
            ActivityAttendance.person_id == bindparam("person_id"),
            of_own_agency(predicates.READER),
            Activity.struck_at.is_(None),
        )
        .order_by(Activity.held_on.desc(), Activity.id.desc())
        .limit(bindparam("size", type_=Integer()))
    )


def of_person(
    session: Session, actor: Actor, person_id: UUID, now: datetime, *, size: int = 5
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The activities in which this person took part, as the reader's agency recorded it, the latest first."""
    values = predicates.bound(actor, now, person_id=person_id, size=size)
    return session.execute(of_person_statement(), values).all()


def own_names(activity_id: UUID) -> Select[*tuple[Any, ...]]:
    """Names of those who came whom the reader may record by name."""
    return (
        select(Person.family, Person.given, Person.family_kana, Person.given_kana)
        .join(ActivityAttendance, ActivityAttendance.person_id == Person.id)
        .where(
            ActivityAttendance.activity_id == activity_id,
            of_own_agency(predicates.READER),
            nameable(predicates.READER, predicates.NOW),
        )
    )


# How many came: the count of heads over all agencies that noted some, of activities that the reader was shown.


def of_activities(activity_ids: Collection[UUID]) -> Mapping[UUID, Heads]:
    """The heads of each activity over all agencies that held it: counts without names."""
    return heads(db.unrestricted(), activity_ids)


def of_activity(activity_id: UUID) -> Heads:
    return of_activities([activity_id])[activity_id]
