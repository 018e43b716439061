"""A random sample of referrals: drawn so that anybody can draw it again, looked through, and ended."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.policy import Role
from portal.inspections import samples
from portal.inspections.hints import Check, Verdict
from portal.inspections.models import Sample, SampleItem
from portal.inspections.samples import Draw
from portal.referrals import conversation
from portal.referrals.models import FollowUpKind
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.consents.acts import withdraw
from tests.factories import Member, make_consent, make_member, make_person, make_referral, step

Visit = Callable[..., Browser]
ALL_OK = {one.value: "ok" for one in Check}


@pytest.fixture
def auditor(app: Flask) -> Member:
    return make_member(role=Role.AUDITOR)


def drawn(auditor: Member, wanted: int = 3, **more: object) -> UUID:
    today = clock.today()
    return samples.draw(auditor.actor, Draw(today, today, wanted, **more))  # type: ignore[arg-type]


def items_of(sample_id: UUID) -> list[SampleItem]:
    wanted = select(SampleItem).where(SampleItem.sample_id == sample_id).order_by(SampleItem.position)
    found = list(db.read.scalars(wanted))
    db.end()
    return found


def hints_of(auditor: Member, referral_id: UUID) -> dict[Check, Verdict]:
    """The hints for one referral, through the page's own query."""
    sample_id = drawn(auditor, 200)
    item = next(one for one in items_of(sample_id) if one.referral_id == referral_id)
    view = samples.load_item(auditor.actor, item.id)
    db.end()
    return {one: hint.verdict for one, hint in view.hints.items()}


def test_the_seed_gives_the_same_referrals_to_anybody(auditor: Member, browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    sent = [make_referral(sender, recipient) for _ in range(8)]
    make_referral(sender, recipient, status="draft")
    today = clock.today().isoformat()
    desk = browser(auditor)
    form = {"first": today, "last": today, "wanted": "4", "seed": "サイコロ 3 1 5"}
    answer = desk.post("/inspections/new", data=form)
    assert answer.status_code == 303
    sample = db.read.scalars(select(Sample)).one()
    assert (sample.found, sample.seed) == (8, "サイコロ 3 1 5")
    by_hand = random.Random("サイコロ 3 1 5").sample(sorted(map(str, sent)), 4)
    assert [str(item.referral_id) for item in items_of(sample.id)] == by_hand
    page = desk.get(answer.location).text
    assert "サイコロ 3 1 5" in page
    assert "同じつなぎが選ばれることを確かめました" in page
    another = drawn(auditor, 4)
    db.end()
    assert db.read.get(Sample, another).seed != ""  # type: ignore[union-attr]


def test_a_form_sent_twice_draws_once(auditor: Member, browser: Visit) -> None:
    make_referral(make_member(), make_member())
    today = clock.today().isoformat()
    form = {"first": today, "last": today, "wanted": "1", "idempotency_key": "a" * 32}
    desk = browser(auditor)
    assert (
        desk.post("/inspections/new", data=form).location == desk.post("/inspections/new", data=form).location
    )
    assert db.read.scalar(select(func.count()).select_from(Sample)) == 1


def test_only_the_agency_asked_for_and_only_the_days_asked_for(auditor: Member) -> None:
    a, b, c = make_member(), make_member(), make_member()
    mine = {make_referral(a, b), make_referral(b, a)}
    make_referral(b, c)
    sample_id = drawn(auditor, 50, agency_id=a.agency_id)
    assert {item.referral_id for item in items_of(sample_id)} == mine
    yesterday = clock.today() - timedelta(days=1)
    with pytest.raises(Invalid, match="送付されたつなぎはありません"):
        samples.draw(auditor.actor, Draw(yesterday, yesterday, 5))


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"first": "令和8年11月2日", "last": "令和8年11月1日", "wanted": "5"}, "終わりの日は"),
        ({"first": "", "last": "令和8年11月1日", "wanted": "5"}, "入力してください"),
        ({"first": "令和8年11月1日", "last": "令和8年11月2日", "wanted": "0"}, "1から200まで"),
        ({"first": "令和8年11月1日", "last": "令和8年11月2日", "wanted": "201"}, "1から200まで"),
        (
            {"first": "令和8年11月1日", "last": "令和8年11月2日", "wanted": "5"},
            "送付されたつなぎはありません",
        ),
    ],
)
def test_what_cannot_be_drawn_says_why(
    auditor: Member, browser: Visit, at: Callable[..., None], form: dict[str, str], words: str
) -> None:
    at("2026-11-24T10:00")
    page = browser(auditor).post("/inspections/new", data=form)
    assert words in page.text
    assert db.read.scalar(select(func.count()).select_from(Sample)) == 0


