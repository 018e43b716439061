"""Figures of each agency over a period: pace of answers, reasons of refusal, bases of disclosure, readings.

Counted by the database and in a constant number of statements; only business days are counted here, by each
agency's calendar, for as many days as there are and not for as many referrals.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, case, func, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.agencies.calendar import OpeningDays
from portal.agencies.models import Agency, Closure
from portal.agencies.queries import days_of
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import JapanDay, db
from portal.core.policy import Actor, Permission, require
from portal.disclosures.models import Basis, Disclosure
from portal.emergency.models import EmergencyAccess, Finding
from portal.referrals.models import Referral
from portal.referrals.states import Refusal

READINGS = [event.value for event in AuditEvent if event.value.endswith((":read", ":listed", ":opened"))]
# An agency that answers has received it.
OPENED = func.coalesce(Referral.received_at, Referral.answered_at)


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon: `done` of `asked`, and of what was due, `in_time`; `median` in business days."""

    asked: int = 0
    done: int = 0
    due: int = 0
    in_time: int = 0
    median: int | None = None

    @property
    def share(self) -> int | None:
        """The percentage in time, of those that are done or due."""
        return round(100 * self.in_time / self.due) if self.due else None


@dataclass(frozen=True, slots=True)
class Figures:
    """One agency over one period. `readings` is None where the reader may not have them."""

    agency_id: UUID
    name: str
    received: Pace = field(default_factory=Pace)
    answered: Pace = field(default_factory=Pace)
    refusals: dict[Refusal, int] = field(default_factory=dict)
    disclosures: dict[Basis, int] = field(default_factory=dict)
    emergencies: int = 0
    unjustified: int = 0
    readings: int | None = None

    @property
    def refused(self) -> int:
        return sum(self.refusals.values())


def read(actor: Actor, first: date, last: date) -> list[Figures]:
    """The figures of every agency, for the auditor; itself logged.

    Raises:
        NotAllowed: no auditor.
    """
    require(actor, Permission.INSPECT)
    audit.record_reading(AuditEvent.AUDIT_READ, ("agency", None), actor=actor, figures=[first, last])
    return count(db.read(), first, last)


def export(actor: Actor, first: date, last: date) -> list[Figures]:
    """The same figures for a file; logged as an export."""
    require(actor, Permission.INSPECT)
    audit.record_reading(AuditEvent.LOG_EXPORTED, ("agency", None), actor=actor, figures=[first, last])
    return count(db.read(), first, last)


def count(session: Session, first: date, last: date, agency_id: UUID | None = None) -> list[Figures]:
    """The figures of every agency, or of one; eight statements, however many agencies and referrals."""
    asked = select(Agency).order_by(Agency.created_at, Agency.id)
    agencies = session.scalars(asked.where(Agency.id == agency_id) if agency_id else asked).all()
    calendars = opening_days(session, agencies, first)
    to_agency, period = Referral.to_agency_id, Period(first, last, agency_id)
    received = paces(session, period, calendars, OPENED, Referral.acknowledge_by)
    answered = paces(session, period, calendars, Referral.answered_at, Referral.respond_by)
    refusals = tallies(
        session, period, to_agency, Referral.refusal, Referral.sent_at, Referral.refusal.is_not(None)
    )
    told = tallies(session, period, Disclosure.from_agency_id, Disclosure.basis, Disclosure.starts_at)
    used = tallies(
        session,
        period,
        EmergencyAccess.agency_id,
        func.coalesce(type_coerce(EmergencyAccess.finding, Text()), ""),  # one not judged yet has none
        EmergencyAccess.starts_at,
    )
    entries = tallies(
        session,
        period,
        AuditEntry.agency_id,
        func.count(),
        AuditEntry.at,
        AuditEntry.event.in_(READINGS),
        is_grouped=False,
    )
    return [
        Figures(
            agency_id=one.id,
            name=one.name,
            received=received.get(one.id, Pace()),
            answered=answered.get(one.id, Pace()),
            refusals={Refusal(code): n for code, n in refusals[one.id].items()},
            disclosures={Basis(code): n for code, n in told[one.id].items()},
            emergencies=sum(used[one.id].values()),
            unjustified=used[one.id].get(Finding.NOT_JUSTIFIED, 0),
            readings=sum(entries[one.id].values()),
        )
        for one in agencies
    ]


