"""Counts of cases: doors that opened, places to belong, jobs and with whose help, leaflets that worked."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Select,
    Text,
    and_,
    case,
    exists,
    false,
    func,
    or_,
    select,
    true,
    type_coerce,
    union,
    union_all,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement, Subquery

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance
from portal.agencies.models import PLACING_KINDS, Agency
from portal.cases.codes import HeardBy, Milestone, Outcome
from portal.cases.models import Case, CaseMilestone
from portal.core.db import JapanDay, among
from portal.evaluations.catalogue import BEGINS, ENDS, FIRST, LAST, PROGRAMME, Measure
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus

JOBS = (Outcome.EMPLOYED, Outcome.PART_TIME_JOB)
JOB_MILESTONES = (Milestone.EMPLOYED, Milestone.PART_TIME_JOB)
LEAFLETS = (HeardBy.LEAFLET, HeardBy.LEAFLET_OF_COMMISSIONER)


def plain(code: Any) -> ColumnElement[str]:
    """A code as its text, so that milestones and outcomes lie in one column."""
    return type_coerce(code, Text())


def visited(mode: Mode, *more: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Persons by name whom the programme visited at home in this way, and the days."""
    return select(ActivityAttendance.person_id, ActivityAgency.held_on).where(
        ActivityAgency.agency_id == PROGRAMME,
        Activity.id == ActivityAgency.activity_id,
        Activity.kind == ActivityKind.HOME_VISIT,
        Activity.mode == mode,
        Activity.struck_at.is_(None),
        Activity.not_held_why == "",
        ActivityAttendance.activity_id == Activity.id,
        ActivityAttendance.struck_at.is_(None),
        ActivityAttendance.person_id.is_not(None),
        *more,
    )


@cache
def doors() -> Subquery:
    """Persons talked to through the door and on a later day face to face, for the first time within the period."""
    met = visited(Mode.IN_PERSON, ActivityAgency.held_on.between(FIRST, LAST)).subquery()
    latest = (
        select(met.c.person_id, func.max(met.c.held_on).label("latest")).group_by(met.c.person_id).subquery()
    )
    of_them = ActivityAttendance.person_id == latest.c.person_id
    earlier = visited(Mode.THROUGH_DOOR, of_them).with_only_columns(func.min(ActivityAgency.held_on))
    first = earlier.correlate(latest).scalar_subquery()
    once = select(latest.c.person_id, latest.c.latest, first.label("first")).cte("once")
    before = visited(
        Mode.IN_PERSON,
        ActivityAttendance.person_id == once.c.person_id,
        ActivityAgency.held_on > once.c.first,
        ActivityAgency.held_on < FIRST,
    ).correlate(once)
    return (
        select(once.c.person_id, once.c.first)
        .where(once.c.latest > once.c.first, ~before.exists())
        .subquery("doors")
    )


def completed(side: Any, *outcomes: Outcome) -> list[ColumnElement[bool]]:
    """Referrals from or to the programme that ended well within the period: one range of an index."""
    return [
        side == PROGRAMME,
        Referral.ended_at >= BEGINS,
        Referral.ended_at < ENDS,
        Referral.status == ReferralStatus.COMPLETED,
        Referral.outcome.in_(outcomes),
    ]


def closed(*outcomes: Outcome) -> list[ColumnElement[bool]]:
    return [
        Case.agency_id == PROGRAMME,
        Case.closed_on.between(FIRST, LAST),
        Case.outcome.in_(outcomes),
    ]


@cache
def places() -> Subquery:
    return union(
        select(Case.person_id).where(*closed(Outcome.PLACE_TO_BELONG)),
        select(Referral.person_id).where(*completed(Referral.to_agency_id, Outcome.PLACE_TO_BELONG)),
    ).subquery("places")


def came_by_leaflet() -> list[ColumnElement[bool]]:
    """Cases of the programme, begun in the period, of people whom a leaflet brought: here, or to an
    agency that was supporting them by then."""
    other = aliased(Case)
    brought = exists().where(
        other.person_id == Case.person_id,
        other.heard_by.in_(LEAFLETS),
        other.opened_on <= Case.opened_on,
        or_(other.closed_on.is_(None), other.closed_on >= Case.opened_on),
    )
    return [Case.agency_id == PROGRAMME, Case.opened_on.between(FIRST, LAST), brought]


