"""Cases through the pages: opening, writing what happened, goals, closing, and what stays when a basis ends."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from dateutil.relativedelta import relativedelta
from flask import Flask
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.cases import services as cases
from portal.cases.codes import Domain, Method, Outcome, Score
from portal.cases.models import Case, CaseGoal, ProgressNote
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.people.categories import Category
from portal.referrals.states import ReferralAction
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import (
    Member,
    make_case,
    make_consent,
    make_member,
    make_note,
    make_person,
    make_referral,
    step,
)

pytestmark = pytest.mark.quick

Visit = Callable[..., Browser]
PATHS = ("", "/goals/new", "/worker", "/close")


@pytest.fixture
def member(app: Flask) -> Member:
    return make_member()


@pytest.fixture
def case_id(member: Member) -> UUID:
    return make_case(member, make_person(member))


def all_of(model: Any) -> list[Any]:
    found = list(db.read.scalars(select(model).order_by(model.id)))
    db.end()
    return found


def typed(**more: Any) -> dict[str, Any]:
    return {
        "held_on": clock.era_date(clock.today()),
        "method": "visit",
        "minutes": "30",
        "category": "life_history",
        "text": "ドアの前で少し話した。",
        "idempotency_key": uuid4().hex,
    } | more


def hidden(page: str, name: str) -> str:
    field = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', page)
    assert field
    return field[1]


def test_a_case_is_opened_from_the_person(browser: Visit, member: Member) -> None:
    person = make_person(member)
    visit, path = browser(member), f"/people/{person}/cases/new"
    assert path in visit.get(f"/people/{person}").text
    assert clock.era_date(clock.today()) in visit.get(path).text
    sent = {"opened_on": "R8.4.1", "worker": str(member.staff_id), "idempotency_key": uuid4().hex}

    first, again = visit.post(path, data=sent), visit.post(path, data=sent)

    [case] = all_of(Case)
    assert first.location == again.location == f"/cases/{case.id}"
    assert (case.opened_on, case.worker_id) == (date(2026, 4, 1), member.staff_id)
    refused = visit.post(path, data=sent | {"idempotency_key": uuid4().hex})
    assert refused.status_code == 409
    assert "この人のケースはすでに開始しています。" in refused.text


def test_the_worker_is_a_colleague(browser: Visit, member: Member) -> None:
    person, stranger = make_person(member), make_member()
    make_member(member.agency_id, role=Role.AGENCY_ADMIN, name="管理 専任")
    visit, path = browser(member), f"/people/{person}/cases/new"
    assert "管理 専任" not in visit.get(path).text

    for worker in (str(stranger.staff_id), "nonsense"):
        assert visit.post(path, data={"opened_on": "2026-04-01", "worker": worker}).status_code == 200
    assert all_of(Case) == []


@pytest.mark.both_databases
def test_a_note_is_written_in_one_form(browser: Visit, member: Member, case_id: UUID) -> None:
    visit, sent = browser(member), typed(held_on="", minutes="３０分")
    page = visit.get(f"/cases/{case_id}").text
    assert f'value="{clock.era_date(clock.today())}"' in page
    assert f'data-draft="case-note-{case_id}"' in page

    assert "日付を入力してください。" in visit.post(f"/cases/{case_id}", data=sent).text
    for _ in range(2):
        answer = visit.post(f"/cases/{case_id}", data=sent | {"held_on": "R8.4.1"})
        assert answer.location == f"/cases/{case_id}"

    [note] = all_of(ProgressNote)
    assert (note.held_on, note.method, note.minutes) == (date(2026, 4, 1), Method.VISIT, 30)
    shown = visit.get(f"/cases/{case_id}").text
    for word in ("ドアの前で少し話した。", "令和8年4月1日", "訪問", "30分", member.actor.name):
        assert word in shown
    assert f'content="case-note-{case_id} ' in shown  # the draft in the browser may go


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"held_on": "2199-01-01"}, "今日より後の日付は入力できません。"),
        ({"held_on": "きのう"}, "日付を「令和2年12月1日」"),
        ({"minutes": "1441"}, "1440"),
        ({"minutes": "-1"}, "1440"),
        ({"minutes": "九"}, "1440"),
        ({"text": " 　\n"}, "内容を入力してください。"),
        ({"method": "telepathy"}, "エラー："),
        ({"category": "secrets"}, "エラー："),
        ({"text": "あ" * 100_001}, "100000文字以内で入力してください。"),
        ({"text": "NUL\x00です"}, "使えない文字を取り除きました。"),
    ],
)
def test_a_wrong_note_is_refused_and_keeps_the_text(
    browser: Visit, member: Member, case_id: UUID, wrong: dict[str, str], said: str
) -> None:
    answer = browser(member).post(f"/cases/{case_id}", data=typed(**wrong))

    assert answer.status_code in {200, 400}
    assert said in answer.text
    if "text" not in wrong:
        assert "ドアの前で少し話した。" in answer.text
    assert all_of(ProgressNote) == []


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>{{ 7*191 }}", "'; DROP TABLE x;--", "𠮷🙂" * 50, "あ" * 100_000]
)
def test_hostile_notes_are_shown_inert(browser: Visit, member: Member, case_id: UUID, text: str) -> None:
    visit = browser(member)
    assert visit.post(f"/cases/{case_id}", data=typed(text=text)).status_code == 302

    page = visit.get(f"/cases/{case_id}").text

    assert "<script>alert" not in page
    assert "1337" not in page
    assert all_of(ProgressNote)[0].text == text


@pytest.mark.both_databases
def test_the_latest_contact_stands_first_and_notes_have_pages(
    browser: Visit, app: Flask, member: Member, case_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    for n, day in enumerate((3, 1, 2, 2, 3)):
        make_note(member, case_id, text=f"経過{n}", held_on=clock.today() - timedelta(days=day))
    visit, order = browser(member), []

    url: str | None = f"/cases/{case_id}"
    while url:
        page = visit.get(url).text
        order += re.findall(r'class="quote">経過(\d)<', page)
        following = re.search(r'rel="next"\s+href="([^"]+)"', page)
        url = following[1] if following else None

    assert order == ["1", "3", "2", "4", "0"]


def test_an_author_corrects_their_note_and_nobody_else(browser: Visit, member: Member, case_id: UUID) -> None:
    note = make_note(member, case_id)
    path = f"/cases/{case_id}/notes/{note}"
    mine, colleague = browser(member), browser(make_member(member.agency_id))
    assert path in mine.get(f"/cases/{case_id}").text
    assert path not in colleague.get(f"/cases/{case_id}").text

    refused = colleague.post(path, data=typed(text="書きかえ", version="1"))
    assert refused.status_code == 403
    assert "書きかえ" in refused.text
    answer = mine.post(path, data=typed(text="窓ごしに話した。", minutes="", version="1"))

    assert answer.location == f"/cases/{case_id}"
    [kept] = all_of(ProgressNote)
    assert (kept.text, kept.minutes, kept.version) == ("窓ごしに話した。", None, 2)
    assert "訂正あり" in mine.get(f"/cases/{case_id}").text


def test_a_stale_correction_shows_both_texts(browser: Visit, member: Member, case_id: UUID) -> None:
    note = make_note(member, case_id)
    path, visit = f"/cases/{case_id}/notes/{note}", browser(member)
    visit.post(path, data=typed(text="先の窓の文", version="1"))

    answer = visit.post(path, data=typed(text="後の窓の文", minutes="45", version="1"))

    assert answer.status_code == 409
    assert "先の窓の文" in answer.text
    assert "後の窓の文" in answer.text
    assert (
        visit.post(path, data=typed(text="後の窓の文", version=hidden(answer.text, "version"))).status_code
        == 302
    )
    assert all_of(ProgressNote)[0].text == "後の窓の文"


def test_a_note_is_found_in_its_own_case_only(browser: Visit, member: Member, case_id: UUID) -> None:
    other = make_note(member)
    visit = browser(member)
    real, unreal = (visit.get(f"/cases/{case_id}/notes/{one}") for one in (other, uuid4()))
    assert (real.status_code, real.data) == (404, unreal.data)


def test_goals_are_set_and_scored(browser: Visit, member: Member, case_id: UUID) -> None:
    visit, path = browser(member), f"/cases/{case_id}/goals/new"
    review = clock.today() + timedelta(days=60)
    sent = {"domain": "social", "text": "月に1回、カフェに行く", "idempotency_key": uuid4().hex}
    sent["review_on"] = clock.era_date(review)

    assert clock.era_date(clock.today() + relativedelta(months=3)) in visit.get(path).text
    early = visit.post(path, data=sent | {"review_on": "2000-01-01"})
    assert "評価予定日は、ケースの開始日より後の日付にしてください。" in early.text
    assert "領域を選んでください。" in visit.post(path, data=sent | {"domain": "cosmic"}).text
    for _ in range(2):
        assert visit.post(path, data=sent).location == f"/cases/{case_id}"
    [goal] = all_of(CaseGoal)
    assert (goal.domain, goal.text, goal.review_on) == (Domain.SOCIAL, "月に1回、カフェに行く", review)
    scoring = f"/cases/{case_id}/goals/{goal.id}"
    assert scoring in visit.get(f"/cases/{case_id}").text
    assert visit.post(scoring, data={"score": "excellent"}).status_code == 200
    visit.post(scoring, data={"score": "partial"})

    assert all_of(CaseGoal)[0].score is Score.PARTIAL
    assert "一部達成" in visit.get(f"/cases/{case_id}").text


def test_closing_asks_twice_and_reopening_is_a_new_case(
    browser: Visit, member: Member, case_id: UUID
) -> None:
    visit, path = browser(member), f"/cases/{case_id}/close"
    cases.set_goal(member.actor, case_id, Domain.DAILY, "朝に起きる")
    assert "朝に起きる" in visit.get(path).text
    sent = {
        "outcome": "part_time_job",
        "closed_on": clock.era_date(clock.today()),
        "text": "週2日の仕事",
        "version": "1",
    }

    assert "支援の結果を選んでください。" in visit.post(path, data=sent | {"outcome": ""}).text
    early = visit.post(path, data=sent | {"closed_on": "2020-01-01", "checked": "1"})
    assert early.status_code == 400
    assert "週2日の仕事" in early.text
    check = visit.post(path, data=sent)
    for shown in ("アルバイト・パート就労", "週2日の仕事", "未評価", 'name="checked"'):
        assert shown in check.text
    assert "週2日の仕事" in visit.post(path, data=sent | {"back": "1"}).text
    assert all_of(Case)[0].closed_on is None

    assert visit.post(path, data=sent | {"checked": "1"}).location == f"/cases/{case_id}"

    closed = all_of(Case)[0]
    assert (closed.closed_on, closed.outcome) == (clock.today(), Outcome.PART_TIME_JOB)
    assert visit.post(path, data=sent | {"checked": "1"}).status_code == 409
    late = visit.post(f"/cases/{case_id}", data=typed(text="もう一言"))
    assert late.status_code == 409
    page = visit.get(f"/cases/{case_id}").text
    assert "終結" in page
    assert f"/people/{closed.person_id}/cases/new" in page
    again = visit.post(f"/people/{closed.person_id}/cases/new", data={"opened_on": clock.today().isoformat()})
    assert again.status_code == 302
    assert len(all_of(Case)) == 2


def test_a_refused_late_note_keeps_its_text(browser: Visit, member: Member, case_id: UUID) -> None:
    visit = browser(member)
    cases.close_case(member.actor, case_id, outcome=Outcome.IMPROVED)

    answer = visit.post(f"/cases/{case_id}", data=typed(text="間に合わなかった一言"))

    assert answer.status_code == 409
    assert "間に合わなかった一言" in answer.text


def test_closing_on_a_stale_page_asks_again(browser: Visit, member: Member, case_id: UUID) -> None:
    visit, path = browser(member), f"/cases/{case_id}/close"
    sent = {"outcome": "improved", "closed_on": clock.today().isoformat(), "version": "1", "checked": "1"}
    cases.assign_worker(member.actor, case_id, member.staff_id)

    answer = visit.post(path, data=sent)

    assert answer.status_code == 409
    assert all_of(Case)[0].closed_on is None
    assert visit.post(path, data=sent | {"version": hidden(answer.text, "version")}).status_code == 302


def test_the_worker_is_changed_knowingly(browser: Visit, member: Member, case_id: UUID) -> None:
    colleague, visit = make_member(member.agency_id, name="同僚 二郎"), browser(member)
    path = f"/cases/{case_id}/worker"
    sent = {"worker": str(colleague.staff_id), "version": hidden(visit.get(path).text, "version")}

    assert visit.post(path, data=sent).location == f"/cases/{case_id}"
    assert "同僚 二郎" in visit.get(f"/cases/{case_id}").text
    assert visit.post(path, data=sent | {"worker": str(member.staff_id)}).status_code == 409
    assert all_of(Case)[0].worker_id == colleague.staff_id


def test_no_other_agency_learns_of_a_case(browser: Visit, member: Member, case_id: UUID) -> None:
    recipient = make_member()
    person = db.read.scalars(select(Case.person_id)).one()
    db.end()
    make_referral(member, recipient, person_id=person)
    note = make_note(member, case_id)
    goal = cases.set_goal(member.actor, case_id, Domain.DAILY, "朝に起きる")
    paths = (*PATHS, f"/notes/{note}", f"/goals/{goal}")

    for outsider in (recipient, make_member(role=Role.AUDITOR), make_member(role=Role.SYSTEM_ADMIN)):
        visit = browser(outsider)
        for path in paths:
            for ask in (visit.get, visit.post):
                real, unreal = ask(f"/cases/{case_id}{path}"), ask(f"/cases/{uuid4()}{path}")
                assert (real.status_code, real.data) == (404, unreal.data)
    assert str(case_id) not in browser(recipient).get("/cases/").text
    assert browser(make_member(role=Role.AUDITOR)).get("/cases/").status_code == 403


def told_case(sender: Member, recipient: Member) -> tuple[UUID, UUID, UUID, UUID]:
    """A case of the recipient's, of a person it was told about: case, person, consent and referral."""
    person = make_person(
        sender, family="山田", contact_prohibited=True, contact_prohibited_reason="父には知らせない"
    )
    consent = make_consent(sender, person, [recipient])
    referral = make_referral(sender, recipient, person_id=person, consent_id=consent)
    return make_case(recipient, person), person, consent, referral


