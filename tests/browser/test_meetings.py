"""A coordinator prepares and runs a weekly meeting with nothing but the keyboard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.meetings.agenda.drafting import refresh
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.services import remove_item
from portal.meetings.roster.services import set_attendance
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingStatus
from tests.browser import axe
from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.steps import follow, main
from tests.browser.table import Table, hold_one, make_table
from tests.meeting_factories import name_member

MOST_TABS = 400


@dataclass
class Keys:
    """Hands that have no mouse: they go by Tab to what they mean, and count what they do there."""

    page: Page
    actions: int = 0

    def go_to(self, target: Locator) -> None:
        """Tab until the focus is there; it must be seen where it is."""
        expect(target).to_have_count(1)
        for _ in range(MOST_TABS):
            if target.evaluate("one => one === document.activeElement"):
                expect(target).to_be_in_viewport()
                return
            self.page.keyboard.press("Tab")
        pytest.fail(f"Tab does not lead to {target}")

    def act(self, target: Locator, key: str = "Enter") -> None:
        self.go_to(target)
        self.actions += 1
        self.page.keyboard.press(key)
        self.page.wait_for_load_state()

    def follow(self, name: str | re.Pattern[str]) -> None:
        self.act(main(self.page).get_by_role("link", name=name).first)

    def press(self, name: str | re.Pattern[str]) -> None:
        self.act(main(self.page).get_by_role("button", name=name).first)

    def tick(self, name: str) -> None:
        self.act(main(self.page).get_by_role("checkbox", name=name), "Space")

    def type(self, label: str, text: str) -> None:
        self.go_to(main(self.page).get_by_role("textbox", name=label))
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.type(text)


@pytest.fixture
def table(site: object) -> Table:
    return make_table()


def agenda(page: Page) -> list[str]:
    """The items as they stand, without their numbers."""
    links = main(page).locator("tr[id^=item-] > td:first-child > a:first-child").all_inner_texts()
    return [re.sub(r"^\d+\.\s*", "", link) for link in links]


def status(table: Table) -> MeetingStatus | None:
    found = db.read.scalar(select(Meeting.status).where(Meeting.id == table.meeting))
    db.end()
    return found


def announce(keys: Keys) -> None:
    """From the list of meetings to the announced one."""
    keys.follow("週次打合せ")
    expect(keys.page.get_by_role("heading", name="議題", exact=True)).to_be_visible()
    keys.follow("見える範囲を確かめて開催を通知する")
    expect(keys.page.get_by_role("heading", level=1)).to_have_text("だれに何が見えるか")
    keys.tick("だれに何が見えるかを確認しました")
    keys.press("この内容で通知する")
    expect(main(keys.page)).to_contain_text("開催を通知しました")


def test_ten_cases_are_announced_in_five_actions_at_most(visit: Visit, table: Table) -> None:
    """The agenda is there already: what is left is to look at it, at who sees what, and to say so."""
    hold_one(table)
    page = visit(table.coordinator)
    page.goto("/meetings/")
    keys = Keys(page)
    announce(keys)
    assert keys.actions <= 5
    assert status(table) is MeetingStatus.ANNOUNCED
    items = agenda(page)
    assert items[0].startswith("前回議事録の承認：週次打合せ（")
    assert items[1:2] == ["対応事項の確認：空いている部屋を調べて知らせる"]
    assert len([item for item in items if item.startswith("つなぎの確認")]) == len(table.people) == 10

    theirs = visit(table.partner)
    theirs.goto(f"/meetings/{table.meeting}")
    axe.check(theirs)
    follow(theirs, "資料を開く")
    expect(main(theirs)).to_contain_text("見本 花子")
    expect(main(theirs)).to_contain_text("開所日を過ぎて未回答")
    axe.check(theirs)
    others = visit(table.third)
    others.goto(f"/meetings/{table.meeting}/packet")
    expect(main(others)).to_contain_text("この資料には、貴機関に提供できる議題だけを載せています。")
    expect(main(others)).not_to_contain_text("空想")
    axe.check(others)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_an_agenda_is_arranged_by_keyboard(visit: Visit, table: Table, width: int) -> None:
    """Add, reorder, take off with a reason, put back: each by Tab and Enter, and axe finds nothing."""
    page = visit(table.coordinator)
    page.goto(f"/meetings/{table.meeting}")
    keys = Keys(page)
    axe.check(page)

    keys.follow("議題を加える")
    expect(page.get_by_role("heading", level=1)).to_have_text("議題を加える")
    axe.check(page)
    keys.go_to(main(page).get_by_label("議題の種類"))
    page.keyboard.press("End")
    keys.type("議題名", "年末年始の連絡体制")
    keys.type("時間（分）", "10")
    keys.press("議題に加える")
    added = "情報共有・その他：年末年始の連絡体制"
    expect(main(page)).to_contain_text(added)
    before = agenda(page)
    assert before[-1] == added

    keys.press(re.compile(f"上へ.*{added}"))
    expect(page).to_have_url(re.compile("#item-"))
    expect(main(page).locator("tr[id^=item-]").last).not_to_contain_text(added)
    assert agenda(page) == [*before[:-2], before[-1], before[-2]]
    keys.press(re.compile(f"下へ.*{added}"))
    expect(main(page).locator("tr[id^=item-]").last).to_contain_text(added)
    assert agenda(page) == before

    row = main(page).locator("tr").filter(has_text=added)
    keys.act(row.locator("summary"))
    axe.check(page)
    keys.act(row.get_by_role("link", name="外す"))
    expect(page.get_by_role("heading", level=1)).to_have_text("議題から外す")
    keys.type("理由", "次の月の会議で話すため")
    keys.press(re.compile("^外す$"))
    expect(main(page)).to_contain_text("外した理由：次の月の会議で話すため")
    assert added not in agenda(page)
    keys.press("議題に戻す")
    expect(main(page).locator("tr[id^=item-]").filter(has_text=added)).to_be_visible()
    axe.check(page)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_meeting_is_run_by_keyboard(visit: Visit, table: Table, width: int) -> None:
    """From announcement to approved minutes: attendance, text, a promise; the owner has it on their page."""
    page = visit(table.coordinator)
    page.goto("/meetings/")
    keys = Keys(page)
    announce(keys)

    keys.follow("会議を進める")
    keys.follow("会議を始める")
    expect(page.get_by_role("heading", level=1)).to_have_text("会議を始める")
    axe.check(page)
    keys.type("理由", "台風の予報のため一日早める")
    keys.tick("上のことを確かめたうえで進めます")
    keys.press("会議を始める")
    expect(main(page)).to_contain_text("会議を始めました。")
    axe.check(page)

    keys.follow("名簿・出欠")
    keys.go_to(main(page).get_by_label("職員"))
    page.keyboard.press("ArrowDown")
    keys.press("職員を加える")
    expect(main(page)).to_contain_text("名簿に加えました。")
    keys.act(main(page).get_by_role("group", name="出席した方").get_by_role("checkbox").first, "Space")
    keys.press("出欠を保存する")
    expect(main(page)).to_contain_text("出欠を記録しました。")
    axe.check(page)

    item = main(page).locator(".packet-item").filter(has_text="想定 一郎")
    keys.go_to(item.get_by_role("textbox", name="議事録"))
    page.keyboard.type("月内に一度、見学に来てもらう。")
    expect(item.locator("[data-autosave-state]")).to_contain_text("保存しました")
    keys.act(item.locator("summary").filter(has_text="決定・対応事項を加える"))
    axe.check(page)
    keys.go_to(item.get_by_role("radio", name="決定事項"))
    page.keyboard.press("ArrowDown")
    expect(item.get_by_role("radio", name="対応事項")).to_be_checked()
    keys.go_to(item.get_by_role("textbox", name="内容"))
    page.keyboard.type("見学の日を決めて本人に知らせる")
    expect(item.get_by_role("textbox", name="内容")).to_have_value("見学の日を決めて本人に知らせる")
    keys.go_to(item.get_by_role("combobox", name="担当する機関"))
    page.keyboard.press("ArrowDown")
    keys.go_to(item.get_by_role("textbox", name="期限"))
    due = clock.today() + timedelta(days=14)
    page.keyboard.type(due.isoformat())
    keys.act(item.get_by_role("button", name="加える"))
    expect(item.locator(".task-list")).to_contain_text("見学の日を決めて本人に知らせる")
    expect(item.get_by_role("textbox", name="議事録")).to_have_value("月内に一度、見学に来てもらう。")

    keys.follow("会議を終える")
    keys.press("会議を終える")
    expect(main(page)).to_contain_text("会議を終えました。")
    keys.follow("議事録を承認する")
    keys.press("議事録を承認する")
    expect(main(page)).to_contain_text("議事録を承認しました。")
    expect(main(page)).to_contain_text("月内に一度、見学に来てもらう。")
    axe.check(page)
    assert status(table) is MeetingStatus.APPROVED

    theirs = visit(table.partner)
    theirs.goto(f"/meetings/{table.meeting}/packet")
    theirs.goto(f"/meetings/{table.meeting}/minutes")
    expect(main(theirs)).to_contain_text("月内に一度、見学に来てもらう。")
    axe.check(theirs)
    theirs.goto("/meetings/promises?show=mine")
    expect(main(theirs)).to_contain_text("見学の日を決めて本人に知らせる")
    axe.check(theirs)
    others = visit(table.third)
    others.goto(f"/meetings/{table.meeting}/minutes")
    expect(main(others)).not_to_contain_text("見学")


# The most that a coordinator presses in a week, from the list of meetings to the approved minutes.
MOST_CLICKS = 20


@dataclass
class Hand:
    """A hand with a mouse, which counts what it presses; typing and going on by Tab is not pressing."""

    page: Page
    clicks: int = 0

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click()
        self.page.wait_for_load_state()

    def follow(self, name: str | re.Pattern[str]) -> None:
        self.click(main(self.page).get_by_role("link", name=name).first)

    def press(self, name: str | re.Pattern[str], inside: Locator | None = None) -> None:
        self.click((inside or main(self.page)).get_by_role("button", name=name).first)

    def promise(self, item: Locator, text: str, owner: str, due: date) -> None:
        """The fields of a promise are there once 対応事項 is chosen."""
        self.click(item.locator("summary").filter(has_text="決定・対応事項を加える"))
        expect(item.get_by_label("担当する機関")).to_be_hidden()
        expect(item.get_by_label("期限")).to_be_hidden()
        self.click(item.get_by_text("対応事項", exact=True))
        item.get_by_role("textbox", name="内容").fill(text)
        self.clicks += 1
        item.get_by_label("担当する機関").select_option(label=owner)
        item.get_by_label("期限").fill(due.isoformat())
        self.press(re.compile("^加える"), item)
        expect(main(self.page).locator(".task-list").filter(has_text=text)).to_be_visible()


def make_week(table: Table) -> tuple[UUID, UUID]:
    """Today's meeting of the series with five items, and last week's, whose minutes wait for approval."""
    with db.transaction() as session:
        meeting = session.get_one(Meeting, table.meeting)
        meeting.starts_at = clock.now()
        audit.record(AuditEvent.MEETING_MOVED, meeting, actor=table.coordinator.actor)
    former = hold_one(table)
    take_attendance(table, former)
    for member in (table.coordinator, table.partner):
        name_member(table.coordinator, table.meeting, member)
    refresh(table.coordinator.actor, table.meeting)
    for item in list(db.read.scalars(select(AgendaItem).where(AgendaItem.meeting_id == table.meeting)))[5:]:
        remove_item(table.coordinator.actor, item.id, "この回は五件にする")
    db.end()
    return table.meeting, former


def take_attendance(table: Table, meeting: UUID) -> None:
    came = name_member(table.coordinator, meeting, table.coordinator)
    set_attendance(table.coordinator.actor, meeting, {came})


def test_a_week_of_a_coordinator_takes_twenty_clicks(visit: Visit, table: Table) -> None:
    """From the list to the approved minutes: five items written, two promises made, the former minutes approved."""
    meeting, former = make_week(table)
    page = visit(table.coordinator)
    page.goto("/meetings/")
    hand = Hand(page)
    hand.follow("週次打合せ")
    hand.follow("見える範囲を確かめて開催を通知する")
    hand.click(main(page).get_by_role("checkbox", name="だれに何が見えるかを確認しました"))
    hand.press("この内容で通知する")
    hand.follow("会議を始める")
    hand.press("すべて選ぶ")
    hand.press("会議を始める")
    expect(main(page)).to_contain_text("会議を始めました。")
    hand.press("この議事録を承認する")
    items = main(page).locator(".packet-item")
    expect(items).to_have_count(5)
    for n in range(5):
        items.nth(n).get_by_role("textbox", name="議事録").fill(f"{n + 1}番目の議題で話したこと。")
        expect(items.nth(n).locator("[data-autosave-state]")).to_contain_text("保存しました")
    due = clock.today() + timedelta(days=30)
    hand.promise(items.nth(3), "見学の日を決める", table.partner.actor.agency_name, due)
    hand.promise(items.nth(4), "本人に電話する", table.partner.actor.agency_name, due)

    theirs = visit(table.partner)
    theirs.goto("/")
    for text in ("見学の日を決める", "本人に電話する"):
        expect(main(theirs)).to_contain_text(text)  # while the meeting is still going on

    hand.follow("会議を終える")
    hand.press("会議を終える")
    hand.follow("議事録を承認する")
    hand.press("議事録を承認する")
    expect(main(page)).to_contain_text("議事録を承認しました。")
    for n in range(5):
        expect(main(page)).to_contain_text(f"{n + 1}番目の議題で話したこと。")
    assert hand.clicks <= MOST_CLICKS
    for one in (meeting, former):
        assert db.read.scalar(select(Meeting.status).where(Meeting.id == one)) is MeetingStatus.APPROVED
    db.end()