def test_a_sample_is_looked_through_and_ended(auditor: Member, browser: Visit) -> None:
    sender = make_member()
    person = make_person(sender, family="波止場", given="灯台")
    make_referral(sender, make_member(), person_id=person)
    make_referral(sender, make_member())
    sample_id = drawn(auditor, 2)
    first, second = items_of(sample_id)
    desk = browser(auditor)
    assert desk.post(f"/inspections/{sample_id}/close").status_code == 409
    page = desk.get(f"/inspections/items/{first.id}").text
    assert f"/audit/referrals/{first.referral_id}" in page
    assert "波止場" not in page + desk.get(f"/inspections/{sample_id}").text
    refused = desk.post(
        f"/inspections/items/{first.id}", data=ALL_OK | {"only_agreed": "not_ok", "version": "1"}
    )
    assert "メモに書いてください" in refused.text
    assert refused.status_code == 400
    bad = ALL_OK | {"only_agreed": "not_ok", "note": "区分が多い。", "version": "1"}
    answer = desk.post(f"/inspections/items/{first.id}", data=bad)
    assert answer.location == f"/inspections/items/{second.id}", "on to the next"
    stale = desk.post(f"/inspections/items/{first.id}", data=ALL_OK | {"version": "1"})
    assert stale.status_code == 409
    assert "50%" not in stale.text
    last = desk.post(f"/inspections/items/{second.id}", data=ALL_OK | {"version": "1"})
    assert last.location == f"/inspections/{sample_id}"
    assert "問題あり 1" in desk.get(last.location).text
    assert desk.post(f"/inspections/{sample_id}/close").status_code == 303
    assert desk.post(f"/inspections/{sample_id}/close").status_code == 303, "twice is once"
    late = desk.post(f"/inspections/items/{first.id}", data=ALL_OK | {"version": "2"})
    assert late.status_code == 409
    assert "終了しています" in late.text
    shown = desk.get(f"/inspections/items/{first.id}").text
    assert "区分が多い。" in shown
    assert 'type="radio"' not in shown
    done = {e.value for e in (AuditEvent.SAMPLE_DRAWN, AuditEvent.SAMPLE_CHECKED, AuditEvent.SAMPLE_CLOSED)}
    logged = db.read.execute(
        select(AuditEntry.event, func.count()).where(AuditEntry.event.in_(done)).group_by(AuditEntry.event)
    )
    assert {row[0]: row[1] for row in logged} == {"sample:drawn": 3, "sample:checked": 2, "sample:closed": 1}


def test_nobody_but_the_auditor(auditor: Member, browser: Visit) -> None:
    sender = make_member(role=Role.COORDINATOR)
    make_referral(sender, make_member())
    sample_id = drawn(auditor, 1)
    item = items_of(sample_id)[0]
    for who in (
        sender,
        make_member(role=Role.SYSTEM_ADMIN),
        make_member(sender.agency_id, Role.AGENCY_ADMIN),
    ):
        desk = browser(who)
        for path in (f"/inspections/{sample_id}", f"/inspections/items/{item.id}"):
            assert desk.get(path).status_code == 403
        assert desk.post(f"/inspections/items/{item.id}", data=ALL_OK).status_code == 403
        with pytest.raises(NotAllowed):
            drawn(who)
    assert browser(auditor).get(f"/inspections/items/{uuid4()}").status_code == 404
    assert browser(auditor).get(f"/inspections/{uuid4()}").status_code == 404


# What the portal works out.


def test_a_sound_referral_has_nothing_against_it(auditor: Member) -> None:
    found = hints_of(auditor, make_referral(make_member(), make_member(), status="accepted"))
    assert found[Check.CONSENT_COVERED] is Verdict.OK
    assert found[Check.ANSWERED_IN_TIME] is Verdict.OK
    assert found[Check.ONLY_AGREED] is Verdict.OK
    assert found[Check.PROVISION_COMPLETE] is Verdict.OK
    assert found[Check.READINGS_EXPLAINED] is Verdict.OK
    assert found[Check.REFUSAL_FOLLOWED] is Verdict.NOT_APPLICABLE
    assert found[Check.STOP_CONFIRMED] is Verdict.NOT_APPLICABLE