@dataclass(frozen=True, slots=True)
class Period:
    first: date
    last: date
    agency_id: UUID | None

    def tests(self, agency: Any, at: Any) -> list[ColumnElement[bool]]:
        found = [at >= clock.start_of_day(self.first), at < clock.end_of_day(self.last)]
        return [*found, agency == self.agency_id] if self.agency_id else [*found, agency.is_not(None)]


def tallies(
    session: Session,
    period: Period,
    agency: InstrumentedAttribute[Any],
    code: Any,
    at: InstrumentedAttribute[Any],
    *tests: ColumnElement[bool],
    is_grouped: bool = True,
) -> defaultdict[UUID, Counter[Any]]:
    """How many rows each agency has of each code."""
    columns = [agency, code, func.count()] if is_grouped else [agency, func.min(1), func.count()]
    groups = [agency, code] if is_grouped else [agency]
    rows = session.execute(select(*columns).where(*period.tests(agency, at), *tests).group_by(*groups))
    found: defaultdict[UUID, Counter[Any]] = defaultdict(Counter)
    for key, value, number in rows:
        found[key][value] += number
    return found


def paces(
    session: Session,
    period: Period,
    calendars: dict[UUID, OpeningDays],
    done_at: ColumnElement[Any] | InstrumentedAttribute[Any],
    due_on: InstrumentedAttribute[Any],
) -> dict[UUID, Pace]:
    """The pace of each agency for one step, of the referrals sent to it in the period."""
    sent, done = JapanDay(Referral.sent_at), JapanDay(done_at)
    is_late = case((done > due_on, 1), else_=0)
    columns = (Referral.to_agency_id, sent, done, is_late, is_waited_for(due_on, clock.today()))
    rows = session.execute(
        select(*columns, func.count())
        .where(*period.tests(Referral.to_agency_id, Referral.sent_at))
        .group_by(*columns)
    )
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row[1:])
    return {key: pace(lines, calendars[key]) for key, lines in found.items()}


def is_waited_for(due_on: InstrumentedAttribute[Any], today: Any) -> ColumnElement[int]:
    """1 where the due day has passed; what ended before that day is not waited for."""
    ended_first = JapanDay(Referral.ended_at) <= due_on
    return case((ended_first, 0), (due_on < today, 1), else_=0)


def pace(lines: Iterable[Any], days: OpeningDays) -> Pace:
    asked = done = due = in_time = 0
    took: Counter[int] = Counter()
    for sent_on, done_on, is_late, is_due, number in lines:
        asked += number
        if done_on is not None:
            done += number
            due += number
            in_time += 0 if is_late else number
            took[max(0, days.business_days_between(sent_on, done_on))] += number
        elif is_due:
            due += number
    return Pace(asked, done, due, in_time, median(took))


def median(took: Counter[int]) -> int | None:
    """The lower of the two middle values, so that it is a number of days that somebody really waited."""
    wanted, passed = (took.total() + 1) // 2, 0
    for days in sorted(took):
        passed += took[days]
        if passed >= wanted:
            return days
    return None


def opening_days(session: Session, agencies: Iterable[Agency], first: date) -> dict[UUID, OpeningDays]:
    """The calendars of the agencies, with the closures of the past that the period touches."""
    closures: defaultdict[UUID, list[Closure]] = defaultdict(list)
    for closure in session.scalars(select(Closure).where(Closure.ends_on >= first)):
        closures[closure.agency_id].append(closure)
    return {one.id: days_of(one, closures[one.id]) for one in agencies}
