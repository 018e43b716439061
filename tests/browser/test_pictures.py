"""The pictures of docs/screenshots: taken anew with --screenshots, and never missing, too large or unused."""

from __future__ import annotations

import io
import re

import pytest
from flask import Flask
from PIL import Image
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE, SIZES, sign_in
from tests.browser.demo import Served, demo_at
from tests.browser.steps import follow, menu, press
from tests.databases import Databases
from tests.servers import ROOT

FOLDER = ROOT / "docs" / "screenshots"
LARGEST = 150_000
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def picture(page: Page) -> bytes:
    """What the window shows, in few colours: the pages have few."""
    page.wait_for_load_state()
    page.evaluate("document.activeElement?.blur()")
    shown, small = Image.open(io.BytesIO(page.screenshot())), io.BytesIO()
    shown.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def referral(page: Page, number: str) -> None:
    menu(page, "つなぎ")
    page.get_by_label("番号・氏名・ふりがな").fill(number)
    press(page, "探す")
    follow(page, number)


@pytest.fixture
def window(chromium: Chromium, _application: Flask, _sqlite: Databases, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """`window("junbi", PHONE)`: somebody of the demo has signed in."""
    if not request.config.getoption("--screenshots"):
        pytest.skip("pictures are taken with --screenshots only")
    with demo_at(_application, _sqlite) as demo:
        yield lambda name, width=DESKTOP: open_window(chromium, demo, name, width)


def open_window(chromium: Chromium, demo: Served, name: str, width: int) -> Page:
    context = chromium.new_context(base_url=demo.server.url, viewport=SIZES[width], locale="ja-JP")
    page = context.new_page()
    page.goto("/")
    sign_in(page, demo.somebody(name), demo.somebody(name).password)
    return page


def test_pictures_are_taken(window) -> None:  # type: ignore[no-untyped-def]
    taken: dict[str, bytes] = {}
    page = window("madoguchi")
    taken["today"] = picture(page)
    menu(page, "つなぎ")
    taken["referrals"] = picture(page)
    follow(page, "下書き")
    follow(page, "確認して送る")
    page.get_by_role("heading", name="伝わる情報の確認").scroll_into_view_if_needed()
    page.mouse.wheel(0, 330)
    page.wait_for_timeout(300)
    taken["check"] = picture(page)
    referral(page, "R8-自立-0006")
    taken["referral"] = picture(page)

    page = window("hinata")
    menu(page, "相談者")
    follow(page, "想定 節子")
    taken["person"] = picture(page)

    page = window("junbi")
    menu(page, "相談者")
    page.get_by_role("navigation", name="このメニューのページ").get_by_role("link", name="ケース").click()
    follow(page, "終結")
    follow(page, "R1-就労-ケ0007")
    taken["case"] = picture(page)

    page = window("kansa")
    page.get_by_label("つなぎ・ケースの番号").fill("R8-自立-0006")
    press(page, "検索する")
    follow(page, "R8-自立-0006")
    page.mouse.wheel(0, 560)
    page.wait_for_timeout(300)
    taken["audit"] = picture(page)

    phone = window("junbi", PHONE)
    taken["phone-today"] = picture(phone)
    referral(phone, "R8-自立-0005")
    taken["phone-referral"] = picture(phone)

    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    for name, content in taken.items():
        (FOLDER / f"{name}.png").write_bytes(content)


def test_every_picture_is_small_and_shown() -> None:
    pictures = {path.name: path.stat().st_size for path in FOLDER.glob("*.png")}
    assert pictures
    assert not {name: size for name, size in pictures.items() if size > LARGEST}
    shown = set(re.findall(r"docs/screenshots/([\w-]+\.png)", (ROOT / "README.md").read_text()))
    assert shown == set(pictures)


def test_what_a_document_points_to_is_there() -> None:
    for document in DOCUMENTS:
        links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text())
        named = re.findall(r"<img[^>]+src=\"([^\"]+)\"", document.read_text())
        assert not [link for link in links + named if not (document.parent / link).exists()], document.name