def test_own_work_stays_when_the_basis_ends_without_the_name(browser: Visit, member: Member) -> None:
    recipient = make_member()
    case, _person, consent, _referral = told_case(member, recipient)
    make_note(recipient, case, text="面談した。")
    visit = browser(recipient)
    before = visit.get(f"/cases/{case}").text
    assert "山田 花子" in before
    assert "父には知らせない" in before
    assert "山田 花子" in visit.get("/cases/").text

    disclosures.withdraw_consent(member.actor, consent)

    after, listed = visit.get(f"/cases/{case}").text, visit.get("/cases/").text
    for page in (after, listed):
        assert "氏名非表示" in page
        assert "山田" not in page
    assert "面談した。" in after
    assert "父には知らせない" in after
    assert visit.post(f"/cases/{case}", data=typed()).status_code == 302


def test_own_work_opens_even_when_the_person_has_gone_from_sight(browser: Visit, member: Member) -> None:
    recipient = make_member()
    case, person, _consent, referral = told_case(member, recipient)
    visit = browser(recipient)
    step(member, referral, ReferralAction.CANCEL)
    assert visit.get(f"/people/{person}").status_code == 404

    page = visit.get(f"/cases/{case}")

    assert page.status_code == 200
    assert "氏名非表示" in page.text
    assert "山田" not in page.text
    assert "父には知らせない" not in page.text
    assert f"/people/{person}" not in page.text


