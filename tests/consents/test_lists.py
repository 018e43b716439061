"""The list of consents: its tabs, midnight in Japan, and what of it another agency sees."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from flask import Flask

from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.consents.acts import withdraw
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.words import words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
TABS = ("live", "60", "30", "ended")


@pytest.fixture
def ours(app: Flask, at: Clock) -> Member:
    at("2026-04-01T10:00")
    return make_member()


@pytest.fixture
def theirs(ours: Member) -> Member:
    return make_member()


def lapsing(ours: Member, theirs: Member, days: int) -> UUID:
    person_id = make_person(ours, given=f"あと{days}")
    return make_consent(ours, person_id, [theirs], until=date(2026, 4, 1) + timedelta(days=days))


def shown(browser: Browser, tab: str) -> list[str]:
    return re.findall(r"見本 (あと\d+)", browser.get(f"/consents/?show={tab}").text)


def test_each_tab_has_its_days(browser: Visit, ours: Member, theirs: Member) -> None:
    for days in (61, 60, 31, 30, 0):
        lapsing(ours, theirs, days)
    visitor = browser(ours)

    assert shown(visitor, "live") == ["あと0", "あと30", "あと31", "あと60", "あと61"]
    assert shown(visitor, "60") == ["あと0", "あと30", "あと31", "あと60"]
    assert shown(visitor, "30") == ["あと0", "あと30"]
    assert shown(visitor, "ended") == []
    assert shown(visitor, "nonsense") == shown(visitor, "live")
    words = words_of(visitor.get("/consents/"))
    assert "60日以内に終了 4" in words
    assert "30日以内に終了 2" in words
    assert "今日まで" in words


def test_a_consent_ends_with_the_day_in_japan(
    browser: Visit, ours: Member, theirs: Member, at: Clock
) -> None:
    referral_id = make_referral(ours, theirs, person_id=make_person(ours, family="波止場"), status="accepted")
    lapsing(ours, theirs, 9)

    at("2026-04-10T23:59:30", tick=False)
    assert shown(browser(ours), "live") == ["あと9"]
    at("2026-04-11T00:00:00", tick=False)
    assert shown(browser(ours), "live") == []
    assert shown(browser(ours), "ended") == ["あと9"]

    at("2026-09-28T23:59:30", tick=False)  # the consent of the referral: 180 days
    assert "波止場" in browser(theirs).get(f"/referrals/{referral_id}").text
    assert "利用停止の報告 0 件" in words_of(browser(theirs).get("/"))
    at("2026-09-29T00:00:00", tick=False)
    assert "波止場" not in browser(theirs).get(f"/referrals/{referral_id}").text
    assert "利用停止の報告 1 件" in words_of(browser(theirs).get("/"))


def test_a_third_agency_sees_an_empty_list(browser: Visit, ours: Member, theirs: Member) -> None:
    consent_id = lapsing(ours, theirs, 9)
    for stranger in (theirs, make_member()):
        visitor = browser(stranger)
        for tab in TABS:
            page = visitor.get(f"/consents/?show={tab}")
            assert "見本" not in words_of(page).replace("見本機関", "")
            assert str(consent_id) not in page.text
        assert "60日以内に終了 0" in words_of(visitor.get("/consents/"))


def test_who_recorded_it_keeps_it_but_not_the_name(
    browser: Visit, ours: Member, theirs: Member, at: Clock
) -> None:
    person_id = make_person(ours, family="波止場")
    referral_id = make_referral(ours, theirs, person_id=person_id, status="accepted")
    make_consent(theirs, person_id, [make_member()], until=date(2027, 3, 31))
    assert referral_id
    assert "波止場" in browser(theirs).get("/consents/").text
    at("2026-09-29T00:00:00")
    page = browser(theirs).get("/consents/")
    assert "波止場" not in page.text
    assert "氏名非表示" in page.text
    (address,) = set(re.findall(r'"(/consents/[0-9a-f-]{36})"', page.text))
    assert "波止場" not in browser(theirs).get(address).text
    assert "波止場" in browser(ours).get("/consents/").text, "the home agency sees it, too"


def test_a_withdrawn_one_leaves_the_live_ones(browser: Visit, ours: Member, theirs: Member) -> None:
    consent_id = lapsing(ours, theirs, 9)
    withdraw(browser(ours), consent_id)
    assert shown(browser(ours), "live") == shown(browser(ours), "30") == []
    page = words_of(browser(ours).get("/consents/?show=ended"))
    assert "撤回" in page[page.index("見本 あと9") :]


def test_pages_follow_one_another_without_gap_or_twin(
    browser: Visit, ours: Member, theirs: Member, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (5, 3, 3, 3, 9):
        lapsing(ours, theirs, days)
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    visitor, address, seen = browser(ours), "/consents/?show=live", []
    while address:
        page = visitor.get(address).text
        seen += re.findall(r"見本 (あと\d+)", page)
        following = re.search(r'rel="next"\s+href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert seen == ["あと3", "あと3", "あと3", "あと5", "あと9"]


def test_the_questions_do_not_grow_with_the_list(
    browser: Visit, ours: Member, theirs: Member, count_queries: CountQueries
) -> None:
    visitor = browser(ours)
    lapsing(ours, theirs, 5)
    with count_queries() as one:
        visitor.get("/consents/")
    for days in range(6, 14):
        lapsing(ours, theirs, days)
    with count_queries() as many:
        visitor.get("/consents/")
    assert len(one) == len(many) <= 8
