"""The navigation of each role, what stands under その他, and the help of each page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from portal.core.policy import Role
from portal.help.first_day import STEPS
from portal.help.texts import TEXTS, topic_of
from portal.web import navigation
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member

pytestmark = pytest.mark.quick

Visit = Callable[..., Browser]
NAV = re.compile(r'<nav class="nav".*?</nav>', re.DOTALL)
LINK = re.compile(r'<a href="([^"]+)"')
# Forms of strangers, who see no help.
PUBLIC = {"accounts.sign_in", "accounts.invitation"}


def everybody() -> list[Member]:
    agency_id = make_agency()
    roles = (Role.STAFF, Role.COORDINATOR, Role.AGENCY_ADMIN)
    members = [make_member(agency_id, role) for role in roles]
    members += [make_member(None, role) for role in (Role.AUDITOR, Role.SYSTEM_ADMIN)]
    return [*members, make_member(agency_id, administers=True)]


def menu(page: str) -> list[str]:
    found = NAV.search(page)
    assert found
    return LINK.findall(found[0])


def test_no_role_has_more_than_seven_entries_and_each_page_is_reached(app: Flask, browser: Visit) -> None:
    with app.test_request_context():
        urls = {one: app.url_for(one) for one in navigation.PAGES}
    for member in everybody():
        visit = browser(member)
        entries = menu(visit.get("/agencies/").text)
        assert 2 <= len(entries) <= navigation.MOST
        assert entries[-1] == "/help/more"
        reached = set(entries) | set(LINK.findall(visit.get("/help/more").text))
        for entry in entries:
            answer = visit.get(entry, follow_redirects=True)
            assert answer.status_code == 200, entry
            assert answer.text.count('aria-current="page"') >= 1, entry
            reached |= set(LINK.findall(answer.text))
        for endpoint, url in urls.items():
            if navigation.may_open(member.actor, endpoint):
                assert url in reached, (member.actor.role, endpoint)
                assert visit.get(url).status_code == 200, (member.actor.role, endpoint)


def test_one_entry_is_current_on_a_list_and_on_the_pages_below_it(browser: Visit) -> None:
    visit = browser(make_member())
    for path, entry in {
        "/cases/": "/people/",
        "/people/new": "/people/",
        "/consents/?show=30": "/people/",
        "/referrals/follow-ups": "/referrals/",
        "/emergency/": "/help/more",
        "/agencies/": "/help/more",
        "/help/": "/help/more",
    }.items():
        found = NAV.search(visit.get(path).text)
        assert found
        current = re.findall(r'<a href="([^"]+)"\s+aria-current="page"', found[0])
        assert current == [entry], path


def test_each_page_of_the_navigation_and_each_form_has_a_text(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    forms = {r.endpoint for r in app.url_map.iter_rules() if {"GET", "POST"} <= (r.methods or set())} - PUBLIC
    shown = {one for sections in navigation.SECTIONS.values() for _word, pages in sections for one in pages}
    without = sorted(one for one in forms | shown | navigation.PAGES.keys() if topic_of(one) is None)
    assert without == []
    known = endpoints | {".".join(one.split(".")[:n]) for one in endpoints for n in (1, 2)}
    assert TEXTS.keys() <= known


def test_a_text_has_three_sentences(app: Flask) -> None:
    assert {key: topic.text.count("。") for key, topic in TEXTS.items() if topic.text.count("。") != 3} == {}


def test_the_question_mark_leads_to_the_text_of_its_page(browser: Visit) -> None:
    visit = browser(make_member())
    for path, key in {"/people/new": "people", "/referrals/": "referrals.index", "/": "today"}.items():
        page = visit.get(path).text
        assert f'href="/help/?page={key}"' in page
        assert visit.get(f"/help/?page={key}").text.count(TEXTS[key].text) == 2
    assert visit.get("/help/?page=no-such").status_code == 200


def test_the_first_day_of_each_role_leads_to_pages_that_it_may_open(app: Flask, browser: Visit) -> None:
    assert STEPS.keys() == set(Role)
    for member in everybody():
        visit = browser(member)
        page = visit.get("/help/first-day").text
        for step in STEPS[member.actor.role]:
            with app.test_request_context():
                url = app.url_for(step.endpoint)
            assert f'href="{url}"' in page
            assert visit.get(url).status_code == 200, url
        assert 'href="/help/first-day"' in visit.get("/help/more").text
    assert 'href="/help/first-day"' in browser(make_member()).get("/").text
