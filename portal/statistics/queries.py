"""Counts behind the monthly statistics: a constant number of statements, each over all agencies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    Date,
    Integer,
    Row,
    Select,
    Uuid,
    bindparam,
    case,
    extract,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from portal.agencies.calendar import OpeningDays
from portal.cases.codes import Milestone, Outcome
from portal.cases.models import Case, CaseMilestone
from portal.core.db import JapanDay, UTCDateTime
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from portal.statistics.figures import OPENED, is_waited_for

DAY = timedelta(days=1)


class Passed(dict[date, int]):
    """How many open days there were since `origin`, up to each day and with it; earlier days are not asked about.

    From one day to another there lie `passed[last] - passed[first]`, as `OpeningDays.business_days_between` counts.
    """

    def __init__(self, days: OpeningDays, origin: date) -> None:
        super().__init__({origin: 0})
        self.days, self.newest = days, origin

    def __missing__(self, day: date) -> int:
        while self.newest < day:
            number = self[self.newest]
            self.newest += DAY
            self[self.newest] = number + self.days.is_open(self.newest)
        return self[day]


# Counts behind the monthly statistics: a constant number of statements, each one range of an index.
#
# They yield ids of agencies, months, codes and numbers; no person, no referral. Months are those of Japan, and within
# one fiscal year a number from 1 to 12 says which one.

Rows = Sequence[Row[*tuple[Any, ...]]]

# The period: days for what has a day, instants for what has one. `since` and `until` as clock.start_of_day has them.
FIRST, LAST = bindparam("first", type_=Date), bindparam("last", type_=Date)
SINCE, UNTIL = bindparam("since", type_=UTCDateTime), bindparam("until", type_=UTCDateTime)
# Steps are shown until the end of the day `told_on`; what was due before `today` was waited for.
TODAY, TOLD_ON = bindparam("today", type_=Date), bindparam("told_on", type_=Date)
TOLD = bindparam("told", type_=UTCDateTime)
# The agency that is asked about, or NULL for all; and the reader's own, or NULL.
AGENCY, OWN = bindparam("agency", type_=Uuid), bindparam("own", type_=Uuid)
WORK = (Outcome.EMPLOYED, Outcome.PART_TIME_JOB)
FOUND_WORK = (Milestone.EMPLOYED, Milestone.PART_TIME_JOB)
SENT: Any = JapanDay(Referral.sent_at)


def told(at: Any, what: Any = None) -> Any:
    """The moment of a step, or `what` came with it; NULL where the reader may not see it yet."""
    return case((at < TOLD, at if what is None else what))


RECEIVED: Any = JapanDay(told(OPENED))
ANSWERED: Any = JapanDay(told(Referral.answered_at))
ENDED: Any = JapanDay(told(Referral.ended_at))
REFUSAL: Any = told(Referral.answered_at, Referral.refusal)
OUTCOME: Any = told(Referral.ended_at, Referral.outcome)


class DaysFrom(FunctionElement[int]):
    """How many days lie from the first day to the second."""

    type = Integer()
    inherit_cache = True


@compiles(DaysFrom, "sqlite")
def days_in_sqlite(element: Any, compiler: Any, **more: Any) -> str:
    first, second = (compiler.process(clause, **more) for clause in element.clauses)
    return f"CAST(julianday({second}) - julianday({first}) AS INTEGER)"


@compiles(DaysFrom, "postgresql")
def days_in_postgresql(element: Any, compiler: Any, **more: Any) -> str:
    first, second = (compiler.process(clause, **more) for clause in element.clauses)
    return f"({second} - {first})"


def month(day: Any) -> Any:
    return extract("month", day)


def sent(*more: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    """Conditions for referrals that were sent in the period and are no mistake."""
    stands = Referral.status != ReferralStatus.ENTERED_IN_ERROR
    return [Referral.sent_at >= SINCE, Referral.sent_at < UNTIL, stands, *more]


def of_agency() -> ColumnElement[bool]:
    """Conditions for referrals between the agency asked about and any other, in both directions."""
    return or_(AGENCY.is_(None), Referral.from_agency_id == AGENCY, Referral.to_agency_id == AGENCY)


def is_own() -> ColumnElement[int]:
    return case((or_(Referral.from_agency_id == OWN, Referral.to_agency_id == OWN), 1), else_=0)


def number(test: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((test, 1), else_=0)), 0)


@cache
def opened() -> Select[Any]:
    """Cases opened: agency, month, number."""
    keys = (Case.agency_id, month(Case.opened_on))
    return select(*keys, func.count()).where(Case.opened_on >= FIRST, Case.opened_on <= LAST).group_by(*keys)


@cache
def milestones() -> Select[Any]:
    """Plans and higher earnings: agency, month, which, for employment, number."""
    keys = (
        Case.agency_id,
        month(CaseMilestone.happened_on),
        CaseMilestone.what,
        CaseMilestone.for_employment,
    )
    return (
        select(*keys, func.count())
        .join(Case, Case.id == CaseMilestone.case_id)
        .where(
            CaseMilestone.what.in_((Milestone.PLAN_MADE, Milestone.EARNINGS_UP)),
            CaseMilestone.happened_on >= FIRST,
            CaseMilestone.happened_on <= LAST,
            CaseMilestone.struck_at.is_(None),
        )
        .group_by(*keys)
    )


@cache
def employed() -> Select[Any]:
    """People who found work: agency, month of the first time in the period, number."""
    noted = (
        select(Case.agency_id, Case.person_id, CaseMilestone.happened_on.label("day"))
        .join(Case, Case.id == CaseMilestone.case_id)
        .where(
            CaseMilestone.what.in_(FOUND_WORK),
            CaseMilestone.happened_on >= FIRST,
            CaseMilestone.happened_on <= LAST,
            CaseMilestone.struck_at.is_(None),
        )
    )
    closed = select(Case.agency_id, Case.person_id, Case.closed_on).where(
        Case.outcome.in_(WORK), Case.closed_on >= FIRST, Case.closed_on <= LAST
    )
    completed = select(Referral.to_agency_id, Referral.person_id, JapanDay(Referral.ended_at)).where(
        Referral.outcome.in_(WORK),
        Referral.ended_at >= SINCE,
        Referral.ended_at < UNTIL,
        Referral.status == ReferralStatus.COMPLETED,
    )
    events = union_all(noted, closed, completed).subquery()
    once = (
        select(events.c.agency_id, func.min(events.c.day, type_=Date).label("day"))
        .group_by(events.c.agency_id, events.c.person_id)
        .subquery()
    )
    keys = (once.c.agency_id, month(once.c.day))
    return select(*keys, func.count()).group_by(*keys)


@cache
def referred() -> Select[Any]:
    """Referrals sent: sender, month, whether to the reader's own agency, number."""
    keys = (Referral.from_agency_id, month(SENT), case((Referral.to_agency_id == OWN, 1), else_=0))
    return select(*keys, func.count()).where(*sent()).group_by(*keys)


