"""The pages of activities: recording one of every kind, the list, correcting, striking out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.activities.kinds import OUTREACH, WITH_PARTNER, ActivityKind, Mode, modes_of
from portal.activities.models import Activity, ActivityAgency
from portal.cases.models import ProgressNote
from portal.core.db import db
from tests.activities.acts import activity, boxes, heads, record, recorded, shape
from tests.activity_factories import make_activity, make_activity_series, make_attendance, make_partner
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_case, make_member, make_person

pytestmark = pytest.mark.quick

Visit = Callable[..., Browser]


@pytest.fixture
def member(app: Any, at: Callable[..., None]) -> Member:
    at("2020-12-05T15:00")
    return make_member()


def agencies_of(activity_id: UUID) -> dict[UUID, date]:
    statement = select(ActivityAgency).where(ActivityAgency.activity_id == activity_id)
    found = {row.agency_id: row.held_on for row in db.read.scalars(statement)}
    db.end()
    return found


@pytest.mark.parametrize("kind", ActivityKind)
def test_every_kind_is_recorded_and_read(browser: Visit, member: Member, kind: ActivityKind) -> None:
    visit = browser(member)
    url = f"/activities/new?kind={kind.value}"
    form = visit.get(url).text
    for mode in Mode:
        assert (f'value="{mode.value}"' in form) == (mode in modes_of(kind))
    assert ('name="partner"' in form) == (kind in WITH_PARTNER)
    assert ('name="audience_number"' in form) == (kind in OUTREACH)
    assert ('name="first"' in form) == (kind not in OUTREACH)
    assert ('name="note_in_case"' in form) == (kind is ActivityKind.HOME_VISIT)
    typed: dict[str, Any] = {
        "mode": modes_of(kind)[0].value,
        "text": "見本の様子",
        "outcome": "次につながった",
    }
    if kind in OUTREACH:
        typed |= {"audience": "架空の先生", "audience_number": "１２人"}
    else:
        typed |= {"first": "2", "again": "１"}
    if kind in WITH_PARTNER:
        typed["partner"] = str(make_partner(member, name="見本商店街"))
    made = recorded(visit, url, **typed)
    page = visit.get(f"/activities/{made}").text
    for word in ("見本の様子", "次につながった", kind.word, "令和2年12月5日"):
        assert word in page
    if kind in OUTREACH:
        assert "架空の先生" in page
        assert activity(made).audience_number == 12
        assert not heads(made)
    else:
        assert "延べ3人" in page
        assert shape(made) == (0, 2, 1)
    assert ("見本商店街" in page) == (kind in WITH_PARTNER)
    assert kind.word in visit.get("/activities/").text


def test_the_first_question_is_which_kind(browser: Visit, member: Member) -> None:
    make_activity_series(member, title="見本ほっとカフェ")
    page = browser(member).get("/activities/new").text
    assert "見本ほっとカフェ" in page
    for kind in ActivityKind:
        assert f"/activities/new?kind={kind.value}" in page
    assert browser(member).get("/activities/new?kind=nonsense").status_code == 200
    assert browser(member).get("/activities/new?series=nonsense").status_code == 404


def test_a_refusal_keeps_everything_typed(browser: Visit, member: Member) -> None:
    person, other = make_person(member), make_agency()
    make_case(member, person)
    answer = record(
        browser(member),
        held_on="令和2年12月6日",
        title="あしたの見本",
        place="見本会館",
        text="長い見本の文章",
        first="たくさん",
        again="3",
        people=[str(person)],
        together=[str(other.id)],
    )
    assert answer.status_code == 200
    for word in ("令和2年12月6日", "あしたの見本", "見本会館", "長い見本の文章", "たくさん", 'value="3"'):
        assert word in answer.text
    assert boxes(answer.text) == {str(person): True}
    assert re.search(rf'checked[^>]*value="{other.id}"', answer.text)
    assert "今日より後の日付は入力できません" in answer.text
    assert "人数は数字で入力してください" in answer.text
    assert db.read.scalars(select(Activity)).all() == []


def test_sent_twice_it_is_one(browser: Visit, member: Member) -> None:
    visit = browser(member)
    page = visit.get("/activities/new?kind=cafe").text
    key = re.search(r'name="idempotency_key"[^>]*value="([0-9a-f]{32})"', page)
    assert key
    made = {recorded(visit, idempotency_key=key[1], first="2") for _ in range(2)}
    assert len(made) == 1
    assert shape(made.pop()) == (0, 2, 0)


def test_not_held_needs_a_reason_and_may_lie_ahead(browser: Visit, member: Member) -> None:
    visit, url = browser(member), "/activities/new?kind=cafe&held=no"
    assert 'name="first"' not in visit.get(url).text
    refused = record(visit, url, held_on="2021-01-09", title="新年の見本カフェ")
    assert refused.status_code == 200
    assert "新年の見本カフェ" in refused.text
    made = recorded(visit, url, held_on="2021-01-09", not_held_why="緊急事態宣言")
    page = visit.get(f"/activities/{made}").text
    assert "緊急事態宣言" in page
    assert "開催せず" in page
    assert visit.get(f"/activities/{made}/attendance").status_code == 409
    assert "緊急事態宣言" in visit.get("/activities/?show=not_held").text
    assert "緊急事態宣言" not in visit.get("/activities/?show=held").text


@pytest.mark.both_databases
def test_a_home_visit_is_written_once_and_stands_in_the_case_too(browser: Visit, member: Member) -> None:
    visit, person = browser(member), make_person(member)
    case_id = make_case(member, person)
    url = "/activities/new?kind=home_visit"
    typed = {
        "mode": "through_door",
        "text": "ドア越しに話した。",
        "outcome": "来週も訪ねる。",
        "people": str(person),
    }
    page = visit.post(url, data={"held_on": "2020-12-04", "area": "place", "note_in_case": "y"} | typed)
    assert page.status_code == 302
    note = db.read.scalars(select(ProgressNote)).one()
    assert (note.case_id, note.method.value, note.held_on) == (case_id, "through_door", date(2020, 12, 4))
    assert note.text == "ドア越しに話した。\n来週も訪ねる。"
    db.end()
    assert "ケースの経過にも書きました" in visit.get(page.location).text
    assert "家庭訪問" in visit.get(f"/cases/{case_id}").text
    # Unticked, or of nobody with an open case, it stays an activity.
    recorded(visit, url, **typed | {"text": "もう一度"})
    stranger = make_person(member, family="架空")
    recorded(visit, url, **typed | {"people": str(stranger), "note_in_case": "y"})
    assert len(db.read.scalars(select(ProgressNote)).all()) == 1


def test_a_visit_of_which_nothing_was_said_still_makes_a_note(browser: Visit, member: Member) -> None:
    person = make_person(member)
    make_case(member, person)
    recorded(
        browser(member),
        "/activities/new?kind=home_visit",
        mode="visit",
        people=str(person),
        note_in_case="y",
    )
    assert db.read.scalars(select(ProgressNote.text)).one() == "訪問（会えず）"


def test_no_full_name_stands_where_every_agency_reads_it(browser: Visit, member: Member) -> None:
    person = make_person(member, family="架空", given="二郎", family_kana="かくう", given_kana="じろう")
    make_case(member, person)
    answer = record(browser(member), text="架空　二郎さんがよく話した。", people=str(person))
    assert "参加した人の氏名が入っています" in answer.text
    made = recorded(browser(member), text="架空町の人も来た。", people=str(person))
    refused = browser(member).post(
        f"/activities/{made}/edit",
        data={
            "held_on": "2020-12-05",
            "mode": "in_person",
            "area": "place",
            "outcome": "カクウジロウさん",
            "version": "1",
        },
    )
    assert "参加した人の氏名が入っています" in refused.text


def test_the_list_is_narrowed_and_paged(browser: Visit, member: Member, app: Any) -> None:
    days = [date(2019, 5, 1), date(2020, 4, 1), date(2020, 3, 31), date(2020, 12, 1)]
    for n, day in enumerate(days):
        make_activity(member, title=f"見本{n}", held_on=day)
    make_activity(member, title="見本の講座", kind=ActivityKind.SEMINAR, area="employment")
    visit = browser(member)

    def listed(query: str) -> list[str]:
        found, url = [], f"/activities/{query}"
        while url:
            page = visit.get(url).text
            found += re.findall(r">(見本[0-9の講座]+)</a>", page)
            following = re.search(r'rel="next"\s+href="([^"]+)"', page)
            url = following[1].replace("&amp;", "&") if following else ""
        return found

    assert listed("") == ["見本の講座", "見本3", "見本1", "見本2", "見本0"]
    assert listed("?year=2020") == ["見本の講座", "見本3", "見本1"]
    assert listed("?year=2019") == ["見本2", "見本0"]
    assert listed("?kind=seminar") == ["見本の講座"]
    assert listed("?area=place&year=2019") == ["見本2", "見本0"]
    assert listed("?kind=x&area=y&year=z&show=w") == listed("")
    app.config["PAGE_SIZE"], kept = 2, app.config["PAGE_SIZE"]
    try:
        assert listed("") == ["見本の講座", "見本3", "見本1", "見本2", "見本0"]
    finally:
        app.config["PAGE_SIZE"] = kept
    assert "該当する活動はありません" in visit.get("/activities/?kind=leaflet").text


def test_an_empty_list_says_how_to_begin(browser: Visit, member: Member) -> None:
    page = browser(member).get("/activities/").text
    assert "まだ活動の記録がありません" in page
    assert "/activities/new" in page


def test_a_correction_moves_the_day_of_every_agency(browser: Visit, member: Member) -> None:
    one, two = make_agency(), make_agency()
    made = make_activity(member, [one])
    visit = browser(member)
    form = visit.get(f"/activities/{made}/edit").text
    assert re.search(rf'checked[^>]*value="{one.id}"', form)
    typed = {
        "held_on": "2020-11-28",
        "title": "直した見本",
        "mode": "online",
        "area": "employment",
        "together": [str(two.id)],
        "version": "1",
    }
    assert visit.post(f"/activities/{made}/edit", data=typed).status_code == 302
    assert agencies_of(made) == {member.agency_id: date(2020, 11, 28), two.id: date(2020, 11, 28)}
    page = visit.get(f"/activities/{made}").text
    for word in ("直した見本", "オンライン", "令和2年11月28日", two.name):
        assert word in page
    assert one.name not in page


def test_two_corrections_at_once_show_both_texts(browser: Visit, member: Member) -> None:
    made = make_activity(member, text="はじめの見本")
    colleague = make_member(member.agency_id)
    typed = {"held_on": "2020-12-05", "mode": "in_person", "area": "place", "version": "1"}
    url = f"/activities/{made}/edit"
    assert browser(colleague).post(url, data=typed | {"text": "先に直した"}).status_code == 302
    late = browser(member).post(url, data=typed | {"text": "あとから直した"})
    assert late.status_code == 409
    for word in ("先に直した", "あとから直した", "ほかの人がこの記録を更新しました"):
        assert word in late.text
    version = re.search(r'name="version"[^>]*value="(\d+)"', late.text)
    assert version
    again = typed | {"text": "二人の文を合わせた", "version": version[1]}
    assert browser(member).post(url, data=again).status_code == 302
    assert activity(made).text == "二人の文を合わせた"


def test_the_kind_is_corrected_with_the_fields_of_that_kind(browser: Visit, member: Member) -> None:
    made = make_activity(member)
    visit = browser(member)
    url = f"/activities/{made}/edit?kind=briefing&held=yes"
    assert 'name="audience_number"' in visit.get(url).text
    typed = {
        "held_on": "2020-12-05",
        "mode": "in_person",
        "area": "outreach",
        "audience_number": "20",
        "version": "1",
    }
    assert visit.post(url, data=typed).status_code == 302
    assert (activity(made).kind, activity(made).audience_number) == (ActivityKind.BRIEFING, 20)


def test_who_came_stands_in_the_way_of_another_kind_and_of_not_held(browser: Visit, member: Member) -> None:
    made = make_activity(member)
    make_attendance(member, made)
    visit = browser(member)
    typed = {
        "held_on": "2020-12-05",
        "mode": "in_person",
        "area": "place",
        "version": "1",
        "not_held_why": "台風",
    }
    for query in ("kind=briefing", "held=no"):
        answer = visit.post(f"/activities/{made}/edit?{query}", data=typed)
        assert "参加者の記録があります" in answer.text
    assert activity(made).was_held


def test_striking_out_asks_once_more_and_why(browser: Visit, member: Member) -> None:
    made = make_activity(member, title="取り消す見本")
    make_attendance(member, made)
    visit = browser(member)
    page = visit.get(f"/activities/{made}/strike").text
    assert "元に戻せません" in page
    assert "延べ1人" in page
    assert visit.post(f"/activities/{made}/strike", data={"why": " ", "version": "1"}).status_code == 200
    assert activity(made).struck_at is None
    answer = visit.post(f"/activities/{made}/strike", data={"why": "二度記録した", "version": "1"})
    assert answer.status_code == 302
    shown = visit.get(f"/activities/{made}").text
    assert "二度記録した" in shown
    assert "/edit" not in shown
    assert "取り消す見本" not in visit.get("/activities/").text
    assert "取り消す見本" in visit.get("/activities/?show=struck").text
    for url in ("edit", "strike", "attendance"):
        assert visit.get(f"/activities/{made}/{url}").status_code == 409


def test_pages_cost_the_same_however_many_came(
    browser: Visit, member: Member, count_queries: CountQueries
) -> None:
    visit, costs = browser(member), []
    for more in (1, 9):
        made = make_activity(member, [make_agency()])
        for _ in range(more):
            make_activity(member)
            person = make_person(member)
            make_case(member, person)
            make_attendance(member, made, person)
            make_attendance(member, made)
        urls = [
            "/activities/",
            f"/activities/{made}",
            "/activities/new?kind=cafe",
            f"/activities/{made}/attendance",
        ]
        counted = []
        for url in urls:
            with count_queries() as asked:
                assert visit.get(url).status_code == 200
            counted.append(len(asked))
        costs.append(counted)
    assert costs[0] == costs[1]
    assert max(costs[1]) <= 16
