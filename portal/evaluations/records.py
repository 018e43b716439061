"""The records behind a figure that this reader may see, and what is left between their sum and the figure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Date, Integer, Select, Uuid, bindparam, literal, null, select, tuple_, union_all
from sqlalchemy import case as when
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.activities import queries as held
from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAgency, ActivityAttendance, Agreement, Partner
from portal.cases import queries as cases
from portal.cases.codes import HeardBy, Milestone, Outcome
from portal.cases.models import Case, CaseMilestone
from portal.core.db import JapanDay
from portal.core.labels import Labelled
from portal.core.policy import Actor
from portal.disclosures.person_header import label_columns, label_of
from portal.evaluations import case_counts, counting
from portal.evaluations.case_counts import plain
from portal.evaluations.catalogue import FIRST, LAST, Count, Key, Measure, Period
from portal.evaluations.table import Figure
from portal.meetings.schedule import queries as meetings
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingKind
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals import queries as referrals
from portal.referrals.models import Referral
from portal.referrals.states import ReferralKind
from portal.wall import predicates

C, M, READER = Count, Measure, predicates.READER
# Partners and their agreements are there for everybody who does casework.
IS_CASEWORKER = cast(Any, READER.agency_id).is_not(None)
JOBS: dict[Count | Measure, list[str]] = {
    M.EMPLOYED: [Outcome.EMPLOYED.value],
    M.PART_TIME_JOB: [Outcome.PART_TIME_JOB.value],
    M.WITH_HELLO_WORK: [job.value for job in case_counts.JOBS],
}


class RecordKind(StrEnum):
    """The kind of page that a record has."""

    ACTIVITY = "activity"
    REFERRAL = "referral"
    CASE = "case"
    PARTNER = "partner"
    AGREEMENT = "agreement"
    MEETING = "meeting"


class Source(StrEnum):
    """What was counted about a record; its code is one of `CODES`."""

    ACTIVITY = "activity"
    COMPLETED = "completed"
    INTERVIEW = "interview"
    CLOSED = "closed"
    OPENED = "opened"
    MILESTONE = "milestone"
    PARTNER = "partner"
    AGREEMENT = "agreement"
    MEETING = "meeting"


S, R = Source, RecordKind
KINDS = {
    S.ACTIVITY: R.ACTIVITY,
    S.PARTNER: R.PARTNER,
    S.AGREEMENT: R.AGREEMENT,
    S.MEETING: R.MEETING,
    S.COMPLETED: R.REFERRAL,
    S.INTERVIEW: R.REFERRAL,
    S.CLOSED: R.CASE,
    S.OPENED: R.CASE,
    S.MILESTONE: R.CASE,
}
CODES: dict[Source, type[Labelled]] = {
    S.ACTIVITY: ActivityKind,
    S.MEETING: MeetingKind,
    S.COMPLETED: Outcome,
    S.INTERVIEW: ReferralKind,
    S.CLOSED: Outcome,
    S.OPENED: HeardBy,
    S.MILESTONE: Milestone,
}


ONE = literal(1)


def part(
    source: Source, page: Any, key: Any, day: Any, code: Any, label: Any, person: Any, number: Any = ONE
) -> Select[Any]:
    """One part of a list. `number` is what a row counts by itself, before people counted already are out."""
    return select(
        literal(source.value).label("source"),
        page.label("page_id"),
        key.label("key"),
        day.label("day"),
        plain(code).label("code"),
        label.label("label"),
        person.label("person_id"),
        number.label("number"),
    )


def nobody() -> ColumnElement[Any]:
    return literal(None, Uuid())


def activities(what: Count) -> Select[Any]:
    """Activities, which only their holders see; how many came to each stands on its page."""
    tests = {
        C.NOT_HELD: ~counting.HELD,
        C.ONLINE: counting.ONLINE,
        C.AUDIENCE: counting.HELD & (Activity.audience_number > 0),
    }
    found = part(
        *(S.ACTIVITY, Activity.id, Activity.id, Activity.held_on, Activity.kind, Activity.title, nobody()),
        Activity.audience_number if what is C.AUDIENCE else ONE,
    )
    return found.where(
        *counting.within(),
        Activity.area == bindparam("area"),
        Activity.kind == bindparam("kind", type_=Activity.kind.type),
        tests.get(what, counting.HELD),
        held.visible_to(READER),
    )


def visits() -> Select[Any]:
    """Home visits to people whose door opened, as far as the reader's agency recorded them.

    Through the door nobody is counted.
    """
    head = ActivityAttendance
    found = part(
        *(S.ACTIVITY, Activity.id, head.id, Activity.held_on, Activity.kind, Activity.title, head.person_id),
        when((Activity.mode == Mode.IN_PERSON, 1), else_=0),
    )
    return found.where(
        head.id.in_(bindparam("ids", expanding=True, type_=Uuid())),
        Activity.id == head.activity_id,
        head.agency_id == READER.agency_id,
        ~predicates.is_excluded(READER, head.person_id),
        held.visible_to(READER),
    )


def of_case(source: Source, day: Any, code: Any, key: Any = Case.id) -> Select[Any]:
    found = part(source, Case.id, key, day, code, Case.number, Case.person_id)
    return found.where(cases.visible_to(READER))


def of_referral(source: Source, day: Any, code: Any) -> Select[Any]:
    """Referrals behind a figure; an anonymous request names nobody to the agency that was asked."""
    person = when((referrals.may_name(READER), Referral.person_id), else_=null())
    found = part(source, Referral.id, Referral.id, day, code, Referral.number, person)
    return found.where(referrals.visible_to(READER))


def completed() -> Select[Any]:
    return of_referral(S.COMPLETED, JapanDay(Referral.ended_at), Referral.outcome)


def told_of_jobs() -> list[Select[Any]]:
    counted = bindparam("ids", expanding=True, type_=Uuid())
    step = of_case(S.MILESTONE, CaseMilestone.happened_on, CaseMilestone.what, CaseMilestone.id)
    return [
        step.where(CaseMilestone.id.in_(counted), Case.id == CaseMilestone.case_id),
        of_case(S.CLOSED, Case.closed_on, Case.outcome).where(Case.id.in_(counted)),
        completed().where(Referral.id.in_(counted)),
    ]


def of_meetings(kind: MeetingKind) -> Select[Any]:
    found = part(
        *(S.MEETING, Meeting.id, Meeting.id, JapanDay(Meeting.starts_at), Meeting.kind, Meeting.name),
        nobody(),
    )
    return found.where(*counting.held(), Meeting.kind == kind, meetings.visible_to(READER))


def of_partners() -> Select[Any]:
    found = part(S.PARTNER, Partner.id, Partner.id, Partner.added_on, literal(""), Partner.name, nobody())
    return found.where(*counting.added(), IS_CASEWORKER)


def of_agreements() -> Select[Any]:
    row = Agreement
    found = part(S.AGREEMENT, Partner.id, row.id, row.signed_on, literal(""), Partner.name, nobody())
    return found.where(*counting.signed(), Agreement.partner_id == Partner.id, IS_CASEWORKER)


def parts_of(what: Count | Measure) -> list[Select[Any]]:
    """The parts that make up the list of a figure."""
    if isinstance(what, Count):
        return [activities(what)]
    if what in JOBS:
        return told_of_jobs()
    if what in counting.KINDS:
        return [of_meetings(counting.KINDS[what])]
    joined = completed().where(*counting.joined())
    belong = Outcome.PLACE_TO_BELONG
    by_measure: dict[Any, list[Select[Any]]] = {
        M.DOOR_OPENED: [visits()],
        M.PLACE_TO_BELONG: [
            of_case(S.CLOSED, Case.closed_on, Case.outcome).where(*case_counts.closed(belong)),
            completed().where(*case_counts.completed(Referral.to_agency_id, belong)),
        ],
        M.CAME_BY_LEAFLET: [
            of_case(S.OPENED, Case.opened_on, Case.heard_by).where(*case_counts.came_by_leaflet())
        ],
        M.PARTNERS_ADDED: [of_partners()],
        M.AGREEMENTS_SIGNED: [of_agreements()],
        M.JOINT_INTERVIEWS: [
            of_referral(S.INTERVIEW, Referral.first_contact_on, Referral.kind).where(*counting.sat_in())
        ],
        M.JOINED_AFTER_JOINT: [joined.where(counting.IS_JOINT)],
        M.JOINED_CARRIED_OVER: [joined.where(counting.IS_JOINT, counting.is_carried_over())],
        M.JOINED: [joined],
    }
    return by_measure[what]


# The records behind a figure: of those that were counted, the ones that this reader may open.

PAGE = 50


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the list. `id` is that of the page to open, `mark` where the list goes on behind it.

    `what` says what happened on that day; `name` is empty where the wall withholds it or nobody is meant.
    """

    kind: RecordKind
    id: UUID
    mark: tuple[date, UUID]
    what: Labelled | None
    label: str
    person_id: UUID | None
    name: str

    @property
    def day(self) -> date:
        return self.mark[0]

    @property
    def key(self) -> UUID:
        return self.mark[1]


