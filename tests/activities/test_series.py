"""Series of activities: what a record begins with, the year month by month, months not held and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from portal.activities.models import ActivitySeries, ActivitySeriesAgency
from portal.activities.series.queries import like
from portal.core.db import db
from tests.activities.acts import activity, record, recorded
from tests.activity_factories import make_activity, make_activity_series, make_attendance
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member

Visit = Callable[..., Browser]
TYPED = {
    "title": "見本カフェ",
    "kind": "cafe",
    "mode": "both",
    "place": "見本会館",
    "starts_on": "2020-04-01",
    "area": "",
}


@pytest.fixture
def member(app: Any, at: Callable[..., None]) -> Member:
    at("2020-12-05T15:00")
    return make_member()


def defined(visit: Browser, **typed: Any) -> UUID:
    answer = visit.post("/activities/series/new", data=TYPED | typed)
    assert answer.status_code == 302, answer.text
    return UUID(answer.location.split("/")[-1])


def month(page: str, n: int) -> str:
    """The line of one month."""
    lines = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return unescape(next(line for line in lines if re.search(rf">\s*{n}月\s*<", line)))


def test_a_record_begins_with_what_the_series_says(browser: Visit, member: Member) -> None:
    other, visit = make_agency(), browser(member)
    series = defined(visit, together=[str(other.id)])
    assert db.read.scalars(select(ActivitySeries)).one().area == "place", "the area goes by the kind"
    page = visit.get(f"/activities/new?series={series}").text
    for word in ("見本カフェ", "見本会館", "令和2年12月5日"):
        assert word in page
    assert re.search(rf'checked[^>]*value="{other.id}"', page)
    assert re.search(r'checked[^>]*value="both"', page)
    made = recorded(visit, f"/activities/new?series={series}", title="見本カフェ", first="2")
    assert activity(made).series_id == series
    assert f"/activities/series/{series}" in visit.get(f"/activities/{made}").text


def test_the_year_stands_month_by_month(browser: Visit, member: Member) -> None:
    series = make_activity_series(member, starts_on=date(2020, 2, 1))
    may = make_activity(member, series_id=series, held_on=date(2020, 5, 9), not_held_why="緊急事態宣言")
    june = make_activity(member, series_id=series, held_on=date(2020, 6, 13))
    for _ in range(3):
        make_attendance(member, june, is_first=True)
    visit, url = browser(member), f"/activities/series/{series}"
    page = visit.get(url).text
    assert "令和2年度" in page
    assert "緊急事態宣言" in month(page, 5)
    assert f"/activities/{may}" in month(page, 5)
    assert "延べ3人" in month(page, 6)
    assert "R2.6.13" in month(page, 6)
    assert "記録がありません" in month(page, 7)
    assert f"series={series}&date=2020-07-11" in month(page, 7), "the second Saturday, as in June"
    assert "held=no" in month(page, 7)
    assert "date=2020-12-05" in month(page, 12), "this month begins with today"
    for future in (1, 2, 3):
        assert "この月を記録する" not in month(page, future)
    assert "year=2019" in page
    assert "year=2021" not in page
    before = visit.get(f"{url}?year=2019").text
    assert "令和元年度" in before
    assert "この月を記録する" not in month(before, 1), "it had not begun"
    assert "この月を記録する" in month(before, 3)
    assert visit.get(f"{url}?year=nonsense").status_code == 200


def test_one_click_says_why_a_month_was_not_held(browser: Visit, member: Member) -> None:
    series = make_activity_series(member, starts_on=date(2020, 4, 1))
    visit, url = browser(member), f"/activities/series/{series}"
    link = re.search(r'href="([^"]*held=no[^"]*)"', month(visit.get(url).text, 4))
    assert link
    page = visit.get(link[1]).text
    assert "令和2年4月1日" in page
    made = recorded(visit, link[1], held_on="令和2年4月1日", not_held_why="緊急事態宣言")
    assert activity(made).held_on == date(2020, 4, 1)
    assert "緊急事態宣言" in month(visit.get(url).text, 4)


def test_a_struck_record_leaves_its_month_open(browser: Visit, member: Member) -> None:
    series = make_activity_series(member, starts_on=date(2020, 4, 1))
    made = make_activity(member, series_id=series, held_on=date(2020, 6, 13))
    visit, url = browser(member), f"/activities/series/{series}"
    assert "R2.6.13" in month(visit.get(url).text, 6)
    visit.post(f"/activities/{made}/strike", data={"why": "まちがい", "version": "1"})
    assert "記録がありません" in month(visit.get(url).text, 6)


def test_a_series_is_changed_and_ended(browser: Visit, member: Member) -> None:
    one, two = make_agency(), make_agency()
    visit = browser(member)
    series = defined(visit, together=[str(one.id)])
    url = f"/activities/series/{series}"
    changed = TYPED | {
        "title": "新しい見本カフェ",
        "together": [str(two.id)],
        "area": "place",
        "version": "1",
    }
    assert visit.post(f"{url}/edit", data=changed).status_code == 302
    held_by = set(db.read.scalars(select(ActivitySeriesAgency.agency_id)))
    assert held_by == {member.agency_id, two.id}
    late = visit.post(f"{url}/edit", data=changed | {"title": "遅れた見本"})
    assert late.status_code == 409
    assert "新しい見本カフェ" in late.text
    assert "遅れた見本" in late.text

    make_activity(member, series_id=series, held_on=date(2020, 11, 14))
    assert "終われません" in visit.post(f"{url}/end", data={"last_day": "2020-11-13"}).text
    assert visit.post(f"{url}/end", data={"last_day": "2020-11-30"}).status_code == 302
    page = visit.get(url).text
    assert "終了" in page
    assert "この月を記録する" not in month(page, 12)
    assert visit.post(f"{url}/edit", data=changed | {"version": "3"}).status_code == 409
    late_record = record(visit, f"/activities/new?series={series}", held_on="2020-12-05")
    assert late_record.status_code == 409
    assert "その日より前に終了しています" in late_record.text
    assert f"series={series}" not in visit.get("/activities/").text


def test_a_wrong_series_keeps_what_was_typed(browser: Visit, member: Member) -> None:
    answer = browser(member).post(
        "/activities/series/new", data=TYPED | {"title": "", "mode": "through_door", "place": "見本の場所"}
    )
    assert "活動の名前を入力してください" in answer.text
    assert "見本の場所" in answer.text
    answer = browser(member).post("/activities/series/new", data=TYPED | {"mode": "through_door"})
    assert "選べない方法です" in answer.text


def test_sent_twice_it_is_one_series(browser: Visit, member: Member) -> None:
    visit = browser(member)
    assert defined(visit, idempotency_key="b" * 32) == defined(visit, idempotency_key="b" * 32)


@given(usual=st.dates(date(2015, 1, 1), date(2030, 1, 1)), away=st.integers(-400, 400))
def test_the_usual_day_lies_in_its_month_on_the_same_weekday(usual: date, away: int) -> None:
    first = (usual + timedelta(days=away)).replace(day=1)
    found = like(usual, first)
    assert (found.year, found.month) == (first.year, first.month)
    assert found.weekday() == usual.weekday()
    assert abs((found.day - 1) // 7 - (usual.day - 1) // 7) <= 1
