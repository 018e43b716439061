"""Each figure in a small world: what it counts, what it leaves out, and the edges of the year."""

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from flask import Flask

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import Activity, ActivityAttendance, Agreement
from portal.audit.events import AuditEvent
from portal.cases.codes import HeardBy, Milestone, Outcome
from portal.cases.models import CaseMilestone
from portal.core.db import db
from portal.evaluations import counting
from portal.evaluations.catalogue import AREAS, Count, Measure, Period, counts_of, of_kind
from portal.evaluations.programmes import areas_of
from portal.meetings.states import MeetingKind, MeetingStatus
from portal.referrals.states import ReferralAction, ReferralKind, ReferralStatus
from tests import activity_factories, factories
from tests.evaluations.worlds import Programme, amend, make_programme, on, strike
from tests.factories import make_member

C, K, M = Count, ActivityKind, Measure


@pytest.fixture
def it(app: Flask, at: Callable[..., None]) -> Iterator[Programme]:
    at("2022-06-01T10:00")
    yield make_programme()
    db.end()


def counts(it: Programme, kind: ActivityKind, year: int, as_of: date | None = None) -> dict[Count, int]:
    return {what: it.count(kind, what, year, as_of) for what in counts_of(kind)}


def test_nothing_was_done_yet(it: Programme) -> None:
    figures = it.figures(2020)
    assert set(figures.values()) == {0}
    assert {key.area for key in figures} == {area.code for area in AREAS}
    assert {key.what for key in figures} >= set(Measure)


# Activities.


def test_a_year_ends_with_its_last_day_and_a_figure_with_the_day_it_is_asked_for(it: Programme) -> None:
    for day in ("2020-03-31", "2020-04-01", "2020-12-31", "2021-01-01", "2021-03-31", "2021-04-01"):
        it.activity(day)
    assert [it.count(K.CAFE, C.HELD, year) for year in (2019, 2020, 2021)] == [1, 4, 1]
    assert it.count(K.CAFE, C.HELD, 2020, date(2020, 12, 31)) == 2
    assert it.count(K.CAFE, C.HELD, 2020, date(2020, 12, 30)) == 1
    assert it.count(K.CAFE, C.HELD, 2020, date(2020, 3, 31)) == 0
    assert it.count(K.CAFE, C.HELD, 2020, date(2030, 1, 1)) == 4


def test_heads_and_persons(it: Programme) -> None:
    ichi, ni = it.person(), it.person()
    it.activity("2020-10-01", who=[ichi, None], first=1)
    it.activity("2020-11-01", who=[ichi, ni, None], first=1)
    assert counts(it, K.CAFE, 2020) == {C.HELD: 2, C.NOT_HELD: 0, C.ONLINE: 0, C.VISITS: 7, C.PEOPLE: 4}


def test_who_sat_in_one_room_were_so_many_persons(it: Programme) -> None:
    """Nobody said that the anonymous ones had come for the first time, and yet there were five of them at once."""
    it.activity("2020-10-01", who=[None] * 5)
    it.activity("2020-11-01", who=[None] * 3)
    assert (it.count(K.CAFE, C.VISITS, 2020), it.count(K.CAFE, C.PEOPLE, 2020)) == (8, 5)


def test_an_anonymous_head_is_linked_to_a_person_afterwards(it: Programme) -> None:
    came = it.person()
    cafe = it.activity("2020-10-01")
    head = activity_factories.make_attendance(it.me, cafe, None, is_first=True)
    it.activity("2020-11-01", who=[came])
    assert (it.count(K.CAFE, C.VISITS, 2020), it.count(K.CAFE, C.PEOPLE, 2020)) == (2, 2)
    amend(ActivityAttendance, head, AuditEvent.ATTENDANCE_LINKED, person_id=came)
    assert (it.count(K.CAFE, C.VISITS, 2020), it.count(K.CAFE, C.PEOPLE, 2020)) == (2, 1)
    assert it.count(K.CAFE, C.PEOPLE, 2020, date(2020, 10, 31)) == 1


def test_what_is_struck_out_counts_nowhere(it: Programme) -> None:
    came = it.person()
    it.activity("2020-10-01", who=[came])
    gone = it.activity("2020-11-01", who=[came, None])
    cafe = it.activity("2020-12-01")
    head = activity_factories.make_attendance(it.me, cafe, None, is_first=True)
    strike(Activity, gone)
    strike(ActivityAttendance, head)
    assert counts(it, K.CAFE, 2020) == {C.HELD: 2, C.NOT_HELD: 0, C.ONLINE: 0, C.VISITS: 1, C.PEOPLE: 1}


