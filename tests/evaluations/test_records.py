"""The records behind a figure: exactly those that were counted for who may see them all, fewer for everybody else."""

from collections.abc import Callable, Iterator
from datetime import date
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.exc import NoResultFound

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity
from portal.agencies.models import AgencyKind
from portal.cases.codes import HeardBy, Milestone, Outcome
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.disclosures.models import Basis
from portal.evaluations import programmes
from portal.evaluations.catalogue import Count, Key, Measure, Period, of_kind, of_measure
from portal.evaluations.records import Record, RecordKind, asked, records
from portal.exclusions.models import Conflict
from portal.meetings.states import MeetingKind
from portal.referrals.states import ReferralKind
from portal.wall.reader import Reader, read_as
from tests import activity_factories
from tests.evaluations.worlds import Programme, make_programme, strike
from tests.factories import Member, make_agency, make_member

C, K, M, R = Count, ActivityKind, Measure, RecordKind


@pytest.fixture
def it(app: Flask, at: Callable[..., None]) -> Iterator[Programme]:
    at("2022-06-01T10:00")
    yield make_programme()
    db.leave()


def behind(
    it: Programme,
    what: Measure | tuple[ActivityKind, Count],
    reader: Member | None = None,
    year: int = 2020,
    size: int = 50,
) -> list[Record]:
    """All pages of a figure's list, as this reader gets them through both walls."""
    actor = (reader or it.me).actor
    key: Key = of_measure("", what) if isinstance(what, Measure) else of_kind("place", *what)
    found: list[Record] = []
    read_as(db, Reader.of(actor))
    try:
        while True:
            mark = found[-1].mark if found else None
            values = asked(actor, it.id, Period.whole(year), key, clock.now())
            page = records(db.read(), key.what, values, after=mark, size=size)
            found += page
            if len(page) < size:
                return found
    finally:
        db.leave()


def test_activities(it: Programme) -> None:
    who = it.person()
    cafe = it.activity("2020-10-01", who=[who], title="見本カフェ")
    left_out = it.activity("2020-04-01", not_held_why="緊急事態宣言")
    online = it.activity("2020-11-01", mode=Mode.ONLINE, audience_number=3)
    strike(Activity, it.activity("2020-10-02"))
    it.activity("2021-04-01")
    it.activity("2020-10-01", K.SALON)
    (first, second) = behind(it, (K.CAFE, C.VISITS))
    assert (first.id, second.id) == (online, cafe)
    assert (second.kind, second.day, second.what, second.label) == (
        R.ACTIVITY,
        date(2020, 10, 1),
        K.CAFE,
        "見本カフェ",
    )
    assert (second.person_id, second.name) == (None, ""), "who came stands on the activity's page only"
    assert [one.id for one in behind(it, (K.CAFE, C.NOT_HELD))] == [left_out]
    assert [one.id for one in behind(it, (K.CAFE, C.ONLINE))] == [online]
    assert [one.id for one in behind(it, (K.CAFE, C.AUDIENCE))] == [online]


def test_pages_follow_each_other_and_miss_nothing(it: Programme) -> None:
    made = {it.activity(f"2020-10-0{1 + n // 3}") for n in range(8)}
    for size in (1, 2, 3, 8):
        found = behind(it, (K.CAFE, C.HELD), size=size)
        assert {one.id for one in found} == made
        assert len(found) == 8
        assert [one.mark for one in found] == sorted((one.mark for one in found), reverse=True)


def test_who_held_it_too_may_open_it_and_nobody_else(it: Programme) -> None:
    together = it.activity("2020-10-01", who=[it.person()], together=[it.office])
    alone = it.activity("2020-10-02")
    assert {one.id for one in behind(it, (K.CAFE, C.PEOPLE))} == {together, alone}
    assert {one.id for one in behind(it, (K.CAFE, C.PEOPLE), it.office)} == {together}
    for reader in (it.desk, make_member(role=Role.AUDITOR), make_member(it.me.agency_id, Role.AGENCY_ADMIN)):
        assert behind(it, (K.CAFE, C.PEOPLE), reader) == []


