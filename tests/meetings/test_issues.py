"""Local issues (地域課題): raised, read at the table alone, and what came of them; and stops of packets."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from portal.disclosures.services import withdraw_consent
from portal.meetings.issues import services as issue_services
from portal.meetings.issues.models import LocalIssue
from portal.meetings.packets import services as packet_services
from portal.meetings.states import IssueStatus
from portal.referrals.models import FollowUp
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_issue, make_item, make_meeting, take_step, walk
from tests.words import words_of

Visit = Callable[..., Browser]
PLACE = "/meetings/local-issues"


@pytest.fixture
def convener(app: Flask) -> Member:
    return make_member(make_agency(name="自立相談支援機関"), role=Role.COORDINATOR)


@pytest.fixture
def partner(convener: Member) -> Member:
    return make_member(make_agency(name="就労準備支援事業"))


@pytest.fixture
def third(convener: Member) -> Member:
    return make_member(make_agency(name="若者相談センター"))


def stored() -> list[LocalIssue]:
    db.end()
    found = list(db.read.scalars(select(LocalIssue).order_by(LocalIssue.id)))
    db.end()
    return found


def test_it_is_raised_from_the_page_once(browser: Visit, partner: Member, third: Member) -> None:
    us = browser(partner)
    assert "夜間の窓口" not in us.get(PLACE).text
    typed = {"text": "夜間の窓口がない", "idempotency_key": "a" * 32}
    for _time in range(2):
        sent = us.post(f"{PLACE}/new", data=typed)
        assert sent.status_code == 302
    [issue] = stored()
    assert sent.location == f"{PLACE}/{issue.id}"
    assert us.post(f"{PLACE}/new", data={"text": ""}).status_code in {200, 400}
    assert len(stored()) == 1
    assert "夜間の窓口がない" in us.get(PLACE).text
    assert "夜間の窓口がない" in us.get(f"{PLACE}/{issue.id}").text
    them = browser(third)
    assert "夜間の窓口がない" not in them.get(PLACE).text
    for page in (f"{PLACE}/{issue.id}", f"{PLACE}/{issue.id}/edit"):
        answer = them.get(page)
        assert answer.status_code == 404
        assert answer.data == them.get(page.replace(str(issue.id), str(uuid4()))).data


def test_a_refusal_becomes_a_follow_up_and_an_issue_in_one(browser: Visit, partner: Member) -> None:
    recipient = make_member(make_agency(name="乙機関"))
    referral_id = make_referral(partner, recipient, status="rejected", person_id=make_person(partner))
    us = browser(partner)
    assert str(referral_id) in us.get(PLACE).text
    assert str(referral_id) not in browser(recipient).get(PLACE).text
    form = us.get(f"/referrals/{referral_id}/follow-up?kind=local_issue")
    assert form.status_code == 200
    typed = {"kind": "local_issue", "text": "空きのある事業所がない", "idempotency_key": "b" * 32}
    for _time in range(2):
        us.post(f"/referrals/{referral_id}/follow-up?kind=local_issue", data=typed)
    [issue] = stored()
    noted = db.read.scalars(select(FollowUp)).all()
    db.end()
    assert [one.id for one in noted] == [issue.follow_up_id]
    assert (issue.text, issue.code) == ("空きのある事業所がない", "no_capacity")
    page = us.get(PLACE).text
    assert "空きのある事業所がない" in page
    assert f"/referrals/{referral_id}/follow-up" not in page
    assert str(referral_id) in us.get(f"{PLACE}/{issue.id}").text


def test_it_names_nobody_from_beginning_to_end(partner: Member) -> None:
    person_id = make_person(partner, family="波止場", given="一郎")
    referral_id = make_referral(partner, make_member(), status="rejected", person_id=person_id)
    with pytest.raises(Invalid):
        issue_services.keep(partner.actor, referral_id, "波止場さんの行き先がない")
    assert stored() == []
    issue_id = issue_services.keep(partner.actor, referral_id, "行き先がない")
    for text, result in (("波止場さんの行き先", ""), ("行き先がない", "波止場さんは市へ")):
        with pytest.raises(Invalid):
            issue_services.change(
                partner.actor, issue_id, status=IssueStatus.OPEN, result=result, text=text, version=1
            )
    assert stored()[0].text == "行き先がない"


def test_the_table_reads_it_once_announced_and_only_while_it_stands(
    browser: Visit, convener: Member, partner: Member, third: Member
) -> None:
    issue_id = make_issue(partner, text="夜間の居場所がない")
    meeting_id = make_meeting(convener, [partner])
    make_item(partner, meeting_id, issue_id=issue_id)
    fallen = make_meeting(convener, [partner, third], status="announced")
    make_item(partner, fallen, issue_id=issue_id, removed_at=clock.now(), removed_why="次回に")
    us = browser(convener)
    assert us.get(f"{PLACE}/{issue_id}").status_code == 404, "a draft tells nobody"
    walk(convener, meeting_id, "announced")
    assert "夜間の居場所がない" in us.get(PLACE).text
    assert browser(third).get(f"{PLACE}/{issue_id}").status_code == 404


def test_who_says_what_came_of_it(browser: Visit, convener: Member, partner: Member, third: Member) -> None:
    issue_id = make_issue(partner, text="夜間の居場所がない")
    meeting_id = make_meeting(convener, [partner, third], name="四月の会議", status="announced")
    make_item(partner, meeting_id, issue_id=issue_id)

    def conclude(member: Member, version: int | None = None, text: str = "夜間の居場所がない") -> None:
        issue_services.change(
            member.actor,
            issue_id,
            status=IssueStatus.PASSED_ON,
            result="市へ提案した",
            text=text,
            version=version,
        )

    for member in (convener, third):
        with pytest.raises(NotAllowed):
            conclude(member)
    assert browser(convener).get(f"{PLACE}/{issue_id}/edit").status_code == 403, "not discussed yet"
    take_step(convener, meeting_id, "begin")
    with pytest.raises(NotAllowed):
        conclude(make_member(convener.agency_id))
    with pytest.raises(StaleForm):
        conclude(convener, version=7)
    us = browser(convener)
    assert 'name="text"' not in us.get(f"{PLACE}/{issue_id}/edit").text
    sent = us.post(
        f"{PLACE}/{issue_id}/edit",
        data={"stands": "passed_on", "result": "市へ提案した", "text": "書き換え", "version": "1"},
    )
    assert sent.status_code == 302
    [issue] = stored()
    assert (issue.status, issue.result, issue.text) == (
        IssueStatus.PASSED_ON,
        "市へ提案した",
        "夜間の居場所がない",
    )
    page = words_of(browser(third).get(f"{PLACE}?status=passed_on"))
    assert "市へ提案した" in page
    assert "四月の会議" in page
    assert "夜間の居場所がない" not in browser(third).get(f"{PLACE}?status=open").text
    late = browser(partner).post(
        f"{PLACE}/{issue_id}/edit",
        data={"stands": "resolved", "result": "別の結果", "text": "夜間の居場所", "version": "1"},
    )
    assert late.status_code == 409
    assert "別の結果" in late.text
    assert "市へ提案した" in late.text
    conclude(partner, version=2, text="夜間の居場所が足りない")
    assert stored()[0].text == "夜間の居場所が足りない"


def test_the_list_asks_no_more_the_longer_it_is(
    browser: Visit, convener: Member, partner: Member, count_queries: CountQueries
) -> None:
    def one() -> None:
        meeting_id = make_meeting(convener, [partner], status="in_session")
        make_item(partner, meeting_id, issue_id=make_issue(partner))

    one()
    us = browser(convener)
    us.get(PLACE)
    with count_queries() as few:
        us.get(PLACE)
    for _time in range(4):
        one()
    with count_queries() as many:
        us.get(PLACE)
    assert len(few) == len(many)


def told(convener: Member, partner: Member) -> tuple[UUID, UUID]:
    """An item whose packet the partner has opened and printed; its id and the consent's."""
    person_id = make_person(convener, family="波止場")
    consent_id = make_consent(convener, person_id, [partner])
    meeting_id = make_meeting(convener, [partner], name="四月の会議", status="announced")
    item_id = make_item(convener, meeting_id, person_id=person_id, categories=["basic"])
    packet_services.open_packet(partner.actor, meeting_id)
    packet_services.open_packet(partner.actor, meeting_id, channel="print")
    return item_id, consent_id


def test_what_a_packet_told_is_confirmed_to_have_stopped(
    browser: Visit, convener: Member, partner: Member, third: Member
) -> None:
    item_id, consent_id = told(convener, partner)
    us = browser(partner)
    assert str(item_id) not in us.get("/meetings/stops").text
    with pytest.raises(Conflict):
        packet_services.confirm(partner.actor, item_id)
    withdraw_consent(convener.actor, consent_id)
    page = us.get("/meetings/stops").text
    assert str(item_id) in page
    assert "四月の会議" in page
    assert "波止場" not in page
    today = us.get("/").text
    assert "会議資料の利用停止の報告が1件あります" in today
    assert "/meetings/stops" in today
    assert us.get("/referrals/?stopped=1").status_code == 200
    assert browser(third).post(f"/meetings/stops/{item_id}").status_code == 404
    assert str(item_id) not in browser(third).get("/meetings/stops").text
    assert us.post(f"/meetings/stops/{item_id}").location == "/meetings/stops"
    assert str(item_id) not in us.get("/meetings/stops").text
    assert "会議資料の利用停止の報告" not in us.get("/").text
    assert us.post(f"/meetings/stops/{item_id}").status_code == 409
