"""How activities are read: an agency sees those it held, alone or with others, and nobody else's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Date,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal import clock
from portal.accounts.models import Staff
from portal.activities.kinds import ActivityKind
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, Partner
from portal.agencies.models import Agency
from portal.disclosures import wall
from portal.policy import Actor, Permission, can


class Show(StrEnum):
    """Which records the list shows, as it stands in its address."""

    STANDING = ""
    HELD = "held"
    NOT_HELD = "not_held"
    STRUCK = "struck"


@dataclass(frozen=True, slots=True)
class Filter:
    """What the list is narrowed to; `year` is a fiscal year."""

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
    """Those that the reader's agency held, struck out or not."""
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
        .where(visible_to(wall.READER))
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
    """One page, built once for each sort of filter: the keys first, down the index of the reader's agency."""
    keys = (
        select(ActivityAgency.activity_id)
        .join(Activity, Activity.id == ActivityAgency.activity_id)
        .where(ActivityAgency.agency_id == wall.READER.agency_id, shown(show))
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
    """One page of the reader's activities, the latest day first, beginning behind the key `after`."""
    values = wall.bound(actor, now, size=size, kind=about.kind, area=about.area)
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
    return session.execute(detailed(), wall.bound(actor, now, activity_id=activity_id)).one()


def agencies_of(session: Session, activity_ids: Collection[UUID]) -> Mapping[UUID, dict[UUID, str]]:
    """Who held each of these activities, which the reader sees: names by id, in the order of names."""
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
    """Of each activity how many came; without a row, nobody."""
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
    """The same as figures. Who held an activity knows how many came, and by name only whom it noted itself:

    the session looks across the agencies, and the ids are of activities that the reader sees.
    """
    found = {row.activity_id: Heads(*row[1:]) for row in session.execute(heads_of(activity_ids))}
    return defaultdict(lambda: NOBODY_CAME, found)


def oldest_day(actor: Actor) -> Select[date | None]:
    """The first day of which the reader's agency has a record."""
    return select(func.min(ActivityAgency.held_on)).where(ActivityAgency.agency_id == actor.agency_id)


def partners(*, also: UUID | None = None) -> Select[UUID, str]:
    """Partners who take people in today, and one who is chosen already."""
    still = (Partner.ended_on.is_(None)) | (Partner.ended_on > clock.today()) | (Partner.id == also)
    return select(Partner.id, Partner.name).where(still).order_by(Partner.name, Partner.id)
