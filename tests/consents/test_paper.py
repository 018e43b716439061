"""The consent form on paper: plain words, the right boxes, nobody else's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member, make_person, make_referral
from tests.words import pdf_words, words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]


@pytest.fixture
def ours(app: Flask, at: Clock) -> Member:
    at("2026-04-01T10:00")
    return make_member(make_agency(name="自立相談支援機関", telephone="0797-00-0000", hours="月～金"))


@pytest.fixture
def theirs(ours: Member) -> Member:
    make_agency(name="地域活動支援センター")
    return make_member(make_agency(name="就労準備支援事業"))


def both(browser: Browser, person_id: object, **chosen: Any) -> tuple[str, str]:
    """The words of the page and of the PDF, without white space."""
    page = browser.get(f"/people/{person_id}/consents/form", query_string=chosen)
    pdf = browser.get(f"/people/{person_id}/consents/form.pdf", query_string=chosen)
    return words_of(page).replace(" ", "").replace("　", ""), pdf_words(pdf).replace("　", "")


def test_it_says_what_to_whom_until_when_and_that_it_can_be_taken_back(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    make_person(ours, family="別人", given="次郎")
    person_id = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    for words in both(browser(ours), person_id):
        for said in (
            "山田太郎（やまだたろう）",
            "令和9年3月31日までです。",
            "□基本情報（お名前、性別、年齢、住所、電話番号、ご家族のこと）",
            "□生活歴・課題・その他",
            "□就労準備支援事業",
            "□地域活動支援センター",
            "いつでもやめることができます。",
            "電話0797-00-0000",
            "署名（しょめい）",
            "代理（だいり）の方",
            "立会人（たちあいにん）",
            "つなぐ同意書第1版",
        ):
            assert said in words
        assert "別人" not in words
        assert "□自立相談支援機関" not in words


def test_what_was_chosen_is_ticked_and_the_rest_left_out(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    person_id = make_person(ours)
    chosen = {
        "recipients": [str(theirs.agency_id)],
        "categories": ["basic", "health"],
        "valid_until": "令和8年9月30日",
    }
    page, pdf = both(browser(ours), person_id, **chosen)
    page = page[page.index("1何のために") :]  # without the form above it
    for words in (page, pdf):
        assert "■就労準備支援事業" in words
        assert "地域活動支援センター" not in words
        assert "■健康・障がい" in words
        assert "収入・資産・債務" not in words
        assert "令和8年9月30日までです。" in words


def test_without_a_date_there_is_room_to_write_one(browser: Visit, ours: Member) -> None:
    for words in both(browser(ours), make_person(ours), valid_until=""):
        assert "令和年月日までです。" in words


def test_nonsense_in_the_address_is_left_out(browser: Visit, ours: Member, theirs: Member) -> None:
    chosen = {"recipients": ["nobody"], "categories": ["secrets"], "valid_until": "someday"}
    for words in both(browser(ours), make_person(ours), **chosen):
        assert "□就労準備支援事業" in words
        assert "secrets" not in words


def test_an_agency_without_the_name_prints_none(
    browser: Visit, ours: Member, theirs: Member, at: Clock
) -> None:
    person_id = make_person(ours, family="波止場", family_kana="はとば")
    make_referral(ours, theirs, person_id=person_id, status="accepted")
    assert all("波止場" in words for words in both(browser(theirs), person_id))
    at("2027-04-01T10:00")
    for words in both(browser(theirs), person_id):
        assert "波止場" not in words
        assert "はとば" not in words
