"""Unusual readings (通常と異なる閲覧): who stands out, by which rule; for the auditor and an agency's administrator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Row, Select, Text, Uuid, and_, case, column, exists, func, or_, select, values
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from portal.accounts.models import Staff
from portal.agencies.calendar import OpeningDays
from portal.agencies.models import Agency, Closure
from portal.agencies.queries import days_of
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.auditing import entries
from portal.cases.models import Case
from portal.configuration import queries as settings
from portal.core import clock
from portal.core.db import JapanDay, db
from portal.core.errors import Lack
from portal.core.labels import N_, Labelled
from portal.core.policy import Actor, Permission, Role, require
from portal.people.models import Person
from portal.people.names import LIKE_ESCAPE, like_pattern, search_key
from portal.referrals.models import Referral

Rows = Sequence[Row[*tuple[Any, ...]]]

# Entries that say whose information somebody read. Lists show many people at once and name none.
READINGS = tuple(
    event.value
    for event in (
        AuditEvent.PERSON_READ,
        AuditEvent.REFERRAL_READ,
        AuditEvent.CASE_READ,
        AuditEvent.CONSENT_READ,
        AuditEvent.DISCLOSURES_READ,
        AuditEvent.MINUTES_READ,
    )
)


# Refusals that come of opening what one may not see. Those for want of a consent come of honest work.
REACHED_FOR = (Lack.PERMISSION, Lack.HIDDEN, Lack.NOT_OFFERED, Lack.SECRECY, Lack.TRIES)


class JapanHour(FunctionElement[Any]):
    """The hour in Japan of an instant."""

    type = Integer()
    inherit_cache = True


@compiles(JapanHour, "sqlite")
def hour_in_sqlite(element: Any, compiler: Any, **more: Any) -> str:
    return f"CAST(strftime('%H', {compiler.process(element.clauses, **more)}, '+9 hours') AS INTEGER)"


@compiles(JapanHour, "postgresql")
def hour_in_postgresql(element: Any, compiler: Any, **more: Any) -> str:
    inside = compiler.process(element.clauses, **more)
    return f"CAST(EXTRACT(HOUR FROM {inside} AT TIME ZONE 'Asia/Tokyo') AS INTEGER)"


def within(since: datetime, until: datetime, agency_id: UUID | None) -> list[ColumnElement[bool]]:
    """Conditions for entries of members of agencies, or of one agency, within this stretch of time."""
    mine = AuditEntry.agency_id == agency_id if agency_id else AuditEntry.agency_id.is_not(None)
    return [AuditEntry.at >= since, AuditEntry.at < until, AuditEntry.staff_id.is_not(None), mine]


def is_reading() -> ColumnElement[bool]:
    return and_(AuditEntry.event.in_(READINGS), AuditEntry.person_id.is_not(None))


DAY: Any = JapanDay(AuditEntry.at)


def at_night(starts: int, ends: int) -> ColumnElement[bool]:
    hour: Any = JapanHour(AuditEntry.at)
    return or_(hour >= starts, hour < ends)


def by_day(session: Session, scope: list[ColumnElement[bool]], night: ColumnElement[bool]) -> Rows:
    """For each member and day: how many readings there were, and how many of them at night."""
    return session.execute(
        select(
            AuditEntry.staff_id,
            AuditEntry.agency_id,
            DAY.label("day"),
            func.count().label("times"),
            func.sum(case((night, 1), else_=0)).label("at_night"),
        )
        .where(*scope, is_reading())
        .group_by(AuditEntry.staff_id, AuditEntry.agency_id, DAY)
    ).all()


def is_work(staff_id: Any, person_id: Any) -> ColumnElement[bool]:
    """The member has a case or a referral of this person, or registered them."""
    return or_(
        exists().where(Case.person_id == person_id, Case.worker_id == staff_id),
        exists().where(
            Referral.person_id == person_id,
            or_(Referral.worker_id == staff_id, Referral.created_by_id == staff_id),
        ),
        exists().where(Person.id == person_id, Person.registered_by_id == staff_id),
    )


def beyond_work(session: Session, scope: list[ColumnElement[bool]], most: int) -> Rows:
    """For each member and day: how many people outside their work they read of, where more than `most`."""
    read: Select[Any] = select(
        AuditEntry.staff_id, AuditEntry.agency_id, DAY.label("day"), AuditEntry.person_id
    )
    once = read.where(*scope, is_reading()).distinct().subquery()
    return session.execute(
        select(once.c.staff_id, once.c.agency_id, once.c.day, func.count().label("times"))
        .where(~is_work(once.c.staff_id, once.c.person_id))
        .group_by(once.c.staff_id, once.c.agency_id, once.c.day)
        .having(func.count() > most)
    ).all()


def is_refusal() -> ColumnElement[bool]:
    """Refusals that count; those logged before refusals said what was lacking count all."""
    lacked = or_(AuditEntry.ground.is_(None), AuditEntry.ground.in_([lack.value for lack in REACHED_FOR]))
    return and_(AuditEntry.event == AuditEvent.ACCESS_REFUSED.value, lacked)


def refused(session: Session, scope: list[ColumnElement[bool]], most: int) -> Rows:
    """For each member and day: how often they were refused, where more than `most`."""
    return session.execute(
        select(AuditEntry.staff_id, AuditEntry.agency_id, DAY.label("day"), func.count().label("times"))
        .where(*scope, is_refusal())
        .group_by(AuditEntry.staff_id, AuditEntry.agency_id, DAY)
        .having(func.count() > most)
    ).all()


def of_the_name(session: Session, scope: list[ColumnElement[bool]], prefixes: Mapping[UUID, str]) -> Rows:
    """These members' readings of people whose name key begins so; the caller compares whole family names."""
    if not prefixes:
        return []
    names = values(column("staff_id", Uuid()), column("prefix", Text()), name="names")
    wanted = names.data(sorted(prefixes.items())).cte("wanted")
    return session.execute(
        select(
            AuditEntry.staff_id,
            AuditEntry.agency_id,
            DAY.label("day"),
            AuditEntry.person_id,
            Person.family,
            func.count().label("times"),
        )
        .join(wanted, wanted.c.staff_id == AuditEntry.staff_id)
        .join(Person, Person.id == AuditEntry.person_id)
        .where(*scope, is_reading(), Person.search_key.like(wanted.c.prefix, escape=LIKE_ESCAPE))
        .group_by(AuditEntry.staff_id, AuditEntry.agency_id, DAY, AuditEntry.person_id, Person.family)
    ).all()


