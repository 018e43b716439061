"""Renewing a consent: prefilled, carried on without a break, and only once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.consents.models import Consent, ConsentMethod, Withdrawal
from tests.browsers import Browser
from tests.consents.acts import consents, how_many, terms, withdraw
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral
from tests.words import hidden, words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
NAME = "波止場"


class Running:
    """A consent of two agencies, both told of two categories, that lapses in ten days."""

    def __init__(self) -> None:
        self.home = make_member(make_agency(name="自立相談支援機関"))
        self.one = make_member(make_agency(name="就労準備支援事業"))
        self.two = make_member(make_agency(name="地域活動支援センター"))
        self.person = make_person(self.home, family=NAME, family_kana="はとば")
        self.consent = make_consent(
            self.home,
            self.person,
            [self.one, self.two],
            ["basic", "health"],
            method=ConsentMethod.ORAL,
            witness="立会 夏子",
            purpose="親子の話し合いのため",
            until=date(2026, 4, 10),
        )
        self.first, self.second = (self.refer(to) for to in (self.one, self.two))

    def refer(self, to: Member) -> UUID:
        return make_referral(
            self.home,
            to,
            person_id=self.person,
            consent_id=self.consent,
            categories=["basic", "health"],
            status="in_progress",
        )


@pytest.fixture
def running(app: Flask, at: Clock) -> Running:
    at("2026-04-01T10:00")
    return Running()


def test_the_form_is_filled_in_but_for_how_it_is_given_this_time(browser: Visit, running: Running) -> None:
    page = browser(running.home).get(f"/consents/{running.consent}/renew").text

    ticked = [line for line in page.replace("<", "\n<").splitlines() if "checked" in line]
    assert sum(f'value="{running.one.agency_id}"' in line for line in ticked) == 1
    assert sum(f'value="{running.two.agency_id}"' in line for line in ticked) == 1
    assert {
        code for code in ("basic", "health", "finances") if any(f'value="{code}"' in t for t in ticked)
    } == {
        "basic",
        "health",
    }
    assert "親子の話し合いのため</textarea>" in page
    assert not any('name="method"' in line for line in ticked)
    assert "立会 夏子" not in page


def renew(browser: Browser, running: Running, **typed: Any) -> Any:
    data = terms([running.one, running.two], categories=["basic", "health"]) | typed
    return browser.post(f"/consents/{running.consent}/renew", data=data | {"confirmed": "1"})


def test_the_work_goes_on_beyond_the_old_end(browser: Visit, running: Running, at: Clock) -> None:
    renew(browser(running.home), running)

    at("2026-04-11T09:00")
    assert NAME in browser(running.one).get(f"/people/{running.person}").text
    assert "利用停止の報告 0 件" in words_of(browser(running.one).get("/"))
    old, new = consents()
    assert new.replaces_id == old.id
    shown = words_of(browser(running.home).get(f"/consents/{old.id}"))
    assert "この同意は更新されています" in shown
    chain = words_of(browser(running.home).get(f"/consents/{new.id}"))
    assert "R8.4.1～R8.4.10" in chain
    assert "更新済み" in chain
    assert "同意の更新による継続" in words_of(
        browser(running.home).get(f"/people/{running.person}/disclosures")
    )


def test_who_is_left_out_is_named_on_the_check_and_stops_at_once(browser: Visit, running: Running) -> None:
    data = terms([running.one], categories=["basic", "health"])
    check = words_of(browser(running.home).post(f"/consents/{running.consent}/renew", data=data))
    assert "更新すると、次の機関への提供は終わります" in check
    ending = check[check.index("更新すると") : check.index("提供先の機関")]
    assert "地域活動支援センター" in ending
    assert "就労準備支援事業" not in ending

    renew(browser(running.home), running, recipients=[str(running.one.agency_id)])

    assert NAME in browser(running.one).get(f"/people/{running.person}").text
    assert NAME not in browser(running.two).get(f"/people/{running.person}").text
    assert "利用停止の報告 1 件" in words_of(browser(running.two).get("/"))


def test_a_category_left_out_is_withheld_at_once(browser: Visit, running: Running) -> None:
    renew(browser(running.home), running, categories=["basic"])
    page = words_of(browser(running.one).get(f"/people/{running.person}"))
    assert NAME in page
    assert "同意が終わったため表示できません" in page


def test_the_same_form_twice_is_one_renewal(browser: Visit, running: Running) -> None:
    visitor = browser(running.home)
    (key,) = hidden(visitor.get(f"/consents/{running.consent}/renew"), "idempotency_key")

    first, second = (renew(visitor, running, idempotency_key=key) for _ in range(2))

    assert first.headers["Location"] == second.headers["Location"]
    assert how_many(Consent) == 2


def test_a_second_renewal_is_refused_and_shown_the_first(browser: Visit, running: Running) -> None:
    renew(browser(running.home), running)
    (_old, new) = consents()

    again = renew(browser(running.home), running, purpose="別の目的")
    assert again.status_code == 409
    assert "別の目的</textarea>" in again.text
    answer = browser(running.home).get(f"/consents/{running.consent}/renew")
    assert answer.headers["Location"] == f"/consents/{new.id}"


def test_the_newer_one_is_the_one_to_take_back(browser: Visit, running: Running) -> None:
    """Else somebody is told that it is withdrawn while the newer one goes on telling."""
    renew(browser(running.home), running)

    answer = withdraw(browser(running.home), running.consent)

    assert answer.status_code == 409
    assert "更新後の同意を開いて撤回してください。" in answer.text
    assert how_many(Withdrawal) == 0
    withdraw(browser(running.home), consents()[1].id)
    assert NAME not in browser(running.one).get(f"/people/{running.person}").text


def test_after_the_end_a_renewal_revives_nothing(browser: Visit, running: Running, at: Clock) -> None:
    at("2026-04-12T09:00")
    page = words_of(browser(running.home).get(f"/consents/{running.consent}/renew"))
    assert "止まったつなぎは再開しません" in page

    renew(browser(running.home), running)

    assert how_many(Consent) == 2
    assert NAME not in browser(running.one).get(f"/people/{running.person}").text
