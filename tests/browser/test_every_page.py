"""Every page of the URL map, as each kind of reader sees it, at both widths: nothing that axe calls wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
import time_machine
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from portal.accounts import invitations
from portal.accounts.services import Post
from portal.core.db import db
from portal.core.policy import Role
from tests.browser import axe, paths
from tests.browser.conftest import DESKTOP, PHONE, SIZES, sign_in
from tests.browser.demo import NOON, Demo, Resident, Served, client_of, residents, serving
from tests.browser.inspected import inspect
from tests.browser.paths import Found
from tests.browser.table import meet
from tests.browser.watch import Watch
from tests.conftest import NOWHERE
from tests.databases import Databases
from tests.factories import Member

# Who of the demo opens the pages; None is a stranger. Each one sees what those before could not.
READERS = ("soudan", "madoguchi", "junbi", "hinata", "shuro-kanri", "kansa", "kanri", None)
SHARES = 4
# Answers that are no pages; opened by its address, asking for an emergency access leads back to its beginning.
NO_PAGES = {"web.healthz", "web.language", "emergency.ask"}
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


@dataclass(frozen=True, slots=True)
class Tour:
    """What is to be looked at: for each reader of the demo their pages; and who lives there."""

    pages: dict[str | None, list[Found]]
    people: dict[str, Resident]


def found_in_demo(app: Flask, url: str) -> Tour:
    """Loads the demo into this database, lets some more happen there, and finds the pages of each reader."""
    db.bind(url)
    with time_machine.travel(NOON):
        demo = Demo(url, residents())
        manager = demo.actor("shuro-kanri")
        post = Post(Role.STAFF, manager.agency_id)
        invited = invitations.invite(manager, email="atarashii@example.jp", name="新人 六郎", post=post)
        inspect(demo)
        meet(*(Member(demo.actor(name), f"{name}@example.jp") for name in ("soudan", "junbi")))
        shown: dict[str | None, list[Found]] = {}
        known: set[str] = set()
        for name in READERS:
            client = client_of(app, name and demo.somebody(name))
            words = {"token": invited.token or "", "code": "ja", "act": ""} | WORDS
            actor = demo.actor(name) if name else None
            shown[name] = paths.found(app, client, actor, known, **words)
            known |= {page.endpoint for page in shown[name]}
    db.dispose()
    db.bind(NOWHERE)
    return Tour(shown, demo.people)


@pytest.fixture
def toured(_application: Flask, _sqlite: Databases) -> Callable[[], tuple[str, Tour]]:
    """A new copy of the demo, and what there is to see in it; found once for a run."""

    def tour() -> tuple[str, Tour]:
        name, fill = "every page of the demo", partial(found_in_demo, _application)
        return _sqlite.fresh(name, fill), _sqlite.template(name, fill)[1]

    return tour


def test_every_page_is_opened(_application: Flask, toured: Callable[[], tuple[str, Tour]]) -> None:  # noqa: PT019
    rules = paths.pages(_application)
    opened = {page.endpoint for found in toured()[1].pages.values() for page in found}
    files = {rule.endpoint for rule in rules if rule.rule.endswith(paths.FILES)}
    assert {rule.endpoint for rule in rules} - opened - files == NO_PAGES, "a page that nobody has opened"


@pytest.mark.drawn(1)
@pytest.mark.parametrize("share", range(SHARES))
def test_every_page_is_accessible(
    chromium: Chromium,
    toured: Callable[[], tuple[str, Tour]],
    share: int,
    seed: int,
    pytestconfig: pytest.Config,
) -> None:
    """In shares, so that the processes of a run divide them.

    A short run opens one page of each endpoint, at the width that the seed draws for it; a long one every sort of
    page at both.
    """
    url, tour = toured()
    is_long = bool(pytestconfig.getoption("--long"))
    seen: set[str] = set()
    wrong = []
    with serving(url) as server:
        for name, found in tour.pages.items():
            mine = [page for page in found if sum(map(ord, page.endpoint)) % SHARES == share]
            if not is_long:
                Random(f"{seed} {name}").shuffle(mine)
                mine = list({page.endpoint: page for page in mine if page.endpoint not in seen}.values())
                seen |= {page.endpoint for page in mine}
            widths = {page: (DESKTOP, PHONE) if is_long else drawn_width(seed, page) for page in mine}
            wrong += problems_for(chromium, Served(url, tour.people, server), name, widths)
    assert not wrong, "\n".join(wrong)


def drawn_width(seed: int, page: Found) -> tuple[int, ...]:
    return (Random(f"{seed} {page.endpoint}").choice((DESKTOP, PHONE)),)


def problems_for(
    chromium: Chromium, demo: Served, name: str | None, widths: Mapping[Found, tuple[int, ...]]
) -> list[str]:
    """What is wrong with the pages of one reader."""
    if not widths:
        return []
    context = chromium.new_context(
        base_url=demo.server.url, viewport=SIZES[DESKTOP], locale="ja-JP", reduced_motion="reduce"
    )
    watch, page = Watch(context, demo.server.url), context.new_page()
    page.goto("/")
    if name:
        sign_in(page, demo.somebody(name), demo.somebody(name).password)
    wrong = [problem for found, at in widths.items() for problem in problems_of(page, found, at)]
    context.close()
    return wrong + watch.problems


def problems_of(page: Page, found: Found, widths: tuple[int, ...]) -> list[str]:
    """What is wrong with one page, on a desk and on a phone; axe looks at it at these widths."""
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
        if width in widths:
            wrong += [f"{width}: {violation}" for violation in axe.violations(page)]
    return [f"{found.endpoint} {found.path}: {problem}" for problem in wrong]
