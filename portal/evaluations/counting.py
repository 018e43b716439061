"""Every figure of a programme's year, as of a day, out of its records; in a constant number of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, case, exists, extract, func, or_, select, union_all
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, Agreement, Partner
from portal.cases.codes import Domain, Outcome, Score
from portal.cases.models import Case, CaseGoal
from portal.core.db import db
from portal.evaluations import case_counts
from portal.evaluations.case_counts import completed
from portal.evaluations.catalogue import (
    BEGINS,
    ENDS,
    FIRST,
    LAST,
    PROGRAMME,
    Area,
    Count,
    Key,
    Measure,
    Period,
    counts_of,
    of_kind,
    of_measure,
)
from portal.meetings import states
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import MeetingKind
from portal.referrals.models import Referral, ReferralGoal
from portal.referrals.states import ReferralKind, ReferralStatus

Counted = dict[tuple[str, ActivityKind, Count], int]

HELD = Activity.not_held_why == ""
ONLINE = and_(HELD, Activity.mode.in_([Mode.ONLINE, Mode.BOTH]))
HEAD = ActivityAttendance.struck_at.is_(None)
# The fiscal year's months, April first.
MONTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3)


def within() -> list[ColumnElement[bool]]:
    """Activities of the programme, alone or with others, in the period: one range of an index."""
    return [
        ActivityAgency.agency_id == PROGRAMME,
        ActivityAgency.held_on.between(FIRST, LAST),
        Activity.id == ActivityAgency.activity_id,
        Activity.struck_at.is_(None),
    ]


def many(test: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((test, 1), else_=0)), 0)


def month() -> ColumnElement[int]:
    return extract("month", ActivityAgency.held_on)


@cache
def acts(*, by_month: bool = False) -> Select[*tuple[Any, ...]]:
    by: list[Any] = [Activity.area, Activity.kind, *([month()] if by_month else [])]
    columns = {
        Count.HELD: many(HELD),
        Count.NOT_HELD: many(~HELD),
        Count.ONLINE: many(ONLINE),
        Count.AUDIENCE: func.coalesce(func.sum(case((HELD, Activity.audience_number))), 0),
    }
    named = [column.label(count.value) for count, column in columns.items()]
    return select(*by, *named).where(*within()).group_by(*by)


@cache
def heads() -> Select[*tuple[Any, ...]]:
    """Heads, anonymous first-time heads and the most at one activity, by area and kind."""
    first = and_(ActivityAttendance.person_id.is_(None), ActivityAttendance.is_first)
    one = (
        select(Activity.area, Activity.kind, func.count().label("heads"), many(first).label("firsts"))
        .where(*within(), HELD, ActivityAttendance.activity_id == Activity.id, HEAD)
        .group_by(Activity.id, Activity.area, Activity.kind)
        .subquery()
    )
    counts = (func.sum(one.c.heads), func.sum(one.c.firsts), func.max(one.c.heads))
    return select(one.c.area, one.c.kind, *counts).group_by(one.c.area, one.c.kind)


@cache
def heads_by_activity() -> Select[*tuple[Any, ...]]:
    """For one area and kind, by activity: how many came, and how many of them count as persons there.

    A named person counts where they came first in the period, an anonymous one where they came for the first time.
    """
    person = ActivityAttendance.person_id
    in_order = (ActivityAgency.held_on, Activity.id, ActivityAttendance.id)
    one = (
        select(
            Activity.id,
            person,
            ActivityAttendance.is_first,
            func.row_number().over(partition_by=person, order_by=in_order).label("place"),
        )
        .where(
            *within(),
            HELD,
            Activity.area == bindparam("area"),
            Activity.kind == bindparam("kind", type_=Activity.kind.type),
            ActivityAttendance.activity_id == Activity.id,
            HEAD,
        )
        .subquery()
    )
    counts = or_(
        and_(one.c.person_id.is_(None), one.c.is_first), and_(one.c.person_id.is_not(None), one.c.place == 1)
    )
    return select(one.c.id, func.count(), many(counts)).group_by(one.c.id)


@cache
def names() -> Select[*tuple[Any, ...]]:
    """The number of different named persons, by area and kind."""
    return (
        select(Activity.area, Activity.kind, func.count(ActivityAttendance.person_id.distinct()))
        .where(*within(), HELD, ActivityAttendance.activity_id == Activity.id, HEAD)
        .group_by(Activity.area, Activity.kind)
    )


@cache
def visits_by_month() -> Select[*tuple[Any, ...]]:
    by = (Activity.area, Activity.kind, month())
    came = select(*by, func.count()).where(
        *within(), HELD, ActivityAttendance.activity_id == Activity.id, HEAD
    )
    return came.group_by(*by)


def count_activities(session: Session, values: dict[str, Any]) -> Counted:
    """All activity counts that are not zero, in three statements."""
    found: Counted = {}
    for area, kind, held, not_held, online, audience in session.execute(acts(), values):
        counts = (
            (Count.HELD, held),
            (Count.NOT_HELD, not_held),
            (Count.ONLINE, online),
            (Count.AUDIENCE, audience),
        )
        found |= {(area, kind, what): int(value) for what, value in counts}
    known = {(area, kind): number for area, kind, number in session.execute(names(), values)}
    for area, kind, visits, firsts, most in session.execute(heads(), values):
        found[area, kind, Count.VISITS] = int(visits)
        found[area, kind, Count.PEOPLE] = max(known[area, kind] + int(firsts), int(most))
    return found


ADDITIVE: Collection[Count] = (Count.HELD, Count.NOT_HELD, Count.ONLINE, Count.AUDIENCE, Count.VISITS)


def activities_by_month(
    session: Session, values: dict[str, Any]
) -> dict[tuple[str, ActivityKind, Count], list[int]]:
    """Twelve monthly numbers, April first, of counts that add up. 実 does not: a person may come twice."""
    found: dict[tuple[str, ActivityKind, Count], list[int]] = {}

    def put(area: str, kind: ActivityKind, what: Count, of: int, value: int) -> None:
        found.setdefault((area, kind, what), [0] * 12)[MONTHS.index(int(of))] = int(value)

    for area, kind, of, held, not_held, online, audience in session.execute(acts(by_month=True), values):
        for what, value in zip(ADDITIVE, (held, not_held, online, audience), strict=False):
            put(area, kind, what, of, value)
    for area, kind, of, visits in session.execute(visits_by_month(), values):
        put(area, kind, Count.VISITS, of, visits)
    return found


# Meetings at whose table the programme sat, and the partners and agreements that it won.

KINDS = {
    Measure.WEEKLY_MEETINGS: MeetingKind.WEEKLY,
    Measure.COUNCILS: MeetingKind.COORDINATION,
    Measure.CASE_STUDIES: MeetingKind.CASE_STUDY,
}


def held() -> list[ColumnElement[bool]]:
    return [
        MeetingMember.agency_id == PROGRAMME,
        Meeting.id == MeetingMember.meeting_id,
        Meeting.starts_at >= BEGINS,
        Meeting.starts_at < ENDS,
        Meeting.status.in_(sorted(states.HELD)),
    ]


def added() -> list[ColumnElement[bool]]:
    return [Partner.agency_id == PROGRAMME, Partner.added_on.between(FIRST, LAST)]


def signed() -> list[ColumnElement[bool]]:
    return [
        Agreement.agency_id == PROGRAMME,
        Agreement.signed_on.between(FIRST, LAST),
        Agreement.struck_at.is_(None),
    ]


@cache
def meetings() -> Select[*tuple[Any, ...]]:
    return select(Meeting.kind, func.count()).where(*held()).group_by(Meeting.kind)


@cache
def partners() -> Select[*tuple[Any, ...]]:
    numbers = (
        select(func.count()).select_from(Partner).where(*added()),
        select(func.count()).select_from(Agreement).where(*signed()),
    )
    return select(*(number.scalar_subquery() for number in numbers))


def count_meetings(session: Session, values: dict[str, Any]) -> dict[Measure, int]:
    """All counts of meetings, in two statements."""
    by_kind = {row[0]: row[1] for row in session.execute(meetings(), values)}
    new, agreed = session.execute(partners(), values).one()
    return {
        **{measure: by_kind.get(kind, 0) for measure, kind in KINDS.items()},
        Measure.PARTNERS_ADDED: new,
        Measure.AGREEMENTS_SIGNED: agreed,
    }


# Referrals to the programme: first interviews sat in on, and who came to use it.

IS_JOINT = Referral.kind == ReferralKind.JOINT_INTERVIEW


def sat_in() -> list[ColumnElement[bool]]:
    return [
        Referral.to_agency_id == PROGRAMME,
        Referral.first_contact_on.between(FIRST, LAST),
        IS_JOINT,
        Referral.status != ReferralStatus.ENTERED_IN_ERROR,
    ]


def joined() -> list[ColumnElement[bool]]:
    return completed(Referral.to_agency_id, Outcome.JOINED_PROGRAMME)


def is_carried_over() -> ColumnElement[bool]:
    """継続: the programme was supporting the person when the year began."""
    return (
        exists()
        .where(
            Case.agency_id == PROGRAMME,
            Case.person_id == Referral.person_id,
            Case.opened_on < FIRST,
            or_(Case.closed_on.is_(None), Case.closed_on >= FIRST),
        )
        .correlate_except(Case)
    )


@cache
def joinings() -> Select[*tuple[Any, ...]]:
    tests = (many(IS_JOINT), many(and_(IS_JOINT, is_carried_over())), func.count())
    return select(*tests).where(*joined())


@cache
def interviews() -> Select[int]:
    return select(func.count()).select_from(Referral).where(*sat_in())


def count_referrals(session: Session, values: dict[str, Any]) -> dict[Measure, int]:
    """All counts of referrals, in two statements."""
    after_joint, carried_over, every = session.execute(joinings(), values).one()
    return {
        Measure.JOINT_INTERVIEWS: session.execute(interviews(), values).scalar_one(),
        Measure.JOINED_AFTER_JOINT: int(after_joint),
        Measure.JOINED_CARRIED_OVER: int(carried_over),
        Measure.JOINED: every,
    }


# Goals by domain: achieved, partly, not; out of referrals to the programme and its own cases.


@dataclass(frozen=True, slots=True)
class Goals:
    """The goals of one domain that were scored in the period."""

    domain: Domain
    achieved: int = 0
    partial: int = 0
    not_achieved: int = 0

    @property
    def scored(self) -> int:
        return self.achieved + self.partial + self.not_achieved

    @property
    def rate(self) -> int | None:
        """達成率 in percent, half a percent rounded up; nothing where nothing was scored."""
        return (200 * self.achieved + self.scored) // (2 * self.scored) if self.scored else None

    def reaches(self, target: int) -> bool | None:
        """Whether the rate reaches this percentage, compared exactly; None where nothing was scored."""
        return 100 * self.achieved >= target * self.scored if self.scored else None


@cache
def scored() -> Select[*tuple[Any, ...]]:
    both = union_all(
        select(ReferralGoal.domain, ReferralGoal.score).where(
            Referral.to_agency_id == PROGRAMME,
            Referral.ended_at >= BEGINS,
            Referral.ended_at < ENDS,
            Referral.status == ReferralStatus.COMPLETED,
            ReferralGoal.referral_id == Referral.id,
            ReferralGoal.score.is_not(None),
        ),
        select(CaseGoal.domain, CaseGoal.score).where(
            Case.agency_id == PROGRAMME,
            CaseGoal.case_id == Case.id,
            CaseGoal.score.is_not(None),
            CaseGoal.scored_at >= BEGINS,
            CaseGoal.scored_at < ENDS,
        ),
    ).subquery("scored")
    return select(both.c.domain, both.c.score, func.count()).group_by(both.c.domain, both.c.score)


def goals(session: Session, programme_id: UUID, period: Period) -> dict[Domain, Goals]:
    """All domains, in their order; one statement."""
    rows = session.execute(scored(), period.values(programme_id))
    found = {(domain, score): number for domain, score, number in rows}
    return {domain: Goals(domain, *(found.get((domain, score), 0) for score in Score)) for domain in Domain}


def everybody() -> Session:
    """The unrestricted session: figures are the programme's, whoever reads them (docs/decisions/021)."""
    return db.unrestricted()


