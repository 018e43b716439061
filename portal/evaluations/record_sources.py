"""What the list of records behind each figure is put together from, within the wall."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Select, Uuid, bindparam, literal, null, select
from sqlalchemy import case as when
from sqlalchemy.sql import ColumnElement

from portal.activities import queries as held
from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAttendance, Agreement, Partner
from portal.cases import queries as cases
from portal.cases.codes import HeardBy, Milestone, Outcome
from portal.cases.models import Case, CaseMilestone
from portal.db import JapanDay
from portal.disclosures import wall
from portal.evaluations import activity_counts, case_counts, meeting_counts, referral_counts
from portal.evaluations.case_counts import plain
from portal.evaluations.catalogue import Count, Measure
from portal.exclusions import queries as exclusions
from portal.meetings.schedule import queries as meetings
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingKind
from portal.referrals import queries as referrals
from portal.referrals.models import Referral
from portal.referrals.states import ReferralKind
from portal.words import Worded

C, M, READER = Count, Measure, wall.READER
# Partners and their agreements are there for everybody who does casework.
IS_CASEWORKER = cast(Any, READER.agency_id).is_not(None)
JOBS: dict[Count | Measure, list[str]] = {
    M.EMPLOYED: [Outcome.EMPLOYED.value],
    M.PART_TIME_JOB: [Outcome.PART_TIME_JOB.value],
    M.WITH_HELLO_WORK: [job.value for job in case_counts.JOBS],
}


class RecordKind(StrEnum):
    """Whose page a record has."""

    ACTIVITY = "activity"
    REFERRAL = "referral"
    CASE = "case"
    PARTNER = "partner"
    AGREEMENT = "agreement"
    MEETING = "meeting"


class Source(StrEnum):
    """What about the record was counted; its code is one of `CODES`."""

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
CODES: dict[Source, type[Worded]] = {
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
    """`number` is what a row counts by itself, before anybody is left out who was counted already."""
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
    """Activities are their holders'; how many came to each stands on its page."""
    tests = {
        C.NOT_HELD: ~activity_counts.HELD,
        C.ONLINE: activity_counts.ONLINE,
        C.AUDIENCE: activity_counts.HELD & (Activity.audience_number > 0),
    }
    found = part(
        *(S.ACTIVITY, Activity.id, Activity.id, Activity.held_on, Activity.kind, Activity.title, nobody()),
        Activity.audience_number if what is C.AUDIENCE else ONE,
    )
    return found.where(
        *activity_counts.within(),
        Activity.area == bindparam("area"),
        Activity.kind == bindparam("kind", type_=Activity.kind.type),
        tests.get(what, activity_counts.HELD),
        held.visible_to(READER),
    )


def visits() -> Select[Any]:
    """Visits at home to those whose door opened, of whom the reader's agency wrote down that they were there.

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
        ~exclusions.is_excluded(READER, head.person_id),
        held.visible_to(READER),
    )


def of_case(source: Source, day: Any, code: Any, key: Any = Case.id) -> Select[Any]:
    found = part(source, Case.id, key, day, code, Case.number, Case.person_id)
    return found.where(cases.visible_to(READER))


def of_referral(source: Source, day: Any, code: Any) -> Select[Any]:
    """What was asked anonymously names nobody to those who were asked."""
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
    return found.where(*meeting_counts.held(), Meeting.kind == kind, meetings.visible_to(READER))


def of_partners() -> Select[Any]:
    found = part(S.PARTNER, Partner.id, Partner.id, Partner.added_on, literal(""), Partner.name, nobody())
    return found.where(*meeting_counts.added(), IS_CASEWORKER)


def of_agreements() -> Select[Any]:
    row = Agreement
    found = part(S.AGREEMENT, Partner.id, row.id, row.signed_on, literal(""), Partner.name, nobody())
    return found.where(*meeting_counts.signed(), Agreement.partner_id == Partner.id, IS_CASEWORKER)


def parts_of(what: Count | Measure) -> list[Select[Any]]:
    """What the list of a figure is put together from."""
    if isinstance(what, Count):
        return [activities(what)]
    if what in JOBS:
        return told_of_jobs()
    if what in meeting_counts.KINDS:
        return [of_meetings(meeting_counts.KINDS[what])]
    joined = completed().where(*referral_counts.joined())
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
            of_referral(S.INTERVIEW, Referral.first_contact_on, Referral.kind).where(
                *referral_counts.sat_in()
            )
        ],
        M.JOINED_AFTER_JOINT: [joined.where(referral_counts.IS_JOINT)],
        M.JOINED_CARRIED_OVER: [joined.where(referral_counts.IS_JOINT, referral_counts.is_carried_over())],
        M.JOINED: [joined],
    }
    return by_measure[what]
