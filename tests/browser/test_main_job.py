"""The job that the portal exists for, by clicks and by the words on the page, from sign-in to closing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from portal.agencies.models import Agency
from portal.db import db
from portal.people.categories import Category
from tests.browser import axe
from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.factories import Member, make_agency, make_member, make_person, make_service

NEED = "働く準備を始めたいそうです。\n人の多い場所は苦手です。"
SECRET = "家賃を二か月滞納している。"
GOAL = "週に一度、決まった時間に来所する"


@dataclass
class Town:
    """Three agencies with a member of staff each; the third is no part of it."""

    sender: Member
    recipient: Member
    colleague: Member
    third: Member
    to: Agency


@pytest.fixture
def town(site: object) -> Town:
    to = make_agency(name="見本就労準備支援事業")
    make_service(to, name="個別の就労準備")
    return Town(
        sender=make_member(make_agency(name="見本自立相談支援機関"), name="相談 一郎"),
        recipient=make_member(to, name="準備 二郎"),
        colleague=make_member(to, name="伴走 三郎"),
        third=make_member(make_agency(name="見本の無関係な機関"), name="別所 四郎"),
        to=to,
    )


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("textbox", name=name)


def press(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


def follow(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("link", name=name, exact=True).first.click()


def menu(page: Page, name: str, width: int) -> None:
    """By the main menu, which a phone folds."""
    if width == PHONE:
        page.get_by_role("button", name="メニュー").click()
    page.get_by_role("navigation", name="主なメニュー").get_by_role("link", name=name).click()


def register(page: Page, width: int, family: str) -> None:
    menu(page, "相談者", width)
    follow(page, "新しく登録する")
    page.get_by_role("textbox", name="姓", exact=True).fill(family)
    page.get_by_role("textbox", name="名", exact=True).fill("太郎")
    box(page, "姓のふりがな").fill("ヤマダ")
    box(page, "名のふりがな").fill("たろう")
    box(page, "生年月日").fill("昭和61年5月1日")
    box(page, "住所").fill("見本市見本町1番1号")
    box(page, "電話番号").fill("０９０－００００－００００")
    axe.check(page)
    press(page, "登録する")
    expect(page.get_by_role("main")).to_contain_text(f"{family}太郎さんを登録しました")
    axe.check(page)


def file_debts(page: Page) -> None:
    """What the person has not agreed to tell anybody."""
    follow(page, "相談者のページを開く")
    page.get_by_role("link", name="書く・変更する：収入・資産・債務").click()
    box(page, "くわしい内容").fill(SECRET)
    press(page, "保存する")
    expect(page.get_by_text(SECRET)).to_be_visible()


def record_consent(page: Page, to: Agency) -> None:
    follow(page, "同意を記録する")
    page.get_by_label(to.name).check()
    page.get_by_label("基本情報").check()
    page.get_by_label("就労・通学・通所").check()
    page.get_by_label("書面").check()
    press(page, "確認へ進む")
    main = page.get_by_role("main")
    expect(page.get_by_role("heading", level=1)).to_contain_text("同意の内容を確認")
    expect(main).to_contain_text(to.name)
    expect(main).not_to_contain_text("収入・資産・債務")
    axe.check(page)
    press(page, "この内容で記録する")
    expect(main).to_contain_text("同意を記録しました。")
    axe.check(page)
