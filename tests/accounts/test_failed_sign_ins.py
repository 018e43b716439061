"""Whoever signs in is told of the tries that failed since the last time: once, calmly, and nobody else is."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from portal.core import clock
from portal.core.policy import Role
from portal.web.formats import era_datetime
from tests.browsers import Browser
from tests.factories import Member, make_member
from tests.words import words_of

Open = Callable[..., Browser]
At = Callable[..., None]
SAID = "このアカウントへのサインインの失敗が"


def fail(client: Browser, member: Member, times: int = 1) -> None:
    for _ in range(times):
        client.post("/sign-in", data={"email": member.email, "password": "まちがい" * 4})


def test_told_once_on_the_next_page_and_kept_on_the_account_page(browser: Open, at: At) -> None:
    member = make_member()
    at("2027-01-10T09:00")
    browser(member).post("/sign-out")
    at("2027-01-11T22:15")
    fail(browser(), member, 2)
    at("2027-01-12T08:30")
    visit = browser(member)
    first, account = words_of(visit.get("/")), words_of(visit.get("/account"))
    assert f"前回のサインイン（令和9年1月10日 9時00分）のあと、{SAID}2回ありました" in first
    assert (
        "（最後は令和9年1月11日 22時15分）。心当たりがなければ、パスワードを変え、機関管理者に知らせてください。"
        in first
    )
    assert SAID not in account
    assert SAID not in words_of(visit.get("/"))
    assert re.search(r"前回のサインイン 令和9年1月10日", account)
    assert re.search(r"今回までのサインインの失敗 2回（最後は令和9年1月11日 22時15分）", account)
    assert "パスワードを変え、機関管理者に" in account

    visit.post("/sign-out")
    at("2027-01-13T08:30")
    again = browser(member)
    assert SAID not in words_of(again.get("/"))
    account = words_of(again.get("/account"))
    assert "今回までのサインインの失敗 ありません" in account
    assert re.search(r"前回のサインイン 令和9年1月12日", account)


def test_tries_on_others_and_ones_own_password_before_an_act_do_not_count(browser: Open) -> None:
    member, colleague = make_member(), make_member()
    visit = browser(member)
    typed = {"current": "まちがい", "new": "x" * 20, "again": "x" * 20}
    visit.post("/account/password", data=typed)
    fail(browser(), colleague, 3)
    browser().post("/sign-in", data={"email": "nobody@example.jp", "password": "x"})
    assert SAID not in words_of(browser(member).get("/"))


def test_the_first_sign_in_of_all(browser: Open) -> None:
    member = make_member(role=Role.AUDITOR)
    fail(browser(), member)
    visit = browser(member)
    page = words_of(visit.get("/", follow_redirects=True))
    assert f"{SAID}1回ありました" in page
    assert "システム管理者に知らせてください" in page
    assert "前回のサインイン（" not in page
    account = words_of(visit.get("/account"))
    assert "はじめてのサインインです" in account


def test_it_outlives_the_counting_of_delays(browser: Open, at: At) -> None:
    """Attempts are forgotten at a success or after a day; what is told is counted in the audit log."""
    member = make_member()
    browser(member)
    fail(browser(), member, 4)
    at(clock.now() + timedelta(days=30))
    last = era_datetime(clock.now() - timedelta(days=30))
    assert f"{SAID}4回ありました（最後は{last[:8]}" in words_of(browser(member).get("/"))


def test_a_stranger_learns_nothing(browser: Open) -> None:
    """A failed sign-in says the same words whether there were others before it or not."""
    member = make_member()
    pages = []
    for _ in range(2):
        stranger = browser()
        answer = stranger.post("/sign-in", data={"email": member.email, "password": "まちがい" * 4})
        pages.append(words_of(answer))
        assert SAID not in words_of(stranger.get("/sign-in"))
    assert pages[0] == pages[1]
