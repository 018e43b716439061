"""開示先一覧: every telling, honest after it ended, on the page and on paper, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.consents.models import ConsentMethod
from portal.core.db import db
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.consents.acts import withdraw
from tests.factories import (
    Member,
    make_agency,
    make_consent,
    make_member,
    make_person,
    make_referral,
    step,
)
from tests.words import pdf_words, words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]


@pytest.fixture
def home(app: Flask, at: Clock) -> Member:
    at("2026-04-01T10:00")
    return make_member(make_agency(name="自立相談支援機関", telephone="0797-00-0000"))


@pytest.fixture
def one(home: Member) -> Member:
    return make_member(make_agency(name="就労準備支援事業"))


@pytest.fixture
def two(home: Member) -> Member:
    return make_member(make_agency(name="地域活動支援センター"))


@pytest.mark.both_databases
def test_a_line_says_who_whom_what_why_and_until(browser: Visit, home: Member, one: Member) -> None:
    person_id = make_person(home)
    make_referral(home, one, person_id=person_id, categories=["basic", "health"])

    page = words_of(browser(home).get(f"/people/{person_id}/disclosures"))

    assert (
        "R8.4.1 自立相談支援機関 就労準備支援事業 基本情報、健康・障がい 本人の同意 つなぎ R8.9.28 有効"
        in page
    )


def test_it_stays_honest_after_every_kind_of_end(
    browser: Visit, home: Member, one: Member, two: Member, at: Clock
) -> None:
    person_id = make_person(home)
    withdrawn = make_consent(home, person_id, [one])
    make_referral(home, one, person_id=person_id, consent_id=withdrawn, status="in_progress")
    refused = make_referral(home, two, person_id=person_id)
    make_referral(home, two, person_id=person_id, status="in_progress")
    at("2026-04-02T10:00")
    withdraw(browser(home), withdrawn)
    step(two, refused, "reject")

    visitor = browser(home)
    page = words_of(visitor.get(f"/people/{person_id}/disclosures"))
    assert "終了 R8.4.2 同意の撤回 利用停止の報告を待っています" in page
    assert "終了 R8.4.2 つなぎの不成立・取下げ" in page
    assert page.count("本人の同意") == 3
    assert page.count("有効") == 1

    at("2026-10-01T10:00")
    page = words_of(browser(home).get(f"/people/{person_id}/disclosures"))
    assert "終了 R8.4.2 同意の撤回" in page, "what ended first is what ended it"
    assert "終了 R8.9.29 期限の終了 利用停止の報告を待っています" in page
    assert "有効" not in page


def test_the_paper_says_the_same_and_names_nobody_else(
    browser: Visit, home: Member, one: Member, two: Member
) -> None:
    other = make_person(home, family="別人", family_kana="べつじん")
    make_referral(home, two, person_id=other)
    person_id = make_person(home, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    consent_id = make_consent(
        home, person_id, [one], method=ConsentMethod.ORAL, witness="立会 夏子", given_by_name=""
    )
    make_referral(home, one, person_id=person_id, consent_id=consent_id, status="accepted")
    withdraw(browser(home), consent_id)

    words = pdf_words(browser(home).get(f"/people/{person_id}/disclosures.pdf"))

    for said in (
        "山田太郎様",
        "就労準備支援事業",
        "基本情報",
        "本人の同意",
        "同意の撤回",
        "0797-00-0000",
        "令和8年4月1日現在",
    ):
        assert said in words
    for unsaid in ("別人", "べつじん", "地域活動支援センター", "立会"):
        assert unsaid not in words


def test_only_who_keeps_the_record_sees_all_and_hands_it_over(
    browser: Visit, home: Member, one: Member, two: Member
) -> None:
    person_id = make_person(home)
    make_referral(home, one, person_id=person_id)
    make_referral(home, two, person_id=person_id)

    answer = browser(one).get(f"/people/{person_id}/disclosures")
    assert "就労準備支援事業" in words_of(answer)
    assert "地域活動支援センター" not in answer.text
    assert "disclosures.pdf" not in answer.text
    assert browser(one).get(f"/people/{person_id}/disclosures.pdf").status_code == 403
    assert browser(make_member()).get(f"/people/{person_id}/disclosures").status_code == 404
    assert browser(make_member()).get(f"/people/{person_id}/disclosures.pdf").status_code == 404


def test_what_was_asked_without_a_name_is_not_tied_to_one(
    browser: Visit, home: Member, one: Member, two: Member
) -> None:
    """Neither to the agency that was asked, though it knows the person, nor, asked itself, to the home agency."""
    person_id = make_person(home)
    make_referral(home, one, person_id=person_id, status="accepted")
    make_referral(home, one, person_id=person_id, kind="advice", basis="anonymous")
    make_referral(one, home, person_id=person_id, kind="advice", basis="anonymous")
    make_referral(one, two, person_id=person_id, kind="advice", basis="anonymous")

    seen_at_home = words_of(browser(home).get(f"/people/{person_id}/disclosures"))
    seen_there = words_of(browser(one).get(f"/people/{person_id}/disclosures"))

    assert seen_at_home.count("匿名") == 1
    assert "地域活動支援センター" not in seen_at_home
    assert seen_there.count("匿名") == 2
    assert "匿名" not in pdf_words(browser(home).get(f"/people/{person_id}/disclosures.pdf")).replace(
        "匿名（個人を特定しない）", "", 1
    )


def test_nothing_told_yet(browser: Visit, home: Member) -> None:
    person_id = make_person(home, pseudonym="ひだまり1")
    assert "まだどの機関にも伝えていません。" in words_of(
        browser(home).get(f"/people/{person_id}/disclosures")
    )
    assert "ひだまり1様" in pdf_words(browser(home).get(f"/people/{person_id}/disclosures.pdf"))


def test_the_questions_do_not_grow_with_the_lines(
    browser: Visit, home: Member, one: Member, two: Member, count_queries: CountQueries
) -> None:
    person_id, visitor = make_person(home), browser(home)
    make_referral(home, one, person_id=person_id)
    with count_queries() as few:
        visitor.get(f"/people/{person_id}/disclosures")
    for to in (one, two, one, two):
        make_referral(home, to, person_id=person_id)
    with count_queries() as many:
        visitor.get(f"/people/{person_id}/disclosures")
    assert len(few) == len(many) <= 7


def test_reading_it_is_logged(browser: Visit, home: Member) -> None:
    person_id, visitor = make_person(home), browser(home)
    visitor.get(f"/people/{person_id}/disclosures")
    visitor.get(f"/people/{person_id}/disclosures.pdf")
    with db.transaction() as session:
        entries = session.query(AuditEntry).filter(AuditEntry.event == AuditEvent.DISCLOSURES_READ).all()
        channels = [entry.body.decode() for entry in entries]
    assert ['"channel":"portal"' in channels[0], '"channel":"print"' in channels[1]] == [True, True]
    assert all('"ground":"home"' in body and "見本" not in body for body in channels)
