"""Recording a consent: the form, the page on which it is checked, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from flask import Flask

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.consents.models import Consent, ConsentMethod
from portal.core.db import db
from tests.browsers import Browser
from tests.consents.acts import consents, how_many, record, terms
from tests.factories import (
    Member,
    make_agency,
    make_consent,
    make_member,
    make_person,
    make_referral,
    step,
)
from tests.words import errors_of, hidden, words_of

pytestmark = pytest.mark.quick

Visit = Callable[..., Browser]
Clock = Callable[..., None]


@pytest.fixture
def ours(app: Flask, at: Clock) -> Member:
    at("2026-04-01T10:00")
    return make_member(make_agency(name="自立相談支援機関"))


@pytest.fixture
def theirs(ours: Member) -> Member:
    return make_member(make_agency(name="就労準備支援事業"))


@pytest.mark.both_databases
def test_a_consent_is_checked_and_then_recorded(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id, visitor = make_person(ours), browser(ours)
    address = f"/people/{person_id}/consents/new"
    typed = terms([theirs], categories=["basic", "health"], kept_at="綴り 令和8年度 い-12")

    shown = visitor.post(address, data=typed)

    assert how_many(Consent) == 0, "nothing is recorded before it was checked"
    assert "同意の内容を確認" in words_of(shown)
    for said in (
        "就労準備支援事業",
        "基本情報、健康・障がい",
        "令和8年4月1日から令和9年3月31日まで",
        "書面",
        "い-12",
    ):
        assert said in words_of(shown)
    carried = {name: hidden(shown, name) for name in (*typed, "idempotency_key")}
    answer = visitor.post(address, data=carried | {"confirmed": "1"})
    (consent,) = consents()
    assert answer.headers["Location"].endswith(f"/consents/{consent.id}")
    assert consent.method is ConsentMethod.WRITTEN
    assert str(consent.valid_until) == "2027-03-31"
    page = words_of(visitor.get(answer.headers["Location"]))
    assert "同意を記録しました。" in page
    assert "あと364日" in page
    assert "まだどの機関にも伝えていません。" in page


def test_going_back_from_the_check_keeps_what_was_typed(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id = make_person(ours)
    typed = terms([theirs], purpose="親子で相談するため", kept_at="棚 3")

    page = browser(ours).post(f"/people/{person_id}/consents/new", data=typed | {"edit": "1"}).text

    assert how_many(Consent) == 0
    assert "親子で相談するため</textarea>" in page
    assert 'value="棚 3"' in page
    assert page.count("checked") == 4  # one agency, one category, who, how
    assert 'value="令和8年4月1日"' in page


METHODS = [
    ({"method": "written"}, "書面"),
    ({"method": "electronic"}, "電子"),
    ({"method": "oral", "witness": "立会 夏子"}, "立会 夏子"),
    (
        {"given_by": "representative", "given_by_name": "見本 春子", "given_by_relation": "母"},
        "代理の方：見本 春子（母）",
    ),
]


@pytest.mark.parametrize(("typed", "said"), METHODS)
def test_each_way_of_giving_it(
    browser: Visit, ours: Member, theirs: Member, typed: dict[str, str], said: str
) -> None:
    person_id, visitor = make_person(ours), browser(ours)

    answer = record(visitor, person_id, terms([theirs], **typed))

    assert said in words_of(visitor.get(answer.headers["Location"]))


REFUSED = [
    ({"recipients": []}, "提供先の機関を選んでください。"),
    ({"categories": []}, "提供する情報の区分を選んでください。"),
    ({"purpose": "　"}, "入力してください。"),
    ({"method": ""}, "同意の方法を選んでください。"),
    ({"method": "telepathy"}, "同意の方法を選んでください。"),
    ({"method": "oral"}, "口頭の同意には立会人の氏名が必要です。"),
    ({"method": "oral", "witness": "立会 夏子", "kept_at": "棚 3"}, "口頭の同意には原本がありません。"),
    ({"valid_from": "令和8年4月2日"}, "同意日に先の日付は入力できません。"),
    ({"valid_until": "2026-03-31"}, "終了日は同意日以後の日付にしてください。"),
    ({"valid_from": "2026-03-01", "valid_until": "2026-03-31"}, "終了日がすでに過ぎています。"),
    ({"valid_until": "令和8年2月30日"}, "カレンダーにない日付です。"),
    ({"valid_until": ""}, "入力してください。"),
    ({"given_by": "representative"}, "代理の方の氏名を入力してください。"),
    ({"given_by": "representative", "given_by_name": "見本 春子"}, "本人との関係を入力してください"),
    ({"given_by_name": "見本 春子"}, "本人が同意したときは、この欄を空けてください。"),
    ({"given_by_relation": "母"}, "本人が同意したときは、この欄を空けてください。"),
    ({"categories": ["secrets"]}, "選べなくなったものが含まれています。"),
    ({"recipients": [str(uuid4())]}, "選べなくなったものが含まれています。"),
    ({"purpose": "あ" * 2001}, "2000文字以内で入力してください。"),
]


@pytest.mark.parametrize(("typed", "said"), REFUSED)
def test_what_cannot_be_is_said_at_its_field(
    browser: Visit, ours: Member, theirs: Member, typed: dict[str, str], said: str
) -> None:
    person_id = make_person(ours)
    whole = terms([theirs], **{"form_version": "見本の様式 第9版", **typed})

    visitor = browser(ours)
    checked = visitor.post(f"/people/{person_id}/consents/new", data=whole)
    for page in (checked, record(visitor, person_id, whole)):
        assert said in errors_of(page)
        assert "エラー：" in page.text
        assert 'value="見本の様式 第9版"' in page.text, "what was typed is still there"
    assert how_many(Consent) == 0


def test_the_own_agency_is_not_offered_and_not_taken(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id, visitor = make_person(ours), browser(ours)

    assert str(ours.agency_id) not in visitor.get(f"/people/{person_id}/consents/new").text
    record(visitor, person_id, terms([ours, theirs]))
    assert how_many(Consent) == 0


def test_hostile_text_is_shown_inert(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id, visitor = make_person(ours), browser(ours)
    purpose = "<script>alert(1)</script>{{ 7*7 }}' OR 1=1 --𠮷"

    answer = record(visitor, person_id, terms([theirs], purpose=purpose))

    page = visitor.get(answer.headers["Location"])
    assert "<script>alert" not in page.text
    assert purpose in words_of(page)


def test_the_same_form_twice_makes_one_record(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id, visitor = make_person(ours), browser(ours)
    (key,) = hidden(visitor.get(f"/people/{person_id}/consents/new"), "idempotency_key")

    first, second = (record(visitor, person_id, terms([theirs], idempotency_key=key)) for _ in range(2))

    assert first.headers["Location"] == second.headers["Location"]
    assert how_many(Consent) == 1


def test_a_pseudonymous_person_cannot_consent(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id, visitor = make_person(ours, pseudonym="ひだまり1"), browser(ours)

    shown = words_of(visitor.get(f"/people/{person_id}/consents/new"))
    assert "仮名のままでは、本人の同意を記録できません" in shown
    assert record(visitor, person_id, terms([theirs])).status_code == 409
    assert how_many(Consent) == 0


def test_whoever_may_see_the_name_may_record(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id = make_person(ours)
    make_referral(ours, theirs, person_id=person_id, status="accepted")
    further = make_member()

    answer = record(browser(theirs), person_id, terms([further]))

    assert browser(theirs).get(answer.headers["Location"]).status_code == 200
    assert browser(ours).get(answer.headers["Location"]).status_code == 200, (
        "the home agency sees all consents"
    )


def test_whose_basis_has_died_may_not_record(browser: Visit, ours: Member, theirs: Member, at: Clock) -> None:
    person_id = make_person(ours, family="波止場")
    make_referral(ours, theirs, person_id=person_id, status="accepted")
    at("2027-04-01T10:00")

    visitor = browser(theirs)
    shown = visitor.get(f"/people/{person_id}/consents/new")
    assert "この機関では同意を記録できません" in words_of(shown)
    assert "波止場" not in shown.text
    record(visitor, person_id, terms([make_member()], valid_from="2027-04-01", valid_until="2027-05-01"))
    assert how_many(Consent) == 1, "only that of the referral"


def test_to_others_the_person_is_missing(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id = make_person(ours)
    visitor = browser(theirs)

    for path in ("consents/new", "consents/form", "consents/form.pdf", "disclosures", "disclosures.pdf"):
        hidden_one, no_one = (
            visitor.get(f"/people/{person_id}/{path}"),
            visitor.get(f"/people/{uuid4()}/{path}"),
        )
        assert hidden_one.status_code == 404
        assert hidden_one.data == no_one.data
    assert record(visitor, person_id, terms([ours])).status_code == 404
    assert how_many(Consent) == 0


def test_a_referral_refused_leaves_no_trace_of_the_person(
    browser: Visit, ours: Member, theirs: Member
) -> None:
    person_id = make_person(ours)
    referral_id = make_referral(ours, theirs, person_id=person_id)
    assert browser(theirs).get(f"/people/{person_id}/disclosures").status_code == 200
    step(theirs, referral_id, "reject")
    assert browser(theirs).get(f"/people/{person_id}/disclosures").status_code == 404


@pytest.mark.parametrize("role", ["auditor", "system_admin", "agency_admin"])
def test_who_does_no_casework_finds_nothing(browser: Visit, ours: Member, theirs: Member, role: str) -> None:
    person_id = make_person(ours)
    consent_id = make_consent(ours, person_id, [theirs])
    home = ours.agency_id if role == "agency_admin" else None
    visitor = browser(make_member(home, role=type(ours.actor.role)(role)))

    assert visitor.get("/consents/").status_code == 403
    for path in (
        f"/people/{person_id}/consents/new",
        f"/people/{person_id}/disclosures",
        f"/consents/{consent_id}",
        f"/consents/{consent_id}/withdraw",
        f"/consents/{consent_id}/renew",
    ):
        assert visitor.get(path).status_code == 404


def test_recording_and_reading_are_logged(browser: Visit, ours: Member, theirs: Member) -> None:
    person_id, visitor = make_person(ours), browser(ours)
    location = record(visitor, person_id, terms([theirs], categories=["basic", "finances"])).headers[
        "Location"
    ]
    visitor.get(location)

    with db.transaction() as session:
        entries = session.query(AuditEntry).filter(AuditEntry.person_id == person_id).all()
        told = {entry.event: entry.body.decode() for entry in entries}
    recorded = told[AuditEvent.CONSENT_RECORDED]
    assert '"categories":["basic","finances"]' in recorded
    assert '"ground":"consent"' in recorded
    assert "見本" not in recorded
    assert f'"object":["consent","{consents()[0].id}"]' in told[AuditEvent.CONSENT_READ]
