"""A café afternoon on a phone: eight people written down with a handful of taps, and nothing typed is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from portal.core import clock
from tests.activities.acts import shape
from tests.activity_factories import make_activity, make_activity_series, make_attendance
from tests.browser import axe
from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.steps import box, follow, main, press, stored_drafts
from tests.factories import Member, make_case, make_member, make_person

REGULARS = (
    ("見本", "花子"),
    ("架空", "二郎"),
    ("例示", "三葉"),
    ("仮名", "四季"),
    ("試作", "五月"),
    ("想定", "六花"),
)
MOST_ACTIONS, A_MINUTE = 15, 60


class Hand:
    """Taps and types, and counts: choosing a field and typing into it are two actions."""

    def __init__(self, page: Page) -> None:
        self.page, self.actions = page, 0

    def tap(self, act: Callable[[], object]) -> None:
        self.actions += 1
        act()

    def type(self, label: str, text: str) -> None:
        self.actions += 2
        box(self.page, label).fill(text)


@pytest.fixture(params=[PHONE])
def width(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


def cafe(member: Member) -> None:
    """A monthly café with six regulars who came last month."""
    series = make_activity_series(
        member, title="見本ほっとカフェ", place="見本会館", starts_on=clock.today() - timedelta(days=90)
    )
    last = make_activity(member, series_id=series, held_on=clock.today() - timedelta(days=28))
    for family, given in REGULARS:
        make_attendance(
            member,
            last,
            make_person(member, family=family, given=given, family_kana="みほん", given_kana="みほん"),
        )


def test_an_afternoon_with_eight_people_takes_less_than_a_minute(visit: Visit) -> None:
    member = make_member()
    cafe(member)
    page = visit(member)
    page.goto("/activities/")
    hand, begun = Hand(page), time.monotonic()
    hand.tap(lambda: follow(page, "今日の分を記録する"))
    expect(main(page)).to_contain_text("見本ほっとカフェの記録")
    for family, given in REGULARS[:5]:
        hand.tap(main(page).get_by_role("checkbox", name=f"{family} {given}").check)
    hand.type("匿名（初めて）", "2")
    hand.type("匿名（2回目以降）", "1")
    axe.check(page)
    hand.tap(lambda: press(page, "記録する"))
    expect(main(page)).to_contain_text("延べ8人（氏名あり5、匿名の初めて2、匿名の2回目以降1）")
    page.wait_for_load_state()
    assert hand.actions <= MOST_ACTIONS
    assert time.monotonic() - begun < A_MINUTE
    assert shape(activity_id(page)) == (5, 2, 1)
    assert not stored_drafts(page), "what the server has is no draft any more"
    axe.check(page)


def activity_id(page: Page) -> UUID:
    return UUID(page.url.rsplit("/", 1)[1])


def test_somebody_who_is_no_regular_is_found_by_name(visit: Visit) -> None:
    member = make_member()
    cafe(member)
    make_person(member, family="新顔", given="七海", family_kana="しんがお", given_kana="ななみ")
    page = visit(member)
    page.goto("/activities/")
    follow(page, "今日の分を記録する")
    main(page).get_by_role("checkbox", name="見本 花子").check()
    box(page, "成果・次につながること").fill("来月も来る。")
    search = main(page).get_by_role("searchbox", name="氏名・ふりがなで探す")
    search.fill("しんがお")
    search.press("Enter")  # looks, and saves nothing
    found = main(page).get_by_role("checkbox", name="新顔 七海")
    expect(found).to_be_visible()
    found.check()
    expect(main(page).get_by_role("checkbox", name="見本 花子")).to_be_checked()
    expect(box(page, "成果・次につながること")).to_have_value("来月も来る。")
    box(page, "匿名（初めて）").fill("1")
    box(page, "匿名（初めて）").press("Enter")  # anywhere else Enter saves
    expect(main(page)).to_contain_text("延べ3人")
    expect(main(page)).to_contain_text("新顔 七海")


@pytest.mark.drawn(1)
@pytest.mark.parametrize("width", [PHONE, DESKTOP], indirect=True)
def test_a_month_that_was_not_held_is_explained_and_a_head_named_later(visit: Visit) -> None:
    member = make_member()
    cafe(member)
    page = visit(member)
    page.goto("/activities/")
    follow(page, "見本ほっとカフェ")
    axe.check(page)
    main(page).get_by_role("link", name="開催しなかった理由を書く").first.click()
    box(page, "開催しなかった理由").fill("緊急事態宣言")
    press(page, "記録する")
    expect(main(page)).to_contain_text("予定していましたが、開催しませんでした。")
    follow(page, "この定例の活動の一年")
    expect(main(page)).to_contain_text("緊急事態宣言")

    follow(page, "今日の分を記録する")
    box(page, "匿名（初めて）").fill("1")
    press(page, "記録する")
    main(page).get_by_role("link", name="相談者と結びつける").click()
    axe.check(page)
    main(page).get_by_role("radio", name="架空 二郎").check()
    press(page, "この人と結びつける")
    expect(main(page)).to_contain_text("あとで氏名が分かった人")
    main(page).get_by_role("link", name="訂正する").click()
    axe.check(page)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("width", [PHONE, DESKTOP], indirect=True)
def test_every_page_of_activities_is_accessible(visit: Visit) -> None:
    member = make_member()
    series = make_activity_series(member, starts_on=clock.today() - timedelta(days=400))
    made = make_activity(member, series_id=series, text="見本の様子")
    make_case(member, make_person(member, family="架空", given="二郎"))
    named, nameless = make_attendance(member, made, make_person(member)), make_attendance(member, made)
    linked = make_attendance(member, made, make_person(member), linked_at=clock.now())
    make_activity(member, held_on=clock.today(), not_held_why="台風")
    page = visit(member)
    paths = [
        *(
            "",
            "?kind=leaflet",
            "new",
            "new?kind=home_visit",
            "new?kind=briefing",
            f"new?series={series}&held=no",
        ),
        *(
            f"{made}{act}"
            for act in ("", "/edit", "/edit?kind=briefing", "/edit?held=no", "/strike", "/attendance")
        ),
        *(f"{made}/attendance/{named}{act}" for act in ("", "/remove")),
        *(f"{made}/attendance/{nameless}{act}" for act in ("", "/link")),
        f"{made}/attendance/{linked}/unlink",
        *("series/new", *(f"series/{series}{act}" for act in ("", "?year=2020", "/edit", "/end"))),
    ]
    for path in paths:
        answer = page.goto(f"/activities/{path}")
        assert answer
        assert (path, answer.status) == (path, 200)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (path, wide) == (path, 0)
        axe.check(page)
