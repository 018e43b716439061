"""The agenda drafts itself from the work of all members, says why, and keeps in step until the meeting begins."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.cases import services as cases
from portal.cases.codes import Domain
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.meetings.agenda import services as agenda_services
from portal.meetings.agenda.drafting import refresh
from portal.meetings.agenda.models import AgendaItem, ItemReason
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import ItemKind, MeetingKind, MeetingStatus, Source
from portal.referrals import conversation
from portal.referrals.models import FollowUpKind, Referral
from portal.referrals.states import ReferralAction
from tests.activity_factories import make_activity
from tests.factories import Member, make_case, make_consent, make_member, make_person, make_referral, step
from tests.meeting_factories import make_issue, make_item, make_meeting, make_outcome, make_series, take_step

Travel = Callable[..., None]


@pytest.fixture
def convener(app: object) -> Member:
    return make_member(role=Role.COORDINATOR)


@pytest.fixture
def partner(app: object) -> Member:
    return make_member()


def drafted(member: Member, meeting_id: Any) -> dict[Source, AgendaItem]:
    """The items by what brought them; the last one of each."""
    refresh(member.actor, meeting_id)
    return {item.source: item for item in agenda(meeting_id)}


def agenda(meeting_id: Any) -> list[AgendaItem]:
    statement = select(AgendaItem).where(AgendaItem.meeting_id == meeting_id)
    items = list(db.read.scalars(statement.order_by(AgendaItem.position, AgendaItem.id)))
    db.end()
    return items


def version_of(meeting_id: Any) -> int:
    version = db.read.scalars(select(Meeting.version).where(Meeting.id == meeting_id)).one()
    db.end()
    return version


def test_each_source_finds_its_work(convener: Member, partner: Member, at: Travel) -> None:
    at("2026-04-01T09:00")
    late = make_referral(convener, partner)
    at("2026-04-15T09:00")
    refused = make_referral(convener, partner, status="rejected")
    new = make_referral(partner, convener)
    noted = make_referral(convener, partner, status="rejected")
    conversation.follow_up(convener.actor, noted, FollowUpKind.MEETING, "次に話したい")
    lapsing = make_consent(
        convener, make_person(convener), [partner], until=clock.today() + timedelta(days=20)
    )
    issue = make_issue(partner)
    meeting = make_meeting(convener, [partner], starts_at=clock.now() + timedelta(days=1))

    found = drafted(convener, meeting)

    subjects = {source: item.subject_id for source, item in found.items()}
    assert subjects == {
        Source.OVERDUE: late,
        Source.REFUSED: refused,
        Source.NEW_REFERRAL: new,
        Source.NOTED: noted,
        Source.LAPSING: lapsing,
        Source.LOCAL_ISSUE: issue,
    }
    assert found[Source.OVERDUE].reason_count == 14  # every day of the week is open
    assert found[Source.NEW_REFERRAL].reason_on == clock.today()
    assert found[Source.NEW_REFERRAL].brought_by_id == partner.agency_id
    assert not any(item.shared for item in found.values())


def test_work_with_agencies_that_are_not_at_the_table_stays_out(convener: Member, partner: Member) -> None:
    make_referral(convener, make_member())
    make_referral(make_member(), partner)

    assert drafted(convener, make_meeting(convener, [partner])) == {}


def test_nothing_changes_when_nothing_happened(convener: Member, partner: Member) -> None:
    make_referral(convener, partner)
    meeting = make_meeting(convener, [partner])
    refresh(convener.actor, meeting)
    before, ids = version_of(meeting), [item.id for item in agenda(meeting)]

    refresh(partner.actor, meeting)

    assert (version_of(meeting), [item.id for item in agenda(meeting)]) == (before, ids)


def test_what_is_settled_goes_and_what_was_touched_stays(convener: Member, partner: Member) -> None:
    gone, kept = make_referral(convener, partner), make_referral(convener, partner)
    meeting = make_meeting(convener, [partner])
    refresh(convener.actor, meeting)
    by_hand = make_item(partner, meeting)
    touched = next(item for item in agenda(meeting) if item.subject_id == kept)
    agenda_services.arrange_item(
        convener.actor, touched.id, minutes=20, presenter_agency_id=partner.agency_id or touched.id
    )
    for referral in (gone, kept):
        step(convener, referral, "cancel")

    refresh(convener.actor, meeting)

    assert {item.id for item in agenda(meeting)} == {touched.id, by_hand}


def test_what_was_removed_is_not_put_on_again(convener: Member, partner: Member) -> None:
    make_referral(convener, partner)
    meeting = make_meeting(convener, [partner])
    item = drafted(convener, meeting)[Source.NEW_REFERRAL]
    agenda_services.remove_item(convener.actor, item.id, "電話で済んだ")

    refresh(convener.actor, meeting)

    [still] = agenda(meeting)
    assert (still.id, still.removed_why) == (item.id, "電話で済んだ")


def test_a_referral_moves_on_within_its_item(convener: Member, partner: Member) -> None:
    referral = make_referral(convener, partner)
    meeting = make_meeting(convener, [partner])
    before = drafted(convener, meeting)[Source.NEW_REFERRAL]
    step(partner, referral, "reject")

    after = drafted(convener, meeting)[Source.REFUSED]

    assert (after.id, after.subject_id) == (before.id, referral)


def test_a_meeting_that_began_is_left_alone(convener: Member, partner: Member) -> None:
    meeting = make_meeting(convener, [partner], status=MeetingStatus.IN_SESSION)
    make_referral(convener, partner)

    assert drafted(convener, meeting) == {}


def test_minutes_promises_and_postponed_items_come_back(
    convener: Member, partner: Member, at: Travel
) -> None:
    at("2026-04-01T09:00")
    series = make_series(convener, [partner])
    first = make_meeting(convener, [partner], series_id=series, starts_at=clock.now() + timedelta(hours=1))
    person = make_person(convener)
    put_off = make_item(convener, first, person_id=person, categories=["basic"], title="住まいのこと")
    spoken = make_item(partner, first, title="見学の日程")
    promise = make_outcome(partner, spoken, kind="action", text="電話する")
    agenda_services.postpone_item(convener.actor, put_off, "時間がない")
    for action in ("announce", "begin", "close"):
        take_step(convener, first, action)
    at("2026-04-08T09:00")
    second = make_meeting(convener, [partner], series_id=series, starts_at=clock.now() + timedelta(hours=1))

    found = drafted(convener, second)

    assert [item.source for item in agenda(second)] == [Source.MINUTES, Source.CARRIED, Source.ACTION]
    carried, action = found[Source.CARRIED], found[Source.ACTION]
    assert (carried.title, carried.person_id, carried.shared, carried.reason_count) == (
        "住まいのこと",
        person,
        True,
        1,
    )
    assert (action.outcome_id, action.brought_by_id, action.reason_count) == (promise, partner.agency_id, 1)
    agenda_services.postpone_item(convener.actor, carried.id, "まだ時間がない")
    for name in ("announce", "begin", "close"):
        take_step(convener, second, name)
    at("2026-04-15T09:00")
    third = make_meeting(convener, [partner], series_id=series, starts_at=clock.now() + timedelta(hours=1))
    again = drafted(convener, third)
    assert again[Source.CARRIED].reason_count == 2
    assert again[Source.ACTION].reason_count == 2


@pytest.mark.both_databases
@pytest.mark.parametrize("is_announced", [True, False])
def test_one_referral_has_one_item_with_all_its_reasons(
    browser: Any, convener: Member, partner: Member, at: Travel, is_announced: bool
) -> None:
    """They follow the work until the meeting is announced, and stay as they are from then on."""
    third = make_member()
    at("2026-04-01T09:00")
    referral = make_referral(convener, partner)
    person = person_of(referral)
    make_consent(convener, person, [third])
    series = make_series(convener, [partner, third])
    first = make_meeting(convener, [partner, third], series_id=series, starts_at=clock.now())
    about = {"person_id": person, "referral_id": referral, "categories": ["basic"]}
    spoken = make_item(convener, first, **about)
    for text in ("電話をかける", "書類を送る"):
        make_outcome(partner, spoken, kind="action", text=text)
    take_step(convener, first, "announce")
    browser(third).get(f"/meetings/{first}/packet")
    for action in ("begin", "close"):
        take_step(convener, first, action)
    at("2026-04-15T09:00")
    second = make_meeting(convener, [partner, third], series_id=series, starts_at=clock.now())

    refresh(convener.actor, second)
    refresh(convener.actor, second)

    items = [item for item in agenda(second) if item.referral_id]
    assert [item.source for item in items] == [Source.ACTION]
    further = db.read.execute(select(ItemReason.source).where(ItemReason.item_id == items[0].id)).scalars()
    assert sorted(further) == sorted([Source.ACTION, Source.OVERDUE])
    db.end()
    if is_announced:
        take_step(convener, second, "announce")
    for reader, sees in ((convener, True), (partner, True), (third, False)) if is_announced else ():
        browser(reader).get(f"/meetings/{second}/packet")
        page = browser(reader).get(f"/meetings/{second}/session").text
        assert ("開所日を過ぎて未回答" in page) is sees, "that nobody answered is between the two"
        assert page.count("電話をかける") == page.count("書類を送る")
        assert "電話をかける" in page
    step(partner, referral, ReferralAction.ACCEPT)
    assert refresh(convener.actor, second) is None
    left = db.read.execute(select(ItemReason.source).where(ItemReason.source == Source.OVERDUE)).all()
    assert bool(left) is is_announced
    db.end()


def test_matters_of_one_person_join_unless_another_agency_brings_them(
    convener: Member, partner: Member
) -> None:
    person = make_person(convener)
    make_consent(convener, person, [partner], until=clock.today() + timedelta(days=20))
    make_referral(convener, partner, person_id=person)
    case = make_case(partner, person)
    cases.set_goal(partner.actor, case, Domain.DAILY, "朝に起きる", review_on=clock.today())
    council = make_meeting(convener, [partner], kind=MeetingKind.COORDINATION)
    found = drafted(convener, council)
    assert set(found) == {Source.NEW_REFERRAL, Source.GOALS}
    joined = select(ItemReason.source).where(ItemReason.item_id == found[Source.NEW_REFERRAL].id)
    assert list(db.read.scalars(joined)) == [Source.LAPSING]
    db.end()


@pytest.mark.both_databases
def test_two_coming_dates_do_not_carry_the_same(convener: Member, partner: Member) -> None:
    make_referral(convener, partner)
    series = make_series(convener, [partner])
    near, far = (
        make_meeting(convener, [partner], series_id=series, starts_at=clock.now() + timedelta(days=days))
        for days in (1, 8)
    )
    assert set(drafted(convener, far)) == {Source.NEW_REFERRAL}, "nothing stands on the nearer one yet"
    assert set(drafted(convener, near)) == {Source.NEW_REFERRAL}
    assert drafted(convener, far) == {}
    agenda_services.postpone_item(convener.actor, agenda(near)[0].id, "次回にする")
    assert set(drafted(convener, far)) == {Source.NEW_REFERRAL}


def test_activities_since_last_time_are_reported_by_their_agency(
    browser: Any, convener: Member, partner: Member
) -> None:
    third = make_member()
    meeting = make_meeting(convener, [partner])
    for held in (1, 2):
        make_activity(partner, held_on=clock.today() - timedelta(days=held), title="秘密のカフェ")
    make_activity(convener, held_on=clock.today() - timedelta(days=60))
    make_activity(convener, not_held_why="台風のため")
    make_activity(third)
    found = drafted(convener, meeting)
    assert set(found) == {Source.ACTIVITIES}
    assert found[Source.ACTIVITIES].brought_by_id == partner.agency_id
    page = browser(convener).get(f"/meetings/{meeting}").text
    assert f"活動の報告：{partner.actor.agency_name}" in page
    assert "秘密のカフェ" not in page


def person_of(referral: Any) -> Any:
    found = db.read.scalars(select(Referral.person_id).where(Referral.id == referral)).one()
    db.end()
    return found


def test_the_council_looks_at_plans_ends_and_what_began_before_it(convener: Member, partner: Member) -> None:
    begun = make_referral(convener, partner, status="in_progress")
    done = make_referral(convener, partner, status="completed")
    case = make_case(partner)
    for days in (3, 5):
        cases.set_goal(
            partner.actor, case, Domain.DAILY, "朝に起きる", review_on=clock.today() + timedelta(days=days)
        )
    council = make_meeting(convener, [partner], kind=MeetingKind.COORDINATION)
    elsewhere = make_member(role=Role.COORDINATOR)
    weekly = make_meeting(elsewhere, [convener, partner])

    found = drafted(convener, council)

    assert found[Source.AFTERWARDS].subject_id == begun
    assert found[Source.AFTERWARDS].kind is ItemKind.REPORT_AFTERWARDS
    assert found[Source.ENDED].subject_id == done
    assert (found[Source.GOALS].subject_id, found[Source.GOALS].reason_on) == (
        case,
        clock.today() + timedelta(days=3),
    )
    assert set(drafted(elsewhere, weekly)) == {Source.NEW_REFERRAL}


@pytest.mark.parametrize("kind", [MeetingKind.STATUTORY, MeetingKind.CASE_STUDY])
def test_other_councils_draft_nothing_from_the_work(
    convener: Member, partner: Member, kind: MeetingKind
) -> None:
    make_referral(convener, partner)
    make_issue(partner)

    assert drafted(convener, make_meeting(convener, [partner], kind=kind)) == {}
