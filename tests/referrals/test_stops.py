"""A consent that ends stops the referral at once, whoever has it open; ending it stays possible."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.db import db
from portal.disclosures import services as disclosures
from portal.disclosures.models import StopConfirmation
from portal.people import services as people
from portal.people.categories import Category
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from tests.browsers import Browser
from tests.factories import Member, make_consent, make_member, make_person, make_referral

Browsers = Callable[..., Browser]
S = ReferralStatus
TOLD = ["basic", "health"]


@pytest.fixture
def sides(app: object) -> tuple[Member, Member]:
    return make_member(), make_member()


def told(ours: Member, theirs: Member, status: ReferralStatus) -> tuple[UUID, UUID, UUID]:
    """A referral that told a name and a health record; its consent and its person."""
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    people.update_information(ours.actor, person, Category.HEALTH, text="健康の記載")
    consent = make_consent(ours, person, [theirs], TOLD)
    key = make_referral(
        ours, theirs, person_id=person, consent_id=consent, categories=TOLD, status=status, need="訪問の希望"
    )
    return key, consent, person


def referral(key: UUID) -> Referral:
    db.end()
    found = db.read.scalars(select(Referral).where(Referral.id == key)).one()
    db.end()
    return found


ONWARD = {
    S.REQUESTED: {"accept": {}},
    S.ACCEPTED: {"start": {"first_contact_on": "TODAY"}, "hold": {"text": "待つ"}},
    S.IN_PROGRESS: {"hold": {"text": "待つ"}},
    S.ON_HOLD: {"start": {"first_contact_on": "TODAY"}},
}
ENDING = {
    S.REQUESTED: [("reject", {"refusal": "other", "text": "撤回のため"}), ("cancel", {"text": "撤回のため"})],
    S.ACCEPTED: [("complete", {"outcome": "other"}), ("cancel", {"text": "撤回のため"})],
    S.IN_PROGRESS: [("complete", {"outcome": "other"}), ("fail", {"text": "撤回のため"})],
    S.ON_HOLD: [("complete", {"outcome": "other"}), ("cancel", {"text": "撤回のため"})],
}


@pytest.mark.parametrize("status", list(ONWARD))
def test_a_withdrawal_stops_at_once_what_is_open_on_the_screen(
    sides: tuple[Member, Member], browser: Browsers, status: ReferralStatus
) -> None:
    ours, theirs = sides
    key, consent, _person = told(ours, theirs, status)
    us, them = browser(ours), browser(theirs)
    before = them.get(f"/referrals/{key}").text
    assert "健康の記載" in before
    assert "山田 太郎" in before
    version = referral(key).version
    disclosures.withdraw_consent(ours.actor, consent, reason="本人の申し出")

    for action, typed in ONWARD[status].items():
        typed = {k: clock.today().isoformat() if v == "TODAY" else v for k, v in typed.items()}
        assert them.get(f"/referrals/{key}/{action}").status_code == 409
        refused = them.post(f"/referrals/{key}/{action}", data={"version": version, **typed})
        assert refused.status_code == 409
        assert "本人の同意が終わっているため、先へ進められません。" in refused.text
        assert all(value in refused.text for name, value in typed.items() if name == "text")
    for one in (us, them):
        message = one.post(f"/referrals/{key}/messages", data={"text": "書きかけの連絡"})
        assert message.status_code == 409
        assert "書きかけの連絡" in message.text
    assert referral(key).status is status

    after = them.get(f"/referrals/{key}").text
    assert "同意撤回により停止" in after
    assert "本人が同意を撤回しました" in after
    for gone in ("健康の記載", "山田", "訪問の希望"):
        assert gone not in after
        assert gone not in them.get(f"/referrals/{key}/sheet").text
    assert "利用停止を報告する" in after
    mine = us.get(f"/referrals/{key}").text
    assert "同意撤回により停止" in mine
    assert "同意を取り直す" in mine
    assert "健康の記載" in us.get(f"/referrals/{key}/sheet").text  # it is still our own record


def test_a_stopped_referral_can_still_be_ended(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    them = browser(theirs)
    for status, ends in ENDING.items():
        for action, typed in ends:
            key, consent, _person = told(ours, theirs, status)
            disclosures.withdraw_consent(ours.actor, consent)
            assert them.get(f"/referrals/{key}/{action}").status_code == 200
            form = {"version": referral(key).version, **typed}
            assert them.post(f"/referrals/{key}/{action}", data=form).status_code == 302, (status, action)
            assert "健康の記載" not in them.get(f"/referrals/{key}").text


def test_the_recipient_confirms_the_stop_once(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key, consent, _person = told(ours, theirs, S.IN_PROGRESS)
    us, them = browser(ours), browser(theirs)
    assert them.get(f"/referrals/{key}/confirm-stop").status_code == 409
    disclosures.withdraw_consent(ours.actor, consent)
    assert str(key) in them.get("/referrals/?stopped=1").text
    assert us.get(f"/referrals/{key}/confirm-stop").status_code == 403
    page = them.get(f"/referrals/{key}/confirm-stop").text
    assert "健康の記載" not in page
    done = them.post(f"/referrals/{key}/confirm-stop", data={"note": "紙は廃棄しました"})
    assert done.status_code == 302
    told_us = us.get(f"/referrals/{key}").text
    assert "利用停止を報告しました" in told_us
    assert "紙は廃棄しました" in told_us
    assert "利用停止を報告する" not in them.get(f"/referrals/{key}").text
    # They have done all they can; to take it back is the sender's.
    assert str(key) not in them.get("/referrals/?stopped=1").text
    assert str(key) in us.get("/referrals/?stopped=1").text
    assert them.post(f"/referrals/{key}/confirm-stop", data={"note": "もう一度"}).status_code == 409
    with db.transaction() as session:
        assert len(session.scalars(select(StopConfirmation)).all()) == 1


def test_a_withdrawal_for_another_agency_stops_nothing_here(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    other = make_member()
    person = make_person(ours)
    consent = make_consent(ours, person, [theirs, other])
    key = make_referral(ours, theirs, person_id=person, consent_id=consent)
    gone = make_referral(ours, other, person_id=person, consent_id=consent)
    disclosures.withdraw_consent(ours.actor, consent, recipients=[other.agency_id or UUID(int=0)])
    assert "停止" not in browser(theirs).get(f"/referrals/{key}").text
    assert "同意撤回により停止" in browser(other).get(f"/referrals/{gone}").text


def test_a_consent_ends_at_midnight_in_japan(browser: Browsers, at: Callable[..., None]) -> None:
    at("2026-04-01T10:00")
    ours, theirs = make_member(), make_member()
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    consent = make_consent(ours, person, [theirs], until=clock.today())
    key = make_referral(ours, theirs, person_id=person, consent_id=consent)
    at("2026-04-01T23:59:50", tick=False)
    them = browser(theirs)
    page = them.get(f"/referrals/{key}").text
    assert "山田 太郎" in page
    assert "あと0日" in page
    at("2026-04-02T00:00:00", tick=False)
    page = them.get(f"/referrals/{key}").text
    assert "山田" not in page
    assert "同意の期限切れにより停止" in page
    assert "本人の同意の期限が過ぎました" in page
    assert them.get(f"/referrals/{key}/accept").status_code == 409
    refused = them.post(f"/referrals/{key}/accept", data={"version": referral(key).version, "worker": ""})
    assert refused.status_code == 409


def test_a_new_consent_that_renews_the_old_one_goes_on_without_a_break(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    key, consent, person = told(ours, theirs, S.IN_PROGRESS)
    make_renewal(ours, theirs, person, consent, TOLD)
    page = browser(theirs).get(f"/referrals/{key}").text
    assert "健康の記載" in page
    assert "停止" not in page


def make_renewal(ours: Member, theirs: Member, person: UUID, consent: UUID, categories: list[str]) -> UUID:
    terms = ConsentTerms(
        recipients=frozenset([theirs.agency_id or UUID(int=0)]),
        categories=frozenset(Category(c) for c in categories),
        valid_from=clock.today(),
        valid_until=clock.today(),
        method=ConsentMethod.WRITTEN,
        purpose="支援の調整のため",
    )
    return disclosures.record_consent(ours.actor, person, terms, replaces=consent)
