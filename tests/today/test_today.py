"""The Today page: counts that are the counts of their lists, dates in open days, and nothing of others."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import exists, func, select

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.clock import JAPAN
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures.services import withdraw_consent
from portal.referrals import conversation
from portal.referrals.models import FollowUpKind, ReferralNews, ReferralReading
from portal.today import queries as today_queries
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.consents.acts import withdraw
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral, step
from tests.words import words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
UUID_ = r"[0-9a-f]{8}-[0-9a-f-]{27}"
WEEKEND = "56"
AGENCY = "/?whose=agency"


@pytest.fixture
def ours(app: Flask, at: Clock) -> Member:
    at("2026-04-06T10:00")  # a Monday
    return make_member(make_agency(name="自立相談支援機関", weekly_closed=WEEKEND))


@pytest.fixture
def theirs(ours: Member) -> Member:
    return make_member(make_agency(name="就労準備支援事業", weekly_closed=WEEKEND))


def all_cards(page: str) -> list[tuple[str, str, str]]:
    """Word, number and address of each card."""
    pattern = (
        r'<a class="count-card[^"]*" href="([^"]+)">\s*<span class="count-label">([^<]+)</span>'
        r'\s*<span class="count-number">([^<]+)<'
    )
    return [(word, number, html.unescape(url)) for url, word, number in re.findall(pattern, page)]


def cards(page: str) -> dict[str, tuple[str, str]]:
    """Number and address by the word of each card."""
    return {word: (number, url) for word, number, url in all_cards(page)}


def rows(page: str) -> int:
    """How many records a list holds."""
    main = page[page.index("<main") : page.index("</main>")]
    follow_ups = re.findall(rf'"/referrals/follow-ups/({UUID_})/done"', main)
    return len(set(follow_ups or re.findall(rf'"/(?:referrals|consents|cases)/({UUID_})"', main)))


def busy(ours: Member, theirs: Member, at: Clock) -> None:
    """Something of every kind, on both sides."""
    at("2026-04-06T10:00")
    for sender, recipient in ((ours, theirs), (theirs, ours)):
        make_referral(sender, recipient)  # overdue and unopened by the time of looking
        opened = make_referral(sender, recipient)
        conversation.opened(recipient.actor, opened)
        rejected = make_referral(sender, recipient, status="rejected")
        make_referral(sender, recipient, status="failed")
        make_referral(sender, recipient, status="draft")
        person_id = make_person(sender)
        consent_id = make_consent(sender, person_id, [recipient])
        make_referral(sender, recipient, person_id=person_id, consent_id=consent_id, status="in_progress")
        make_referral(sender, recipient, person_id=person_id, consent_id=consent_id, status="completed")
        withdraw_consent(sender.actor, consent_id)
        make_consent(sender, make_person(sender), [recipient], until=date(2026, 5, 1))
        conversation.follow_up(sender.actor, rejected, FollowUpKind.MEETING, "次の打合せで相談する")
        conversation.send_message(recipient.actor, opened, "受け取りました。")
    at("2026-04-20T10:00")
    make_referral(theirs, ours)


@pytest.mark.both_databases
def test_every_count_is_the_count_of_its_list(
    browser: Visit, ours: Member, theirs: Member, at: Clock
) -> None:
    busy(ours, theirs, at)
    for member in (ours, theirs):
        visitor = browser(member)
        for page, least in ((AGENCY, 10), ("/", 14)):
            found = all_cards(visitor.get(page).text)
            assert len(found) >= least
            for word, number, address in found:
                assert number == str(rows(visitor.get(address).text)), (word, address)
    assert {word: number for word, (number, _) in cards(browser(ours).get(AGENCY).text).items()} == {
        "新着": "2",
        "未回答": "3",
        "回答期限を過ぎたもの": "2",
        "相手の回答が遅れているもの": "2",
        "断られた後の対応がまだのもの": "1",
        "下書き": "1",
        "回答・連絡あり": news(ours),
        "利用停止の報告": "3",
        "30日以内に終わる同意": "1",
        "会議で話すこと・地域課題": "1",
    }


def news(member: Member) -> str:
    seen = exists().where(
        ReferralReading.referral_id == ReferralNews.referral_id,
        ReferralReading.staff_id == member.staff_id,
        ReferralReading.at >= ReferralNews.at,
    )
    own = select(func.count()).where(ReferralNews.agency_id == member.agency_id, ~seen)
    with db.transaction() as session:
        return str(session.execute(own).scalar_one())


def test_a_third_agency_sees_zero_everywhere(browser: Visit, ours: Member, theirs: Member, at: Clock) -> None:
    busy(ours, theirs, at)
    page = browser(make_member()).get(AGENCY)
    assert {number for number, _ in cards(page.text).values()} == {"0"}
    assert "いま急ぎのものはありません。" in page.text
    assert "いま急ぎのものはありません。" in browser(make_member()).get("/").text
    assert "7日以内に期限を迎えるものはありません。" in page.text
    assert "見本 花子" not in page.text
    assert "R8-" not in page.text


def test_counting_stops_at_a_hundred(
    browser: Visit, ours: Member, theirs: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        make_referral(theirs, ours)
    monkeypatch.setattr(today_queries, "MOST", 3)
    monkeypatch.setattr("portal.today.views.MOST", 3)
    assert cards(browser(ours).get(AGENCY).text)["新着"][0] == "2+"


def test_deadlines_are_counted_in_the_open_days_of_the_recipient(
    browser: Visit, ours: Member, theirs: Member, at: Clock
) -> None:
    closed_monday = make_member(make_agency(name="若者相談センター", weekly_closed="06"))
    make_referral(theirs, ours, person_id=make_person(theirs, given="一"))
    make_referral(ours, closed_monday, person_id=make_person(ours, given="二"))
    opened = make_referral(theirs, ours, person_id=make_person(theirs, given="三"))
    conversation.opened(ours.actor, opened)

    at("2026-04-07T10:00")
    page = words_of(browser(ours).get(AGENCY))

    assert "令和8年4月8日（水） あと1開所日 届いたつなぎを開く 見本 一 就労準備支援事業" in page
    assert "令和8年4月13日（月） あと4開所日 回答する 見本 三 就労準備支援事業" in page
    # Sent on a Monday, its closed day: five of its days later is Saturday, and Saturday is open there.
    assert "令和8年4月11日（土） あと4開所日 回答が届く予定 見本 二 若者相談センター" in page
    at("2026-04-13T10:00")
    assert "令和8年4月13日（月） 今日まで 回答する 見本 三" in words_of(browser(ours).get(AGENCY))
    at("2026-04-14T10:00")
    late = words_of(browser(ours).get(AGENCY))
    assert "令和8年4月13日（月） 期限超過 1開所日超過 回答する 見本 三" in late
    assert late.index("見本 一") < late.index("見本 二") < late.index("見本 三")


def test_a_joint_interview_stands_with_hour_and_place(
    browser: Visit, ours: Member, theirs: Member, at: Clock
) -> None:
    when = (clock.now() + timedelta(days=2)).astimezone(JAPAN).replace(hour=14, minute=30)
    make_referral(
        ours,
        theirs,
        kind="joint_interview",
        status="accepted",
        appointment_at=when,
        appointment_place="市役所 2階",
    )
    for member, counterpart in ((ours, "就労準備支援事業"), (theirs, "自立相談支援機関")):
        page = words_of(browser(member).get(AGENCY))
        assert f"令和8年4月8日（水） 14:30 あと2日 同席 市役所 2階 見本 花子 {counterpart}" in page


def test_an_anonymous_asking_names_nobody_to_the_recipient(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    """Not even to one who knows them from another referral."""
    person_id = make_person(ours, family="波止場")
    make_referral(ours, theirs, person_id=person_id, status="in_progress")
    make_referral(ours, theirs, person_id=person_id, kind="advice", basis="anonymous")
    assert "波止場" in browser(ours).get(AGENCY).text
    page = browser(theirs).get(AGENCY).text
    assert "波止場" not in page
    assert "匿名" in page


def test_the_coordinator_finds_what_to_bring_to_the_meeting(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    referral_id = make_referral(ours, theirs, status="rejected")
    conversation.follow_up(ours.actor, referral_id, FollowUpKind.MEETING, "空きの見込みを聞く")
    conversation.follow_up(ours.actor, referral_id, FollowUpKind.LOCAL_ISSUE, "夜間に通える場所")
    coordinator = make_member(ours.agency_id, role=Role.COORDINATOR)

    page = words_of(browser(coordinator).get(AGENCY))
    bring = page[page.index("次の会議に出すこと") :]
    assert "空きの見込みを聞く" in bring
    assert "夜間に通える場所" not in bring
    assert "次の会議に出すこと" not in words_of(browser(ours).get(AGENCY))
    elsewhere = make_member(theirs.agency_id, role=Role.COORDINATOR)
    assert "空きの見込みを聞く" not in browser(elsewhere).get(AGENCY).text


def test_it_opens_with_what_is_ones_own_and_what_nobody_has(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    """Two colleagues see different pages, and one switch away the same."""
    colleague = make_member(ours.agency_id, name="係 二郎")
    mine = make_referral(theirs, ours, person_id=make_person(theirs, given="一"))
    hers = make_referral(theirs, ours, person_id=make_person(theirs, given="二"))
    make_referral(theirs, ours, person_id=make_person(theirs, given="三"))
    make_referral(ours, theirs, person_id=make_person(ours, given="四"))
    conversation.assign_worker(ours.actor, mine, ours.staff_id)
    conversation.assign_worker(ours.actor, hers, colleague.staff_id)

    own, other = browser(ours).get("/"), browser(colleague).get("/")
    counted = [(word, number, url) for word, number, url in all_cards(own.text) if word == "新着"]
    assert counted == [
        ("新着", "1", "/referrals/?box=in&new=1&worker=me"),
        ("新着", "1", "/referrals/?box=in&new=1&worker=none"),
    ]
    assert all(f"見本 {given}" in own.text for given in "一三四")
    assert "見本 二" not in own.text
    assert all(f"見本 {given}" in other.text for given in "二三")
    assert not any(f"見本 {given}" in other.text for given in "一四")
    for member in (ours, colleague):
        page = browser(member).get(AGENCY).text
        assert all(f"見本 {given}" in page for given in "一二三四")
        assert cards(page)["新着"][0] == "3"


def test_the_first_one_takes_what_nobody_has_and_the_other_is_told_who(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    colleague = make_member(ours.agency_id, name="係 二郎")
    referral_id = make_referral(theirs, ours)
    take = f"/referrals/{referral_id}/take"
    first, second = browser(colleague), browser(ours)
    assert take in first.get("/").text
    assert take in second.get("/").text
    assert "の担当になりました。" in first.post(take, follow_redirects=True).text
    late = second.post(take, follow_redirects=True)
    assert "係 二郎さんが先に担当になりました。" in late.text
    assert take not in late.text
    assert rows(first.get("/referrals/?worker=me").text) == 1
    assert "担当者を決めました" in first.get(f"/referrals/{referral_id}").text
    assert browser(make_member()).post(take).status_code == 404


def test_auditors_and_administrators_are_led_to_their_pages(browser: Visit, ours: Member) -> None:
    answer = browser(make_member(role=Role.AUDITOR)).get(AGENCY)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/audit/")
    for member in (
        make_member(ours.agency_id, role=Role.AGENCY_ADMIN),
        make_member(role=Role.SYSTEM_ADMIN),
    ):
        page = browser(member).get(AGENCY)
        assert "相談者の情報を見ることはできません" in words_of(page)
        assert "count-card" not in page.text


@pytest.mark.parametrize("role", [Role.AGENCY_ADMIN, Role.SYSTEM_ADMIN, Role.AUDITOR])
def test_whoever_sees_no_client_may_open_what_their_first_page_leads_to(
    browser: Visit, ours: Member, role: Role
) -> None:
    desk = browser(make_member(ours.agency_id if role is Role.AGENCY_ADMIN else None, role=role))
    page = desk.get("/", follow_redirects=True).text
    led = {html.unescape(url) for url in re.findall(r'<a [^>]*href="(/[^"#]+)"', page)}
    led = {url for url in led if not url.startswith("/language/")}
    assert len(led) >= 5
    refused = {url: code for url in led if (code := desk.get(url).status_code) != 200}
    assert refused == {}


def test_the_questions_do_not_grow_with_the_work(
    browser: Visit, ours: Member, theirs: Member, at: Clock, count_queries: CountQueries
) -> None:
    coordinator = make_member(ours.agency_id, role=Role.COORDINATOR)
    make_referral(theirs, ours, person_id=make_person(theirs))
    visitor = browser(coordinator)
    visitor.get(AGENCY)
    with count_queries() as few:
        visitor.get(AGENCY)
    for _ in range(5):
        make_referral(theirs, ours)
        make_referral(ours, make_member())
    with count_queries() as many:
        visitor.get(AGENCY)
    assert len(few) == len(many) <= 15


def test_names_that_were_shown_are_logged_and_only_roughly_how_many(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    for _ in range(3):
        make_referral(theirs, ours)
    browser(ours).get(AGENCY)
    browser(make_member()).get(AGENCY)
    with db.transaction() as session:
        listed = session.query(AuditEntry).filter(AuditEntry.event == AuditEvent.REFERRALS_LISTED).all()
        (body,) = (entry.body.decode() for entry in listed)
    assert '"bucket":"2-5"' in body
    assert '"object":["today",null]' in body


def test_what_was_answered_leaves_the_page(browser: Visit, ours: Member, theirs: Member) -> None:
    referral_id = make_referral(theirs, ours)
    assert cards(browser(ours).get(AGENCY).text)["未回答"][0] == "1"
    step(ours, referral_id, "accept")
    assert cards(browser(ours).get(AGENCY).text)["未回答"][0] == "0"
    assert cards(browser(theirs).get(AGENCY).text)["回答・連絡あり"][0] == "1"


def test_a_basis_that_dies_takes_the_name_off(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id = make_person(theirs, family="波止場")
    consent_id = make_consent(theirs, person_id, [ours])
    referral_id = make_referral(theirs, ours, person_id=person_id, consent_id=consent_id)
    assert "波止場" in browser(ours).get(AGENCY).text
    conversation.opened(ours.actor, referral_id)
    withdraw(browser(theirs), consent_id)
    page = browser(ours).get(AGENCY).text
    assert "波止場" not in page
    assert cards(page)["利用停止の報告"][0] == "1"


def test_nobody_is_asked_for_an_answer_once_the_basis_has_ended(
    browser: Visit, ours: Member, theirs: Member, at: Clock
) -> None:
    person_id = make_person(theirs)
    consent_id = make_consent(theirs, person_id, [ours])
    referral_id = make_referral(theirs, ours, person_id=person_id, consent_id=consent_id)
    recipient, sender = browser(ours), browser(theirs)
    page = recipient.get(AGENCY).text
    assert (cards(page)["新着"][0], cards(page)["未回答"][0]) == ("1", "1")
    assert "届いたつなぎを開く" in page
    assert "回答が届く予定" in sender.get(AGENCY).text

    withdraw(browser(theirs), consent_id)
    page = recipient.get(AGENCY).text
    assert (cards(page)["新着"][0], cards(page)["未回答"][0]) == ("0", "0")
    nothing_due = "7日以内に期限を迎えるものはありません。"
    assert nothing_due in page
    assert nothing_due in sender.get(AGENCY).text
    at("2026-05-01T10:00")
    recipient, sender = browser(ours), browser(theirs)
    assert cards(recipient.get(AGENCY).text)["回答期限を過ぎたもの"][0] == "0"
    assert cards(sender.get(AGENCY).text)["相手の回答が遅れているもの"][0] == "0"
    for visitor in (recipient, sender):
        (line,) = re.findall(r"<tbody>(.*)</tbody>", visitor.get("/referrals/").text, re.DOTALL)
        assert "停止" in line
        assert not re.search("期限超過|新着", line)
        assert "回答の期限" not in words_of(visitor.get(f"/referrals/{referral_id}"))
    assert "回答の期限" not in words_of(sender.get(f"/referrals/{referral_id}/sheet"))
