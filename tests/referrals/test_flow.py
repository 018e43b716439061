"""A referral from the first word to the last, through the pages, for all four kinds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.cases.codes import Domain
from portal.cases.models import Case
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.people import services as people
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals.models import Referral, ReferralEvent
from portal.referrals.states import FLOW, ReferralAction, ReferralStatus
from tests.browsers import Browser
from tests.factories import (
    PATHS,
    Member,
    make_agency,
    make_consent,
    make_member,
    make_person,
    make_referral,
)
from tests.referrals.typed import proposal, send, step

pytestmark = pytest.mark.quick

Browsers = Callable[..., Browser]
S, A = ReferralStatus, ReferralAction


def referral(referral_id: UUID) -> Referral:
    db.end()
    found = db.read.scalars(select(Referral).where(Referral.id == referral_id)).one()
    db.end()
    return found


def version(referral_id: UUID) -> int:
    return referral(referral_id).version


@pytest.fixture
def sides(app: object) -> tuple[Member, Member]:
    return make_member(), make_member()


@pytest.mark.both_databases
def test_a_referral_from_the_first_word_to_the_last(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    make_consent(ours, person, [theirs], [Category.BASIC, Category.HEALTH])
    us, them = browser(ours), browser(theirs)
    fields = {"goal_domain-0": "social", "goal_text-0": "週に一度、外に出る"}
    key = send(us, proposal(person, theirs, categories=["basic", "health"], **fields))

    done = us.get(f"/referrals/{key}?sent=1").text
    assert referral(key).number in done
    assert "送付しました" in done
    assert "まだ開いていません" in done

    inbox = them.get("/referrals/?box=in&new=1").text
    assert "山田 太郎" in inbox
    assert "新着" in inbox
    received = them.get(f"/referrals/{key}").text
    assert "受け取りました（初めて開きました）" in received
    assert "相手の機関が受け取りました" in us.get(f"/referrals/{key}").text
    assert referral(key).received_at

    step(them, key, "accept", version(key), worker=str(theirs.staff_id))
    assert referral(key).worker_id == theirs.staff_id
    step(them, key, "start", version(key), first_contact_on=clock.today().isoformat())
    step(them, key, "hold", version(key), text="入院のため")
    assert "支援を再開する" in them.get(f"/referrals/{key}").text
    step(them, key, "start", version(key), first_contact_on=clock.today().isoformat())
    assert us.post(f"/referrals/{key}/messages", data={"text": "その後いかがですか"}).status_code == 302
    assert "その後いかがですか" in them.get(f"/referrals/{key}").text
    step(them, key, "complete", version(key), outcome="part_time_job", **{"scores-0": "achieved"})

    end = us.get(f"/referrals/{key}").text
    for words in ("完了しました（アルバイト・パート就労）", "週に一度、外に出る", "達成", "入院のため"):
        assert words in end
    with db.transaction() as session:
        cases = session.scalars(select(Case).where(Case.agency_id == theirs.agency_id)).all()
        assert [(case.person_id, case.source_id, case.worker_id) for case in cases] == [
            (person, key, theirs.staff_id)
        ]


def test_a_joint_interview_tells_when_and_where(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us, them = browser(ours), browser(theirs)
    wanted = proposal(person, theirs, kind="joint_interview")
    refused = us.post("/referrals/new", data=wanted)
    assert "同席をお願いする日時と場所を入力してください。" in refused.text
    assert 'href="#appointment_at"' in refused.text

    when = {"appointment_at": ["令和9年1月15日", "14:30"], "appointment_place": "市役所 2階 相談室"}
    key = send(us, wanted | when)
    page = them.get(f"/referrals/{key}").text
    assert "令和9年1月15日 14時30分　市役所 2階 相談室" in page
    step(them, key, "accept", version(key))
    step(them, key, "start", version(key), first_contact_on=clock.today().isoformat())
    step(them, key, "complete", version(key), outcome="joined_programme")
    assert referral(key).status is S.COMPLETED


@pytest.mark.both_databases
def test_a_transfer_says_so_and_moves_the_record(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us, them = browser(ours), browser(theirs)
    answer = us.post("/referrals/new", data=proposal(person, theirs, kind="transfer"))
    assert "記録が相手の機関に移ります" in us.get(answer.location).text
    key = UUID(answer.location.split("/")[2])
    us.post(answer.location, data={"version": "1"})
    assert "自分の機関の所管に移ります" in them.get(f"/referrals/{key}").text
    assert "記録が自分の機関に移ります" in them.get(f"/referrals/{key}/accept").text
    step(them, key, "accept", version(key))
    with db.transaction() as session:
        moved = session.scalars(select(Person).where(Person.id == person)).one()
        assert moved.home_agency_id == theirs.agency_id
    assert us.get(f"/referrals/{key}").status_code == 200


def test_a_transfer_needs_the_consent_to_everything_on_file(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours)
    people.update_information(ours.actor, person, Category.HEALTH, text="手帳なし")
    make_consent(ours, person, [theirs])
    us = browser(ours)
    answer = us.post("/referrals/new", data=proposal(person, theirs, kind="transfer"))
    page = us.get(answer.location).text
    assert "移管では記録全体が移ります。「健康・障がい」にも同意が必要です。" in page
    assert "この内容で送付する" not in page
    refused = us.post(answer.location, data={"version": "1"})
    assert refused.status_code == 409
    assert "「健康・障がい」にも同意が必要です。" in refused.text


SECRETS = {
    "family": "秘密山",
    "given": "隠太郎",
    "family_kana": "ひみつやま",
    "given_kana": "かくれたろう",
    "address": "見本市隠町9丁目",
    "telephone": "090-0000-9999",
    "household": "父と隠れ家",
    "birth": date(1987, 6, 5),
}


@pytest.mark.both_databases
def test_anonymous_advice_reveals_nothing(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours, **SECRETS)
    us, them = browser(ours), browser(theirs)
    asked = proposal(
        person,
        theirs,
        kind="advice",
        basis="anonymous",
        categories=[],
        need="家から出られない人の親への声のかけ方",
        anonymous_age_band="35-39",
    )
    key = send(us, asked)
    pages = [
        them.get(path)
        for path in (
            "/referrals/",
            f"/referrals/{key}",
            f"/referrals/{key}/accept",
            f"/referrals/{key}/sheet",
        )
    ]
    for page in pages:
        assert page.status_code == 200
        for secret in (*texts_of(SECRETS), str(person), "昭和62年6月5日", "1987-06-05"):
            assert secret not in page.text, secret
    assert "30代後半" in pages[1].text
    assert str(key) not in them.post("/referrals/", data={"q": "秘密山"}, follow_redirects=True).text
    assert str(key) in us.post("/referrals/", data={"q": "秘密山"}, follow_redirects=True).text
    step(them, key, "accept", version(key))
    step(them, key, "start", version(key), first_contact_on=clock.today().isoformat())
    assert them.post(f"/referrals/{key}/messages", data={"text": "まずは挨拶から"}).status_code == 302
    step(them, key, "complete", version(key), outcome="advice_given")
    assert "秘密山 隠太郎" in us.get(f"/referrals/{key}").text


def texts_of(values: dict[str, object]) -> list[str]:
    return [value for value in values.values() if isinstance(value, str)]


def test_an_anonymous_asking_names_nobody_even_to_an_agency_that_knows_the_person(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours, **SECRETS)
    make_referral(ours, theirs, person_id=person, consent_id=make_consent(ours, person, [theirs]))
    asked = make_referral(ours, theirs, person_id=person, kind="advice", basis="anonymous")
    them = browser(theirs)
    for path in ("", "/accept", "/sheet", "/sheet?copy=recipient"):
        page = them.get(f"/referrals/{asked}{path}").text
        assert "秘密山" not in page, path
        assert str(person) not in page, path
    listed = them.get("/referrals/").text
    assert listed.count("秘密山") == 1  # the other referral, on the person's consent
    assert str(asked) not in them.post("/referrals/", data={"q": "秘密山"}, follow_redirects=True).text


def test_a_pseudonym_stays_here_too(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours, pseudonym="ひまわりさん")
    us, them = browser(ours), browser(theirs)
    form = us.get(f"/referrals/new?person={person}").text
    assert "仮名のあいだは、匿名の助言依頼だけを送れます。" in form
    key = send(us, proposal(person, theirs, kind="advice", basis="anonymous", categories=[]))
    assert "ひまわりさん" in us.get(f"/referrals/{key}").text
    for path in ("/referrals/", f"/referrals/{key}", f"/referrals/{key}/sheet"):
        assert "ひまわりさん" not in them.get(path).text


SPELLINGS = ["秘密山さん", "ヒミツヤマ", "ﾋﾐﾂﾔﾏ", "見本市隠町９丁目", "1987年6月5日", "090 0000 9999"]


def test_an_anonymous_text_that_names_the_person_is_refused(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours, **SECRETS)
    us = browser(ours)
    asked = proposal(person, theirs, kind="advice", basis="anonymous", categories=[])
    key = send(us, asked)
    for spelling in SPELLINGS:
        refused = us.post("/referrals/new", data=asked | {"need": f"{spelling}のこと"})
        assert "いずれかが含まれています" in refused.text
        assert spelling in refused.text  # what was typed is kept
        goal = us.post("/referrals/new", data=asked | {"goal_text-0": spelling})
        assert "いずれかが含まれています" in goal.text
        message = us.post(f"/referrals/{key}/messages", data={"text": f"{spelling}です"})
        assert message.status_code == 400
        assert spelling in message.text
    with db.transaction() as session:
        lines = session.scalars(select(ReferralEvent.text).where(ReferralEvent.referral_id == key))
        assert not any(lines)


NEEDS = [
    (S.REQUESTED, "reject", {"refusal": "no_capacity", "text": "満員です"}, {"refusal", "text"}),
    (S.ACCEPTED, "start", {"first_contact_on": "TODAY"}, {"first_contact_on"}),
    (S.ACCEPTED, "hold", {"text": "入院"}, {"text"}),
    (S.IN_PROGRESS, "complete", {"outcome": "employed", "scores-0": "partial"}, {"outcome", "scores-0"}),
    (
        S.COMPLETED,
        "amend",
        {"outcome": "other", "scores-0": "partial", "text": "選びまちがい"},
        {"outcome", "scores-0", "text"},
    ),
    (S.IN_PROGRESS, "fail", {"text": "連絡が取れない"}, {"text"}),
    (S.REQUESTED, "cancel", {"text": "本人の希望"}, {"text"}),
    (S.REQUESTED, "correct", {"text": "二重に登録"}, {"text"}),
]


def test_each_step_asks_for_exactly_what_it_needs(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    us, them = browser(ours), browser(theirs)
    asked = {"refusal", "text", "first_contact_on", "outcome", "scores-0", "worker"}
    for status, action, typed, needed in NEEDS:
        key = make_referral(ours, theirs, status=status, goals=((Domain.DAILY, "朝に起きる"),))
        who = us if action == "correct" else them
        typed = {n: clock.today().isoformat() if value == "TODAY" else value for n, value in typed.items()}
        form = who.get(f"/referrals/{key}/{action}").text
        optional = {"text"} if action == "complete" else set()
        assert {name for name in asked if f'name="{name}"' in form} == needed | optional
        for name in needed:
            without = {k: v for k, v in typed.items() if k != name}
            refused = who.post(f"/referrals/{key}/{action}", data={"version": version(key), **without})
            assert "入力内容を確認してください" in refused.text, (action, name)
            if name == "scores-0":
                assert "目標1：達成の状況を選んでください。" in refused.text
                assert "Scores" not in refused.text
            assert referral(key).status is status
        step(who, key, action, version(key), **typed)
        assert referral(key).status is FLOW[A(action)].target


def test_the_first_contact_lies_between_sending_and_today(
    sides: tuple[Member, Member], browser: Browsers, at: Callable[..., None]
) -> None:
    ours, theirs = sides
    at("2026-04-01T10:00")
    key = make_referral(ours, theirs, status=S.ACCEPTED)
    at("2026-04-08T10:00")
    them = browser(theirs)
    for day in ("2026-03-31", "2026-04-09", "令和8年2月30日", "きのう"):
        refused = them.post(
            f"/referrals/{key}/start", data={"version": version(key), "first_contact_on": day}
        )
        assert "入力内容を確認してください" in refused.text
        assert day in refused.text
    step(them, key, "start", version(key), first_contact_on="R8.4.1")
    assert referral(key).first_contact_on == date(2026, 4, 1)


def test_accepting_offers_only_ones_own_staff(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    them = browser(theirs)
    answer = them.post(
        f"/referrals/{key}/accept", data={"version": version(key), "worker": str(ours.staff_id)}
    )
    assert answer.status_code == 200
    assert "一覧から選んでください。" in answer.text
    assert referral(key).status is S.REQUESTED


ANSWERS = {
    "refusal": "other",
    "text": "見本の理由",
    "first_contact_on": "TODAY",
    "outcome": "other",
    "worker": "",
}


def test_illegal_steps_say_so_and_change_nothing(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    typed = ANSWERS | {"first_contact_on": clock.today().isoformat()}
    us, them = browser(ours), browser(theirs)
    for status in set(S) - {S.DRAFT}:
        key = make_referral(ours, theirs, status=status)
        for action in A:
            if status in FLOW[action].sources:
                continue
            who = us if action in {A.SEND, A.CORRECT} else them
            # The check page of what was sent leads to what became of it.
            looked = 302 if action is A.SEND else 409
            assert who.get(f"/referrals/{key}/{action}").status_code == looked, (status, action)
            refused = who.post(f"/referrals/{key}/{action}", data={"version": version(key), **typed})
            assert refused.status_code == 409, (status, action)
            assert referral(key).status is status


def test_the_other_sides_steps_are_not_ones_own(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    us, them = browser(ours), browser(theirs)
    typed = {"version": 1, "text": "x"}
    for status in PATHS:
        key = make_referral(ours, theirs, status=status)
        for action in (A.ACCEPT, A.REJECT, A.START, A.HOLD, A.COMPLETE, A.FAIL):
            assert us.get(f"/referrals/{key}/{action}").status_code == 403
            assert us.post(f"/referrals/{key}/{action}", data=typed).status_code == 403
        if status is not S.DRAFT:
            for action in (A.SEND, A.CORRECT):
                assert them.get(f"/referrals/{key}/{action}").status_code == 403
                assert them.post(f"/referrals/{key}/{action}", data=typed).status_code == 403
            assert us.post(f"/referrals/{key}/worker", data={"worker": ""}).status_code == 403
        assert referral(key).status is status


PATHS_OF_ONE = [
    "", "/edit", "/send", "/sheet", "/sheet.pdf", "/sheet?copy=recipient", "/confirm-stop",
    "/follow-up?kind=meeting", *(f"/{action}" for action in A),
]  # fmt: skip


def test_a_third_agency_and_an_unknown_id_get_the_same_bytes(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    keys = [make_referral(ours, theirs), make_referral(ours, theirs, status=S.DRAFT)]
    third = browser(make_member())
    typed = ANSWERS | {"version": "1", "kind": "meeting"}
    for path in PATHS_OF_ONE:
        nothing = third.get(f"/referrals/{uuid4()}{path}")
        assert nothing.status_code == 404
        for key in keys:
            assert third.get(f"/referrals/{key}{path}").data == nothing.data, path
    reading_only = ("", "/sheet", "/sheet.pdf", "/sheet?copy=recipient")
    for path in ("/messages", "/worker", *(path for path in PATHS_OF_ONE if path not in reading_only)):
        nothing = third.post(f"/referrals/{uuid4()}{path}", data=typed)
        assert nothing.status_code == 404
        for key in keys:
            answer = third.post(f"/referrals/{key}{path}", data=typed)
            assert (answer.status_code, answer.data) == (nothing.status_code, nothing.data), path
    for parameter in ("part_of", "person"):
        nothing = third.get(f"/referrals/new?{parameter}={uuid4()}")
        assert nothing.status_code == 404
        key = keys[0] if parameter == "part_of" else referral(keys[0]).person_id
        assert third.get(f"/referrals/new?{parameter}={key}").data == nothing.data


def test_a_draft_is_hidden_from_the_agency_it_will_go_to(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs, status=S.DRAFT)
    them = browser(theirs)
    for path in PATHS_OF_ONE:
        assert them.get(f"/referrals/{key}{path}").data == them.get(f"/referrals/{uuid4()}{path}").data
    assert "進行中のつなぎはありません" in them.get("/referrals/").text


def test_of_two_answers_one_wins_and_the_other_sees_what_happened(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    colleague = make_member(theirs.agency_id, name="見本 次郎")
    key = make_referral(ours, theirs)
    first, second = browser(theirs), browser(colleague)
    first.get(f"/referrals/{key}")
    both = {"version": version(key), "seen": "2"}
    assert first.get(f"/referrals/{key}/accept").status_code == 200
    assert second.get(f"/referrals/{key}/reject").status_code == 200
    assert first.post(f"/referrals/{key}/accept", data=both | {"worker": ""}).status_code == 302
    lost = second.post(
        f"/referrals/{key}/reject", data=both | {"refusal": "no_capacity", "text": "今月は満員のため"}
    )
    assert lost.status_code == 409
    assert "いまは「受入」のため、「受入不可と回答する」はできません。" in lost.text
    assert "受け入れました" in lost.text
    assert theirs.actor.name in lost.text
    assert "今月は満員のため" in lost.text
    assert referral(key).status is S.ACCEPTED


def test_two_answers_in_the_same_moment_have_one_winner(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    both = [browser(theirs), browser(make_member(theirs.agency_id))]
    for _round in range(3):
        key = make_referral(ours, theirs)
        form = {"version": version(key), "worker": "", "refusal": "other", "text": "見本の理由"}
        start = Barrier(2)

        def press(
            who: Browser, action: str, key: UUID = key, form: dict[str, Any] = form, start: Barrier = start
        ) -> int:
            start.wait()
            return who.post(f"/referrals/{key}/{action}", data=form).status_code

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(press, both, ("accept", "reject")))
        assert sorted(answers) == [302, 409]
        assert referral(key).status is (S.ACCEPTED if answers[0] == 302 else S.REJECTED)
        assert referral(key).version == form["version"] + 1


@pytest.mark.parametrize("role", [Role.AGENCY_ADMIN, Role.AUDITOR, Role.SYSTEM_ADMIN])
def test_who_does_no_casework_sees_no_referral(
    sides: tuple[Member, Member], browser: Browsers, role: Role
) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    agency = theirs.agency_id if role is Role.AGENCY_ADMIN else None
    one = browser(make_member(agency, role))
    assert str(key) not in one.get("/referrals/").text
    for path in PATHS_OF_ONE:
        assert one.get(f"/referrals/{key}{path}").status_code == 404
    for path in ("/referrals/new", "/referrals/follow-ups"):
        assert one.get(path).status_code == 403
    assert referral(key).received_at is None


def test_a_stale_form_keeps_its_text_and_can_be_sent_again(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    colleague = make_member(theirs.agency_id, name="見本 次郎")
    key = make_referral(ours, theirs, status=S.ACCEPTED)
    first, second = browser(theirs), browser(colleague)
    before = version(key)
    second.post(f"/referrals/{key}/worker", data={"worker": str(colleague.staff_id), "version": before})
    late = first.post(f"/referrals/{key}/hold", data={"version": before, "seen": "3", "text": "連絡待ち"})
    assert late.status_code == 409
    assert "連絡待ち" in late.text
    assert "担当者を決めました" in late.text
    assert "見本 次郎" in late.text
    assert f'name="version" type="hidden" value="{version(key)}"' in late.text
    step(first, key, "hold", version(key), text="連絡待ち")


def test_the_same_form_twice_is_one_step(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs)
    them = browser(theirs)
    form = {"version": version(key), "worker": "", "idempotency_key": "0" * 31 + "1"}
    for _time in range(2):
        answer = them.post(f"/referrals/{key}/accept", data=form)
        assert (answer.status_code, answer.location) == (302, f"/referrals/{key}")
    note = {"text": "届きました", "idempotency_key": "0" * 31 + "2"}
    for _time in range(2):
        assert them.post(f"/referrals/{key}/messages", data=note).status_code == 302
    assert them.get(f"/referrals/{key}").text.count("届きました") == 1
    db.end()
    lines = db.read.scalars(select(ReferralEvent.what).where(ReferralEvent.referral_id == key)).all()
    db.end()
    assert [line.value for line in lines].count("accept") == 1


def test_a_taken_back_referral_takes_its_information_back(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    person = make_person(ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう")
    key = make_referral(ours, theirs, person_id=person, need="働く準備を始めたい")
    us, them = browser(ours), browser(theirs)
    assert "山田 太郎" in them.get(f"/referrals/{key}").text
    step(us, key, "cancel", version(key), text="本人の希望")
    after = them.get(f"/referrals/{key}").text
    assert "山田" not in after
    assert "働く準備を始めたい" not in after
    assert "このつなぎは終わったため、受け取った内容は表示しません。" in after
    assert "本人の希望" not in after
    assert "本人の希望" in us.get(f"/referrals/{key}").text


def test_deadlines_follow_the_recipients_calendar(browser: Browsers, at: Callable[..., None]) -> None:
    """Golden Week of 2026: 29 April, 3 to 6 May are holidays; アサガオ is closed on Sundays and Mondays too."""
    at("2026-04-28T10:00")
    ours = make_member()
    theirs = make_member(make_agency(weekly_closed="06", holidays_closed=True))
    person = make_person(ours)
    make_consent(ours, person, [theirs])
    us = browser(ours)
    answer = us.post("/referrals/new", data=proposal(person, theirs))
    page = us.get(answer.location).text
    assert "令和8年5月1日（金）まで" in page  # Thursday 30, Friday 1
    assert "令和8年5月8日（金）まで" in page  # Saturday 2, then Thursday 7, Friday 8
    us.post(answer.location, data={"version": "1"})
    sent = referral(UUID(answer.location.split("/")[2]))
    assert (sent.acknowledge_by, sent.respond_by) == (date(2026, 5, 1), date(2026, 5, 8))