def test_what_was_not_held_is_counted_beside(it: Programme) -> None:
    it.activity("2020-04-10", not_held_why="緊急事態宣言", mode=Mode.ONLINE, audience_number=9)
    it.activity("2020-06-10", mode=Mode.ONLINE)
    it.activity("2020-07-10", mode=Mode.BOTH)
    it.activity("2020-07-17", K.BRIEFING, audience_number=20)
    it.activity("2020-07-18", K.BRIEFING, audience_number=5, not_held_why="台風")
    it.activity("2020-07-19", K.BRIEFING)
    assert counts(it, K.CAFE, 2020) == {C.HELD: 2, C.NOT_HELD: 1, C.ONLINE: 2, C.VISITS: 0, C.PEOPLE: 0}
    assert counts(it, K.BRIEFING, 2020) == {C.HELD: 2, C.AUDIENCE: 20}


def test_what_was_held_together_counts_for_everybody_who_held_it(it: Programme) -> None:
    other = make_programme()
    it.activity("2020-10-01", who=[None], together=[other.me])
    it.activity("2020-10-02", by=it.office, together=[it.me])
    it.activity("2020-10-03", by=it.office)
    assert it.count(K.CAFE, C.HELD, 2020) == 2
    assert (other.count(K.CAFE, C.HELD, 2020), other.count(K.CAFE, C.VISITS, 2020)) == (1, 1)


def test_an_activity_counts_for_the_area_on_its_record(it: Programme) -> None:
    activity_factories.make_area(it.me, "own", name="見本の項目", kinds=["salon"], measures=["employed"])
    it.activity("2020-10-01", area="employment", who=[None])
    it.activity("2020-10-01", K.SALON, area="own")
    figures = it.figures(2020)
    assert figures[of_kind("employment", K.CAFE, C.VISITS)] == 1
    assert figures[of_kind("place", K.CAFE, C.HELD)] == 0
    assert figures[of_kind("own", K.SALON, C.HELD)] == 1
    assert [key.what for key in figures if key.area == "own"] == [*counts_of(K.SALON), M.EMPLOYED]


def test_areas_are_the_programmes_own_data(it: Programme) -> None:
    other = make_programme()
    activity_factories.make_area(it.me, "outreach", name="知らせる", position=5, kinds=["leaflet"])
    activity_factories.make_area(it.me, "own", position=15, retired_from=2021)
    session = counting.everybody()
    years = {year: areas_of(session, it.id, year) for year in (2020, 2021)}
    assert [area.code for area in years[2020]] == ["outreach", "place", "own", "employment", "consultation"]
    assert [area.code for area in years[2021]] == ["outreach", "place", "employment", "consultation"]
    assert (years[2020][0].name, years[2020][0].kinds) == ("知らせる", (K.LEAFLET,))
    assert areas_of(session, other.id, 2020) == list(AREAS)


# Doors and places.


def test_the_door_opens_once(it: Programme) -> None:
    who = it.person()
    it.visit("2019-06-01", Mode.IN_PERSON, who)
    it.visit("2020-03-01", Mode.THROUGH_DOOR, who)
    it.visit("2020-05-01", Mode.THROUGH_DOOR, who)
    it.visit("2020-09-01", Mode.IN_PERSON, who)
    it.visit("2020-10-01", Mode.THROUGH_DOOR, who)
    it.visit("2021-05-01", Mode.IN_PERSON, who)
    assert [it.measure(M.DOOR_OPENED, year) for year in (2018, 2019, 2020, 2021)] == [0, 0, 1, 0]
    assert it.measure(M.DOOR_OPENED, 2020, date(2020, 8, 31)) == 0
    assert it.measure(M.DOOR_OPENED, 2020, date(2020, 9, 1)) == 1


