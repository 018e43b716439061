"""The pictures of docs/screenshots: taken anew with --screenshots, and never missing, too large or unused."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE, SIZES, sign_in
from tests.browser.demo import Demo, demo_at
from tests.browser.steps import follow, menu, press
from tests.databases import Databases
from tests.servers import ROOT

FOLDER = ROOT / "docs" / "screenshots"
LARGEST = 150_000
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def save(page: Page, name: str) -> None:
    """What the window shows, in few colours: the pages have few."""
    page.evaluate("document.activeElement.blur()")
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


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


def open_window(chromium: Chromium, demo: Demo, name: str, width: int) -> Page:
    context = chromium.new_context(base_url=demo.server.url, viewport=SIZES[width], locale="ja-JP")
    page = context.new_page()
    page.goto("/")
    sign_in(page, demo.somebody(name), demo.somebody(name).password)
    return page


def test_pictures_are_taken(window) -> None:  # type: ignore[no-untyped-def]
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()

    page = window("madoguchi")
    save(page, "today")
    menu(page, "つなぎ")
    save(page, "referrals")
    follow(page, "下書き")
    follow(page, "確認して送る")
    page.get_by_role("heading", name="伝わる情報の確認").scroll_into_view_if_needed()
    page.mouse.wheel(0, 330)
    page.wait_for_timeout(300)
    save(page, "check")
    referral(page, "R8-自立-0006")
    save(page, "referral")

    page = window("hinata")
    menu(page, "相談者")
    follow(page, "想定 節子")
    save(page, "person")

    page = window("junbi")
    menu(page, "ケース")
    follow(page, "終結")
    follow(page, "R1-就労-0007")
    save(page, "case")

    page = window("kansa")
    page.get_by_label("番号").fill("R8-自立-0006")
    press(page, "しぼり込む")
    follow(page, "R8-自立-0006")
    save(page, "audit")

    phone = window("junbi", PHONE)
    save(phone, "phone-today")
    referral(phone, "R8-自立-0005")
    save(phone, "phone-referral")


def test_every_picture_is_small_and_shown() -> None:
    pictures = {path.name: path.stat().st_size for path in FOLDER.glob("*.png")}
    assert pictures
    assert not {name: size for name, size in pictures.items() if size > LARGEST}
    shown = set(re.findall(r"docs/screenshots/([\w-]+\.png)", (ROOT / "README.md").read_text()))
    assert shown == set(pictures)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_points_to_is_there(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text())
    named = re.findall(r"<img[^>]+src=\"([^\"]+)\"", document.read_text())
    assert not [link for link in links + named if not (document.parent / link).exists()]
