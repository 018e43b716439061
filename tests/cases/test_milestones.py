"""Milestones of a case (節目) and by what somebody came: recorded, struck out, behind the wall, after an erasure."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.agencies.models import AgencyKind
from portal.audit.models import AuditEntry
from portal.cases import services as cases
from portal.cases.codes import Domain, HeardBy, Milestone, Outcome, Score
from portal.cases.models import Case, CaseGoal, CaseMilestone
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.exclusions.models import Conflict as Interest
from tests.activity_factories import make_milestone
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_case, make_member, make_person, make_referral
from tests.retention.lives import erase, make_office, old_life

Visit = Callable[..., Browser]


@pytest.fixture
def member(app: Flask) -> Member:
    return make_member()


@pytest.fixture
def case_id(member: Member) -> UUID:
    return make_case(member, make_person(member), opened_on=date(2026, 4, 1))


def all_of(model: Any) -> list[Any]:
    found = list(db.read.scalars(select(model).order_by(model.id)))
    db.end()
    return found


def events(event: str) -> list[AuditEntry]:
    found = list(db.read.scalars(select(AuditEntry).where(AuditEntry.event == event)))
    db.end()
    return found


def typed(**more: Any) -> dict[str, Any]:
    return {"what": "part_time_job", "happened_on": "R8.5.1", "idempotency_key": uuid4().hex} | more


def hidden(page: str, name: str) -> str:
    field = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', page)
    assert field
    return field[1]


def test_a_job_is_noted_with_whose_help(browser: Visit, member: Member, case_id: UUID) -> None:
    hello_work = make_agency(name="見本ハローワーク", kind=AgencyKind.OTHER)
    visit, path = browser(member), f"/cases/{case_id}/milestones/new"
    assert path in visit.get(f"/cases/{case_id}").text
    form = visit.get(path).text
    assert f'data-draft="case-milestone-{case_id}"' in form
    assert f'value="{clock.era_date(clock.today())}"' in form
    assert hello_work.name in form
    assert f'value="{member.agency_id}"' not in form  # one's own agency is no helper
    sent = typed(helper=str(hello_work.id), text="倉庫の仕分け、週3日")

    for _ in range(2):
        assert visit.post(path, data=sent).location == f"/cases/{case_id}"

    [kept] = all_of(CaseMilestone)
    assert (kept.what, kept.happened_on) == (Milestone.PART_TIME_JOB, date(2026, 5, 1))
    assert (kept.helper_agency_id, kept.noted_by_id) == (hello_work.id, member.staff_id)
    shown = visit.get(f"/cases/{case_id}").text
    for words in ("アルバイト・パート就労", "令和8年5月1日", "見本ハローワーク", "倉庫の仕分け、週3日"):
        assert words in shown
    [entry] = events("milestone:noted")
    assert (entry.object_id, entry.person_id) == (kept.id, all_of(Case)[0].person_id)
    assert "倉庫".encode() not in entry.body


def test_a_plan_may_be_for_employment_and_nothing_else_is(
    browser: Visit, member: Member, case_id: UUID
) -> None:
    visit, path = browser(member), f"/cases/{case_id}/milestones/new"

    refused = visit.post(path, data=typed(for_employment="y", text="残る言葉"))

    assert refused.status_code == 400
    assert "就労支援対象者の印は、プラン作成のときだけ付けられます。" in refused.text
    assert "残る言葉" in refused.text
    assert all_of(CaseMilestone) == []
    visit.post(path, data=typed(what="plan_made", for_employment="y"))
    assert all_of(CaseMilestone)[0].for_employment
    assert ">就労支援対象者</span>" in visit.get(f"/cases/{case_id}").text


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"what": ""}, 200, "節目を選んでください。"),
        ({"what": "lottery"}, 200, "節目を選んでください。"),
        ({"happened_on": ""}, 200, "日付を入力してください。"),
        ({"happened_on": "2199-01-01"}, 200, "今日より後の日付は入力できません。"),
        (
            {"happened_on": "2026-03-31"},
            400,
            "節目の日付は、ケースの開始日から今日までの日付にしてください。",
        ),
        ({"helper": "nobody"}, 200, "エラー："),
        ({"helper": str(uuid4())}, 200, "エラー："),
    ],
)
def test_a_wrong_milestone_is_refused(
    browser: Visit, member: Member, case_id: UUID, wrong: dict[str, str], status: int, said: str
) -> None:
    answer = browser(member).post(f"/cases/{case_id}/milestones/new", data=typed(text="残る言葉") | wrong)

    assert answer.status_code == status
    assert said in answer.text
    assert "残る言葉" in answer.text
    assert all_of(CaseMilestone) == []


def test_the_service_takes_no_helper_that_is_none(member: Member, case_id: UUID) -> None:
    for helper in (member.agency_id, uuid4()):
        with pytest.raises(Invalid) as refused:
            cases.note_milestone(member.actor, case_id, Milestone.EMPLOYED, helper_agency_id=helper)
        assert refused.value.field == "helper"


def test_a_job_that_becomes_known_later_is_noted_on_the_closed_case(
    browser: Visit, member: Member, case_id: UUID
) -> None:
    cases.close_case(member.actor, case_id, outcome=Outcome.IMPROVED, closed_on=date(2026, 4, 20))
    visit = browser(member)
    assert f"/cases/{case_id}/milestones/new" in visit.get(f"/cases/{case_id}").text

    assert visit.post(f"/cases/{case_id}/milestones/new", data=typed()).status_code == 302

    assert all_of(CaseMilestone)[0].happened_on == date(2026, 5, 1)


def test_a_mistake_is_struck_out_once_and_stays_to_be_read(
    browser: Visit, member: Member, case_id: UUID
) -> None:
    one = make_milestone(member, case_id, Milestone.EMPLOYED, text="思い違い")
    visit, path = browser(member), f"/cases/{case_id}/milestones/{one}/strike"
    assert path in visit.get(f"/cases/{case_id}").text
    assert "思い違い" in visit.get(path).text
    assert all_of(CaseMilestone)[0].struck_at is None

    assert visit.post(path, data={}).location == f"/cases/{case_id}"

    assert all_of(CaseMilestone)[0].struck_at is not None
    after = visit.get(f"/cases/{case_id}").text
    assert path not in after
    assert ">取消し</span>" in after
    again = visit.post(path, data={})
    assert again.status_code == 409
    assert "この節目はすでに取り消されています。" in again.text
    [entry] = events("milestone:struck")
    assert (entry.object_id, entry.person_id) == (one, all_of(Case)[0].person_id)


def test_no_other_agency_and_nobody_excluded_learns_of_a_milestone(
    browser: Visit, member: Member, case_id: UUID
) -> None:
    one = make_milestone(member, case_id, text="よそには見えない")
    person = all_of(Case)[0].person_id
    recipient, colleague = make_member(), make_member(member.agency_id)
    make_referral(member, recipient, person_id=person)
    exclusions.exclude(member.actor, person, colleague.staff_id, Interest.RELATIVE, "見本の理由")
    paths = ("/milestones/new", f"/milestones/{one}/strike", "/heard-by")

    outsiders = (recipient, make_member(), colleague, make_member(role=Role.AUDITOR))
    for outsider in outsiders:
        visit = browser(outsider)
        assert visit.get(f"/cases/{case_id}").status_code == 404
        for path in paths:
            for ask in (visit.get, visit.post):
                real, unreal = ask(f"/cases/{case_id}{path}"), ask(f"/cases/{uuid4()}{path}")
                assert (real.status_code, real.data) == (404, unreal.data)
    assert all_of(CaseMilestone)[0].struck_at is None
    assert len(all_of(CaseMilestone)) == 1


def test_a_milestone_is_found_in_its_own_case_only(browser: Visit, member: Member, case_id: UUID) -> None:
    other = make_milestone(member, make_case(member, make_person(member)))
    visit = browser(member)
    for ask in (visit.get, visit.post):
        real, unreal = (ask(f"/cases/{case_id}/milestones/{one}/strike") for one in (other, uuid4()))
        assert (real.status_code, real.data) == (404, unreal.data)
    assert all_of(CaseMilestone)[0].struck_at is None


def test_the_case_page_costs_the_same_however_many_milestones(
    browser: Visit, member: Member, case_id: UUID, count_queries: CountQueries
) -> None:
    visit, costs = browser(member), []
    for more in (1, 8):
        for _ in range(more):
            make_milestone(member, case_id, helper_agency_id=make_agency().id)
        with count_queries() as asked:
            visit.get(f"/cases/{case_id}")
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_by_what_somebody_came_is_said_at_the_opening_and_changed_later(
    browser: Visit, member: Member
) -> None:
    person, visit = make_person(member), browser(member)
    path = f"/people/{person}/cases/new"
    assert "民生委員・児童委員から受け取ったチラシ" in visit.get(path).text
    given = {"opened_on": "R8.4.1", "worker": "", "idempotency_key": uuid4().hex}
    assert visit.post(path, data=given | {"heard_by": "a dream"}).status_code == 200
    assert all_of(Case) == []

    visit.post(path, data=given | {"heard_by": "leaflet_of_commissioner"})

    [case] = all_of(Case)
    assert case.heard_by is HeardBy.LEAFLET_OF_COMMISSIONER
    page = f"/cases/{case.id}/heard-by"
    shown = visit.get(f"/cases/{case.id}").text
    assert page in shown
    assert "民生委員・児童委員から受け取ったチラシ" in shown
    version = hidden(visit.get(page).text, "version")
    assert visit.post(page, data={"heard_by": "family", "version": version}).location == f"/cases/{case.id}"
    assert all_of(Case)[0].heard_by is HeardBy.FAMILY
    [entry] = events("case:updated")
    assert (entry.object_id, entry.person_id) == (case.id, person)
    stale = visit.post(page, data={"heard_by": "school", "version": version})
    assert stale.status_code == 409
    assert all_of(Case)[0].heard_by is HeardBy.FAMILY
    fresh = hidden(stale.text, "version")
    visit.post(page, data={"heard_by": "", "version": fresh})
    assert all_of(Case)[0].heard_by is None
    assert "わからない・まだ聞いていない" in visit.get(f"/cases/{case.id}").text


def test_a_case_that_a_referral_opens_came_by_another_agency(member: Member) -> None:
    recipient = make_member()
    make_referral(member, recipient, status="accepted")

    [case] = all_of(Case)

    assert (case.agency_id, case.heard_by) == (recipient.agency_id, HeardBy.AGENCY)


def test_a_goal_knows_when_it_was_scored(member: Member, case_id: UUID, at: Callable[..., None]) -> None:
    goal = cases.set_goal(member.actor, case_id, Domain.SOCIAL, "月に1回、外に出る")
    assert all_of(CaseGoal)[0].scored_at is None
    at(clock.now() + timedelta(days=40), tick=False)

    cases.score_goal(member.actor, goal, Score.ACHIEVED)

    assert all_of(CaseGoal)[0].scored_at == clock.now()
    cases.score_goal(member.actor, goal, None)
    assert all_of(CaseGoal)[0].scored_at is None


def test_after_an_erasure_the_pages_stand_and_nothing_more_is_written(app: Flask, browser: Visit) -> None:
    office = make_office()
    who = old_life(office, told=False)
    [case] = all_of(Case)
    [noted] = all_of(CaseMilestone)
    one = noted.id
    erase(office, who)
    visit = browser(office.worker)

    page = visit.get(f"/cases/{case.id}")
    struck = visit.get(f"/cases/{case.id}/milestones/{one}/strike")
    for shown in (page, struck):
        assert shown.status_code == 200
        assert "就職" in shown.text
        assert "カナリヤ" not in shown.text
    day = clock.era_date(clock.today())
    late = visit.post(f"/cases/{case.id}/milestones/new", data=typed(happened_on=day))
    assert late.status_code == 409
    assert "消去されています" in late.text
    assert visit.post(f"/cases/{case.id}/milestones/{one}/strike", data={}).status_code == 409
    version = str(all_of(Case)[0].version)
    heard = visit.post(f"/cases/{case.id}/heard-by", data={"heard_by": "family", "version": version})
    assert heard.status_code == 409
    [kept] = all_of(CaseMilestone)
    assert (kept.text, kept.struck_at) == ("", None)
    with pytest.raises(Conflict):
        cases.note_milestone(office.worker.actor, case.id, Milestone.EMPLOYED)