def test_no_door_was_opened(it: Programme) -> None:
    only_door, only_room, same_day, elsewhere, struck = (it.person() for _ in range(5))
    it.visit("2020-05-01", Mode.THROUGH_DOOR, only_door)
    it.visit("2020-05-01", Mode.IN_PERSON, only_room)
    for mode in (Mode.THROUGH_DOOR, Mode.IN_PERSON):
        it.visit("2020-05-02", mode, same_day)
    it.visit("2020-05-03", Mode.THROUGH_DOOR, elsewhere)
    it.activity("2020-05-04", K.CAFE, who=[elsewhere], mode=Mode.IN_PERSON)
    it.visit("2020-05-05", Mode.THROUGH_DOOR, struck)
    strike(Activity, it.visit("2020-05-06", Mode.IN_PERSON, struck))
    assert it.measure(M.DOOR_OPENED, 2020) == 0


def test_a_place_to_belong(it: Programme) -> None:
    twice, other = it.person(it.office), it.person()
    it.referral("2020-05-01", "2020-06-01", Outcome.PLACE_TO_BELONG, person_id=twice)
    (case,) = it.cases()
    it.close(case.id, "2020-07-01", Outcome.PLACE_TO_BELONG)
    it.close(it.case(other, "2019-05-01"), "2021-04-01", Outcome.PLACE_TO_BELONG)
    it.close(it.case(it.person(), "2020-05-01"), "2020-08-01", Outcome.IMPROVED)
    it.referral("2020-05-01", "2020-06-01", Outcome.PLACE_TO_BELONG, sender=it.me, to=it.office)
    assert [it.measure(M.PLACE_TO_BELONG, year) for year in (2019, 2020, 2021)] == [0, 1, 1]


def test_who_came_by_a_leaflet(it: Programme) -> None:
    it.case(it.person(), "2020-05-01", heard_by=HeardBy.LEAFLET)
    it.case(it.person(), "2020-05-01", heard_by=HeardBy.LEAFLET_OF_COMMISSIONER)
    it.case(it.person(), "2020-05-01", heard_by=HeardBy.COMMISSIONER)
    it.case(it.person(it.office), "2020-05-01", member=it.office, heard_by=HeardBy.LEAFLET)
    referred = it.person(it.office)
    it.case(referred, "2020-03-01", member=it.office, heard_by=HeardBy.LEAFLET)
    it.referral("2020-04-02", person_id=referred)
    assert [it.measure(M.CAME_BY_LEAFLET, year) for year in (2019, 2020, 2021)] == [0, 3, 0]


# Jobs.


@pytest.mark.parametrize(
    ("outcome", "what"), [(Outcome.EMPLOYED, M.EMPLOYED), (Outcome.PART_TIME_JOB, M.PART_TIME_JOB)]
)
def test_a_job_is_told_by_a_milestone_a_case_or_a_referral(
    it: Programme, outcome: Outcome, what: Measure
) -> None:
    it.milestone(it.case(it.person(), "2020-05-01"), Milestone(outcome.value), "2020-06-01")
    it.close(it.case(it.person(), "2020-05-01"), "2020-06-02", outcome)
    it.referral("2020-05-01", "2020-06-03", outcome)
    it.referral("2020-05-01", "2020-06-04", outcome, sender=it.me, to=it.office)
    assert it.measure(what, 2020) == 4
    other = {M.EMPLOYED: M.PART_TIME_JOB, M.PART_TIME_JOB: M.EMPLOYED}[what]
    assert (it.measure(other, 2020), it.measure(M.WITH_HELLO_WORK, 2020)) == (0, 0)


def test_a_person_who_found_a_job_counts_once(it: Programme) -> None:
    who = it.person()
    case = it.case(who, "2020-05-01")
    it.milestone(case, Milestone.PART_TIME_JOB, "2020-06-01")
    it.milestone(case, Milestone.PART_TIME_JOB, "2020-07-01")
    it.referral("2020-05-10", "2020-06-03", Outcome.PART_TIME_JOB, sender=it.me, to=it.desk, person_id=who)
    it.close(case, "2020-08-01", Outcome.PART_TIME_JOB)
    assert (it.measure(M.PART_TIME_JOB, 2020), it.measure(M.WITH_HELLO_WORK, 2020)) == (1, 1)


