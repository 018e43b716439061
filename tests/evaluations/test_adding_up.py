"""Every figure opens to what adds up to it, and to nothing that tells a small one."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from flask import Flask

from portal.activities.kinds import ActivityKind, Mode
from portal.activities.models import ActivityAttendance
from portal.agencies.models import Agency, AgencyKind
from portal.audit.events import AuditEvent
from portal.cases.codes import Milestone, Outcome
from portal.core.db import db
from portal.core.policy import Role
from portal.evaluations import programmes
from portal.evaluations import services as evaluation_services
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.evaluations.worlds import Programme, amend, make_programme
from tests.factories import make_member
from tests.words import plain, words_of

DEMO = Path(__file__).resolve().parent.parent.parent / "scenarios" / "ashiya.yaml"
ROOT = "/reports/evaluation"
Visit = Callable[..., Browser]
K, M, R = ActivityKind, Milestone, Outcome

LINK = re.compile(
    r'<a href="(/reports/evaluation/\d{4}/figures/[^"]+)">.*?<strong class="num">(.*?)</strong>', re.DOTALL
)
ROW = re.compile(r'<td class="number counted"[^>]*>(.*?)</td>', re.DOTALL)
LINE = re.compile(
    r'<tr class="([^"]*)">\s*<th scope="row" colspan="\d+">(.*?)</th>\s*<td class="number">(.*?)</td>',
    re.DOTALL,
)
NEXT = re.compile(r'rel="next"\s+href="([^"]+)"')


def number(markup: str) -> int:
    found = re.match(r"−?\d+", plain(markup))
    assert found, markup
    return int(found[0].replace("−", "-"))


@dataclass
class Opened:
    """All pages of one figure: its value, what each row counts, the lines that lead from them to the figure."""

    value: str
    text: str = ""
    rows: list[int] = field(default_factory=list)
    more: list[tuple[str, int]] = field(default_factory=list)
    total: int | None = None
    pages: int = 0


def open_figure(visit: Browser, path: str) -> Opened:
    """Asserts on the way that each page sums itself up and that all of them say the same of the whole."""
    following: str | None = path
    found: Opened | None = None
    while following:
        page = visit.get(following)
        assert page.status_code == 200, following
        strong = re.search(r'<strong class="num">(.*?)</strong>', page.text, re.DOTALL)
        assert strong
        found = found or Opened(plain(strong[1]))
        rows = [number(cell) for cell in ROW.findall(page.text)]
        lines: dict[str, list[tuple[str, int]]] = {}
        for kind, words, n in LINE.findall(page.text):
            lines.setdefault(kind, []).append((plain(words), number(n)))
        found.rows += rows
        found.text += page.text
        found.more = lines.get("more", [])
        found.total = lines["is-sum"][0][1] if "is-sum" in lines else None
        found.pages += 1
        if "of-page" in lines:
            assert lines["of-page"][0][1] == sum(rows), following
        listed = lines.get("of-list")
        following = html.unescape(after[1]) if (after := NEXT.search(page.text)) else None
        if not following and listed:
            assert listed[0][1] == sum(found.rows), path
    assert found
    return found


def adds_up(opened: Opened) -> bool:
    return opened.total == sum(opened.rows) + sum(n for _words, n in opened.more)


def figures_of(visit: Browser, years: list[str]) -> dict[str, str]:
    """Every figure that these pages show, by the address that it opens to."""
    found: dict[str, str] = {}
    for year in years:
        for path, shown in LINK.findall(visit.get(year).text):
            path, value = html.unescape(path), plain(shown)
            assert found.setdefault(path, value) == value, path
    return found


@pytest.mark.scenario(str(DEMO))
def test_every_figure_of_the_demo_adds_up_from_its_own_page(app: Flask, browser: Visit) -> None:
    (programme,) = programmes.programmes(db.read())
    office = db.read().query(Agency).filter(Agency.kind == AgencyKind.SELF_RELIANCE).first()
    assert office
    readers = {
        "inside": make_member(programme.id, Role.COORDINATOR),
        "outside": make_member(office.id, Role.COORDINATOR),
        "auditor": make_member(role=Role.AUDITOR),
    }
    db.end()
    seen: dict[str, int] = {}
    for who, member in readers.items():
        visit = browser(member)
        years = re.findall(rf'href="({ROOT}/\d{{4}})"', visit.get(f"{ROOT}/").text)
        days = [f"{ROOT}/2019?as_of=2019-11-30", f"{ROOT}/2020?as_of=2020-12-31"]
        found = figures_of(visit, [*years, *days])
        seen[who] = len(found)
        for path, shown in found.items():
            opened = open_figure(visit, path)
            assert opened.value == shown, (who, path)
            if shown == "少数":
                assert who != "inside"
                assert (opened.rows, opened.more, opened.total) == ([], [], None), (who, path)
                continue
            assert opened.total == number(shown), (who, path)
            assert adds_up(opened), (who, path, opened.rows, opened.more)
            if who == "inside" and not opened.more and number(shown):
                assert opened.rows, path
            if who == "auditor":
                assert opened.rows == []
    assert min(seen.values()) > 60, seen


@pytest.fixture
def it(app: Flask, at: Callable[..., None]) -> Iterator[Programme]:
    at("2021-05-01T10:00", tick=False)
    yield make_programme()
    db.leave()


def behind(visit: Browser, code: str, area: str = "place", year: int = 2020) -> Opened:
    return open_figure(visit, f"{ROOT}/{year}/figures/{area}/{code}")


def test_people_count_where_they_came_first(it: Programme, browser: Visit) -> None:
    who, other = it.person(), it.person()
    it.activity("2020-05-01", who=[who], first=1)
    it.activity("2020-06-01", who=[who, other, None])
    it.activity("2020-07-01", who=[who, other])
    inside = browser(it.me)
    people = behind(inside, "cafe.people")
    assert (people.rows, people.more, people.total) == ([0, 1, 2], [], 3), "the latest row first"
    assert "来た人" in people.text
    visits = behind(inside, "cafe.visits")
    assert (visits.rows, visits.more, visits.total) == ([2, 3, 2], [], 7)


def test_as_many_as_came_at_once_is_a_line_of_its_own(it: Programme, browser: Visit) -> None:
    it.activity("2020-05-01", who=[it.person()])
    it.activity("2020-06-01", who=[None, None, None, None])
    people = behind(browser(it.me), "cafe.people")
    assert (people.rows, people.total) == ([0, 1], 4)
    assert people.more == [("1回に来た人数を下回らないように加えた分", 3)]


def test_a_head_linked_later_counts_once(it: Programme, browser: Visit) -> None:
    who = it.person()
    made = it.activity("2020-05-01", first=1)
    it.activity("2020-06-01", who=[who])
    head = db.unrestricted().query(ActivityAttendance).filter_by(activity_id=made).one().id
    db.end()
    amend(ActivityAttendance, head, AuditEvent.ATTENDANCE_CHANGED, person_id=who)
    people = behind(browser(it.me), "cafe.people")
    assert (people.rows, people.total) == ([0, 1], 1)


def test_who_stands_in_several_records_counts_in_the_first(it: Programme, browser: Visit) -> None:
    who = it.person()
    case = it.case(who, "2020-05-01")
    it.milestone(case, M.EMPLOYED, "2020-06-01")
    it.close(case, "2020-08-01", R.EMPLOYED)
    opened = behind(browser(it.me), "employed", "employment")
    assert (opened.rows, opened.more, opened.total) == ([0, 1], [], 1)
    assert "（重複）" in opened.text
    assert "はじめの1つだけを数えています" in opened.text


def test_a_door_counts_on_the_day_that_it_opened(it: Programme, browser: Visit) -> None:
    who = it.person()
    it.visit("2020-04-10", Mode.IN_PERSON, who)
    it.visit("2020-05-10", Mode.THROUGH_DOOR, who)
    it.visit("2020-09-10", Mode.IN_PERSON, who)
    it.visit("2020-10-10", Mode.IN_PERSON, who)
    opened = behind(browser(it.me), "door_opened")
    assert (opened.rows, opened.more, opened.total) == ([0, 1, 0, 0], [], 1)


def test_what_was_handed_out_and_what_is_counted_one_each(it: Programme, browser: Visit) -> None:
    it.activity("2020-05-01", K.LEAFLET, audience_number=30)
    it.activity("2020-06-01", K.LEAFLET, audience_number=12)
    it.activity("2020-07-01", K.LEAFLET)
    inside = browser(it.me)
    reached = behind(inside, "leaflet.audience", "outreach")
    assert (reached.rows, reached.total) == ([12, 30], 42)
    held = behind(inside, "leaflet.held", "outreach")
    assert (held.rows, held.total) == ([1, 1, 1], 3)


def test_several_pages_sum_up_each_and_all(
    it: Programme, browser: Visit, count_queries: CountQueries
) -> None:
    visit = browser(it.me)
    it.activity("2020-05-01", first=1)
    path = f"{ROOT}/2020/figures/place/cafe.visits"
    visit.get(path)
    with count_queries() as before:
        visit.get(path)
    for day in range(1, 30):
        it.activity(f"2020-06-{day:02}", first=day % 3)
    with count_queries() as after:
        first = visit.get(path)
    assert len(after) == len(before)
    opened = behind(visit, "cafe.visits")
    assert (opened.pages, len(opened.rows), opened.more) == (2, 30, [])
    assert adds_up(opened)
    words = words_of(first)
    assert "この画面の記録の計" in words
    assert f"あなたが見られる記録の計 {opened.total} 人" in words


def test_in_a_closed_year_what_changed_since_is_a_line(it: Programme, browser: Visit) -> None:
    coordinator = make_member(it.id, Role.COORDINATOR)
    it.activity("2020-05-01", first=5, together=[it.office])
    evaluation_services.close(coordinator.actor, it.id, 2020, date(2021, 3, 31))
    it.activity("2020-06-01", first=2)
    inside = behind(browser(it.me), "cafe.visits")
    assert (inside.rows, inside.total) == ([2, 5], 5)
    assert inside.more == [("確定したあとに変わった分", -2)]
    outside = behind(browser(it.office), "cafe.visits")
    assert (outside.rows, outside.more, outside.total) == ([5], [], 5), "what came since is nobody else's"


def test_from_outside_one_line_says_the_rest(it: Programme, browser: Visit) -> None:
    it.activity("2020-05-01", first=3, together=[it.office])
    it.activity("2020-06-01", first=4)
    outside = browser(it.office)
    visits = behind(outside, "cafe.visits")
    assert (visits.rows, visits.more, visits.total) == ([3], [("あなたが見られない記録の分", 4)], 7)
    people = behind(outside, "cafe.people")
    assert (people.rows, people.total) == ([3], 7)
    assert people.more == [("同じ人の重なりや、あなたが見られない記録による差", 4)]
    assert "来た人」のうち" not in people.text
    held = behind(browser(it.desk), "cafe.held")
    assert (held.rows, held.more, held.total) == ([], [("あなたが見られない記録の分", 2)], 2)


def in_both_worlds(
    renew: Callable[..., str], browser: Visit, paths: list[str], make: Callable[[Programme, bool], None]
) -> list[str]:
    """What the office reads of these pages; asserts that it is the same whichever of the two worlds is made."""
    read = []
    for is_second in (False, True):
        db.end()
        renew()
        it = make_programme()
        make(it, is_second)
        visit = browser(it.office)
        # Numbers of agencies, staff, activities and referrals differ from world to world.
        words = [
            re.sub(r"(見本機関|職員|見本カフェ|R2-)( ?\d+|見..-\d+)", r"\1", words_of(visit.get(path)))
            for path in paths
        ]
        read.append(words)
    assert read[0] == read[1]
    return read[0]


PEOPLE = [f"{ROOT}/2020/figures/place/cafe.{what}" for what in ("visits", "people", "held")]
FEW = [*PEOPLE[:2], f"{ROOT}/2020/figures/place/place_to_belong"]


def test_few_is_told_by_no_row(it: Programme, renew: Callable[..., str], browser: Visit) -> None:
    """Whether one or two people: who wrote about one of them reads the same in both worlds."""

    def make(it: Programme, is_second: bool) -> None:
        it.referral("2020-05-01", "2020-06-01", R.PLACE_TO_BELONG)
        it.activity("2020-05-01", first=1, together=[it.office])
        it.activity("2020-06-01", first=int(is_second))
        if is_second:
            it.close(it.case(it.person(), "2020-05-01"), "2020-07-01", R.PLACE_TO_BELONG)

    for page in in_both_worlds(renew, browser, [*FEW, f"{ROOT}/2020"], make)[:3]:
        assert "少数" in page
        assert "この数は「少数」のため、記録ごとの数と合計は示していません。" in page
        assert not re.search(r"\d 人|合計 |の計|見られない記録", page), page


def test_who_came_first_elsewhere_is_told_by_no_row(
    it: Programme, renew: Callable[..., str], browser: Visit
) -> None:
    """The office sees one café of three: nothing on its page depends on who of its guests had been to the others."""

    def make(it: Programme, is_second: bool) -> None:
        regulars = [it.person() for _ in range(4)]
        one, other = it.person(), it.person()
        it.activity("2020-05-01", who=[*regulars, one])
        it.activity("2020-06-01", who=[*regulars, other if is_second else one], together=[it.office])
        it.activity("2020-07-01", who=[one if is_second else other])

    assert "6 人" in in_both_worlds(renew, browser, PEOPLE, make)[1]
