"""Taking a consent back: said beforehand, at once for everybody, and once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.consents.models import Withdrawal
from tests.browsers import Browser
from tests.consents.acts import how_many, withdraw
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral
from tests.words import errors_of, hidden, words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
NAME = "波止場"


class Told:
    """A person whose consent names three agencies; two of them have been told."""

    def __init__(self) -> None:
        self.home = make_member(make_agency(name="自立相談支援機関"))
        self.one = make_member(make_agency(name="就労準備支援事業", short_name="就労"))
        self.two = make_member(make_agency(name="地域活動支援センター", short_name="地活"))
        self.three = make_member(make_agency(name="ハローワーク", short_name="ハロ"))
        self.person = make_person(self.home, family=NAME, family_kana="はとば")
        self.consent = make_consent(self.home, self.person, [self.one, self.two, self.three])
        self.first = self.refer(self.one)
        self.second = self.refer(self.two)

    def refer(self, to: Member) -> UUID:
        return make_referral(
            self.home, to, person_id=self.person, consent_id=self.consent, status="in_progress"
        )


@pytest.fixture
def told(app: Flask, at: Clock) -> Told:
    at("2026-04-01T10:00")
    return Told()


def test_what_will_happen_is_said_beforehand(browser: Visit, told: Told) -> None:
    page = browser(told.home).get(f"/consents/{told.consent}/withdraw")

    words = words_of(page)
    assert "利用停止の報告" in words
    affected = words[words.index("影響のある機関") : words.index("撤回する範囲")]
    assert "就労準備支援事業" in affected
    assert "地域活動支援センター" in affected
    assert "ハローワーク" not in affected, "it has been told nothing"
    assert affected.count("止まるつなぎ") == 2
    assert f"/referrals/{told.first}" in page.text
    assert how_many(Withdrawal) == 0


def sees(browser: Visit, member: Member, told: Told, referral: UUID) -> bool:
    """Whether the name stands on any page of this agency; all pages must agree."""
    visitor = browser(member)
    pages = [visitor.get(f"/people/{told.person}"), visitor.get(f"/referrals/{referral}")]
    pages += [visitor.get(path) for path in ("/", "/referrals/", f"/people/{told.person}/disclosures")]
    assert [page.status_code for page in pages] == [200] * len(pages)
    found = [NAME in page.text for page in pages]
    assert len({found[0], found[1], found[3], found[4]}) == 1
    return found[0]


def test_the_whole_is_taken_back_at_once_everywhere(browser: Visit, told: Told) -> None:
    assert sees(browser, told.one, told, told.first)

    answer = withdraw(browser(told.home), told.consent, reason="本人が電話で話した")

    page = words_of(browser(told.home).get(answer.headers["Location"]))
    assert "この同意は撤回されました。" in page
    assert page.count("本人が電話で話した") == 3
    assert not sees(browser, told.one, told, told.first)
    assert not sees(browser, told.two, told, told.second)
    assert sees(browser, told.home, told, told.first), "the record stays with who keeps it"
    assert "利用停止の報告 1 件" in words_of(browser(told.one).get("/"))
    assert "利用停止の報告 2 件" in words_of(browser(told.home).get("/"))


@pytest.mark.both_databases
def test_one_recipient_is_taken_out_and_the_others_go_on(browser: Visit, told: Told) -> None:
    typed = {"scope": "some", "recipients": [str(told.one.agency_id)]}

    answer = withdraw(browser(told.home), told.consent, **typed)

    page = words_of(browser(told.home).get(answer.headers["Location"]))
    assert "一部撤回" in page
    assert not sees(browser, told.one, told, told.first)
    assert sees(browser, told.two, told, told.second)
    assert "利用停止の報告 1 件" in words_of(browser(told.one).get("/"))
    assert "利用停止の報告 0 件" in words_of(browser(told.two).get("/"))
    again = browser(told.home).get(f"/consents/{told.consent}/withdraw")
    assert str(told.one.agency_id) not in again.text
    assert str(told.two.agency_id) in again.text


def test_taking_out_the_last_one_takes_back_the_whole(browser: Visit, told: Told) -> None:
    for member in (told.one, told.two, told.three):
        last = withdraw(browser(told.home), told.consent, scope="some", recipients=[str(member.agency_id)])
    page = words_of(browser(told.home).get(last.headers["Location"]))
    assert "この同意は撤回されました。" in page


def test_only_the_word_stopped_agencies_are_left_in_the_list(browser: Visit, told: Told) -> None:
    withdraw(browser(told.home), told.consent)
    visitor = browser(told.home)
    assert NAME not in visitor.get("/consents/").text
    assert NAME in visitor.get("/consents/?show=ended").text


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"scope": ""}, "撤回する範囲を選んでください。"),
    ({"scope": "most"}, "撤回する範囲を選んでください。"),
    ({"scope": "some"}, "提供をやめる機関を選んでください。"),
    ({"scope": "some", "recipients": ["7d444840-9dc0-11d1-b245-5ffdce74fad2"]}, "選べなくなったもの"),
]


@pytest.mark.parametrize(("typed", "said"), REFUSED)
def test_what_cannot_be_is_said_at_its_field(
    browser: Visit, told: Told, typed: dict[str, Any], said: str
) -> None:
    page = withdraw(browser(told.home), told.consent, reason="書きかけの理由", **typed)
    assert said in errors_of(page)
    assert "書きかけの理由</textarea>" in page.text
    assert how_many(Withdrawal) == 0


def test_everything_and_something_contradict_each_other(browser: Visit, told: Told) -> None:
    page = withdraw(browser(told.home), told.consent, recipients=[str(told.one.agency_id)])
    assert "全部を撤回するときは、機関の選択を外してください。" in errors_of(page)
    assert how_many(Withdrawal) == 0


def test_the_same_form_twice_is_one_withdrawal(browser: Visit, told: Told) -> None:
    visitor = browser(told.home)
    (key,) = hidden(visitor.get(f"/consents/{told.consent}/withdraw"), "idempotency_key")
    typed = {"scope": "some", "recipients": [str(told.one.agency_id)], "idempotency_key": key}

    answers = [withdraw(visitor, told.consent, **typed) for _ in range(2)]

    assert {answer.headers["Location"] for answer in answers} == {f"/consents/{told.consent}"}
    assert how_many(Withdrawal) == 1


def test_a_colleague_was_faster(browser: Visit, told: Told) -> None:
    withdraw(browser(told.home), told.consent)
    page = withdraw(browser(told.home), told.consent, reason="二度目の理由")
    assert page.status_code == 409
    assert "この同意はすでに撤回されています。" in page.text
    assert "二度目の理由</textarea>" in page.text
    assert how_many(Withdrawal) == 1


def test_a_recipient_knows_nothing_of_the_consent(browser: Visit, told: Told) -> None:
    visitor = browser(told.one)
    for path in ("", "/withdraw", "/renew"):
        assert visitor.get(f"/consents/{told.consent}{path}").status_code == 404
    assert withdraw(visitor, told.consent).status_code == 404
    assert how_many(Withdrawal) == 0


def test_the_reason_is_for_who_wrote_it_and_who_keeps_the_record(browser: Visit, told: Told) -> None:
    recorded_there = make_consent(told.one, told.person, [told.three])
    withdraw(browser(told.home), recorded_there, reason="本人だけが知る事情")
    assert "本人だけが知る事情" in browser(told.home).get(f"/consents/{recorded_there}").text
    page = words_of(browser(told.one).get(f"/consents/{recorded_there}"))
    assert "この同意は撤回されました。" in page
    assert "本人だけが知る事情" not in page

    by_them = make_consent(told.one, told.person, [told.three])
    withdraw(browser(told.one), by_them, reason="こちらで聞いた事情")
    assert "こちらで聞いた事情" in browser(told.one).get(f"/consents/{by_them}").text
    assert "こちらで聞いた事情" in browser(told.home).get(f"/consents/{by_them}").text


def test_nothing_told_nothing_stops(browser: Visit, told: Told) -> None:
    other = make_consent(told.home, make_person(told.home), [told.one])
    page = words_of(browser(told.home).get(f"/consents/{other}/withdraw"))
    assert "まだどの機関にも伝えていません。" in page
    assert "影響のある機関" not in page