def test_closing_a_case_in_the_next_year_is_no_second_job(it: Programme) -> None:
    noted, asked, again = it.person(), it.person(), it.person()
    case = it.case(noted, "2019-05-01")
    it.milestone(case, Milestone.PART_TIME_JOB, "2020-01-10")
    it.close(case, "2020-04-10", Outcome.PART_TIME_JOB)
    case = it.case(asked, "2019-05-01")
    it.referral("2019-06-01", "2020-01-10", Outcome.PART_TIME_JOB, sender=it.me, to=it.desk, person_id=asked)
    it.close(case, "2020-04-10", Outcome.PART_TIME_JOB)
    assert [it.measure(M.PART_TIME_JOB, year) for year in (2019, 2020)] == [2, 0]
    # A new case, a new job; and a milestone always is one.
    case = it.case(noted, "2020-09-01")
    it.close(case, "2020-12-01", Outcome.PART_TIME_JOB)
    case = it.case(again, "2019-05-01")
    it.milestone(case, Milestone.PART_TIME_JOB, "2020-01-10")
    it.milestone(case, Milestone.PART_TIME_JOB, "2020-05-10")
    assert [it.measure(M.PART_TIME_JOB, year) for year in (2019, 2020)] == [3, 2]


def test_another_result_is_no_repetition(it: Programme) -> None:
    case = it.case(it.person(), "2019-05-01")
    it.milestone(case, Milestone.PART_TIME_JOB, "2020-01-10")
    it.close(case, "2020-04-10", Outcome.EMPLOYED)
    assert (it.measure(M.PART_TIME_JOB, 2019), it.measure(M.EMPLOYED, 2020)) == (1, 1)


def test_a_milestone_that_was_struck_out_is_no_job(it: Programme) -> None:
    case = it.case(it.person(), "2019-05-01")
    strike(CaseMilestone, it.milestone(case, Milestone.EMPLOYED, "2020-01-10"))
    it.milestone(case, Milestone.PLAN_MADE, "2020-01-10")
    it.milestone(case, Milestone.EARNINGS_UP, "2020-01-10")
    assert it.measure(M.EMPLOYED, 2019) == 0
    it.close(case, "2020-04-10", Outcome.EMPLOYED)
    assert it.measure(M.EMPLOYED, 2020) == 1


def test_hello_work_helped(it: Programme) -> None:
    it.milestone(it.case(it.person(), "2020-05-01"), Milestone.EMPLOYED, "2020-06-01", helper=it.desk)
    it.milestone(it.case(it.person(), "2020-05-01"), Milestone.EMPLOYED, "2020-06-01", helper=it.office)
    it.referral("2020-05-01", "2020-06-03", Outcome.PART_TIME_JOB, sender=it.me, to=it.desk)
    it.referral("2020-05-01", "2020-06-03", Outcome.ADVICE_GIVEN, sender=it.me, to=it.desk)
    it.referral("2020-05-01", "2020-06-03", Outcome.EMPLOYED, sender=it.office, to=it.desk)
    it.referral("2020-05-01", "2020-06-03", Outcome.EMPLOYED, sender=it.desk, to=it.me)
    figures = {what: it.measure(what, 2020) for what in (M.EMPLOYED, M.PART_TIME_JOB, M.WITH_HELLO_WORK)}
    assert figures == {M.EMPLOYED: 3, M.PART_TIME_JOB: 1, M.WITH_HELLO_WORK: 2}


def test_another_programmes_jobs_are_its_own(it: Programme) -> None:
    other = make_programme()
    it.milestone(it.case(it.person(), "2020-05-01"), Milestone.EMPLOYED, "2020-06-01")
    other.close(other.case(other.person(), "2020-05-01"), "2020-06-01", Outcome.PLACE_TO_BELONG)
    other.joint("2020-05-01", "2020-06-01")
    mine = {what: it.measure(what, 2020) for what in Measure}
    assert {what for what, number in mine.items() if number} == {M.EMPLOYED}


# Referrals.


def test_the_last_minute_of_the_year_is_japans(it: Programme) -> None:
    it.referral("2020-05-01", "2021-03-31T23:59", Outcome.JOINED_PROGRAMME)
    it.referral("2020-05-01", "2021-04-01T00:00", Outcome.JOINED_PROGRAMME)
    assert [it.measure(M.JOINED, year) for year in (2019, 2020, 2021)] == [0, 1, 1]
    assert it.measure(M.JOINED, 2020, date(2021, 3, 30)) == 0


