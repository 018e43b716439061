"""A real browser on the portal as an office runs it: gunicorn, cookies, CSRF, sessions, CSP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from portal.core.db import db
from tests.browser.watch import Watch
from tests.browsers import PASSWORD
from tests.conftest import NOWHERE, Somebody
from tests.databases import Databases
from tests.servers import Server, serve

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = 1280, 390
SIZES = {DESKTOP: {"width": DESKTOP, "height": 900}, PHONE: {"width": PHONE, "height": 844}}

expect.set_options(timeout=10_000)

Visit = Callable[..., Page]
OPENED = pytest.StashKey[list[tuple[BrowserContext, Watch]]]()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        refuse = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        refuse(f"no browser: {CHROMIUM} is missing: install chromium or set CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _sites() -> Iterator[Callable[[Databases], tuple[Server, str]]]:
    """One server for each kind of database: the tests of a run share it, each with agencies of its own."""
    running: dict[Databases, tuple[Server, str]] = {}
    with ExitStack() as servers:

        def site(databases: Databases) -> tuple[Server, str]:
            if databases not in running:
                url = databases.fresh()
                server = servers.enter_context(serve(url, environment={"PORTAL_ENV": "browser"}))
                running[databases] = (server, url)
            return running[databases]

        yield site


@pytest.fixture
def site(
    _application: Flask,
    _sites: Callable[[Databases], tuple[Server, str]],
    request: pytest.FixtureRequest,
) -> Iterator[Server]:
    """The portal being served; the factories write into its database.

    On SQLite, and a test that asks for `database` as well runs on both kinds.
    """
    name = "database" if "database" in request.fixturenames else "_sqlite"
    server, url = _sites(request.getfixturevalue(name))
    db.bind(url)
    yield server
    db.bind(NOWHERE)


@pytest.fixture
def width() -> int:
    """How wide the windows of this test are; a test that is for both sizes parametrizes it."""
    return DESKTOP


@pytest.fixture
def new_context(
    chromium: Browser, site: Server, width: int, request: pytest.FixtureRequest
) -> Iterator[Callable[[], BrowserContext]]:
    """`new_context()` is a browser of one's own, with its own cookies. At the end nothing may have gone wrong."""
    opened: list[tuple[BrowserContext, Watch]] = []
    awaits_conflict = request.node.get_closest_marker("conflict") is not None

    def make() -> BrowserContext:
        phone = width == PHONE
        context = chromium.new_context(
            base_url=site.url,
            viewport=SIZES[width],
            locale="ja-JP",
            timezone_id="Asia/Tokyo",
            is_mobile=phone,
            has_touch=phone,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        opened.append((context, Watch(context, site.url, awaits_conflict=awaits_conflict)))
        return context

    request.node.stash[OPENED] = opened
    yield make
    for context, _watch in opened:
        context.close()
    problems = [problem for _context, watch in opened for problem in watch.problems]
    assert not problems, "\n".join(problems)
    assert awaits_conflict == any(watch.conflicts for _context, watch in opened)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what its windows were showing."""
    report = yield
    if report.when == "call" and report.failed:
        for context, _watch in item.stash.get(OPENED, ()):
            for page in context.pages:
                with suppress(Error):  # a page on its way to another shows nothing yet
                    text = page.evaluate("document.querySelector('main')?.innerText.slice(0, 3000) ?? ''")
                    report.sections.append((page.url, text))
    return report


@pytest.fixture
def visit(new_context: Callable[[], BrowserContext]) -> Visit:
    """`visit(member)` is a page in the member's own browser, signed in; `visit()` is a stranger's."""

    def open_page(who: Somebody | None = None) -> Page:
        page = new_context().new_page()
        page.goto("/")
        if who:
            sign_in(page, who)
        return page

    return open_page


def sign_in(page: Page, who: Somebody, password: str = PASSWORD) -> None:
    """Through the page, as a person does; stays wherever the portal leads to."""
    page.get_by_label("メールアドレス").fill(who.email)
    page.get_by_label("パスワード").fill(password)
    page.get_by_role("main").get_by_role("button", name="サインインする").click()
    expect(page.locator("body")).to_have_attribute("data-staff", str(who.staff_id))
