"""What the Today page says of meetings: which come, what they ask of this reader, and what was promised."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from portal.core import clock
from portal.core.policy import Role
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_member
from tests.meeting_factories import make_item, make_meeting, make_outcome, name_member
from tests.words import words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]


@pytest.fixture
def convener(app: Flask, at: Clock) -> Member:
    at("2026-04-06T10:00")  # a Monday
    return make_member(make_agency(name="自立相談支援機関", weekly_closed="56"), role=Role.COORDINATOR)


@pytest.fixture
def partner(convener: Member) -> Member:
    return make_member(make_agency(name="就労準備支援事業", weekly_closed="56"))


def coming(page: str) -> str:
    """The part of the page about the meetings."""
    return page[page.index("これからの会議") :]


def test_coming_meetings_ask_each_reader_for_their_own_part(
    browser: Visit, convener: Member, partner: Member
) -> None:
    draft = make_meeting(convener, [partner], name="準備の会議", place="市役所")
    ready = make_meeting(convener, [partner], name="案内した会議", status="announced")
    make_meeting(convener, [partner], name="三週間後の会議", starts_at=clock.now() + timedelta(days=21))
    make_meeting(convener, [partner], name="中止の会議", status="cancelled")
    past = clock.now() - timedelta(days=1)
    make_meeting(convener, [partner], name="昨日の会議", status="approved", starts_at=past)
    make_meeting(convener, name="内輪の会議")

    ours, theirs = browser(convener).get("/").text, browser(partner).get("/").text
    for page in (ours, theirs):
        found = coming(page)
        assert "準備の会議" in found
        assert "令和8年4月13日（月）10:00" in words_of(browser(partner).get("/"))
        assert f"/meetings/{ready}/packet" in found
        for absent in ("三週間後の会議", "中止の会議", "昨日の会議"):
            assert absent not in found
    assert "議題を整える" in ours
    assert f"/meetings/{draft}/packet" not in ours
    assert "議題を整える" not in theirs
    assert "内輪の会議" in ours
    assert "内輪の会議" not in theirs
    assert "2週間以内の会議はありません。" in browser(make_member()).get("/").text


def test_the_oath_comes_before_the_packet(browser: Visit, convener: Member, partner: Member) -> None:
    meeting_id = make_meeting(convener, [partner], kind="statutory", status="announced")
    colleague = make_member(partner.agency_id)
    name_member(convener, meeting_id, partner)
    page = browser(partner).get("/").text
    assert "守秘義務を確認する" in page
    assert f"/meetings/{meeting_id}/packet" not in page
    unnamed = coming(browser(colleague).get("/").text)
    assert "守秘義務を確認する" not in unnamed
    assert f"/meetings/{meeting_id}/packet" not in unnamed


def test_a_sworn_member_opens_the_packet(browser: Visit, convener: Member, partner: Member) -> None:
    meeting_id = make_meeting(convener, [partner], kind="statutory", status="announced")
    name_member(convener, meeting_id, partner, agreed=True)
    page = browser(partner).get("/").text
    assert f"/meetings/{meeting_id}/packet" in page
    assert "守秘義務を確認する" not in page


def test_what_one_owes_stands_there_in_ones_own_open_days(
    browser: Visit, convener: Member, partner: Member, at: Clock
) -> None:
    meeting_id = make_meeting(convener, [partner], starts_at=clock.now(), status="in_session")
    item_id = make_item(convener, meeting_id)
    today = clock.today()
    for text, days in (("求人票を集める", 3), ("見学の日を決める", 8), ("名簿を作る", 60)):
        due = today + timedelta(days=days)
        make_outcome(
            convener, item_id, kind="action", owner_agency_id=partner.agency_id, due_on=due, text=text
        )
    make_outcome(convener, item_id, kind="action", text="こちらの対応事項")
    assert "名簿を作る" in words_of(browser(partner).get("/")), "at once, while the meeting goes on"
    at("2026-04-13T10:00")
    page = words_of(browser(partner).get("/"))
    found = page[page.index("期限と予定") : page.index("これからの会議")]
    assert "令和8年4月9日（木） 期限超過 2開所日超過 求人票を集める" in found
    assert "令和8年4月14日（火） あと1開所日 見学の日を決める" in found
    assert "名簿を作る" not in found
    assert "こちらの対応事項" not in found
    assert "いま急ぎのものはありません。" not in page


def test_a_meeting_is_for_whom_it_names_and_a_promise_for_who_gave_it(
    browser: Visit, convener: Member, partner: Member
) -> None:
    colleague = make_member(partner.agency_id)
    make_meeting(convener, [partner], name="だれも決めていない会議", status="announced")
    named = make_meeting(convener, [partner], name="名簿のある会議", status="announced")
    name_member(convener, named, partner)
    held = make_meeting(convener, [partner], name="途中の会議", starts_at=clock.now(), status="in_session")
    item_id = make_item(convener, held)
    owed = {"kind": "action", "owner_agency_id": partner.agency_id}
    make_outcome(convener, item_id, text="見学の日を決める", owner_staff_id=partner.staff_id, **owed)
    make_outcome(convener, item_id, text="求人票を集める", **owed)

    own, other = browser(partner).get("/").text, browser(colleague).get("/").text
    assert "名簿のある会議" in own
    assert "見学の日を決める" in own
    assert "名簿のある会議" not in other
    assert "見学の日を決める" not in other
    whole = browser(colleague).get("/?whose=agency").text
    for page in (own, other, whole):
        assert "だれも決めていない会議" in page
        assert "求人票を集める" in page
    assert "名簿のある会議" in whole
    assert "見学の日を決める" in whole


def test_the_questions_do_not_grow_with_meetings_and_promises(
    browser: Visit, convener: Member, partner: Member, count_queries: CountQueries
) -> None:
    def more() -> None:
        make_meeting(convener, [partner], status="announced")
        meeting_id = make_meeting(convener, [partner], starts_at=clock.now(), status="in_session")
        item_id = make_item(convener, meeting_id)
        make_outcome(convener, item_id, kind="action", owner_agency_id=partner.agency_id)

    more()
    visitor = browser(partner)
    visitor.get("/")
    with count_queries() as few:
        visitor.get("/")
    for _time in range(4):
        more()
    with count_queries() as many:
        visitor.get("/")
    assert len(few) == len(many)
