"""Two write the minutes of one item at once: the slower learns of it while typing and loses nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from portal.core.db import db
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes import services as minutes_services
from portal.meetings.states import MeetingAction
from tests.browser import axe
from tests.browser.conftest import PHONE, Visit
from tests.browser.steps import main
from tests.browser.table import Table, make_table
from tests.meeting_factories import make_item, take_step

FIRST, SECOND = "先に書いた文", "後から書いた文"


@pytest.fixture
def table(site: object) -> Table:
    return make_table()


@pytest.mark.conflict
@pytest.mark.parametrize(
    ("button", "stands"),
    [
        ("両方を残す", f"{FIRST}\n\n{SECOND}"),
        ("自分の文に置き換える", SECOND),
        ("先に保存された文のままにする", FIRST),
    ],
    ids=["both", "mine", "theirs"],
)
def test_the_slower_of_two_chooses(visit: Visit, table: Table, button: str, stands: str) -> None:
    item_id = make_item(table.coordinator, table.meeting, title="二人で書く議題")
    for action in (MeetingAction.ANNOUNCE, MeetingAction.BEGIN):
        take_step(table.coordinator, table.meeting, action)
    page = visit(table.coordinator)
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.goto(f"/meetings/{table.meeting}/session")
    item = main(page).locator(".packet-item").filter(has_text="二人で書く議題")
    minutes_services.write(table.coordinator.actor, item_id, FIRST, version=1)
    box = item.get_by_role("textbox", name="議事録")
    box.fill(SECOND)
    expect(item.locator("[data-autosave-theirs]")).to_have_text(FIRST)
    expect(box).to_have_value(SECOND)
    axe.check(page)
    item.get_by_role("button", name=button).click()
    expect(item.locator("[data-autosave-state]")).to_contain_text("保存しました")
    page.reload()
    expect(item.get_by_role("textbox", name="議事録")).to_have_value(stands)
    db.end()
    assert db.read().get_one(AgendaItem, item_id).minutes_text == stands
    db.end()
