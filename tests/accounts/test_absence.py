"""Absence: said by oneself or by the administrator, shown where workers are chosen and on the colleagues' Today."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from portal.core import clock
from portal.core.policy import Role
from portal.referrals import conversation
from tests.browsers import Browser
from tests.factories import Member, make_member, make_person, make_referral
from tests.words import words_of

Open = Callable[..., Browser]
At = Callable[..., None]


@pytest.fixture
def away(app: Flask, at: At) -> Member:
    at("2026-04-06T10:00")  # a Monday
    return make_member(name="係 二郎")


def days(first: int, last: int) -> dict[str, str]:
    today = clock.today()
    return {
        "starts_on": (today + timedelta(days=first)).isoformat(),
        "until": (today + timedelta(days=last)).isoformat(),
    }


def test_the_work_of_an_absent_colleague_stands_on_ones_today(browser: Open, away: Member, at: At) -> None:
    sender, colleague = make_member(), make_member(away.agency_id)
    theirs = make_referral(sender, away, person_id=make_person(sender, given="一"))
    conversation.assign_worker(away.actor, theirs, away.staff_id)
    make_referral(away, sender, person_id=make_person(away, given="二"))
    assert "見本 一" not in browser(colleague).get("/").text

    said = browser(away).post("/account/absence", data=days(0, 3), follow_redirects=True)
    assert "令和8年4月9日（木）" in said.text or "令和8年4月9日" in said.text
    page = browser(colleague).get("/")
    assert "係 二郎 令和8年4月9日まで 2件" in words_of(page)
    assert "見本 一" in page.text
    assert "休み中" in page.text
    (address,) = re.findall(r'href="(/referrals/\?worker=[0-9a-f-]{36}[^"]*)"', page.text)
    found = browser(colleague).get(address.replace("&amp;", "&")).text
    assert len(set(re.findall(r'<a href="/referrals/([0-9a-f-]{36})">', found))) == 2
    assert "係 二郎" not in words_of(browser(sender).get("/"))
    chosen = browser(colleague).get(f"/referrals/{theirs}").text
    assert "係 二郎（令和8年4月9日まで休み）" in chosen

    at("2026-04-10T10:00")
    assert "見本 一" not in browser(colleague).get("/").text
    assert "まで休み" not in browser(colleague).get(f"/referrals/{theirs}").text


def test_the_administrator_says_it_for_their_own_staff_only(browser: Open, away: Member) -> None:
    admin = browser(make_member(away.agency_id, Role.AGENCY_ADMIN))
    address = f"/accounts/{away.staff_id}/absence"
    assert admin.post(address, data=days(1, 0)).status_code == 400
    assert admin.post(address, data=days(-3, -1)).status_code == 400
    assert admin.post(address, data=days(1, 5)).status_code == 303
    assert "休みを取り消す" in browser(away).get("/account").text
    stranger = browser(make_member(role=Role.AGENCY_ADMIN))
    assert stranger.post(address, data=days(1, 5)).status_code == 404
    assert admin.post(f"{address}/end").status_code == 303
    assert "休みを取り消す" not in browser(away).get("/account").text
