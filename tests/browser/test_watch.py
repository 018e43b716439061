"""The watch and the accessibility check see what they are there to see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext

from tests.browser import axe
from tests.browser.conftest import PHONE, SIZES
from tests.browser.watch import Watch

HOME = "http://home.example.jp"
GOOD = "<!doctype html><html lang=ja><title>見本</title><main><h1>見本</h1></main>"


@pytest.fixture
def context(chromium: Chromium) -> Iterator[BrowserContext]:
    with chromium.new_context(viewport=SIZES[PHONE], base_url=HOME) as context:
        yield context


def problems(
    context: BrowserContext, html: str, *, csp: str = "", status: int = 200, awaits_conflict: bool = False
) -> list[str]:
    """What the watch says of a page that is served like this."""
    watch = Watch(context, HOME, awaits_conflict=awaits_conflict)
    headers = {"Content-Type": "text/html; charset=utf-8"} | ({"Content-Security-Policy": csp} if csp else {})
    context.route("**", lambda route: route.fulfill(body="", status=404))
    context.route(f"{HOME}/taken", lambda route: route.fulfill(body="", status=409))
    context.route(f"{HOME}/", lambda route: route.fulfill(body=html, headers=headers, status=status))
    page = context.new_page()
    page.goto("/")
    page.wait_for_timeout(200)
    return watch.problems


def test_a_sound_page_has_no_problems(context: BrowserContext) -> None:
    assert not problems(context, GOOD)


@pytest.mark.parametrize(
    ("html", "words"),
    [
        (f"{GOOD}<p style='width:900px'>広い</p>", "too wide"),
        (f"{GOOD}<script>throw new Error('なし')</script>", "なし"),
        (f"{GOOD}<script>console.error('だめ')</script>", "だめ"),
        (f"{GOOD}<img alt='' src='http://else.example.jp/x.png'>", "asked somebody else"),
        (f"{GOOD}<img alt='' src='/missing.png'>", "404"),
    ],
)
def test_what_goes_wrong_is_noted(context: BrowserContext, html: str, words: str) -> None:
    assert words in "\n".join(problems(context, html))


def test_what_the_policy_stops_is_noted(context: BrowserContext) -> None:
    found = problems(context, f"{GOOD}<p style='color:red'>赤</p>", csp="style-src 'self'")
    assert "CSP: style-src" in "\n".join(found)


def test_a_server_error_is_noted_and_a_refusal_is_not(context: BrowserContext) -> None:
    assert "500" in "\n".join(problems(context, GOOD, status=500))


def test_a_conflict_is_a_problem_unless_the_test_awaits_it(context: BrowserContext) -> None:
    saved = f"{GOOD}<script>fetch('/taken')</script>"
    assert "409" in "\n".join(problems(context, saved))
    assert not problems(context, saved, awaits_conflict=True)


def test_a_picture_has_no_conflict_and_a_page_tells_of_it_itself(context: BrowserContext) -> None:
    picture = problems(context, f"{GOOD}<img alt='' src='/taken'>", awaits_conflict=True)
    assert "409" in "\n".join(picture)
    assert not problems(context, GOOD, status=409)


def test_a_page_that_is_not_found_may_be_looked_at(context: BrowserContext) -> None:
    assert not problems(context, GOOD, status=404)


def test_the_accessibility_check_finds_what_is_wrong(context: BrowserContext) -> None:
    page = context.new_page()
    page.set_content(GOOD)
    assert not axe.violations(page)
    page.set_content(
        f"{GOOD}<input><p style='color:#ccc'>薄い</p><button style='width:9px;height:9px'></button>"
    )
    found = "\n".join(axe.violations(page))
    for rule in ("label", "color-contrast", "button-name"):
        assert rule in found
