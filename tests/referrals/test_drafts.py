"""Drafting: choosing whom and where, what the check page shows, and what a refused form says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from portal.agencies.models import Closure, Room
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.codes import Domain
from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.db import db
from portal.disclosures import people as disclosure_people
from portal.disclosures import services as disclosures
from portal.people import services as people
from portal.people.categories import Category
from portal.referrals import preview, reading
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from tests.browsers import Browser
from tests.factories import (
    Member,
    make_agency,
    make_consent,
    make_member,
    make_person,
    make_referral,
    make_service,
)
from tests.referrals.typed import draft, proposal, send

Browsers = Callable[..., Browser]
S = ReferralStatus


@pytest.fixture
def sides(app: object) -> tuple[Member, Member]:
    return make_member(), make_member()


def how_many() -> int:
    db.end()
    found = db.read.scalar(select(func.count()).select_from(Referral)) or 0
    db.end()
    return found


def close(agency_id: UUID, first: date, last: date) -> None:
    with db.transaction() as session:
        closure = Closure(agency_id=agency_id, starts_on=first, ends_on=last, reason="改装")
        session.add(closure)
        audit.record(AuditEvent.CLOSURE_CHANGED, closure, actor=None, channel="command")


def test_the_person_is_chosen_by_any_spelling(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours, family="髙橋", given="花子", family_kana="たかはし", given_kana="はなこ")
    make_person(theirs, family="髙橋", given="他所子", family_kana="たかはし", given_kana="よそこ")
    us = browser(ours)
    assert f"person={person}" in us.get("/referrals/new").text
    for q in ("高橋", "ﾀｶﾊｼ", "タカハシ はな", "髙橋花子"):
        found = us.post("/referrals/new", data={"q": q}).text
        assert f"person={person}" in found, q
        assert "他所子" not in found
    nobody = us.post("/referrals/new", data={"q": "田中"}).text
    assert f"person={person}" not in nobody
    assert "/people/new" in nobody


def test_the_form_shows_what_the_persons_consents_cover(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    uncovered = make_agency(name="同意のない機関")
    person = make_person(ours)
    us = browser(ours)
    without = us.get(f"/referrals/new?person={person}").text
    assert "この人の有効な同意は、まだありません" in without
    assert "下書きを保存して、同意を記録する" in without
    make_consent(ours, person, [theirs], ["basic", "health"], until=clock.today())
    page = us.get(f"/referrals/new?person={person}").text
    table = re.search(r"<table>.*?</table>", page, re.DOTALL)
    assert table
    assert theirs.actor.agency_name in table[0]
    assert "健康・障がい" in table[0]
    assert "あと0日" in table[0]
    groups = re.findall(r'<optgroup label="([^"]+)">(.*?)</optgroup>', page, re.DOTALL)
    assert [word for word, _options in groups[:2]] == ["本人の同意がある機関", "同意がまだない機関"]
    assert theirs.actor.agency_name in groups[0][1]
    assert uncovered.name in groups[1][1]


REFUSED = [
    ({"to": ""}, "つなぎ先の機関を選んでください。", "to"),
    ({"to": "nonsense"}, "一覧から選んでください。", "to"),
    ({"to": str(uuid4())}, "一覧から選んでください。", "to"),
    ({"to": "OWN"}, "一覧から選んでください。", "to"),
    ({"need": " 　\u200b"}, "つなぐ理由（お願いしたいこと）を入力してください。", "need"),
    ({"need": "あ" * 4001}, "1文字多いです", "need"),
    ({"need": "a\x00b"}, "使えない文字を取り除きました", "need"),
    ({"categories": []}, "基本情報を含めずに紹介することはできません。", "categories"),
    ({"categories": ["health"]}, "基本情報を含めずに紹介することはできません。", "categories"),
    ({"categories": ["basic", "secret"]}, "一覧から選んでください。", "categories"),
    ({"basis": "anonymous"}, "匿名で送れるのは助言依頼だけです。", "basis"),
    ({"basis": "council"}, "一覧から選んでください。", "basis"),
    ({"kind": "gift"}, "一覧から選んでください。", "kind"),
    ({"service": "FOREIGN"}, "支援メニューを選び直してください。", "service"),
    ({"kind": "joint_interview", "appointment_at": ["令和9年1月15日", ""]}, "日付と時刻の両方を", "appointment_at"),
    ({"kind": "joint_interview", "appointment_at": ["令和9年2月30日", "10:00"]}, "カレンダーにない日付", "appointment_at"),
    ({"goal_text-1": "目" * 301}, "1文字多いです", "goal_text-1"),
]  # fmt: skip


def test_a_refused_form_names_the_field_and_keeps_the_rest(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    real = {"FOREIGN": str(make_service(make_agency())), "OWN": str(ours.agency_id)}
    person = make_person(ours)
    us = browser(ours)
    for more, says, field in REFUSED:
        more = {name: real.get(str(value), value) for name, value in more.items()}
        page = us.post("/referrals/new", data=proposal(person, theirs, **{"goal_text-0": "残る目標"}) | more)
        assert page.status_code in {200, 400}, more
        assert says in page.text, more
        assert f'href="#{field}' in page.text, more
        assert "残る目標" in page.text
        assert "エラー：" in page.text
    assert how_many() == 0


def test_text_that_looks_like_markup_is_shown_as_text(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us, them = browser(ours), browser(theirs)
    nasty = "<script>alert(1)</script> {{ 7*7 }} '; DROP TABLE referral; -- 𠮷野 \u202eabc\u202c"
    key = send(us, proposal(person, theirs, need=nasty))
    for page in (us.get(f"/referrals/{key}").text, them.get(f"/referrals/{key}").text):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in page
        assert "𠮷野 abc" in page


def test_the_same_form_twice_is_one_draft_and_one_sending(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us = browser(ours)
    fields = proposal(person, theirs, idempotency_key="a" * 32)
    first, again = us.post("/referrals/new", data=fields), us.post("/referrals/new", data=fields)
    assert first.location == again.location
    assert how_many() == 1
    form = {"version": "1", "idempotency_key": "b" * 32}
    sent = [us.post(first.location, data=form) for _time in range(2)]
    assert [answer.status_code for answer in sent] == [302, 302]
    assert sent[0].location == sent[1].location
    assert us.post(first.location, data=form | {"idempotency_key": "c" * 32}).status_code == 409


def test_a_draft_is_kept_and_changed(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours)
    us = browser(ours)
    kept = us.post("/referrals/new", data=proposal(person, theirs, draft="1"))
    page = us.get(kept.location).text
    assert "まだ送っていません" in page
    key = kept.location.rsplit("/", 1)[1]
    form = us.get(f"/referrals/{key}/edit").text
    assert "働く準備を始めたい" in form
    goals = {"goal_text-0": "朝に起きる", "goal_domain-0": "daily"}
    changed = proposal(person, theirs, need="まず見学をしたい", version="1", draft="1", **goals)
    assert us.post(f"/referrals/{key}/edit", data=changed).status_code == 302
    again = us.get(f"/referrals/{key}").text
    assert "まず見学をしたい" in again
    assert "朝に起きる" in again
    struck = us.get(f"/referrals/{key}/correct").text
    assert "下書きを取り消す" in struck
    us.post(f"/referrals/{key}/correct", data={"version": "2", "text": "書き間違い"})
    assert us.get(f"/referrals/{key}/edit").status_code == 409


def test_a_stale_draft_shows_both_texts(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs, status=S.DRAFT, need="はじめの文")
    person = reading.show(ours.actor, key)[0].person_id
    db.end()
    assert person
    us, colleague = browser(ours), browser(make_member(ours.agency_id))
    edited = proposal(person, theirs, need="同僚の文", version="1")
    assert colleague.post(f"/referrals/{key}/edit", data=edited).status_code == 302
    late = us.post(f"/referrals/{key}/edit", data=proposal(person, theirs, need="わたしの文", version="1"))
    assert late.status_code == 409
    assert "あなたが入力した内容" in late.text
    assert "わたしの文" in late.text
    assert "同僚の文" in late.text
    assert 'name="version" type="hidden" value="2"' in late.text
    merged = proposal(person, theirs, need="二人の文", version="2")
    assert us.post(f"/referrals/{key}/edit", data=merged).status_code == 302
    assert "二人の文" in us.get(f"/referrals/{key}").text


def test_sending_a_draft_that_changed_since_it_was_checked(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs, status=S.DRAFT)
    person = reading.show(ours.actor, key)[0].person_id
    db.end()
    assert person
    us = browser(ours)
    us.post(f"/referrals/{key}/edit", data=proposal(person, theirs, need="変えた文", version="1"))
    stale = us.post(f"/referrals/{key}/send", data={"version": "1"})
    assert stale.status_code == 409
    assert "変えた文" in stale.text
    assert us.post(f"/referrals/{key}/send", data={"version": "2"}).status_code == 302
    again = us.get(f"/referrals/{key}/send")
    assert (again.status_code, again.location) == (302, f"/referrals/{key}")


FILE = {
    Category.HEALTH: "健康の記載",
    Category.WORK_EDUCATION: "就労の記載",
    Category.FINANCES: "収入の記載",
    Category.BENEFITS: "制度の記載",
    Category.LIFE_HISTORY: "生活歴の記載",
}


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.parametrize("told", [{Category.BASIC}, {Category.BASIC, Category.HEALTH, Category.BENEFITS}])
def test_the_check_page_shows_what_the_recipient_will_see_and_what_stays(
    sides: tuple[Member, Member], browser: Browsers, told: set[Category], protected: bool
) -> None:
    ours, theirs = sides
    person = make_person(ours, address="見本市隠町1", telephone="090-0000-1111", protected_address=protected)
    for category, text in FILE.items():
        people.update_information(ours.actor, person, category, text=text)
    make_consent(ours, person, [theirs], told)
    us, them = browser(ours), browser(theirs)
    key = draft(us, proposal(person, theirs, categories=[c.value for c in told]))
    page = us.get(f"/referrals/{key}/send").text
    out, stays = re.findall(r'<section class="side side-(?:out|in)">(.*?)</section>', page, re.DOTALL)
    for category, text in FILE.items():
        assert (text in out) is (category in told)
        assert (text in stays) is (category not in told)
        assert (category.word in stays) is (category not in told)
    assert ("見本市隠町1" in out) is not protected

    view = reading.show(ours.actor, key)[0]
    assert view.person
    promised = preview.as_told(view.person, view.categories)
    db.end()
    us.post(f"/referrals/{key}/send", data={"version": "1"})
    seen = disclosure_people.load(db.read(), theirs.actor, person, clock.now())
    assert seen == replace(promised, version=seen.version, ground=seen.ground)
    db.end()
    shown = them.get(f"/referrals/{key}").text
    for category, text in FILE.items():
        assert (text in shown) is (category in told)
    assert ("見本市隠町1" in shown) is not protected


def test_an_agency_that_is_full_waiting_or_closed_says_so_before_sending(
    browser: Browsers, at: Callable[..., None]
) -> None:
    at("2026-06-01T10:00")
    ours, theirs = make_member(), make_member()
    full = make_service(theirs.agency_id or uuid4(), name="居場所", room=Room.FULL)
    waiting = make_service(theirs.agency_id or uuid4(), name="相談", room=Room.WAITING)
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us = browser(ours)
    form = us.get(f"/referrals/new?person={person}").text
    assert "居場所［空きなし］" in form
    assert "相談［順番待ち］" in form

    def check(**more: str) -> str:
        return us.get(f"/referrals/{draft(us, proposal(person, theirs, **more))}/send").text

    assert "「居場所」は空きなしです（令和8年6月1日現在）" in check(service=str(full))
    assert "「相談」は順番待ちです" in check(service=str(waiting))
    assert "本日休み" not in check()
    close(theirs.agency_id or uuid4(), date(2026, 6, 1), date(2026, 6, 5))
    page = check()
    assert "相手の機関は本日休みです" in page
    assert "令和8年6月6日（土）" in page
    assert "令和8年6月7日（日）まで" in page  # acknowledge by: two of its own days
    assert "［本日休み］" in us.get(f"/referrals/new?person={person}").text


def test_an_agency_that_never_opens_cannot_be_sent_to(browser: Browsers, at: Callable[..., None]) -> None:
    at("2026-06-01T10:00")
    ours, theirs = make_member(), make_member()
    close(theirs.agency_id or uuid4(), date(2026, 6, 1), date(2028, 6, 1))
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us = browser(ours)
    key = draft(us, proposal(person, theirs))
    assert "1年以上休業の予定です" in us.get(f"/referrals/{key}/send").text
    refused = us.post(f"/referrals/{key}/send", data={"version": "1"})
    assert refused.status_code == 400
    assert "1年以上休業の予定です" in refused.text


def test_without_a_consent_the_check_page_says_how_to_go_on(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours)
    us = browser(ours)
    key = draft(us, proposal(person, theirs))
    page = us.get(f"/referrals/{key}/send").text
    assert "有効な本人の同意がありません" in page
    assert f"/people/{person}/consents/new" in page
    assert "この内容で送付する" not in page
    refused = us.post(f"/referrals/{key}/send", data={"version": "1"})
    assert refused.status_code == 409
    assert "有効な本人の同意がありません" in refused.text

    make_consent(ours, person, [theirs])
    assert "この内容で送付する" in us.get(f"/referrals/{key}/send").text
    more = proposal(person, theirs, categories=["basic", "finances"], version="1")
    us.post(f"/referrals/{key}/edit", data=more)
    page = us.get(f"/referrals/{key}/send").text
    assert "「収入・資産・債務」は同意に含まれていません。" in page


def test_a_renewed_consent_carries_a_waiting_draft(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours)
    old = make_consent(ours, person, [theirs])
    us = browser(ours)
    key = draft(us, proposal(person, theirs))
    terms = ConsentTerms(
        recipients=frozenset([theirs.agency_id or uuid4()]),
        categories=frozenset([Category.BASIC]),
        valid_from=clock.today(),
        valid_until=clock.today(),
        method=ConsentMethod.WRITTEN,
        purpose="支援の調整のため",
    )
    disclosures.record_consent(ours.actor, person, terms, replaces=old)
    assert "この内容で送付する" in us.get(f"/referrals/{key}/send").text
    assert us.post(f"/referrals/{key}/send", data={"version": "1"}).status_code == 302


def test_a_twin_that_is_still_open_is_pointed_out(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us = browser(ours)
    first = send(us, proposal(person, theirs))
    key = draft(us, proposal(person, theirs, need="もう一つ"))
    page = us.get(f"/referrals/{key}/send").text
    assert "同じ人を、この機関にすでに依頼しています" in page
    assert f"/referrals/{first}" in page
    us.post(f"/referrals/{first}/cancel", data={"version": "2", "text": "やめた"})
    assert "すでに依頼しています" not in us.get(f"/referrals/{key}/send").text


def test_a_refused_referral_is_routed_anew(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    other = make_member()
    person = make_person(ours)
    make_consent(ours, person, [theirs, other])
    former = make_referral(
        ours,
        theirs,
        person_id=person,
        status=S.REJECTED,
        consent_id=None,
        need="働く準備を始めたい",
        goals=((Domain.EMPLOYMENT, "週三日働く"),),
    )
    us = browser(ours)
    assert f"/referrals/new?part_of={former}" in us.get(f"/referrals/{former}").text
    assert str(former) in us.get("/referrals/?unattended=1").text
    form = us.get(f"/referrals/new?part_of={former}").text
    assert "働く準備を始めたい" in form
    assert "週三日働く" in form
    assert f'name="part_of" type="hidden" value="{former}"' in form
    key = send(us, proposal(person, other, part_of=str(former)))
    assert str(former) in us.get(f"/referrals/{key}").text
    told = us.get(f"/referrals/{former}").text
    assert "別の機関へつなぎ直しました" in told
    assert f"/referrals/{key}" in told
    assert str(former) not in us.get("/referrals/?unattended=1").text
    theirs_page = browser(theirs).get(f"/referrals/{former}").text
    assert "つなぎ直しました" not in theirs_page
    assert str(former) not in browser(other).get(f"/referrals/{key}").text


def test_what_is_still_open_is_not_routed_anew(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    assert browser(ours).get(f"/referrals/new?part_of={key}").status_code == 409
    rejected = make_referral(ours, theirs, status=S.REJECTED)
    assert browser(theirs).get(f"/referrals/new?part_of={rejected}").status_code == 409


def test_overdue_is_taken_back_and_routed_anew_in_one_go(browser: Browsers, at: Callable[..., None]) -> None:
    at("2026-04-01T10:00")
    ours, theirs = make_member(), make_member(make_agency(telephone="079-000-0000"))
    key = make_referral(ours, theirs)
    at("2026-04-20T10:00")
    us = browser(ours)
    page = us.get(f"/referrals/{key}").text
    assert "回答の期限を過ぎています" in page
    assert "079-000-0000" in page
    assert f"/referrals/{key}/cancel?then=reroute" in page
    answer = us.post(f"/referrals/{key}/cancel?then=reroute", data={"version": "2", "text": "返事がない"})
    assert answer.location == f"/referrals/new?part_of={key}"
    assert us.get(answer.location).status_code == 200
    assert "期限超過" in browser(theirs).get("/referrals/?overdue=1").text


def test_a_wrong_id_in_the_address_leads_nowhere(sides: tuple[Member, Member], browser: Browsers) -> None:
    us = browser(sides[0])
    for text in ("x", "00000000-0000-0000-0000-00000000000z", "1' OR '1'='1"):
        for name in ("person", "part_of"):
            assert us.get("/referrals/new", query_string={name: text}).status_code == 404