def count(session: Session, programme_id: UUID, period: Period, areas: Sequence[Area]) -> dict[Key, int]:
    """All figures of these areas, in their order; also of kinds that only a record says to belong to an area."""
    values = period.values(programme_id)
    acts = count_activities(session, values)
    measures = {
        **case_counts.count(session, values),
        **count_referrals(session, values),
        **count_meetings(session, values),
    }
    found: dict[Key, int] = {}
    for area in areas:
        for kind in kinds_of(area, acts):
            for what in counts_of(kind):
                found[of_kind(area.code, kind, what)] = acts.get((area.code, kind, what), 0)
        for measure in area.measures:
            found[of_measure(area.code, measure)] = measures[measure]
    return found


def kinds_of(area: Area, acts: Iterable[tuple[str, ActivityKind, Count]]) -> list[ActivityKind]:
    """The kinds the area lists, then those found in its records, in the order of all kinds."""
    there = {kind for code, kind, _what in acts if code == area.code} - set(area.kinds)
    return [*area.kinds, *(kind for kind in ActivityKind if kind in there)]


def by_month(
    session: Session, programme_id: UUID, year: int, areas: Sequence[Area], as_of: date | None = None
) -> dict[Key, list[int]]:
    """Twelve monthly numbers, April first, of figures that add up; 実 is left out, as it does not."""
    period = Period(year, as_of) if as_of else Period.whole(year)
    acts = activities_by_month(session, period.values(programme_id))
    return {
        of_kind(area.code, kind, what): acts.get((area.code, kind, what), [0] * 12)
        for area in areas
        for kind in kinds_of(area, acts)
        for what in counts_of(kind)
        if what in ADDITIVE
    }
