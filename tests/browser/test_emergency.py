"""Emergency access in a real browser: found, asked, confirmed, read, given back, noted; on a desk and on a phone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from portal.people import services as people
from portal.people.categories import Category
from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.steps import box, follow, main, press
from tests.browsers import PASSWORD
from tests.emergency.acts import BIRTHDAY, HANAKO
from tests.factories import make_agency, make_member, make_person

# Where a developer wants to look at the pages: a folder of their own.
PICTURES = os.environ.get("EMERGENCY_PICTURES", "")


def look(page: Page, name: str, width: int) -> None:
    """No page is wider than the window; the picture for who asked for it."""
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_from_the_search_to_the_note(visit: Visit, width: int) -> None:
    home = make_member(make_agency(name=f"総合相談の見本窓口{width}"))
    person_id = make_person(home, **HANAKO, birth=BIRTHDAY)
    people.update_information(home.actor, person_id, Category.HEALTH, text="糖尿病でインスリンを使う")
    asker = make_member()

    page = visit(asker)
    page.goto("/people/")
    page.get_by_label("氏名・ふりがな").fill("髙橋 花子")
    press(page, "探す")
    look(page, "not-found", width)
    follow(page, "緊急閲覧")
    box(page, "氏名（またはふりがな）").fill("たかはし はなこ")
    box(page, "生年月日").fill("S61.5.1")
    look(page, "index", width)
    press(page, "氏名で探す")
    expect(main(page)).to_contain_text(home.actor.agency_name)
    look(page, "found", width)
    main(page).get_by_role("button").filter(has_text=home.actor.agency_name).click()

    press(page, "確認へ進む")
    expect(main(page).get_by_role("alert")).to_contain_text("理由を選んでください")
    page.get_by_label("身体の危険・急病").check()
    box(page, "いまの状況").fill(
        "救急隊から電話。意識がなく、服んでいる薬が分からない。家族とも連絡がつかない。"
    )
    page.get_by_label("本人の同意を得ることが難しい").check()
    page.get_by_label("健康・障がい").check()
    look(page, "ask", width)
    press(page, "確認へ進む")
    page.get_by_label("自分のパスワード").fill("not the password of mine")
    press(page, "この内容で閲覧を始める")
    expect(main(page)).to_contain_text("パスワードが違います")
    page.get_by_label("自分のパスワード").fill(PASSWORD)
    look(page, "check", width)
    press(page, "この内容で閲覧を始める")

    expect(main(page)).to_contain_text("糖尿病でインスリンを使う")
    expect(page.get_by_role("region", name="緊急閲覧中")).to_contain_text("あと60分")
    look(page, "person", width)
    page.goto("/agencies/")
    look(page, "banner", width)
    page.get_by_role("region", name="緊急閲覧中").get_by_role("button", name="終了する").click()
    expect(page.get_by_role("main")).to_contain_text("緊急閲覧を終えました")
    expect(page.get_by_role("region", name="緊急閲覧中")).to_have_count(0)
    look(page, "over", width)

    there = visit(home)
    expect(main(there)).to_contain_text("緊急閲覧の知らせ：1件")
    look(there, "today-home", width)
    follow(there, "内容を確認する")
    look(there, "notices", width)
    main(there).get_by_role("table").get_by_role("link").first.click()
    look(there, "show-home", width)
    press(there, "確認しました")
    there.goto("/")
    expect(main(there)).not_to_contain_text("緊急閲覧の知らせ")
    there.goto(f"/people/{person_id}/disclosures")
    expect(main(there)).to_contain_text("緊急（身体の危険・急病）")
    look(there, "ledger", width)
