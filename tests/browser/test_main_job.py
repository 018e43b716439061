"""The job that the portal exists for, by clicks and by the words on the page, from sign-in to closing."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from portal.agencies.models import Agency
from portal.core.db import db
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from tests.browser import axe
from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.steps import box, choose, follow, main, menu, press
from tests.factories import Member, make_agency, make_member, make_service

NEED = "働く準備を始めたいそうです。人の多い場所は苦手です。"
DEBTS = "家賃を二か月滞納している。"
WORK = "職歴はない。手先が器用。"
GOAL = "週に一度、決まった時間に来所する"
QUESTION = "初回の面談には、こちらの職員も同席できます。"


@dataclass
class Town:
    """Three agencies with staff; the third has no part in it."""

    to: Agency
    sender: Member
    recipient: Member
    third: Member


@pytest.fixture
def town(site: object, width: int) -> Town:
    to = make_agency(name=f"見本就労準備支援事業{width}")
    make_service(to, name=f"個別の就労準備{width}")
    recipient = make_member(to, name="準備 二郎")
    make_member(to, name="伴走 三郎")
    sender = make_member(make_agency(name=f"見本自立相談支援機関{width}"), name="相談 一郎")
    third = make_member(make_agency(name=f"見本の無関係な機関{width}"), name="別所 四郎")
    return Town(to, sender, recipient, third)


def register(page: Page, family: str) -> None:
    menu(page, "相談者")
    follow(page, "新しく登録する")
    page.get_by_role("textbox", name="姓", exact=True).fill(family)
    page.get_by_role("textbox", name="名", exact=True).fill("太郎")
    box(page, "姓のふりがな").fill("ミホンダ")
    box(page, "名のふりがな").fill("たろう")
    box(page, "生年月日").fill("昭和61年5月1日")
    box(page, "住所").fill("見本市見本町1番1号")
    box(page, "電話番号").fill("０９０－００００－００００")
    press(page, "登録する")
    expect(main(page)).to_contain_text(f"「{family} 太郎」を登録しました")
    axe.check(page)


def file(page: Page, category: str, text: str) -> None:
    save = page.get_by_role("button", name=f"{category}を保存する")
    page.locator("form", has=save).get_by_role("textbox", name="くわしい内容").fill(text)
    save.click()
    expect(page.get_by_text(text).first).to_be_visible()


def record_consent(page: Page, to: Agency) -> None:
    follow(page, "同意を記録する")
    page.get_by_label(to.name).check()
    page.get_by_label("基本情報").check()
    page.get_by_label("就労・通学・通所").check()
    page.get_by_label("書面").check()
    press(page, "確認へ進む")
    expect(page.get_by_role("heading", level=1)).to_contain_text("同意の内容を確認")
    expect(main(page)).to_contain_text(to.name)
    expect(main(page)).not_to_contain_text("収入・資産・債務")
    axe.check(page)
    press(page, "この内容で記録する")
    expect(main(page)).to_contain_text("同意を記録しました。")
    axe.check(page)


def refer(page: Page, to: Agency, service: str) -> str:
    """Sends the referral; the path of its page."""
    follow(page, "つなぎを送る")
    choose(page, "つなぎ先の機関", to.name)
    choose(page, "支援メニュー", service)
    page.get_by_role("checkbox", name="就労・通学・通所").check()
    box(page, "お願いしたいこと").fill(NEED)
    choose(page, "領域 1", "就労自立")
    box(page, "目標 1").fill(GOAL)
    axe.check(page)
    press(page, "確認へ進む")

    told = page.locator("section.side", has=page.get_by_role("heading", name="相手に見えるもの"))
    kept = page.locator("section.side", has=page.get_by_role("heading", name="こちらに残るもの"))
    for text in (NEED, WORK, GOAL, "見本市見本町1番1号"):
        expect(told).to_contain_text(text)
    expect(told).not_to_contain_text(DEBTS)
    expect(kept).to_contain_text(DEBTS)
    axe.check(page)
    press(page, "この内容で送付する")

    expect(main(page)).to_contain_text("送付しました")
    expect(page.locator(".confirm-number")).to_have_text(re.compile(r"^R\d+-\S+-0001$"))
    axe.check(page)
    return page.url.partition("?")[0]


def answer(page: Page, family: str, number: str) -> None:
    """From the page of the day to the referral, which nobody has yet, and yes."""
    new = main(page).get_by_role("link", name=re.compile("新着.*1件"))
    new.click()
    row = main(page).get_by_role("row").filter(has_text=number)
    expect(row).to_contain_text(family)
    row.get_by_role("link").first.click()
    expect(main(page)).to_contain_text("受領")
    for text in (NEED, WORK, "見本市見本町1番1号"):
        expect(main(page)).to_contain_text(text)
    expect(main(page)).not_to_contain_text(DEBTS)
    axe.check(page)

    follow(page, "受け入れる")
    choose(page, "担当者", "伴走 三郎")
    axe.check(page)
    press(page, "受け入れる")
    expect(main(page)).to_contain_text("受け入れました。")
    expect(page.locator(".summary")).to_contain_text(["伴走 三郎"])


def support(page: Page) -> None:
    """Begin, ask the other agency something, and end well."""
    follow(page, "支援を始める")
    press(page, "支援を始める")
    expect(page.get_by_role("heading", level=1)).to_contain_text("支援中")
    box(page, "連絡の内容").fill(QUESTION)
    press(page, "連絡を送る")
    expect(page.locator(".timeline").last).to_contain_text(QUESTION)

    follow(page, "完了にする")
    press(page, "完了にする")
    expect(page.get_by_role("alert")).to_contain_text("結果を選んでください。")
    expect(page.get_by_role("alert")).to_be_focused()
    axe.check(page)
    page.get_by_role("radio", name="事業の利用開始").check()
    page.get_by_role("group", name=f"目標1：{GOAL}").get_by_role("radio", name="一部達成", exact=True).check()
    press(page, "完了にする")
    expect(page.get_by_role("heading", level=1)).to_contain_text("完了")
    axe.check(page)


def know_nothing(page: Page, family: str, number: str, addresses: list[str]) -> None:
    """What an agency finds that was not told: neither the name, nor the number, nor anything at the address."""
    for place in ("相談者", "つなぎ"):
        for word in (family, "みほんだ", number):
            menu(page, place)
            main(page).get_by_role("searchbox").or_(main(page).locator("input[name=q]")).first.fill(word)
            press(page, "探す")
            expect(main(page)).to_contain_text("見つかりませんでした")
            expect(page.locator(".table")).to_have_count(0)
    nowhere = status_and_text(page, "/referrals/01234567-89ab-7def-8123-456789abcdef")
    assert nowhere[0] == 404
    for address in addresses:
        assert status_and_text(page, address) == nowhere


def status_and_text(page: Page, address: str) -> tuple[int, str]:
    """The answer at an address but for what differs from one request to the next, and for its own path."""
    answered = page.goto(address)
    assert answered
    text = re.sub(r'(content|value)="[\w.-]{40,}"', "", answered.text())
    text = re.sub(r'name="session-seconds-left" content="\d+"', "", text)
    return answered.status, re.sub(r"next=[^\"]*", "", text)


def check_main_job(visit: Visit, town: Town, width: int) -> None:
    family = f"見本田{width}"
    ours = visit(town.sender)
    register(ours, family)
    follow(ours, "相談者のページを開く")
    person = ours.url
    ours.get_by_role("link", name=re.compile("書く・変更する.*就労・通学・通所")).click()
    file(ours, "就労・通学・通所", WORK)
    file(ours, "収入・資産・債務", DEBTS)
    ours.goto(person)
    record_consent(ours, town.to)
    consent = ours.url
    ours.goto(person)
    referral = refer(ours, town.to, f"個別の就労準備{width}")
    number = ours.locator(".confirm-number").inner_text()

    theirs = visit(town.recipient)
    answer(theirs, family, number)
    menu(ours, "今日")
    expect(main(ours).get_by_role("link", name=re.compile("回答・連絡あり.*1件"))).to_be_visible()
    support(theirs)

    main(ours).get_by_role("link", name=re.compile("回答・連絡あり")).click()
    main(ours).get_by_role("row").filter(has_text=number).get_by_role("link").first.click()
    expect(ours).to_have_url(referral)
    for text in ("完了", "事業の利用開始", "一部達成", "伴走 三郎", QUESTION):
        expect(main(ours)).to_contain_text(text)
    axe.check(ours)

    strangers = visit(town.third)
    expect(main(strangers)).to_contain_text("いま急ぎのものはありません。")
    know_nothing(
        strangers, family, number, [referral, person, consent, f"{referral}/accept", f"{person}/edit"]
    )

    status = db.read.scalar(select(Referral.status).where(Referral.number == number))
    assert status is ReferralStatus.COMPLETED


@pytest.mark.drawn(1)
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.usefixtures("database")
def test_the_main_job(visit: Visit, town: Town, width: int) -> None:
    check_main_job(visit, town, width)