def readings_of(
    session: Session, scope: list[ColumnElement[bool]], staff_id: UUID, *, of_refusals: bool, most: int
) -> Rows:
    """The entries themselves, the newest first, with the person's number and the record holder."""
    what = is_refusal() if of_refusals else is_reading()
    return session.execute(
        select(
            AuditEntry.seq,
            AuditEntry.at,
            AuditEntry.event,
            AuditEntry.agency_id,
            AuditEntry.person_id,
            Person.number,
            Person.home_agency_id,
        )
        .outerjoin(Person, Person.id == AuditEntry.person_id)
        .where(*scope, AuditEntry.staff_id == staff_id, what)
        .order_by(AuditEntry.seq.desc())
        .limit(most)
    ).all()


# Unusual readings (通常と異なる閲覧): who stands out, by which rule; for the auditor and an agency's administrator.
#
# A hit is a question, not a fault. It names no client: only how many, and on the page behind it their numbers.

PERIODS = (7, 30)
MOST = 5_000  # entries of one member that the page behind a hit looks through
SHOWN = 200


class Rule(Labelled):
    """Why somebody is listed."""

    BEYOND = "beyond", N_("担当以外の相談者を多く閲覧")
    NIGHT = "night", N_("夜間の閲覧")
    CLOSED = "closed", N_("閉所日の閲覧")
    FAMILY = "family", N_("職員と同じ姓の相談者の閲覧")
    REFUSED = "refused", N_("見られない記録を何度も開こうとした")


@dataclass(slots=True)
class Hit:
    """One member of staff, for one agency, by one rule. `count` is of readings; of BEYOND, of people in one day."""

    staff_id: UUID
    staff_name: str
    agency_id: UUID
    agency_name: str
    rule: Rule
    count: int = 0
    days: set[date] = field(default_factory=set)
    people: set[UUID] = field(default_factory=set)

    @property
    def first_day(self) -> date:
        return min(self.days)

    @property
    def last_day(self) -> date:
        return max(self.days)


@dataclass(frozen=True, slots=True)
class Watch:
    """Everything found in the `days` up to today, and the thresholds it was found with."""

    days: int
    first: date
    last: date
    limits: Mapping[str, int]
    hits: list[Hit]


