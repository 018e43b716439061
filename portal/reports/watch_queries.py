"""What the log says of who reads how much and when: a constant number of statements over one stretch of time.

They look at everybody's cases and people (`db.across`), because an administrator may see none of them, and yield ids,
days and counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Integer,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    case,
    column,
    exists,
    func,
    or_,
    select,
    values,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.cases.models import Case
from portal.db import JapanDay
from portal.errors import Lack
from portal.people.models import Person
from portal.people.names import LIKE_ESCAPE
from portal.referrals.models import Referral

Rows = Sequence[Row[*tuple[Any, ...]]]

# Entries that say whom somebody read of. Lists show many at once and say nothing of one.
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
    """Entries of members of agencies, or of one agency, in this stretch of time."""
    mine = AuditEntry.agency_id == agency_id if agency_id else AuditEntry.agency_id.is_not(None)
    return [AuditEntry.at >= since, AuditEntry.at < until, AuditEntry.staff_id.is_not(None), mine]


def is_reading() -> ColumnElement[bool]:
    return and_(AuditEntry.event.in_(READINGS), AuditEntry.person_id.is_not(None))


DAY: Any = JapanDay(AuditEntry.at)


def at_night(starts: int, ends: int) -> ColumnElement[bool]:
    hour: Any = JapanHour(AuditEntry.at)
    return or_(hour >= starts, hour < ends)


def by_day(session: Session, scope: list[ColumnElement[bool]], night: ColumnElement[bool]) -> Rows:
    """Of each member and day: how many readings, and how many of them at night."""
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
    """The member has a case or a referral of this person in his hands, or registered him."""
    return or_(
        exists().where(Case.person_id == person_id, Case.worker_id == staff_id),
        exists().where(
            Referral.person_id == person_id,
            or_(Referral.worker_id == staff_id, Referral.created_by_id == staff_id),
        ),
        exists().where(Person.id == person_id, Person.registered_by_id == staff_id),
    )


def beyond_work(session: Session, scope: list[ColumnElement[bool]], most: int) -> Rows:
    """Of each member and day: how many people he read of who are none of his work, where more than `most`."""
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
    """Of those written before refusals said what was lacking, all."""
    lacked = or_(AuditEntry.ground.is_(None), AuditEntry.ground.in_([lack.value for lack in REACHED_FOR]))
    return and_(AuditEntry.event == AuditEvent.ACCESS_REFUSED.value, lacked)


def refused(session: Session, scope: list[ColumnElement[bool]], most: int) -> Rows:
    """Of each member and day: how often he was refused, where more than `most`."""
    return session.execute(
        select(AuditEntry.staff_id, AuditEntry.agency_id, DAY.label("day"), func.count().label("times"))
        .where(*scope, is_refusal())
        .group_by(AuditEntry.staff_id, AuditEntry.agency_id, DAY)
        .having(func.count() > most)
    ).all()


def of_the_name(session: Session, scope: list[ColumnElement[bool]], prefixes: Mapping[UUID, str]) -> Rows:
    """Readings by these members of people whose key begins so: the caller compares the whole family name."""
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
    """The entries themselves, the newest first, with the number of the person and of whose record he is."""
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
