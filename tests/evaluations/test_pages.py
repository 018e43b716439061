"""The pages of the yearly evaluation: the table as each reader may see it, figures behind it, days, small numbers."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask

from portal.activities.kinds import ActivityKind, Mode
from portal.agencies.models import AgencyKind
from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.evaluations.models import Part
from portal.evaluations.table import month_end
from tests.activity_factories import make_activity, make_attendance, make_text
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_member
from tests.words import words_of

Visit = Callable[..., Browser]
ROOT = "/reports/evaluation"
HOSTILE = "=1+1<script>alert(1)</script>{{ 7*7 }}&\"'"


@pytest.fixture
def worker(app: Flask, at: Callable[..., None]) -> Member:
    """A caseworker of the programme, on 20 January 2021."""
    at("2021-01-20T10:00", tick=False)
    return make_member(
        make_agency(name="見本就労準備", kind=AgencyKind.EMPLOYMENT_PREPARATION), role=Role.COORDINATOR
    )


@pytest.fixture
def outsider(worker: Member) -> Member:
    return make_member(make_agency(name="見本の別の機関"))


def cafes(member: Member, *days: tuple[str, int]) -> None:
    for day, heads in days:
        activity_id = make_activity(member, held_on=date.fromisoformat(day))
        for _head in range(heads):
            make_attendance(member, activity_id, is_first=True)


def events(name: str) -> int:
    found = db.read().query(AuditEntry).filter(AuditEntry.event == name).count()
    db.end()
    return found


def test_years_are_there_to_choose(browser: Visit, worker: Member, outsider: Member) -> None:
    make_text(worker, 2013)
    page = browser(worker).get(f"{ROOT}/")
    words = words_of(page)
    assert "令和3年度 計画" in words
    assert "令和2年度 今年度" in words
    assert "平成25年度 未確定" in words, "a text was written for it"
    assert "項目を整える" in words
    assert "項目を整える" not in words_of(browser(outsider).get(f"{ROOT}/"))


def test_without_a_programme_the_list_says_so(app: Flask, browser: Visit) -> None:
    page = browser(make_member()).get(f"{ROOT}/")
    assert page.status_code == 200
    assert "評価する事業がまだありません" in page.text


def test_a_year_stands_beside_the_last(browser: Visit, worker: Member) -> None:
    cafes(worker, ("2019-10-10", 5), ("2020-06-10", 4), ("2020-12-10", 3))
    make_activity(worker, held_on=date(2020, 4, 10), not_held_why="緊急事態宣言")
    make_text(worker, 2019, "place", Part.FINDING, text="去年わかったこと")
    make_text(worker, 2020, "place", Part.PLAN, text="今年することの見本")
    make_text(worker, 2020, "place", Part.RESULT, text="古い版")
    make_text(worker, 2020, "place", Part.RESULT, text="今年したこと")
    words = words_of(browser(worker).get(f"{ROOT}/2020"))
    assert "令和元年度の評価 カフェ（居場所） 開催 1 回 延べ人数 5 人" in words
    assert "開催 2 回 開催しなかった回 1 回 延べ人数 7 人" in words
    for text in ("去年わかったこと", "今年することの見本", "今年したこと"):
        assert text in words
    assert "古い版" not in words
    assert "令和3年1月20日現在" in words
    assert words.index("去年わかったこと") < words.index("今年することの見本") < words.index("今年したこと")
    assert events("evaluation:read") == 1


def test_another_day_is_asked_for(browser: Visit, worker: Member) -> None:
    cafes(worker, ("2020-06-10", 4), ("2020-12-10", 3))
    visit = browser(worker)
    words = words_of(visit.get(f"{ROOT}/2020?as_of=令和2年11月15日"))
    assert "令和2年11月15日現在" in words
    assert "延べ人数 4 人" in words
    for wrong, why in (
        ("2019-03-31", "この年度の中の日付"),
        ("2021-03-31", "今日より後の日付"),
        ("明日", "日付を「令和2年12月1日」"),
    ):
        page = visit.get(f"{ROOT}/2020?as_of={wrong}")
        assert why in page.text
        assert "延べ人数 7 人" in words_of(page), "what stands there instead is today"


def test_from_outside_only_ends_of_months_and_no_small_number(
    browser: Visit, worker: Member, outsider: Member
) -> None:
    cafes(worker, ("2020-06-10", 2), ("2021-01-10", 6))
    inside, outside = browser(worker), browser(outsider)
    assert "延べ人数 8 人" in words_of(inside.get(f"{ROOT}/2020"))
    page = outside.get(f"{ROOT}/2020")
    words = words_of(page)
    assert "令和2年12月31日現在" in words
    assert "延べ人数 少数" in words
    assert "開催 1 回" in words
    assert "延べ人数 2 人" not in words
    assert "3人より少ない数は「少数」" in words
    assert 'height="' not in page.text.partition('id="months"')[2].partition("</section>")[0], (
        "no chart tells it"
    )
    for day in ("2020-06-10", "2020-06-29"):
        assert "令和2年5月31日現在" in words_of(outside.get(f"{ROOT}/2020?as_of={day}"))
    assert "令和2年6月30日現在" in words_of(outside.get(f"{ROOT}/2020?as_of=2020-06-30"))


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("2020-04-01", "2020-03-31"),
        ("2020-02-29", "2020-02-29"),
        ("2021-02-28", "2021-02-28"),
        ("2021-03-01", "2021-02-28"),
    ],
)
def test_the_last_end_of_a_month(day: str, end: str) -> None:
    assert month_end(date.fromisoformat(day)) == date.fromisoformat(end)


def test_who_may_read_and_who_may_not(browser: Visit, worker: Member, outsider: Member) -> None:
    agency_id = worker.agency_id
    make_text(worker, 2020, text="今年したこと")
    for member in (
        outsider,
        make_member(role=Role.AUDITOR),
        make_member(agency_id, role=Role.AGENCY_ADMIN),
        make_member(role=Role.AGENCY_ADMIN),
    ):
        page = browser(member).get(f"{ROOT}/2020")
        assert page.status_code == 200
        assert "今年したこと" in page.text
        assert "/2020/place/result" not in page.text
        assert browser(member).get(f"{ROOT}/2020/place/result").status_code == 403
    system = browser(make_member(role=Role.SYSTEM_ADMIN))
    for path in ("", "2020", "2020.xlsx", "2020.pdf", "areas", "2020/figures/place/cafe.held"):
        assert system.get(f"{ROOT}/{path}").status_code == 403, path


def test_a_figure_opens_to_its_definition(browser: Visit, worker: Member, outsider: Member) -> None:
    cafes(worker, ("2020-06-10", 2))
    visit = browser(worker)
    page = visit.get(f"{ROOT}/2020")
    path = f"{ROOT}/2020/figures/place/cafe.visits"
    assert f'href="{path}"' in page.text
    words = words_of(visit.get(path))
    assert "延べ人数" in words
    assert "2 人" in words
    assert "同じ人が3回来れば3と数え" in words
    assert "少数" in words_of(browser(outsider).get(path))
    assert "2 人" not in words_of(browser(outsider).get(path))


@pytest.mark.parametrize(
    "path",
    [
        *("2014", "2022", "1", "99999", "2020/figures/place/nonsense", "2020/figures/nowhere/cafe.held"),
        *("2020/figures/place/leaflet.held", "2020/figures/place/cafe.", "2020/place/nonsense"),
        *("2020/nowhere/result", "areas/nowhere", "2020?agency=nonsense"),
        "2020?agency=00000000-0000-0000-0000-000000000000",
    ],
)
def test_what_does_not_exist_is_missing(browser: Visit, worker: Member, path: str) -> None:
    assert browser(worker).get(f"{ROOT}/{path}").status_code == 404


def test_several_programmes_are_chosen_by_address(browser: Visit, worker: Member, outsider: Member) -> None:
    other = make_member(make_agency(name="見本第二準備", kind=AgencyKind.EMPLOYMENT_PREPARATION))
    make_text(worker, 2020, text="第一の文章")
    make_text(other, 2020, text="第二の文章")
    cafes(other, ("2020-06-10", 0))
    page = browser(worker).get(f"{ROOT}/2020?agency={other.agency_id}")
    assert "第二の文章" in page.text
    assert "第一の文章" not in page.text
    assert f"2020/figures/place/cafe.held?agency={other.agency_id}" in page.text, "the address goes on"
    assert browser(worker).get(f"{ROOT}/2020/place/plan?agency={other.agency_id}").status_code == 403
    assert "第二の文章" in browser(other).get(f"{ROOT}/2020").text, "one's own comes first"
    assert "見本第二準備" in browser(outsider).get(f"{ROOT}/").text


def test_typed_words_stay_words(browser: Visit, worker: Member) -> None:
    make_text(worker, 2020, text=HOSTILE)
    page = browser(worker).get(f"{ROOT}/2020")
    assert "<script>alert" not in page.text
    assert "=1+1&lt;script&gt;" in page.text
    assert "{{ 7*7 }}" in page.text


def test_in_english(browser: Visit, worker: Member) -> None:
    cafes(worker, ("2020-06-10", 5))
    visit = browser(worker)
    visit.get("/language/en")
    for path in (
        "",
        "2020",
        "2020/figures/place/cafe.held",
        "2020/place/result",
        "areas",
        "areas/place",
        "2020/close",
    ):
        assert visit.get(f"{ROOT}/{path}").status_code == 200, path
    assert "FY 2020" in visit.get(f"{ROOT}/2020").text
    for path in ("2020.pdf", "2020.xlsx"):
        assert visit.get(f"{ROOT}/{path}").status_code == 200, path


def test_the_page_asks_as_often_however_much_there_is(
    browser: Visit, worker: Member, count_queries: CountQueries
) -> None:
    visit = browser(worker)
    visit.get(f"{ROOT}/2020")
    with count_queries() as before:
        visit.get(f"{ROOT}/2020")
    cafes(worker, ("2019-10-10", 5), ("2020-06-10", 4), ("2020-12-10", 3))
    make_activity(worker, kind=ActivityKind.SALON, area="employment", mode=Mode.ONLINE)
    for part in Part:
        make_text(worker, 2020, "outreach", part)
        make_text(worker, 2019, "place", part)
    with count_queries() as after:
        visit.get(f"{ROOT}/2020")
    assert len(after) == len(before)
    assert len(after) < 45


def test_behind_a_figure_are_the_records_that_the_reader_may_open(
    browser: Visit, worker: Member, outsider: Member
) -> None:
    cafes(worker, ("2020-06-10", 4))
    mine = make_activity(worker, held_on=date(2020, 7, 10), title="見本のカフェの午後")
    make_activity(worker, together=[outsider], held_on=date(2020, 8, 10), title="いっしょに開いたカフェ")
    visit = browser(worker)
    page = visit.get(f"{ROOT}/2020/figures/place/cafe.held")
    assert "見本のカフェの午後" in page.text
    assert f"/activities/{mine}" in page.text or "activities.show" not in visit.application.view_functions
    outside = browser(outsider).get(f"{ROOT}/2020/figures/place/cafe.held")
    assert "いっしょに開いたカフェ" in outside.text
    assert "見本のカフェの午後" not in outside.text
    auditor = browser(make_member(role=Role.AUDITOR)).get(f"{ROOT}/2020/figures/place/cafe.held")
    assert "あなたが見られる記録はありません" in auditor.text


def test_many_records_are_turned_page_by_page(browser: Visit, worker: Member) -> None:
    for n in range(30):
        make_activity(worker, held_on=date(2020, 6, 1 + n % 15), title=f"見本の会{n:02}")
    visit = browser(worker)
    page = visit.get(f"{ROOT}/2020/figures/place/cafe.held")
    following = re.search(r'rel="next"\s+href="([^"]+)"', page.text)
    assert following
    second = visit.get(html.unescape(following[1]))
    titles = [set(re.findall("見本の会[0-9]{2}", one.text)) for one in (page, second)]
    assert len(titles[0]) == 25
    assert len(titles[0] | titles[1]) == 30