def test_first_interviews_sat_in_on(it: Programme) -> None:
    it.joint("2020-02-01")
    it.joint("2020-03-01", started="2020-04-01")
    it.joint("2020-06-01", "2020-07-01")
    wrong = it.joint("2020-08-01", "2020-09-01")
    it.referral("2020-06-01", "2020-07-01", Outcome.JOINED_PROGRAMME)
    it.referral("2020-06-01", "2020-07-01", Outcome.IMPROVED, kind=ReferralKind.JOINT_INTERVIEW)
    it.referral("2020-06-01", "2020-07-01", Outcome.JOINED_PROGRAMME, sender=it.me, to=it.office)
    with on("2020-10-01"):
        factories.make_referral(
            it.office, it.me, kind=ReferralKind.JOINT_INTERVIEW, status=ReferralStatus.ACCEPTED
        )
        factories.step(it.office, wrong, ReferralAction.CORRECT)
    assert [it.measure(M.JOINT_INTERVIEWS, year) for year in (2019, 2020)] == [1, 3]
    joined = {what: it.measure(what, 2020) for what in (M.JOINED, M.JOINED_AFTER_JOINT)}
    assert joined == {M.JOINED: 2, M.JOINED_AFTER_JOINT: 1}


def test_who_is_carried_over(it: Programme) -> None:
    carried, new, ended = (it.person(it.office) for _ in range(3))
    it.joint("2020-03-31", "2020-06-01", person_id=carried)  # accepted, so the case began in the year before
    it.joint("2020-04-01", "2020-06-01", person_id=new)
    it.joint("2019-06-01", person_id=ended)
    (case,) = (row.id for row in it.cases() if row.person_id == ended)
    it.close(case, "2020-03-31", Outcome.IMPROVED)
    it.joint("2020-05-01", "2020-06-01", person_id=ended)
    figures = {what: it.measure(what, 2020) for what in (M.JOINED_AFTER_JOINT, M.JOINED_CARRIED_OVER)}
    assert figures == {M.JOINED_AFTER_JOINT: 3, M.JOINED_CARRIED_OVER: 1}


# Partners and meetings.


def test_partners_and_agreements(it: Programme) -> None:
    other = make_member()
    mine = [activity_factories.make_partner(it.me, added_on=date(2020, 3, 31 - day)) for day in (0, 1)]
    theirs = activity_factories.make_partner(other, added_on=date(2020, 3, 30))
    activity_factories.make_partner(it.me, added_on=date(2020, 4, 1))
    for partner, day in zip([*mine, theirs], (1, 2, 3), strict=True):
        activity_factories.make_agreement(it.me, partner, signed_on=date(2020, 4, day))
    activity_factories.make_agreement(other, mine[0], signed_on=date(2020, 4, 9))
    strike(Agreement, activity_factories.make_agreement(it.me, mine[0], signed_on=date(2020, 4, 9)))
    assert [it.measure(M.PARTNERS_ADDED, year) for year in (2019, 2020)] == [2, 1]
    assert [it.measure(M.AGREEMENTS_SIGNED, year) for year in (2019, 2020)] == [0, 3]
    assert it.measure(M.AGREEMENTS_SIGNED, 2020, date(2020, 4, 2)) == 2


def test_meetings_that_took_place_with_the_programme_at_the_table(it: Programme) -> None:
    other = make_member()
    it.meeting("2020-11-05T10:00")
    it.meeting("2020-11-12T10:00", status=MeetingStatus.IN_SESSION)
    it.meeting("2020-11-19T10:00", status=MeetingStatus.ANNOUNCED)
    it.meeting("2020-11-26T10:00", status=MeetingStatus.CANCELLED)
    it.meeting("2020-12-03T10:00", members=[other])
    it.meeting("2020-12-10T10:00", convener=it.me, members=[other], status=MeetingStatus.APPROVED)
    it.meeting("2021-03-31T23:30", MeetingKind.COORDINATION)
    it.meeting("2021-04-01T00:30", MeetingKind.COORDINATION)
    it.meeting("2020-12-10T10:00", MeetingKind.CASE_STUDY)
    it.meeting("2020-12-10T10:00", MeetingKind.STATUTORY)
    found = {what: it.measure(what, 2020) for what in (M.WEEKLY_MEETINGS, M.COUNCILS, M.CASE_STUDIES)}
    assert found == {M.WEEKLY_MEETINGS: 3, M.COUNCILS: 1, M.CASE_STUDIES: 1}
    assert it.measure(M.COUNCILS, 2021) == 1


def test_a_period_knows_its_bounds() -> None:
    assert (Period.whole(2020).first, Period.whole(2020).last) == (date(2020, 4, 1), date(2021, 3, 31))
    assert Period(2020, date(2020, 12, 31)).last == date(2020, 12, 31)