def test_an_anonymous_asking_needs_no_consent(auditor: Member) -> None:
    found = hints_of(auditor, make_referral(make_member(), make_member(), basis="anonymous", kind="advice"))
    assert found[Check.CONSENT_COVERED] is Verdict.NOT_APPLICABLE
    assert found[Check.ONLY_AGREED] is Verdict.NOT_APPLICABLE


def test_what_came_late_or_not_at_all(auditor: Member, at: Callable[..., None]) -> None:
    at("2026-11-02T10:00")
    sender, recipient = make_member(), make_member()
    late = make_referral(sender, recipient)
    never = make_referral(sender, recipient)
    waiting_for = make_referral(sender, recipient)
    at("2026-11-20T10:00")
    step(recipient, late, "accept")
    sample = samples.draw(auditor.actor, Draw(clock.today() - timedelta(days=30), clock.today(), 9))
    found = {}
    for item in items_of(sample):
        found[item.referral_id] = samples.load_item(auditor.actor, item.id).hints
        db.end()
    assert found[late][Check.ANSWERED_IN_TIME].verdict is Verdict.NOT_OK
    assert found[never][Check.ANSWERED_IN_TIME].verdict is Verdict.NOT_OK
    assert found[never][Check.RECEIVED_IN_TIME].verdict is Verdict.NOT_OK
    at("2026-11-02T11:00")
    sample = drawn(auditor, 9)
    item = next(one for one in items_of(sample) if one.referral_id == waiting_for)
    hints = samples.load_item(auditor.actor, item.id).hints
    assert hints[Check.ANSWERED_IN_TIME].verdict is Verdict.NOT_APPLICABLE


def test_a_refusal_wants_a_next_step(auditor: Member) -> None:
    sender, recipient = make_member(), make_member()
    referral_id = make_referral(sender, recipient, status="rejected")
    assert hints_of(auditor, referral_id)[Check.REFUSAL_FOLLOWED] is Verdict.NOT_OK
    conversation.follow_up(sender.actor, referral_id, FollowUpKind.MEETING, "次の会議で話す")
    assert hints_of(auditor, referral_id)[Check.REFUSAL_FOLLOWED] is Verdict.OK


def test_a_withdrawal_wants_a_confirmed_stop(auditor: Member, browser: Visit) -> None:
    sender, recipient = make_member(), make_member()
    person = make_person(sender)
    consent = make_consent(sender, person, [recipient])
    referral_id = make_referral(sender, recipient, person_id=person, consent_id=consent)
    never = make_referral(sender, recipient, person_id=person, consent_id=consent)
    conversation.opened(recipient.actor, referral_id)
    withdraw(browser(sender), consent)
    found = hints_of(auditor, referral_id)
    assert hints_of(auditor, never)[Check.STOP_CONFIRMED] is Verdict.NOT_APPLICABLE
    assert found[Check.STOP_CONFIRMED] is Verdict.NOT_OK
    assert found[Check.CONSENT_COVERED] is Verdict.OK, "it was alive when it was sent"
    conversation.confirm_stop(recipient.actor, referral_id, note="紙を廃棄した")
    assert hints_of(auditor, referral_id)[Check.STOP_CONFIRMED] is Verdict.OK


def test_a_page_asks_the_same_number_of_questions_however_much_there_is(
    auditor: Member, browser: Visit, count_queries: CountQueries
) -> None:
    sender, recipient = make_member(), make_member()
    make_referral(sender, recipient)
    few = drawn(auditor, 1)
    desk = browser(auditor)
    with count_queries() as small:
        desk.get(f"/inspections/{few}")
    for _ in range(6):
        make_referral(sender, recipient)
    many = drawn(auditor, 7)
    with count_queries() as large:
        desk.get(f"/inspections/{many}")
    assert len(items_of(many)) == 7
    assert len(large) == len(small)


def test_the_list_shows_how_far_each_is(auditor: Member, browser: Visit) -> None:
    desk = browser(auditor)
    assert "点検は、まだありません" in desk.get("/inspections/").text
    make_referral(make_member(), make_member())
    sample_id = drawn(auditor, 5)
    page = re.sub(r"\s+", " ", desk.get("/inspections/").text)
    assert "0 / 1件" in page
    item = items_of(sample_id)[0]
    with pytest.raises(Conflict):
        samples.close(auditor.actor, sample_id)
    verdicts = dict.fromkeys(Check, Verdict.OK)
    samples.check(auditor.actor, item.id, verdicts, "")
    page = re.sub(r"\s+", " ", desk.get("/inspections/").text)
    assert "1 / 1件" in page