def test_a_door_that_opened(it: Programme) -> None:
    who, other = it.person(), it.person()
    door = it.visit("2020-03-01", Mode.THROUGH_DOOR, who)
    face = it.visit("2020-09-01", Mode.IN_PERSON, who, together=[it.office])
    it.visit("2020-09-02", Mode.IN_PERSON, other)
    found = behind(it, M.DOOR_OPENED)
    assert [(one.id, one.person_id, one.name) for one in found] == [
        (face, who, "見本 花子"),
        (door, who, "見本 花子"),
    ]
    assert behind(it, M.DOOR_OPENED, it.office) == [], "that agency held it too, and wrote nobody down"


def test_jobs_are_the_counted_ones(it: Programme) -> None:
    who, asked = it.person(), it.person()
    case = it.case(who, "2019-05-01")
    it.milestone(case, Milestone.PART_TIME_JOB, "2020-01-10")
    it.close(case, "2020-04-10", Outcome.PART_TIME_JOB)
    it.referral("2020-04-11", "2020-05-01", Outcome.EMPLOYED, sender=it.me, to=it.office)
    job = it.referral(
        "2020-05-01", "2020-06-01", Outcome.PART_TIME_JOB, sender=it.me, to=it.desk, person_id=asked
    )
    assert [(one.kind, one.id, one.what) for one in behind(it, M.PART_TIME_JOB, year=2019)] == [
        (R.CASE, case, Milestone.PART_TIME_JOB)
    ]
    for what in (M.PART_TIME_JOB, M.WITH_HELLO_WORK):
        (found,) = behind(it, what)
        assert (found.kind, found.id, found.what) == (R.REFERRAL, job, Outcome.PART_TIME_JOB)
        assert (found.person_id, found.name, found.day) == (asked, "見本 花子", date(2020, 6, 1))
        assert [one.id for one in behind(it, what, it.desk)] == [job]
        assert behind(it, what, it.office) == []


def test_the_name_is_the_walls(it: Programme) -> None:
    """The consent of half a year ended long ago: the recipient keeps its referral, and no name."""
    joined = it.joint("2020-05-01", "2020-06-01")
    (mine,) = behind(it, M.JOINED_AFTER_JOINT)
    assert (mine.id, mine.name) == (joined, "")
    (theirs,) = behind(it, M.JOINED_AFTER_JOINT, it.office)
    assert (theirs.id, theirs.name) == (joined, "見本 花子")


def test_who_was_asked_about_anonymously_is_joined_to_nobody(it: Programme) -> None:
    person = it.person(it.office)
    it.referral(
        *("2020-05-01", "2020-06-01", Outcome.JOINED_PROGRAMME),
        person_id=person,
        basis=Basis.ANONYMOUS,
        kind=ReferralKind.ADVICE,
        anonymous_age_band="30-34",
    )
    (mine,) = behind(it, M.JOINED)
    assert (mine.person_id, mine.name) == (None, "")
    (theirs,) = behind(it, M.JOINED, it.office)
    assert (theirs.person_id, theirs.name) == (person, "見本 花子")


def test_who_is_excluded_finds_nothing(it: Programme) -> None:
    who = it.person()
    it.close(it.case(who, "2020-05-01", heard_by=HeardBy.LEAFLET), "2020-07-01", Outcome.PLACE_TO_BELONG)
    it.visit("2020-03-01", Mode.THROUGH_DOOR, who)
    it.visit("2020-09-01", Mode.IN_PERSON, who)
    colleague = make_member(it.me.agency_id)
    wanted = (M.CAME_BY_LEAFLET, M.PLACE_TO_BELONG, M.DOOR_OPENED)
    assert [len(behind(it, what, colleague)) for what in wanted] == [1, 1, 2]
    exclusions.exclude(it.me.actor, who, colleague.staff_id, Conflict.RELATIVE, "いとこ")
    assert [len(behind(it, what, colleague)) for what in wanted] == [0, 0, 0]
    assert [len(behind(it, what)) for what in wanted] == [1, 1, 2]