@cache
def ends() -> Select[Any]:
    """Refusals and outcomes of what was sent: month, the reader's own, refusal, outcome, number."""
    keys = (month(SENT), is_own(), REFUSAL, OUTCOME)
    known = or_(REFUSAL.is_not(None), OUTCOME.is_not(None))
    return select(*keys, func.count()).where(*sent(known, of_agency())).group_by(*keys)


@cache
def pairs() -> Select[Any]:
    """By pair: sent; due to be received, and received in time; the same for answers; refused."""
    columns: list[ColumnElement[int]] = [func.count()]
    for done, due_on in ((RECEIVED, Referral.acknowledge_by), (ANSWERED, Referral.respond_by)):
        waited = case((done.is_not(None), 1), else_=is_waited_for(due_on, TODAY))
        in_time = case((done.is_(None), 0), (done > due_on, 0), else_=1)
        columns += [func.sum(waited), func.sum(in_time)]
    keys: tuple[Any, ...] = (Referral.from_agency_id, Referral.to_agency_id)
    refused = number(REFUSAL.is_not(None))
    return select(*keys, *columns, refused).where(*sent(of_agency())).group_by(*keys)


@cache
def answers() -> Select[Any]:
    """When the referrals of some pairs were sent and answered: sender, recipient, two days, number."""
    wanted = tuple_(Referral.from_agency_id, Referral.to_agency_id).in_(bindparam("pairs", expanding=True))
    keys = (Referral.from_agency_id, Referral.to_agency_id, SENT, ANSWERED)
    return select(*keys, func.count()).where(*sent(Referral.answered_at < TOLD, wanted)).group_by(*keys)


@cache
def business_steps(calendars: int) -> Select[Any]:
    """Days of sending, receiving and answering, by the recipient's calendar: calendar, three days, number.

    Agencies that open on the same days share a calendar; so there are fewer lines than referrals. Those of the
    calendars after the first are given as `calendar1`, `calendar2`, up to `calendars`.
    """
    others = [
        (Referral.to_agency_id.in_(bindparam(f"calendar{n}", expanding=True)), n) for n in range(1, calendars)
    ]
    which: Any = case(*others, else_=0) if others else literal(0, Integer)
    keys = (which.label("calendar"), SENT, RECEIVED, ANSWERED)
    return select(*keys, func.count()).where(*sent(of_agency())).group_by(*keys)


@cache
def calendar_steps() -> Select[Any]:
    """Days from sending to the first contact and to the end, where it came so far: two numbers of days, number."""
    contact_on: Any = case((Referral.first_contact_on <= TOLD_ON, Referral.first_contact_on))
    contact: Any = DaysFrom(SENT, contact_on)
    end: Any = DaysFrom(SENT, ENDED)
    begun = or_(Referral.first_contact_on <= TOLD_ON, Referral.ended_at < TOLD)
    return select(contact, end, func.count()).where(*sent(begun, of_agency())).group_by(contact, end)
