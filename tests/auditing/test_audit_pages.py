"""The auditor's pages: who did what when on which ground, by number, and no client's name anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.consents.models import ConsentMethod
from portal.core.db import db
from portal.core.policy import Role
from portal.referrals import conversation
from portal.referrals.models import FollowUpKind, Referral
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.consents.acts import withdraw
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral, step
from tests.meeting_factories import make_item, make_meeting, make_outcome, take_step
from tests.words import plain, words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
SECRETS = (
    "波止場",
    "はとば",
    "灯台",
    "大阪市見本区",
    "090-0000-0000",
    "秘密の用件",
    "秘密の連絡",
    "秘密の理由",
    "立会 夏子",
    "秘密の目的",
)


class Life:
    """A referral with everything that can happen to one, full of words that no auditor may read."""

    def __init__(self) -> None:
        self.sender = make_member(make_agency(name="自立相談支援機関", short_name="自立"), name="相談 一郎")
        self.recipient = make_member(
            make_agency(name="就労準備支援事業", short_name="就労"), name="就労 次郎"
        )
        self.person = make_person(
            self.sender,
            family="波止場",
            family_kana="はとば",
            given="灯台",
            address="大阪市見本区",
            telephone="090-0000-0000",
        )
        self.consent = make_consent(
            self.sender,
            self.person,
            [self.recipient],
            ["basic", "health"],
            method=ConsentMethod.ORAL,
            witness="立会 夏子",
            purpose="秘密の目的",
        )
        self.referral = make_referral(
            self.sender,
            self.recipient,
            person_id=self.person,
            consent_id=self.consent,
            categories=["basic", "health"],
            need="秘密の用件",
        )

    def go_on(self, browser: Visit) -> None:
        browser(self.recipient).get(f"/referrals/{self.referral}")
        conversation.opened(self.recipient.actor, self.referral)
        conversation.send_message(self.recipient.actor, self.referral, "秘密の連絡")
        step(self.recipient, self.referral, "accept")
        withdraw(browser(self.sender), self.consent, reason="秘密の理由")
        conversation.confirm_stop(self.recipient.actor, self.referral, note="秘密の理由")
        step(self.recipient, self.referral, "fail", text="秘密の理由")
        conversation.follow_up(self.sender.actor, self.referral, FollowUpKind.MEETING, "秘密の用件")

    @property
    def number(self) -> str:
        with db.transaction() as session:
            return session.scalars(select(Referral.number).where(Referral.id == self.referral)).one()


@pytest.fixture
def life(app: Flask, at: Clock) -> Life:
    at("2026-04-06T10:00")
    return Life()


@pytest.fixture
def auditor(life: Life) -> Member:
    return make_member(role=Role.AUDITOR, name="監査 四郎")


def search(visitor: Browser, **asked: Any) -> Any:
    return visitor.post("/audit/", data=asked)


def every_page(visitor: Browser, address: str) -> str:
    """The words of all pages of a list, one after the other."""
    words = ""
    while address:
        page = visitor.get(address)
        assert page.status_code == 200
        words += words_of(page) + "\n"
        following = re.search(r'rel="next"\s+href="([^"]+)"', page.text)
        address = following[1].replace("&amp;", "&") if following else ""
    return words


def test_the_log_is_told_in_words(browser: Visit, life: Life, auditor: Member) -> None:
    life.go_on(browser)
    words = every_page(browser(auditor), "/audit/")
    assert f"つなぎを送付 自立相談支援機関 相談 一郎（相談支援員） つなぎ {life.number}" in words
    assert "同意を記録 自立相談支援機関 相談 一郎（相談支援員） 同意" in words
    assert "本人の同意 基本情報、健康・障がい" in words
    assert "利用停止を報告 就労準備支援事業 就労 次郎（相談支援員）" in words


def test_no_word_about_the_client_stands_on_any_page(browser: Visit, life: Life, auditor: Member) -> None:
    life.go_on(browser)
    visitor = browser(auditor)
    words = every_page(visitor, "/audit/") + every_page(visitor, f"/audit/referrals/{life.referral}")
    words += every_page(visitor, f"/audit/people/{life.person}")
    words += every_page(visitor, f"/audit/people/{life.person}/as-of")
    words += every_page(visitor, search(visitor, number=life.number).location)
    assert [secret for secret in SECRETS if secret in words] == []


def test_the_whole_life_of_a_referral(browser: Visit, life: Life, auditor: Member) -> None:
    life.go_on(browser)
    make_referral(life.sender, life.recipient, person_id=life.person, need="もう一つの用件")

    words = every_page(browser(auditor), f"/audit/referrals/{life.referral}")

    told = words[words.index("経過 日時") :]
    happened = (
        "同意を記録",
        "下書きを作成しました",
        "送付しました",
        "受け取りました",
        "連絡を送りました",
        "受け入れました",
        "本人が同意を撤回しました 自立相談支援機関 相談 一郎 撤回",
        "利用停止を報告しました",
        "つながらず終了にしました",
    )
    places = [told.index(one) for one in happened]
    assert places == sorted(places)
    assert "同意の撤回 利用停止の報告済み" in words
    log = words[words.index("監査記録（古い順）") :]
    logged = (
        "同意を記録",
        "つなぎの下書きを作成",
        "情報を提供",
        "つなぎを送付",
        "つなぎを閲覧",
        "つなぎを受入",
        "ケースを開始",
    )
    logged += ("同意の撤回を記録", "利用停止を報告", "つながらず終了", "断られた後の対応を記録")
    assert [one for one in logged if one not in log] == []
    assert log.count("つなぎを送付") == 1, "the other referral has a life of its own"


FILTERS: list[tuple[str, AuditEvent]] = [
    ("event=consent:recorded", AuditEvent.CONSENT_RECORDED),
    ("event=referral:sent", AuditEvent.REFERRAL_SENT),
]


@pytest.mark.parametrize(("query", "event"), FILTERS)
def test_it_is_narrowed_to_an_event(
    browser: Visit, life: Life, auditor: Member, query: str, event: AuditEvent
) -> None:
    assert events(browser(auditor), query) == {event.word}


def events(visitor: Browser, query: str) -> set[str]:
    page = visitor.get(f"/audit/?{query}").text
    return {found.strip() for found in re.findall(r'data-label="できごと">\s*<div>\s*([^<\n]+)', page)}


def test_it_is_narrowed_to_an_agency(browser: Visit, life: Life, auditor: Member) -> None:
    step(life.recipient, life.referral, "accept")
    visitor = browser(auditor)
    there = events(visitor, f"agency={life.recipient.agency_id}")
    assert "つなぎを受入" in there
    assert "つなぎを送付" not in there


def test_it_is_narrowed_to_days_in_japan(browser: Visit, life: Life, auditor: Member, at: Clock) -> None:
    at("2026-04-07T00:30")
    step(life.recipient, life.referral, "accept")
    visitor = browser(auditor)
    assert "つなぎを受入" not in events(visitor, "last=令和8年4月6日")
    assert "つなぎを送付" in events(visitor, "last=令和8年4月6日")
    only = events(visitor, "first=2026-04-07&last=2026-04-07")
    assert "つなぎを受入" in only
    assert "つなぎを送付" not in only


def test_a_number_finds_its_records_exactly(browser: Visit, life: Life, auditor: Member) -> None:
    step(life.recipient, life.referral, "accept")
    make_referral(life.sender, life.recipient)
    visitor = browser(auditor)

    answer = search(visitor, number=life.number)
    assert answer.status_code == 303
    assert life.number not in answer.location
    page = visitor.get(answer.location)
    assert f'href="/audit/referrals/{life.referral}"' in page.text
    assert f"つなぎ {life.number} の経過をすべて見る" in words_of(page)
    assert f'value="{life.number}"' in page.text, "what was searched for stays in its field"
    assert "つなぎを受入" in events(visitor, answer.location.partition("?")[2])
    for nothing in (life.number[:-1], "R8-就労-9999", "%", "波止場"):
        page = search(visitor, number=nothing, event="referral:sent")
        assert "この番号のつなぎ・ケースはありません。" in words_of(page)
        assert "data-label" not in page.text


def test_what_cannot_be_asked_narrows_nothing_and_is_said(
    browser: Visit, life: Life, auditor: Member
) -> None:
    visitor = browser(auditor)
    page = visitor.get("/audit/?first=someday&agency=nobody&event=nothing&after=x")
    assert page.status_code == 200
    assert "日付を「令和2年12月1日」" in page.text
    assert "つなぎを送付" in every_page(visitor, "/audit/?first=someday")
    for cursor in ("-1", "9" * 40, "１", "1e3"):
        assert visitor.get(f"/audit/?after={cursor}").status_code == 200


def test_pages_follow_one_another_without_gap_or_twin(browser: Visit, life: Life, auditor: Member) -> None:
    life.go_on(browser)
    visitor, address, seen = browser(auditor), "/audit/", []
    while address:
        page = visitor.get(address).text
        seen += [int(found) for found in re.findall(r'data-label="番号">(\d+)<', page)]
        following = re.search(r'rel="next"\s+href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert seen == list(range(seen[0], 0, -1))
    assert len(seen) > 25


@pytest.mark.parametrize("role", [Role.STAFF, Role.COORDINATOR, Role.AGENCY_ADMIN, Role.SYSTEM_ADMIN])
def test_nobody_else_reads_it(browser: Visit, life: Life, role: Role) -> None:
    home = None if role is Role.SYSTEM_ADMIN else life.sender.agency_id
    visitor = browser(make_member(home, role=role))
    there, nowhere = (visitor.get(f"/audit/referrals/{one}") for one in (life.referral, uuid4()))
    assert [visitor.get("/audit/").status_code, there.status_code, nowhere.status_code] == [403, 403, 403]
    assert words_of(there) == words_of(nowhere)


def test_a_referral_that_is_none_is_missing(browser: Visit, auditor: Member) -> None:
    assert browser(auditor).get(f"/audit/referrals/{uuid4()}").status_code == 404


def test_the_auditors_reading_is_logged(browser: Visit, life: Life, auditor: Member) -> None:
    visitor = browser(auditor)
    visitor.get("/audit/")
    visitor.get(f"/audit/referrals/{life.referral}")
    read = select(AuditEntry.object_id).where(AuditEntry.event == AuditEvent.AUDIT_READ)
    with db.transaction() as session:
        assert session.scalars(read.order_by(AuditEntry.seq)).all() == [None, life.referral]
    assert "監査記録を閲覧 監査 四郎（監査）" in every_page(visitor, "/audit/")


def test_the_questions_do_not_grow_with_the_log(
    browser: Visit, life: Life, auditor: Member, count_queries: CountQueries
) -> None:
    visitor = browser(auditor)
    narrowed = search(visitor, number=life.number).location
    people = f"/audit/people/{life.person}"
    addresses: list[str] = [
        "/audit/",
        f"/audit/referrals/{life.referral}",
        narrowed,
        people,
        f"{people}/as-of",
    ]
    before = [asked(visitor, address, count_queries) for address in addresses]
    life.go_on(browser)
    after = [asked(visitor, address, count_queries) for address in addresses]
    assert after == before
    assert max(after) <= 32


def asked(visitor: Browser, address: str, count_queries: CountQueries) -> int:
    with count_queries() as statements:
        visitor.get(address)
    return len(statements)


def test_a_refusal_is_seen(browser: Visit, life: Life, auditor: Member) -> None:
    stranger = make_member(name="部外 七郎")
    browser(stranger).get(f"/referrals/{life.referral}")
    words = words_of(browser(auditor).get("/audit/?event=access:refused"))
    assert "閲覧または操作を拒否 拒否" in words
    assert "部外 七郎" in words
    assert life.number in words


def test_meetings_that_spoke_of_it_and_messages_belong_to_its_life(
    browser: Visit, life: Life, auditor: Member
) -> None:
    convener = make_member(life.sender.agency_id, Role.COORDINATOR, name="招集 五郎")
    meeting = make_meeting(convener, [life.recipient])
    item = make_item(convener, meeting, person_id=life.person, referral_id=life.referral, text="秘密の用件")
    make_outcome(convener, item, text="秘密の連絡")
    take_step(convener, meeting, "announce")
    browser(life.recipient).get(f"/meetings/{meeting}/packet")
    life.go_on(browser)
    words = every_page(browser(auditor), f"/audit/referrals/{life.referral}")
    log = words[words.index("監査記録（古い順）") :]
    for told in ("議題を追加", "決定・対応事項を記録", "会議資料を閲覧", "連絡を送信"):
        assert told in log
    assert [secret for secret in SECRETS if secret in words] == []


def test_the_consent_stands_beside_each_entry_as_it_was_that_day(
    browser: Visit, life: Life, auditor: Member, at: Clock
) -> None:
    at("2026-04-08T10:00")
    life.go_on(browser)
    page = browser(auditor).get(f"/audit/referrals/{life.referral}").text
    rows = re.findall(r"<tr id=\"entry-.*?</tr>", page, re.DOTALL)
    stood = [plain(row) for row in rows]
    assert "同意を記録" in stood[0]
    assert stood[0].endswith("有効 基本情報、健康・障がい R8.10.3まで")
    assert any(row.endswith("撤回") and "同意の撤回を記録" in row for row in stood), (
        "what it covered is the same"
    )


def test_basis_and_categories_stand_where_they_changed(
    browser: Visit, life: Life, auditor: Member, at: Clock
) -> None:
    at("2026-04-08T10:00")
    life.go_on(browser)
    page = browser(auditor).get(f"/audit/referrals/{life.referral}").text
    story = plain(page[page.index("<main") : page.index("<details")])
    assert story.count("有効 基本情報、健康・障がい R8.10.3まで") == 1
    assert story.count("基本情報、健康・障がい") == 2, "beside the first event, and in what holds today"
    log = [plain(row) for row in re.findall(r"<tr id=\"entry-.*?</tr>", page, re.DOTALL)]
    named = [row for row in log if "基本情報" in row]
    assert 0 < len(named) < len(log) / 2


def test_the_choice_of_events_is_grouped_and_complete(browser: Visit, auditor: Member) -> None:
    page = browser(auditor).get("/audit/").text
    choice = page[page.index('name="event"') :].partition("</select>")[0]
    groups = dict(re.findall(r'<optgroup label="([^"]+)">(.*?)</optgroup>', choice, re.DOTALL))
    assert 'value="referral:sent"' in groups["つなぎ"]
    assert 'value="consent:withdrawn"' in groups["相談者・同意・情報提供"]
    assert {value for group in groups.values() for value in re.findall('value="([^"]+)"', group)} == {
        event.value for event in AuditEvent
    }


def test_who_could_see_what_at_any_moment_and_why_not_any_more(
    browser: Visit, life: Life, auditor: Member, at: Clock
) -> None:
    at("2026-04-08T10:00")
    life.go_on(browser)
    visitor, where = browser(auditor), f"/audit/people/{life.person}/as-of"
    now = words_of(visitor.get(where))
    assert "自立相談支援機関 見える ○ 見える ○" in now
    assert "就労準備支援事業 基本情報、健康・障がい 本人の同意・つなぎ （R8.4.6～R8.10.3） 同意の撤回" in now
    then = words_of(visitor.get(where, query_string={"at": ["令和8年4月7日", "14:00"]}))
    assert "令和8年4月7日 14時00分" in then
    assert "就労準備支援事業 見える ○ 見える ○ 見えない －" in then
    assert "この時点までに終わった情報提供はありません。" in then
    before = words_of(visitor.get(where, query_string={"at": ["令和8年4月5日", "14:00"]}))
    assert "この時点では、まだ登録されていません。" in before
    assert "時刻を「10:00」" in visitor.get(where, query_string={"at": ["令和8年4月5日", "99"]}).text


def test_an_entry_leads_to_the_moment_right_after_it(
    browser: Visit, life: Life, auditor: Member, at: Clock
) -> None:
    at("2026-04-08T10:00")
    life.go_on(browser)
    visitor = browser(auditor)
    page = visitor.get(f"/audit/referrals/{life.referral}").text
    rows = re.findall(r"<tr id=\"entry-.*?</tr>", page, re.DOTALL)
    sent, withdrawn = (
        next(re.search(r'href="([^"]+as-of[^"]+)"', row) for row in rows if word in row)
        for word in ("つなぎを送付", "同意の撤回を記録")
    )
    assert sent
    assert withdrawn
    assert "就労準備支援事業 見える" in words_of(visitor.get(sent[1]))
    assert "就労準備支援事業 見える" not in words_of(visitor.get(withdrawn[1]))


def test_who_read_a_person_how_often(browser: Visit, life: Life, auditor: Member) -> None:
    reader = browser(life.sender)
    for _ in range(3):
        reader.get(f"/people/{life.person}")
    words = words_of(browser(auditor).get(f"/audit/people/{life.person}"))
    assert "自立相談支援機関 相談 一郎 3 令和8年4月6日" in words
    assert "波止場" not in words