def test_partners_agreements_and_meetings(it: Programme) -> None:
    partner = activity_factories.make_partner(it.me, added_on=date(2020, 5, 1), name="見本商店")
    activity_factories.make_agreement(it.me, partner, signed_on=date(2020, 6, 1))
    weekly, council = it.meeting("2020-11-05T10:00"), it.meeting("2020-11-30T10:00", MeetingKind.COORDINATION)
    for reader in (it.me, it.office, it.desk):
        (added,) = behind(it, M.PARTNERS_ADDED, reader)
        (signed,) = behind(it, M.AGREEMENTS_SIGNED, reader)
        assert (added.kind, added.id, added.label) == (R.PARTNER, partner, "見本商店")
        assert (signed.kind, signed.id, signed.day) == (R.AGREEMENT, partner, date(2020, 6, 1))
    for reader, there in ((it.me, True), (it.office, True), (it.desk, False)):
        assert [one.id for one in behind(it, M.WEEKLY_MEETINGS, reader)] == [weekly] * there
        assert [one.id for one in behind(it, M.COUNCILS, reader)] == [council] * there
    assert behind(it, M.PARTNERS_ADDED, make_member(role=Role.AUDITOR)) == []


def test_every_figure_has_a_list_as_long_as_it_says(it: Programme) -> None:
    """For a programme whose records are all its own: what can be counted can be opened."""
    who = [it.person() for _ in range(4)]
    it.case(who[0], "2020-05-01", heard_by=HeardBy.LEAFLET_OF_COMMISSIONER)
    it.milestone(it.case(who[1], "2020-05-01"), Milestone.EMPLOYED, "2020-06-01", helper=it.desk)
    it.close(it.case(who[2], "2020-05-01"), "2020-07-01", Outcome.PLACE_TO_BELONG)
    it.joint("2020-02-01", "2020-07-01")
    it.joint("2020-05-01", "2020-07-01")
    it.meeting("2020-11-05T10:00", MeetingKind.CASE_STUDY)
    it.activity("2020-11-05", who=[None])
    wanted = {
        **dict.fromkeys((M.CAME_BY_LEAFLET, M.EMPLOYED, M.WITH_HELLO_WORK, M.PLACE_TO_BELONG), 1),
        M.JOINT_INTERVIEWS: 1,
        M.JOINED_AFTER_JOINT: 2,
        M.JOINED_CARRIED_OVER: 1,
        M.JOINED: 2,
        M.CASE_STUDIES: 1,
    }
    for what in Measure:
        listed = len(behind(it, what))
        assert (it.measure(what, 2020), listed) == (wanted.get(what, 0),) * 2, what


def test_which_programme_is_meant(it: Programme) -> None:
    second = make_programme()
    closed = make_member(make_agency(kind=AgencyKind.EMPLOYMENT_PREPARATION, is_active=False))

    def meant(reader: Member, asked: UUID | None = None) -> UUID:
        try:
            return programmes.chosen(db.unrestricted(), reader.actor, asked).id
        finally:
            db.end()

    assert meant(it.office) == it.id
    assert meant(second.me) == second.id
    assert meant(second.me, it.id) == it.id
    assert meant(closed) == it.id
    assert programmes.is_inside(it.me.actor, it.id)
    assert not programmes.is_inside(it.office.actor, it.id)
    for wrong in (closed.agency_id, it.office.agency_id):
        with pytest.raises(NoResultFound):
            meant(it.me, wrong)


def test_there_is_no_programme(app: Flask) -> None:
    stranger = make_member().actor
    with pytest.raises(NoResultFound):
        programmes.chosen(db.unrestricted(), stranger, None)
    db.end()