# Jobs. A milestone is a job. The end of a case or a referral only repeats a job found while it was open: when
# that was recorded in an earlier year, it is no second job.


def told_before(person: Any, outcome: Any, since: Any) -> ColumnElement[bool]:
    """The same result of the same person was recorded since that day, and before the period's year."""
    step, ending, asked = aliased(CaseMilestone), aliased(Case), aliased(Referral)
    of_step = aliased(Case)
    noted = exists().where(
        of_step.agency_id == PROGRAMME,
        of_step.person_id == person,
        step.case_id == of_step.id,
        plain(step.what) == plain(outcome),
        step.struck_at.is_(None),
        step.happened_on >= since,
        step.happened_on < FIRST,
    )
    ended = exists().where(
        ending.agency_id == PROGRAMME,
        ending.person_id == person,
        ending.outcome == outcome,
        ending.closed_on >= since,
        ending.closed_on < FIRST,
    )
    answered = exists().where(
        asked.person_id == person,
        or_(asked.to_agency_id == PROGRAMME, asked.from_agency_id == PROGRAMME),
        asked.status == ReferralStatus.COMPLETED,
        asked.outcome == outcome,
        asked.ended_at < BEGINS,
        JapanDay(asked.ended_at) >= since,
    )
    return or_(noted, ended, answered)


def places_people(agency: Any) -> ColumnElement[bool]:
    return exists().where(Agency.id == agency, among(Agency.kind, PLACING_KINDS)).correlate_except(Agency)


def milestones() -> list[ColumnElement[bool]]:
    return [
        CaseMilestone.what.in_(JOB_MILESTONES),
        CaseMilestone.happened_on.between(FIRST, LAST),
        CaseMilestone.struck_at.is_(None),
        Case.id == CaseMilestone.case_id,
        Case.agency_id == PROGRAMME,
    ]


def job_closings() -> list[ColumnElement[bool]]:
    return [*closed(*JOBS), ~told_before(Case.person_id, Case.outcome, Case.opened_on)]


def job_referrals(side: Any) -> list[ColumnElement[bool]]:
    again = told_before(Referral.person_id, Referral.outcome, JapanDay(Referral.sent_at))
    return [*completed(side, *JOBS), ~again]


def job(key: Any, person: Any, outcome: Any, helped: ColumnElement[bool]) -> Select[Any]:
    return select(
        key.label("id"),
        person.label("person_id"),
        plain(outcome).label("outcome"),
        helped.label("helped"),
    )


@cache
def jobs() -> CompoundSelect[Any]:
    """Records of a job in the period: the row, the person, the sort of job, and whether Hello Work helped."""
    noted = places_people(CaseMilestone.helper_agency_id)
    to_desk = places_people(Referral.to_agency_id)
    asked = (Referral.id, Referral.person_id, Referral.outcome)
    return union_all(
        job(CaseMilestone.id, Case.person_id, CaseMilestone.what, noted).where(*milestones()),
        job(Case.id, Case.person_id, Case.outcome, false()).where(*job_closings()),
        job(*asked, to_desk).where(*job_referrals(Referral.from_agency_id)),
        job(*asked, false()).where(*job_referrals(Referral.to_agency_id)),
    )


@cache
def found_jobs() -> Select[*tuple[Any, ...]]:
    found = jobs().subquery("found")

    def people(test: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(case((test, found.c.person_id)).distinct())

    kinds = [people(found.c.outcome == outcome.value) for outcome in JOBS]
    return select(*kinds, people(and_(found.c.helped == true())))


@cache
def others() -> Select[*tuple[Any, ...]]:
    """Three counts of people in one row."""
    came = select(func.count(Case.person_id.distinct())).where(*came_by_leaflet())
    numbers = (select(func.count()).select_from(doors()), select(func.count()).select_from(places()), came)
    return select(*(number.scalar_subquery() for number in numbers))


def count(session: Session, values: dict[str, Any]) -> dict[Measure, int]:
    """All counts of this module, in two statements."""
    opened, belong, leaflet = session.execute(others(), values).one()
    employed, part_time, helped = session.execute(found_jobs(), values).one()
    return {
        Measure.DOOR_OPENED: opened,
        Measure.PLACE_TO_BELONG: belong,
        Measure.CAME_BY_LEAFLET: leaflet,
        Measure.EMPLOYED: employed,
        Measure.PART_TIME_JOB: part_time,
        Measure.WITH_HELLO_WORK: helped,
    }
