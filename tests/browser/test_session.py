"""Signing in and staying signed in, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.conftest import Visit, sign_in
from tests.browser.steps import box, main, press, stored_drafts
from tests.factories import make_case, make_member


def test_a_stranger_comes_back_to_where_they_wanted_to_go(visit: Visit) -> None:
    page = visit()
    page.goto("/people/?after=nonsense")
    expect(page.get_by_role("heading", level=1)).to_have_text("サインイン")
    sign_in(page, make_member())
    expect(page).to_have_url(re.compile("/people/"))


def test_a_wrong_password_says_so_and_keeps_the_address(visit: Visit) -> None:
    member = make_member()
    page = visit()
    box(page, "メールアドレス").fill(member.email)
    page.get_by_label("パスワード").fill("chigau aikotoba desu")
    press(page, "サインインする")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page).to_have_title(re.compile("^エラー："))
    expect(box(page, "メールアドレス")).to_have_value(member.email)
    expect(page.get_by_label("パスワード")).to_have_value("")
    axe.check(page)


def test_the_session_warns_before_it_ends_and_goes_on_when_asked(visit: Visit) -> None:
    page = visit(make_member())
    page.clock.install()
    page.goto("/people/")
    page.clock.fast_forward("28:30")
    warning = page.get_by_role("region", name="時間切れのお知らせ")
    expect(warning).to_contain_text("まもなくサインアウトします。")
    axe.check(page)
    warning.get_by_role("button", name="続ける").click()
    expect(warning).to_have_count(0)
    page.clock.fast_forward("27:00")
    expect(warning).to_have_count(0)
    page.clock.fast_forward("02:00")
    expect(warning).to_be_visible()


def test_when_time_is_up_the_page_says_how_to_go_on(visit: Visit) -> None:
    member = make_member()
    page = visit(member)
    case_id = make_case(member)
    page.clock.install()
    page.goto(f"/cases/{case_id}")
    box(page, "内容").press_sequentially("途中まで書いた。")
    page.clock.run_for(400)
    assert stored_drafts(page)
    page.clock.fast_forward("31:00")
    expect(page.get_by_role("alert").filter(has_text="サインアウトしました")).to_be_visible()
    axe.check(page)
    page.get_by_role("link", name="サインインする").click()
    expect(box(page, "内容")).to_have_value("途中まで書いた。")


def test_one_tab_at_work_keeps_the_others_signed_in(visit: Visit) -> None:
    page = visit(make_member())
    page.clock.install()
    page.goto("/people/")
    page.clock.fast_forward("28:30")
    warning = page.get_by_role("region", name="時間切れのお知らせ")
    expect(warning).to_be_visible()
    other = page.context.new_page()
    other.goto("/referrals/")
    expect(warning).to_have_count(0)


def test_signing_out_leaves_nothing_behind(visit: Visit) -> None:
    page = visit(make_member())
    page.goto("/people/")
    page.get_by_role("button", name="サインアウト").click()
    expect(main(page)).to_contain_text("サインアウトしました。")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("サインイン")
