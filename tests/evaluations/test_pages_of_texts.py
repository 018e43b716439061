"""Texts and areas of a year: versions, what two people write at once, suggested wordings, what counts for which area."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.activities.kinds import ActivityKind, Mode
from portal.agencies.models import AgencyKind
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.policy import Role
from portal.evaluations import services as evaluation_services
from portal.evaluations import suggest
from portal.evaluations.catalogue import AREAS, Count, Measure, of_kind, of_measure
from portal.evaluations.models import EvaluationArea, EvaluationText, Part
from tests.activity_factories import make_activity, make_agreement, make_attendance, make_partner, make_text
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member
from tests.words import errors_of, hidden, words_of

Visit = Callable[..., Browser]
ROOT = "/reports/evaluation"
TEXT = f"{ROOT}/2020/place/result"


@pytest.fixture
def worker(app: Flask, at: Callable[..., None]) -> Member:
    at("2021-01-20T10:00", tick=False)
    return make_member(
        make_agency(name="見本就労準備", kind=AgencyKind.EMPLOYMENT_PREPARATION), role=Role.COORDINATOR
    )


def stored() -> list[EvaluationText]:
    found = list(db.read().scalars(select(EvaluationText).order_by(EvaluationText.id)))
    db.end()
    return found


def form_of(page: Any, **typed: str) -> dict[str, str]:
    [seen] = hidden(page, "seen")
    return {"seen": seen, "idempotency_key": uuid4().hex, **typed}


def test_a_text_is_written_and_keeps_its_history(browser: Visit, worker: Member) -> None:
    colleague = make_member(worker.agency_id)
    make_text(worker, 2019, text="去年したこと")
    first, second = browser(worker), browser(colleague)
    page = first.get(TEXT)
    assert "個人が特定できることは書かないでください" in page.text
    assert "去年したこと" in page.text
    sent = form_of(page, text="はじめの文章\n二行目")
    for _time in range(2):
        assert first.post(TEXT, data=sent).location == f"{ROOT}/2020#place"
    page = second.get(TEXT)
    assert "はじめの文章\n二行目</textarea>" in page.text
    assert second.post(TEXT, data=form_of(page, text="直した文章")).status_code == 303
    assert [row.text for row in stored() if row.year == 2020] == ["はじめの文章\n二行目", "直した文章"]
    words = words_of(first.get(TEXT))
    assert worker.actor.name in words
    assert colleague.actor.name in words
    assert words.index("直した文章") < words.index("はじめの文章")
    shown = words_of(first.get(f"{ROOT}/2020"))
    assert "直した文章" in shown
    assert "はじめの文章" not in shown


def test_whoever_comes_second_loses_nothing(browser: Visit, worker: Member) -> None:
    first, second = browser(worker), browser(make_member(worker.agency_id))
    mine, theirs = first.get(TEXT), second.get(TEXT)
    assert second.post(TEXT, data=form_of(theirs, text="先に保存された文章")).status_code == 303
    refused = first.post(TEXT, data=form_of(mine, text="わたしの文章"))
    assert refused.status_code == 409
    assert "ほかの人がこの文章を保存しました" in refused.text
    words = words_of(refused)
    assert "先に保存された文章" in words
    assert "わたしの文章</textarea>" in refused.text
    again = first.post(TEXT, data=form_of(refused, text="二人の文章"))
    assert again.status_code == 303
    assert [row.text for row in stored()] == ["先に保存された文章", "二人の文章"]


def test_the_same_once_more_makes_no_version_and_an_empty_one_takes_it_back(
    browser: Visit, worker: Member
) -> None:
    visit = browser(worker)
    visit.post(TEXT, data=form_of(visit.get(TEXT), text="文章"))
    visit.post(TEXT, data=form_of(visit.get(TEXT), text="文章"))
    assert len(stored()) == 1
    visit.post(TEXT, data=form_of(visit.get(TEXT), text=""))
    assert [row.text for row in stored()] == ["文章", ""]
    assert "文章" not in words_of(visit.get(f"{ROOT}/2020")).partition("実績 直す")[2][:40]


def test_too_long_a_text_is_kept_in_the_form(browser: Visit, worker: Member) -> None:
    visit = browser(worker)
    page = visit.post(TEXT, data=form_of(visit.get(TEXT), text="あ" * 10_001))
    assert "1文字多いです" in errors_of(page)
    assert "あ" * 10_001 in page.text
    assert stored() == []


def test_who_may_write(worker: Member) -> None:
    assert worker.agency_id
    for member in (make_member(), make_member(worker.agency_id, role=Role.AGENCY_ADMIN)):
        with pytest.raises(NotAllowed):
            evaluation_services.write(
                member.actor, worker.agency_id, 2020, "place", Part.RESULT, "よその文章"
            )
    assert stored() == []


def gathering(member: Member, day: str, heads: int, **values: Any) -> None:
    activity_id = make_activity(member, held_on=date.fromisoformat(day), **values)
    for _head in range(heads):
        make_attendance(member, activity_id, is_first=True)


def suggestion(visit: Browser, area: str, asked: str = "1") -> str:
    page = visit.get(f"{ROOT}/2020/{area}/result?suggest={asked}").text
    return page.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0].strip()


def test_a_wording_is_suggested_from_the_records(browser: Visit, worker: Member) -> None:
    visit = browser(worker)
    assert "記録から作った文案" not in visit.get(TEXT).text, "nothing has been recorded"
    for day in ("2020-06-10", "2020-07-10"):
        gathering(worker, day, 4)
    for day in ("2020-04-08", "2020-05-13"):
        make_activity(worker, held_on=date.fromisoformat(day), not_held_why="緊急事態宣言のため")
    assert suggestion(visit, "place") == (
        "・カフェ（居場所）を2回開催し、延べ8人（実8人）の参加があった。4月・5月は、緊急事態宣言のため開催しなかった。"
    )
    page = visit.get(TEXT)
    assert f'href="{TEXT}?suggest=1"' in page.text
    assert "少ない人数が入っています" not in page.text
    visit.post(TEXT, data=form_of(page, text="書いてある文章"))
    assert suggestion(visit, "place").startswith("書いてある文章\n・カフェ"), "what is there stays"


def test_a_small_number_in_the_wording_is_pointed_out(browser: Visit, worker: Member) -> None:
    visit = browser(worker)
    gathering(
        worker, "2020-12-10", 2, kind=ActivityKind.INTERVIEW_PRACTICE, area="employment", mode=Mode.ONLINE
    )
    for n in range(3):
        make_agreement(
            worker, make_partner(worker, added_on=date(2020, 5, 1 + n)), signed_on=date(2020, 6, 1)
        )
    page = visit.get(f"{ROOT}/2020/employment/result")
    assert "少ない人数が入っています" in page.text
    full, few = suggestion(visit, "employment"), suggestion(visit, "employment", "few")
    assert full == (
        "・面接練習を1回開催し、延べ2人（実2人）の参加があった。すべてオンラインで行った。\n"
        "・協力先を新たに3件開拓した。\n・協力先と3件の協定を結んだ。"
    )
    assert few.startswith("・面接練習を1回開催し、少数の参加があった。")
    assert "2人" not in few


def put_into_words(app: Flask, area: str, counts: dict[Any, int], **more: Any) -> list[str]:
    of_area = next(one for one in AREAS if one.code == area)
    keyed = {
        of_kind(area, *what) if isinstance(what, tuple) else of_measure(area, what): value
        for what, value in counts.items()
    }
    with app.test_request_context():
        return suggest.wording(suggest.Facts(of_area, keyed, **more)).split("\n")


def test_joint_interviews_and_meetings_are_put_into_words(app: Flask) -> None:
    counts = {
        Measure.JOINT_INTERVIEWS: 6,
        Measure.JOINED_AFTER_JOINT: 4,
        Measure.JOINED_CARRIED_OVER: 1,
        Measure.JOINED: 5,
        Measure.WEEKLY_MEETINGS: 8,
        Measure.COUNCILS: 9,
        (ActivityKind.CITY_VISIT, Count.HELD): 1,
    }
    since = {"weekly_since": date(2020, 11, 4), "begins": date(2020, 4, 1)}
    assert put_into_words(app, "consultation", counts, **since) == [
        "・他市の取組を1回視察した。",
        "・初回の面談に6件同席した。",
        "・同席した面談のうち4件が、事業の利用につながった（継続1件を含む）。",
        "・つなぎ全体では、5件が事業の利用につながった。",
        "・11月から週に1回の打合せを始め、8回行った。",
        "・支援調整会議に9回出席した。",
    ]
    words = put_into_words(app, "consultation", counts, least=3, **since)
    assert "・同席した面談のうち4件が、事業の利用につながった（継続を含む）。" in words
    alone = put_into_words(
        app, "consultation", {Measure.WEEKLY_MEETINGS: 40, Measure.JOINED_AFTER_JOINT: 2}, least=3
    )
    assert alone == [
        "・同席した面談から、事業の利用につながったものがあった。",
        "・週に1回の打合せを40回行った。",
    ]


def test_jobs_and_outreach_are_put_into_words(app: Flask) -> None:
    counts = {Measure.PART_TIME_JOB: 1, Measure.WITH_HELLO_WORK: 1, Measure.EMPLOYED: 0}
    assert put_into_words(app, "employment", counts) == [
        "・1人がアルバイト・パート就労につながった。",
        "・このうち1人は、ハローワークと連携して支援した。",
    ]
    assert put_into_words(app, "employment", counts, least=3)[0] == (
        "・アルバイト・パート就労につながった人がいた。"
    )
    outreach = {
        (ActivityKind.SCHOOL_VISIT, Count.HELD): 2,
        (ActivityKind.BRIEFING, Count.HELD): 1,
        (ActivityKind.BRIEFING, Count.AUDIENCE): 32,
        Measure.CAME_BY_LEAFLET: 3,
    }
    assert put_into_words(app, "outreach", outreach, least=3) == [
        "・学校を2回訪問し、事業の対象と支援の内容を説明した。",
        "・説明会・研修を1回開き、延べ32人が参加した。",
        "・チラシをきっかけに、3人が相談に来た。",
    ]


def areas() -> list[EvaluationArea]:
    found = list(db.read().scalars(select(EvaluationArea).order_by(EvaluationArea.position)))
    db.end()
    return found


def names(page: Any) -> list[str]:
    words = words_of(page)
    known = ("地域での居場所・役割", "周知・啓発", "就労支援", "相談支援体制の機能強化", "家族への支援")
    return sorted((name for name in known if name in words), key=words.index)


def test_areas_are_added_renamed_ordered_and_retired(browser: Visit, worker: Member) -> None:
    visit = browser(worker)
    page = visit.get(f"{ROOT}/areas")
    assert names(page) == ["地域での居場所・役割", "周知・啓発", "就労支援", "相談支援体制の機能強化"]
    key = uuid4().hex
    sent = {"name": "家族への支援", "kinds": ["other"], "measures": ["joined"], "idempotency_key": key}
    for _time in range(2):
        assert visit.post(f"{ROOT}/areas/new", data=sent).status_code == 303
    added = next(row for row in areas() if row.name == "家族への支援")
    assert (added.kinds, added.measures) == (["other"], ["joined"])
    assert names(visit.get(f"{ROOT}/2020"))[-1] == "家族への支援"
    for _time in range(9):
        assert visit.post(f"{ROOT}/areas/{added.code}/up").status_code == 303
    assert names(visit.get(f"{ROOT}/2020"))[0] == "家族への支援"
    assert visit.post(f"{ROOT}/areas/{added.code}/down").status_code == 303
    assert names(visit.get(f"{ROOT}/2020"))[:2] == ["地域での居場所・役割", "家族への支援"]
    page = visit.get(f"{ROOT}/areas/outreach")
    change = {"name": "広報", "kinds": ["leaflet"], "retired_from": "", "version": hidden(page, "version")[0]}
    assert visit.post(f"{ROOT}/areas/outreach", data=change).status_code == 303
    assert "広報" in visit.get(f"{ROOT}/2020").text
    stale = visit.post(f"{ROOT}/areas/outreach", data={**change, "name": "別の名前"})
    assert stale.status_code == 409
    assert "別の名前" in stale.text
    page = visit.get(f"{ROOT}/areas/{added.code}")
    version = hidden(page, "version")[0]
    retired = {**sent, "idempotency_key": uuid4().hex, "retired_from": "2021", "version": version}
    assert visit.post(f"{ROOT}/areas/{added.code}", data=retired).status_code == 303
    assert "家族への支援" in visit.get(f"{ROOT}/2020").text
    assert "家族への支援" not in visit.get(f"{ROOT}/2021").text
    assert "令和3年度から使わない" in visit.get(f"{ROOT}/areas").text


def test_what_counts_for_an_area_is_chosen(browser: Visit, worker: Member) -> None:
    gathering(worker, "2020-06-10", 3)
    visit = browser(worker)
    change = {"name": "居場所", "kinds": ["cafe"], "measures": [], "version": "0"}
    assert visit.post(f"{ROOT}/areas/place", data=change).status_code == 303
    page = visit.get(f"{ROOT}/2020").text
    assert "/figures/place/cafe.visits" in page
    assert visit.get(f"{ROOT}/2020/figures/place/door_opened").status_code == 404
    assert visit.get(f"{ROOT}/2020/figures/place/cafe.visits").status_code == 200


def test_areas_refuse_doubles_and_blanks(browser: Visit, worker: Member) -> None:
    visit = browser(worker)
    assert "項目の名前を入力してください" in visit.post(f"{ROOT}/areas/new", data={"name": " "}).text
    visit.post(f"{ROOT}/areas/new", data={"name": "家族への支援"})
    refused = visit.post(f"{ROOT}/areas/new", data={"name": "家族への支援"})
    assert refused.status_code == 409
    assert "同じ名前の項目があります" in refused.text
    assert visit.post(f"{ROOT}/areas/new", data={"name": "見本", "kinds": ["nonsense"]}).status_code == 200
    assert visit.post(f"{ROOT}/areas/place/sideways").status_code == 404
    assert visit.post(f"{ROOT}/areas/nowhere/up").status_code == 404


def test_only_who_closes_may_arrange(browser: Visit, worker: Member) -> None:
    assert worker.agency_id
    for member in (make_member(worker.agency_id), make_member(role=Role.COORDINATOR)):
        visit = browser(member)
        for path in ("areas", "areas/new", "areas/place"):
            assert visit.get(f"{ROOT}/{path}").status_code == 403
        assert visit.post(f"{ROOT}/areas/place/down").status_code == 403
        with pytest.raises(NotAllowed):
            evaluation_services.define(member.actor, worker.agency_id, "よその項目")
    assert areas() == []