@cache
def paging(what: Count | Measure, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The statement for one page, the latest first, built once: the rows, then the names of those on it."""
    rows = union_all(*parts_of(what)).subquery("rows")
    newest = (rows.c.day.desc(), rows.c.key.desc())
    chosen = select(rows)
    if not is_first:
        last = tuple_(bindparam("after_day", type_=Date()), bindparam("after_key", type_=Uuid()))
        chosen = chosen.where(tuple_(rows.c.day, rows.c.key) < last)
    page = chosen.order_by(*newest).limit(bindparam("size", type_=Integer())).subquery("page")
    return (
        select(
            page, *label_columns(predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person))
        )
        .outerjoin(Person, Person.id == page.c.person_id)
        .order_by(page.c.day.desc(), page.c.key.desc())
    )


@cache
def everything(what: Count | Measure) -> Select[*tuple[Any, ...]]:
    """All rows of the list, the earliest first, without names, in order to add them up."""
    rows = union_all(*parts_of(what)).subquery("rows")
    return select(rows.c.key, rows.c.day, rows.c.person_id, rows.c.number).order_by(rows.c.day, rows.c.key)


@cache
def visits_counted() -> Select[UUID]:
    """Of people whose door opened in the period: visits through the door, and those face to face."""
    doors = case_counts.doors()
    within = ActivityAgency.held_on.between(FIRST, LAST)
    of_them = ActivityAttendance.person_id.in_(select(doors.c.person_id))
    behind = case_counts.visited(Mode.THROUGH_DOOR, of_them, ActivityAgency.held_on <= LAST)
    before = case_counts.visited(Mode.IN_PERSON, of_them, within)
    both = union_all(*(one.with_only_columns(ActivityAttendance.id) for one in (behind, before))).subquery()
    return select(both.c.id)


def counted(what: Count | Measure, values: dict[str, Any]) -> list[UUID]:
    """The rows that a figure counted, for those that the reader's own view would count differently."""
    session = counting.everybody()
    if what is Measure.DOOR_OPENED:
        return list(session.scalars(visits_counted(), values))
    if what in JOBS:
        wanted, helped = JOBS[what], what is Measure.WITH_HELLO_WORK
        rows = session.execute(case_counts.jobs(), values)
        return sorted({row.id for row in rows if row.outcome in wanted and (row.helped or not helped)})
    return []


def asked(actor: Actor, programme_id: UUID, period: Period, key: Key, now: datetime) -> dict[str, Any]:
    """The parameters of the statements of a figure's list."""
    of_period = period.values(programme_id)
    values = predicates.bound(actor, now, **of_period, area=key.area, kind=key.kind)
    return values | {"ids": counted(key.what, of_period)}


def records(
    session: Session,
    what: Count | Measure,
    values: dict[str, Any],
    *,
    after: tuple[date, UUID] | None = None,
    size: int = PAGE,
) -> Sequence[Record]:
    """One page of what lies behind a figure, the latest first, beginning behind the mark `after`.

    `values` are those of `asked`. There may be fewer than the figure says: the others are not this reader's to open.
    """
    values = values | {"size": size}
    if after:
        values |= {"after_day": after[0], "after_key": after[1]}
    return [
        Record(
            KINDS[source := Source(row.source)],
            row.page_id,
            (row.day, row.key),
            CODES[source](row.code) if source in CODES and row.code else None,
            row.label,
            row.person_id,
            label_of(row),
        )
        for row in session.execute(paging(what, is_first=after is None), values)
    ]


# What each record behind a figure counts, and what is left between their sum and the figure.

# Each person counts once, in however many records they appear.
OF_PERSONS = frozenset(
    {
        Measure.DOOR_OPENED,
        Measure.PLACE_TO_BELONG,
        Measure.CAME_BY_LEAFLET,
        Measure.EMPLOYED,
        Measure.PART_TIME_JOB,
        Measure.WITH_HELLO_WORK,
    }
)


@dataclass(frozen=True, slots=True)
class Sum:
    """What each row counts, by the key of its mark, and what else makes the figure; `total` is the sum."""

    rows: Mapping[UUID, int]
    again: Collection[UUID]  # rows that count nobody, because an earlier one did
    came: Mapping[UUID, int] | None  # 実 from inside: how many came, beside how many of them count
    least: int  # 実: so many more, because as many came at once
    elsewhere: (
        int  # in records that this reader does not see; below zero where people are counted in several rows
    )
    since: int  # since the year was closed
    total: int

    @property
    def listed(self) -> int:
        return sum(self.rows.values())


def add_up(session: Session, figure: Figure, values: Mapping[str, Any], *, is_inside: bool) -> Sum | None:
    """How the rows make up the figure; None where its reader is shown 少数 only.

    Everything here follows from the figure as the reader sees it and from the records that they may open. Only the
    programme's own staff see which visit of a person counts as their first: they see the figure of any day.
    """
    if figure.is_few:
        return None
    what = figure.what
    found = session.execute(everything(what), values).all()
    came = None
    least = 0
    if what in {Count.VISITS, Count.PEOPLE}:
        heads = heads_by_activity(values)
        rows = {row.key: heads.get(row.key, (0, 0))[0] for row in found}
        if what is Count.PEOPLE and is_inside:
            came, rows = rows, {row.key: heads.get(row.key, (0, 0))[1] for row in found}
            least = max(0, max(came.values(), default=0) - sum(rows.values()))
    elif what in OF_PERSONS:
        rows = persons(found, is_door=what is Measure.DOOR_OPENED)
    else:
        rows = {row.key: row.number for row in found}
    counted = figure.value if figure.now is None else figure.now
    return Sum(
        rows=rows,
        again={key for key, n in rows.items() if not n} if what in OF_PERSONS - {Measure.DOOR_OPENED} else (),
        came=came,
        least=least,
        elsewhere=counted - sum(rows.values()) - least,
        since=figure.value - counted,
        total=figure.value,
    )


def heads_by_activity(values: Mapping[str, Any]) -> dict[UUID, tuple[int, int]]:
    """The heads of each activity, for holders only; read without the wall, as in `activities/queries.py`."""
    rows = counting.everybody().execute(counting.heads_by_activity(), values)
    return {activity_id: (int(came), int(count)) for activity_id, came, count in rows}


def persons(found: Iterable[Any], *, is_door: bool) -> dict[UUID, int]:
    """Each person counts in the first of the records that the reader sees; an unnamed one counts in each.

    A door opened on the first day face to face after one at the door.
    """
    rows: dict[UUID, int] = {}
    known: set[UUID] = set()
    doors: dict[UUID, date] = {}
    for row in found:
        counts = row.number
        if row.person_id:
            if not row.number:
                doors.setdefault(row.person_id, row.day)
            behind = doors.get(row.person_id)
            if row.person_id in known or (is_door and (behind is None or behind >= row.day)):
                counts = 0
            elif counts:
                known.add(row.person_id)
        rows[row.key] = counts
    return rows
