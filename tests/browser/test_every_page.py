"""Every page of the URL map, as each kind of reader sees it, at both widths: nothing that axe calls wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from portal.accounts import invitations
from portal.accounts.services import Post
from portal.db import db
from portal.policy import Role
from tests.browser import axe, paths
from tests.browser.conftest import DESKTOP, PHONE, SIZES, sign_in
from tests.browser.demo import NOON, Demo, client_of, demo_at
from tests.browser.inspected import inspect
from tests.browser.paths import Found
from tests.browser.table import meet
from tests.browser.watch import Watch
from tests.conftest import NOWHERE
from tests.databases import Databases
from tests.factories import Member

# Who of the demo opens the pages; None is a stranger. Each one sees what those before could not.
READERS = ("soudan", "madoguchi", "junbi", "hinata", "shuro-kanri", "kansa", "kanri", None)
# Answers that are no pages; opened by its address, asking for an emergency access leads back to its beginning.
NO_PAGES = {"web.healthz", "web.language", "emergency.ask"}
FILES = (".pdf", ".ics", ".txt", ".csv", ".xlsx", ".zip", ".vkey")
# The demo's two years: one is written on, one is closed.
WORDS = {"key": "watch.people_per_day", "size": "1", "year": "2020,2019", "month": "12"}
WORDS |= {"area": "place", "figure": "cafe.visits"}
# A label leads to the first element of an id, whichever was meant; axe does not look at that.
TWICE = """
[...document.querySelectorAll("[id]")].map((one) => one.id).filter((id, n, all) => all.indexOf(id) < n)
"""
# What other tests send without a token, which theirs do not ask for, an office would refuse.
TOKENLESS = """
[...document.querySelectorAll("form[method=post]")]
  .filter((form) => ![...form.elements].some((one) => one.name === "csrf_token" && one.value))
  .map((form) => form.action)
"""


@pytest.fixture
def demo(_application: Flask, _sqlite: Databases) -> Iterator[Demo]:
    with demo_at(_application, _sqlite) as demo:
        yield demo


def addresses(app: Flask, demo: Demo) -> dict[str | None, list[Found]]:
    """For each reader the pages that he is to be shown."""
    shown: dict[str | None, list[Found]] = {}
    known: set[str] = set()
    db.bind(demo.url)
    with time_machine.travel(NOON):
        manager = demo.actor("shuro-kanri")
        post = Post(Role.STAFF, manager.agency_id)
        invited = invitations.invite(manager, email="atarashii@example.jp", name="新人 六郎", post=post)
        inspect(demo)
        meet(*(Member(demo.actor(name), f"{name}@example.jp") for name in ("soudan", "junbi")))
        for name in READERS:
            client = client_of(app, name and demo.somebody(name))
            words = {"token": invited.token or "", "code": "ja", "act": ""} | WORDS
            shown[name] = paths.found(app, client, known, **words)
            known |= {page.endpoint for page in shown[name]}
    db.bind(NOWHERE)
    return shown


def test_every_page_is_accessible(_application: Flask, chromium: Chromium, demo: Demo) -> None:  # noqa: PT019
    """One test, because finding the pages takes as long as a third of looking at them."""
    pages = addresses(_application, demo)
    rules = paths.pages(_application)
    opened = {page.endpoint for found in pages.values() for page in found}
    files = {rule.endpoint for rule in rules if rule.rule.endswith(FILES)}
    assert {rule.endpoint for rule in rules} - opened - files == NO_PAGES, "a page that nobody has opened"

    wrong = [
        problem for name, found in pages.items() for problem in problems_for(chromium, demo, name, found)
    ]
    assert not wrong, "\n".join(wrong)


def problems_for(chromium: Chromium, demo: Demo, name: str | None, pages: list[Found]) -> list[str]:
    """What is wrong with the pages of one reader."""
    context = chromium.new_context(
        base_url=demo.server.url, viewport=SIZES[DESKTOP], locale="ja-JP", reduced_motion="reduce"
    )
    watch, page = Watch(context, demo.server.url), context.new_page()
    page.goto("/")
    if name:
        sign_in(page, demo.somebody(name), demo.somebody(name).password)
    wrong = [problem for found in pages for problem in problems_of(page, found)]
    context.close()
    return wrong + watch.problems


def problems_of(page: Page, found: Found) -> list[str]:
    """What is wrong with one page, on a desk and then on a phone."""
    page.set_viewport_size(SIZES[DESKTOP])
    answer = page.goto(found.path)
    assert answer
    wrong = [] if answer.status == 200 else [f"answers {answer.status}"]
    wrong += [f"the id {name} stands twice" for name in page.evaluate(TWICE)]
    wrong += [f"no token in the form to {action}" for action in page.evaluate(TOKENLESS)]
    for width in (DESKTOP, PHONE):
        page.set_viewport_size(SIZES[width])
        too_wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        wrong += [f"{width}: {too_wide} px too wide"] if too_wide else []
        wrong += [f"{width}: {violation}" for violation in axe.violations(page)]
    return [f"{found.endpoint} {found.path}: {problem}" for problem in wrong]