@dataclass(frozen=True, slots=True)
class Reading:
    """One entry behind a hit. `number` is empty for a client of another agency than the administrator's."""

    seq: int
    at: datetime
    event: str
    number: str


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in Japan, today the last of them."""

    days: int
    first: date
    last: date
    since: datetime
    until: datetime


def period_of(days: int) -> Period:
    last = clock.today()
    first = last - timedelta(days=days - 1)
    return Period(days, first, last, clock.start_of_day(first), clock.end_of_day(last))


def look(actor: Actor, days: int) -> Watch:
    """The members who stand out, the most unusual first; itself logged.

    Raises:
        NotAllowed: neither an auditor nor an administrator of an agency.
    """
    require(actor, Permission.WATCH_READ)
    found = gather(db.unrestricted(), actor, period_of(days))
    audit.record_reading(AuditEvent.WATCH_READ, ("audit_entry", None), actor=actor)
    return found


def gather(session: Session, actor: Actor, period: Period) -> Watch:
    limits = settings.values(session)
    own = None if actor.role is Role.AUDITOR else actor.agency_id
    scope = within(period.since, period.until, own)
    mine = select(Agency).where(Agency.id == own) if own else select(Agency)
    agencies = {agency.id: agency for agency in session.scalars(mine)}
    staff: dict[UUID, str] = dict(session.execute(select(Staff.id, Staff.name)).all())
    hits = Hits(staff, {agency_id: agency.name for agency_id, agency in agencies.items()})
    night = at_night(limits["watch.night_from"], limits["watch.night_until"])
    calendars = calendars_of(session, agencies.values(), period)
    for row in by_day(session, scope, night):
        if row.at_night:
            hits.add(Rule.NIGHT, row, row.at_night)
        if not calendars[row.agency_id].is_open(row.day):
            hits.add(Rule.CLOSED, row, row.times)
    for row in beyond_work(session, scope, limits["watch.people_per_day"]):
        hits.most(Rule.BEYOND, row)
    for row in refused(session, scope, limits["watch.refused_per_day"]):
        hits.add(Rule.REFUSED, row, row.times)
    families = {staff_id: family_of(name) for staff_id, name in staff.items()}
    prefixes = {staff_id: like_pattern(key).removeprefix("%") for staff_id, key in families.items() if key}
    for row in of_the_name(session, scope, prefixes):
        if search_key(row.family) == families[row.staff_id]:
            hits.add(Rule.FAMILY, row, row.times, row.person_id)
    return Watch(period.days, period.first, period.last, limits, hits.in_order())


class Hits:
    """Rows of the statements, grouped by member and rule."""

    def __init__(self, staff: Mapping[UUID, str], agencies: Mapping[UUID, str]) -> None:
        self.staff, self.agencies = staff, agencies
        self.found: dict[tuple[UUID, UUID, Rule], Hit] = {}

    def of(self, rule: Rule, row: Any) -> Hit:
        key = (row.staff_id, row.agency_id, rule)
        if key not in self.found:
            names = self.staff.get(row.staff_id, ""), self.agencies[row.agency_id]
            self.found[key] = Hit(row.staff_id, names[0], row.agency_id, names[1], rule)
        hit = self.found[key]
        hit.days.add(row.day)
        return hit

    def add(self, rule: Rule, row: Any, count: int, person_id: UUID | None = None) -> None:
        hit = self.of(rule, row)
        hit.count += count
        if person_id:
            hit.people.add(person_id)

    def most(self, rule: Rule, row: Any) -> None:
        hit = self.of(rule, row)
        hit.count = max(hit.count, row.times)

    def in_order(self) -> list[Hit]:
        rank = {rule: place for place, rule in enumerate(Rule)}
        return sorted(
            self.found.values(), key=lambda h: (rank[h.rule], -h.count, h.agency_name, h.staff_name)
        )


def family_of(name: str) -> str:
    """The key of the family name in a name written with a gap; empty for a name without a gap."""
    parts = name.split()
    return search_key(parts[0]) if len(parts) > 1 else ""


def calendars_of(session: Session, agencies: Iterable[Agency], period: Period) -> dict[UUID, OpeningDays]:
    """The opening days of each agency, including closures that are over."""
    closures: dict[UUID, list[Closure]] = {}
    within = (Closure.ends_on >= period.first, Closure.starts_on <= period.last)
    for closure in session.scalars(select(Closure).where(*within)):
        closures.setdefault(closure.agency_id, []).append(closure)
    return {agency.id: days_of(agency, closures.get(agency.id, ())) for agency in agencies}


def behind(
    actor: Actor, staff_id: UUID, agency_id: UUID, rule: Rule, days: int
) -> tuple[Watch, Hit, list[Reading]]:
    """The entries behind one hit, the newest first, with the clients' numbers; itself logged.

    Raises:
        NoResultFound: nobody of this name is listed by this rule for this reader.
        NotAllowed: see `look`.
    """
    require(actor, Permission.WATCH_READ)
    session, period = db.unrestricted(), period_of(days)
    watch = gather(session, actor, period)
    asked = (staff_id, agency_id, rule)
    hit = next((one for one in watch.hits if (one.staff_id, one.agency_id, one.rule) == asked), None)
    if hit is None:
        raise NoResultFound
    scope = within(period.since, period.until, agency_id)
    rows = readings_of(session, scope, staff_id, of_refusals=rule is Rule.REFUSED, most=MOST)
    shown = [reading_of(row, actor) for row in rows if belongs(row, hit, watch.limits)]
    audit.record_reading(AuditEvent.WATCH_READ, ("staff", staff_id), actor=actor)
    return watch, hit, shown[:SHOWN]


def belongs(row: Any, hit: Hit, limits: Mapping[str, int]) -> bool:
    if hit.rule is Rule.FAMILY:
        return row.person_id in hit.people
    there = clock.in_japan(row.at)
    if hit.rule is Rule.NIGHT:
        return there.hour >= limits["watch.night_from"] or there.hour < limits["watch.night_until"]
    return there.date() in hit.days


def reading_of(row: Any, actor: Actor) -> Reading:
    may_number = actor.role is Role.AUDITOR or row.home_agency_id == actor.agency_id
    return Reading(row.seq, row.at, entries.event(row.event), (row.number or "") if may_number else "")
