"""Closing a year freezes it under a checkpoint; opening it again changes nothing; what is added stands below."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.agencies.models import AgencyKind
from portal.audit.models import AuditCheckpoint, AuditEntry
from portal.audit.services import canonical
from portal.cases import services as cases
from portal.cases.codes import Domain, Score
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.policy import Role
from portal.evaluations import services as evaluation_services
from portal.evaluations.models import EvaluationAddendum, EvaluationClosing, Part
from tests.activity_factories import make_activity, make_attendance, make_text
from tests.audit.worlds import World
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_case, make_member, make_person
from tests.words import words_of

Visit = Callable[..., Browser]
ROOT = "/reports/evaluation"


@pytest.fixture
def coordinator(app: Flask, at: Callable[..., None]) -> Member:
    at("2021-04-20T10:00", tick=False)
    return make_member(
        make_agency(name="見本就労準備", kind=AgencyKind.EMPLOYMENT_PREPARATION), role=Role.COORDINATOR
    )


def cafe(member: Member, day: str, heads: int) -> None:
    activity_id = make_activity(member, held_on=date.fromisoformat(day))
    for _head in range(heads):
        make_attendance(member, activity_id, is_first=True)


def closings() -> list[EvaluationClosing]:
    found = list(db.read().scalars(select(EvaluationClosing).order_by(EvaluationClosing.id)))
    db.end()
    return found


def entry_of(event: str) -> tuple[int, dict[str, Any]]:
    row = (
        db.read()
        .execute(
            select(AuditEntry.seq, AuditEntry.body)
            .where(AuditEntry.event == event)
            .order_by(AuditEntry.seq.desc())
        )
        .first()
    )
    assert row
    db.end()
    return row.seq, json.loads(row.body)


def close(member: Member, year: int = 2020, day: str = "2021-03-31") -> None:
    assert member.agency_id
    evaluation_services.close(member.actor, member.agency_id, year, date.fromisoformat(day))
    db.end()


def table_of(page: Any) -> str:
    """The areas with their figures and texts, the goals and the months: without banner, dates and links to write."""
    words = words_of(page)
    begin, goals = words.index("地域での居場所・役割"), words.index("目標の達成")
    ends = [words.find(head, goals) for head in ("追記", "確定の記録")]
    shown = words[begin : min((end for end in ends if end > 0), default=None)]
    return re.sub(r"(書く|直す) ：\S+ \S+ ", "", shown).strip()


@pytest.mark.both_databases
def test_it_is_checked_and_closed_from_the_page(browser: Visit, coordinator: Member) -> None:
    cafe(coordinator, "2020-06-10", 4)
    make_text(coordinator, 2020, text="今年したこと")
    visit = browser(coordinator)
    page = visit.get(f"{ROOT}/2020/close")
    assert "令和3年3月31日" in page.text
    sent = {"as_of": "令和3年3月31日", "idempotency_key": uuid4().hex}
    check = visit.post(f"{ROOT}/2020/close", data=sent)
    assert check.status_code == 200
    assert "今年したこと" in check.text
    assert "延べ人数 4 人" in words_of(check)
    assert "周知・啓発：実績" in check.text, "what nobody has written is listed"
    assert closings() == []
    for _time in range(2):
        done = visit.post(f"{ROOT}/2020/close", data={**sent, "checked": "1"})
        assert done.status_code in {303, 409}
    [one] = closings()
    words = words_of(visit.get(f"{ROOT}/2020"))
    assert "この年度は確定しています" in words
    assert one.digest[:8] in words
    assert f"{one.checkpoint_size}件目までを含む控え" in words
    assert "確定 " in words_of(visit.get(f"{ROOT}/"))


def test_the_digest_is_in_the_log_and_under_a_checkpoint(coordinator: Member) -> None:
    make_text(coordinator, 2020, text="今年したこと")
    close(coordinator)
    [one] = closings()
    assert one.digest == hashlib.sha256(canonical(one.frozen)).hexdigest()
    seq, body = entry_of("evaluation:closed")
    assert body["fact"] == {"digest": one.digest, "year": 2020}
    assert body["object"] == ["evaluation_closing", str(one.id)]
    newest = db.read().scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc())).first()
    assert newest
    assert seq <= one.checkpoint_size == newest.size
    assert "今年したこと" not in json.dumps(body, ensure_ascii=False)


def test_what_comes_later_changes_nothing_and_stands_beside_it_inside(
    browser: Visit, coordinator: Member
) -> None:
    cafe(coordinator, "2020-06-10", 4)
    make_text(coordinator, 2020, text="今年したこと")
    make_text(coordinator, 2020, "place", Part.PLAN, text="今年すること")
    inside, outside = browser(coordinator), browser(make_member())
    before = {name: table_of(visit.get(f"{ROOT}/2020")) for name, visit in (("in", inside), ("out", outside))}
    close(coordinator)
    assert table_of(inside.get(f"{ROOT}/2020")) == before["in"]
    assert table_of(outside.get(f"{ROOT}/2020")) == before["out"]
    cafe(coordinator, "2020-07-10", 6)
    make_text(coordinator, 2020, text="あとから変えた文章")  # past the service, as nobody can on a page
    assert table_of(outside.get(f"{ROOT}/2020")) == before["out"]
    words = words_of(inside.get(f"{ROOT}/2020"))
    assert "延べ人数 4 人 その後の記録では10" in words
    assert "あとから変えた文章" not in words
    assert "その後の記録では" not in words_of(outside.get(f"{ROOT}/2020"))
    beside = words_of(inside.get(f"{ROOT}/2021"))
    assert "今年したこと" in beside, "next year's page shows the frozen column too"
    assert "延べ人数 4 人" in beside
    assert "あとから変えた文章" not in beside


def test_closing_and_opening_again_changes_nothing(browser: Visit, coordinator: Member) -> None:
    cafe(coordinator, "2020-06-10", 4)
    cafe(coordinator, "2020-12-10", 2)
    case_id = make_case(coordinator, make_person(coordinator))
    for score in Score:
        goal_id = cases.set_goal(coordinator.actor, case_id, Domain.SOCIAL, f"見本の目標 {score.value}")
        cases.score_goal(coordinator.actor, goal_id, score)
    for part in Part:
        make_text(coordinator, 2020, "place", part, text=f"文章 {part.value}")
    visit = browser(coordinator)
    before = table_of(visit.get(f"{ROOT}/2020"))
    close(coordinator)
    closed = table_of(visit.get(f"{ROOT}/2020"))
    assert visit.post(f"{ROOT}/2020/reopen", data={"why": ""}).status_code == 200
    assert visit.post(f"{ROOT}/2020/reopen", data={"why": "数の確認のため"}).status_code == 303
    assert closed == before
    assert table_of(visit.get(f"{ROOT}/2020")) == before
    words = words_of(visit.get(f"{ROOT}/2020"))
    assert "数の確認のため" in words
    assert "数の確認のため" not in words_of(browser(make_member()).get(f"{ROOT}/2020"))
    close(coordinator)
    first, second = closings()
    assert first.digest == second.digest
    assert first.reopened_at


def test_a_closed_year_is_written_no_more_but_added_to(browser: Visit, coordinator: Member) -> None:
    assert coordinator.agency_id
    visit = browser(coordinator)
    assert visit.get(f"{ROOT}/2020/add").status_code == 409
    with pytest.raises(Conflict):
        evaluation_services.add(coordinator.actor, coordinator.agency_id, 2020, "早すぎる追記")
    close(coordinator)
    assert visit.get(f"{ROOT}/2020/place/result").status_code == 409
    sent = visit.post(f"{ROOT}/2020/place/result", data={"text": "遅すぎる文章"})
    assert sent.status_code == 409
    with pytest.raises(Conflict):
        evaluation_services.write(
            coordinator.actor, coordinator.agency_id, 2020, "place", Part.RESULT, "遅すぎる文章"
        )
    key = uuid4().hex
    for _time in range(2):
        added = visit.post(f"{ROOT}/2020/add", data={"text": "あとで1件わかった。", "idempotency_key": key})
        assert added.status_code == 303
    [row] = db.read().scalars(select(EvaluationAddendum)).all()
    db.end()
    assert row.text == "あとで1件わかった。"
    words = words_of(browser(make_member()).get(f"{ROOT}/2020"))
    assert "あとで1件わかった。" in words
    assert coordinator.actor.name in words


@pytest.mark.parametrize(
    ("year", "day", "why"),
    [
        (2020, "2020-03-31", "この年度の中"),
        (2020, "2021-04-01", "この年度の中"),
        (2021, "2021-04-21", "今日より後"),
    ],
)
def test_only_a_day_of_the_year_that_has_come(coordinator: Member, year: int, day: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        close(coordinator, year, day)
    assert why in refused.value.message
    assert closings() == []


def test_who_may_close(browser: Visit, coordinator: Member) -> None:
    agency_id = coordinator.agency_id
    assert agency_id
    colleague = make_member(agency_id)
    assert browser(colleague).get(f"{ROOT}/2020/close").status_code == 403
    assert "/2020/close" not in browser(colleague).get(f"{ROOT}/2020").text
    other = make_member(role=Role.COORDINATOR)
    assert browser(other).get(f"{ROOT}/2020/close").status_code == 403
    for member in (colleague, other):
        with pytest.raises(NotAllowed):
            evaluation_services.close(member.actor, agency_id, 2020, date(2021, 3, 31))
    administrator = make_member(agency_id, role=Role.AGENCY_ADMIN)
    assert browser(administrator).get(f"{ROOT}/2020/close").status_code == 200
    close(administrator)
    assert browser(colleague).get(f"{ROOT}/2020/reopen").status_code == 403
    with pytest.raises(Conflict):
        close(coordinator)
    assert browser(coordinator).get(f"{ROOT}/2020/close").status_code == 409
    assert browser(coordinator).get(f"{ROOT}/2022/close").status_code in {404, 409}


def test_the_names_of_areas_are_kept(browser: Visit, coordinator: Member) -> None:
    make_text(coordinator, 2020, "outreach", text="周知したこと")
    close(coordinator)
    visit = browser(coordinator)
    form = {"name": "広報の新しい名前", "kinds": ["leaflet"], "measures": [], "version": "0"}
    assert visit.post(f"{ROOT}/areas/outreach", data=form).status_code == 303
    assert "周知・啓発" in visit.get(f"{ROOT}/2020").text
    assert "広報の新しい名前" not in visit.get(f"{ROOT}/2020").text
    assert "広報の新しい名前" in visit.get(f"{ROOT}/2021").text


def test_small_numbers_of_a_closed_year_are_masked_too(browser: Visit, coordinator: Member) -> None:
    cafe(coordinator, "2020-06-10", 2)
    close(coordinator)
    assert closings()[0].frozen["figures"]["place"]["cafe.visits"] == 2
    outside = browser(make_member())
    assert "延べ人数 少数" in words_of(outside.get(f"{ROOT}/2020"))
    assert "延べ人数 2" not in words_of(outside.get(f"{ROOT}/2020"))


def altered(data: Path, old: str, new: str) -> Path:
    """The export again, with a closed year rewritten by somebody who may do anything to the database."""
    changed = data.with_name(f"{data.name}.altered")
    content = data.read_bytes()
    if not content.startswith(b"SQLite format 3"):
        changed.write_bytes(content.replace(old.encode(), new.encode()))
        return changed
    changed.write_bytes(content)
    with closing(sqlite3.connect(changed)) as file:
        file.execute("DROP TRIGGER no_update_evaluation_closing")
        file.execute("UPDATE evaluation_closing SET frozen = replace(frozen, ?, ?)", (old, new))
        file.execute("UPDATE evaluation_closing SET digest = replace(digest, ?, ?)", (old, new))
        file.commit()
    return changed


def test_whoever_rewrites_a_closed_year_is_found_out(app: Flask, coordinator: Member, tmp_path: Path) -> None:
    world = World(app, tmp_path)
    make_text(coordinator, 2020, text="original words")
    close(coordinator)
    digest = closings()[0].digest
    db.end()
    world.checkpoint()
    assert world.verdict().exit == 0, world.verdict().text
    data = world.export()
    other = hashlib.sha256(b"other").hexdigest()
    for old, new in (("original words", "convenient words"), (digest, other)):
        verdict = world.verdict(data=altered(data, old, new))
        assert verdict.exit == 1
        assert "closing" in verdict.codes