def test_reading_a_case_is_logged_under_the_person(browser: Visit, member: Member, case_id: UUID) -> None:
    browser(member).get(f"/cases/{case_id}")

    entry = db.read.scalars(select(AuditEntry).where(AuditEntry.event == "case:read")).one()
    case = db.read.scalars(select(Case)).one()
    db.end()
    assert (entry.object_id, entry.person_id, entry.staff_id) == (case_id, case.person_id, member.staff_id)


def test_a_case_from_last_year_is_marked_as_carried_over(
    browser: Visit, member: Member, at: Callable[..., None]
) -> None:
    at("2026-03-31T10:00")
    old = make_case(member, make_person(member, given="昨年"))
    gone = make_case(member, make_person(member, given="終了"))
    cases.close_case(member.actor, gone, outcome=Outcome.IMPROVED)
    at("2026-03-31T23:59")
    assert "継続" not in browser(member).get(f"/cases/{old}").text
    at("2026-04-01T00:00")
    make_case(member, make_person(member, given="今年"))
    visit = browser(member)

    assert ">継続</span>" in visit.get(f"/cases/{old}").text
    assert ">継続</span>" not in visit.get(f"/cases/{gone}").text
    assert visit.get("/cases/").text.count(">継続</span>") == 1


def test_the_list_has_its_tabs_and_pages(
    browser: Visit, app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    made = []
    for n in range(5):
        opened = clock.today() - timedelta(days=n % 2)
        made.append(make_case(member, make_person(member), opened_on=opened))
    mine = make_case(member, make_person(member), worker_id=member.staff_id)
    cases.close_case(member.actor, made[0], outcome=Outcome.EMPLOYED)
    visit = browser(member)

    def listed(url: str | None) -> list[str]:
        seen = []
        while url:
            page = visit.get(url).text
            seen += dict.fromkeys(re.findall(r'href="/cases/([0-9a-f-]{36})"', page))
            following = re.search(r'rel="next"\s+href="([^"]+)"', page)
            url = following[1].replace("&amp;", "&") if following else None
        return seen

    assert listed("/cases/") == [str(one) for one in (mine, made[4], made[2], made[3], made[1])]
    assert listed("/cases/?show=mine") == [str(mine)]
    assert listed("/cases/?show=closed") == [str(made[0])]
    assert listed("/cases/?show=nonsense&sort=family") == listed("/cases/")
    numbered = [str(one) for one in (*made[1:], mine)]
    assert listed("/cases/?sort=number") == numbered
    assert listed("/cases/?sort=-number") == numbered[::-1]
    make_note(member, made[2], held_on=clock.today() - timedelta(days=1))
    make_note(member, made[1], held_on=clock.today())
    assert listed("/cases/?sort=-note")[:2] == [str(made[1]), str(made[2])]
    assert listed("/cases/?sort=note")[-2:] == [str(made[2]), str(made[1])]
    assert "就職" in visit.get("/cases/?show=closed").text


def test_pages_cost_the_same_however_much_there_is(
    browser: Visit, member: Member, case_id: UUID, count_queries: CountQueries
) -> None:
    visit, costs = browser(member), []
    for more in (1, 12):
        for n in range(more):
            make_case(member, make_person(member))
            make_note(member, case_id, category=Category.HEALTH)
            cases.set_goal(member.actor, case_id, Domain.DAILY, f"目標{n}")
        with count_queries() as listed:
            visit.get("/cases/")
        with count_queries() as shown:
            visit.get(f"/cases/{case_id}")
        costs.append((len(listed), len(shown)))
    assert costs[0] == costs[1]
    assert costs[1][0] <= 8
    assert costs[1][1] <= 12
