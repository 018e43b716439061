"""Both languages, the printed page, and the page without a mouse."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser import axe
from tests.browser.conftest import PHONE, Visit
from tests.browser.steps import follow, main
from tests.factories import make_member, make_person, make_referral


def test_the_language_is_switched_and_stays(visit: Visit) -> None:
    page = visit(make_member())
    page.goto("/people/")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page).to_have_url(re.compile("/people/$"))
    axe.check(page)
    page.goto("/referrals/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="日本語").click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.get_by_role("heading", level=1)).to_have_text("つなぎ")


def test_a_printed_page_says_whose_it_is_and_leaves_out_what_paper_cannot_do(visit: Visit) -> None:
    member = make_member()
    person_id = make_person(member, family="印刷田", given="紙子")
    page = visit(member)
    page.goto(f"/people/{person_id}")
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="主なメニュー")).to_be_hidden()
    expect(page.get_by_role("button", name="サインアウト")).to_be_hidden()
    expect(page.locator(".print-line")).to_contain_text("取扱注意")
    paper = PdfReader(io.BytesIO(page.pdf(format="A4")))
    # The font's 田 comes out as the radical ⽥, and spaces as the letters stand.
    text = unicodedata.normalize("NFKC", "".join(sheet.extract_text() for sheet in paper.pages))
    text = "".join(text.split())
    assert "印刷田" in text
    assert "取扱注意" in text
    assert "".join(member.actor.name.split()) in text


def test_the_referral_sheet_prints_on_one_page(visit: Visit) -> None:
    sender, recipient = make_member(), make_member()
    referral_id = make_referral(sender, recipient, need="見学からお願いします。")
    page = visit(recipient)
    page.goto(f"/referrals/{referral_id}")
    follow(page, "つなぎ票")
    expect(main(page)).to_contain_text("見学からお願いします。")
    paper = PdfReader(io.BytesIO(page.pdf(format="A4")))
    assert len(paper.pages) == 1
    link = main(page).get_by_role("link", name="PDFで開く").get_attribute("href")
    assert link
    pdf = page.request.get(link)
    assert pdf.headers["content-type"] == "application/pdf"
    assert len(PdfReader(io.BytesIO(pdf.body())).pages) == 1


@pytest.mark.parametrize("width", [PHONE])
def test_the_menu_folds_on_a_phone(visit: Visit, width: int) -> None:
    page = visit(make_member())
    nav = page.get_by_role("navigation", name="主なメニュー")
    expect(nav.get_by_role("link")).to_have_count(0)
    button = page.get_by_role("button", name="メニュー")
    expect(button).to_have_attribute("aria-expanded", "false")
    page.wait_for_load_state()  # the button is there before its script
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    axe.check(page)
    nav.get_by_role("link", name="つなぎ").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("つなぎ")


def test_a_missing_page_says_where_to_go(visit: Visit) -> None:
    page = visit(make_member())
    page.goto("/no/such/page")
    expect(page.get_by_role("heading", level=1)).not_to_be_empty()
    axe.check(page)
