"""Promises (対応事項): who sees them, when they count as kept, and who closes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from portal.disclosures.services import withdraw_consent
from portal.meetings.outcomes import services as outcome_services
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.outcomes.queries import is_done
from portal.meetings.packets import services as packet_services
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral, step
from tests.meeting_factories import make_item, make_meeting, make_outcome, make_series, walk
from tests.words import words_of

Visit = Callable[..., Browser]
Clock = Callable[..., None]
WEEKEND = "56"


@pytest.fixture
def convener(app: Flask, at: Clock) -> Member:
    at("2026-04-06T10:00")  # a Monday
    agency = make_agency(name="自立相談支援機関", weekly_closed=WEEKEND)
    return make_member(agency, role=Role.COORDINATOR)


@pytest.fixture
def partner(convener: Member) -> Member:
    return make_member(make_agency(name="就労準備支援事業", weekly_closed=WEEKEND))


@pytest.fixture
def third(convener: Member) -> Member:
    return make_member(make_agency(name="若者相談センター"))


def promise(convener: Member, members: list[Member], owner: Member, **values: Any) -> UUID:
    """An action on an item that names nobody, in a meeting being held."""
    meeting_id = make_meeting(convener, members, starts_at=clock.now(), status="in_session")
    item_id = make_item(convener, meeting_id)
    return make_outcome(convener, item_id, kind="action", owner_agency_id=owner.agency_id, **values)


def done(outcome_id: UUID) -> bool:
    db.end()
    found = db.read.scalar(select(is_done()).where(MeetingOutcome.id == outcome_id))
    db.end()
    return bool(found)


def test_the_list_counts_in_open_days_of_the_owner_with_overdue_first(
    browser: Visit, convener: Member, partner: Member, at: Clock
) -> None:
    today = clock.today()
    promise(convener, [partner], partner, text="求人票を集める", due_on=today + timedelta(days=11))
    promise(convener, [partner], convener, text="本人に連絡する", due_on=today + timedelta(days=3))
    at("2026-04-13T10:00")
    page = words_of(browser(partner).get("/meetings/promises"))
    assert page.index("本人に連絡する") < page.index("求人票を集める")
    assert "令和8年4月9日 2開所日超過 本人に連絡する" in page
    assert "令和8年4月17日 あと4開所日 求人票を集める" in page
    mine = words_of(browser(partner).get("/meetings/promises?show=mine"))
    assert "求人票を集める" in mine
    assert "本人に連絡する" not in mine
    one = words_of(browser(partner).get(f"/meetings/promises?agency={convener.agency_id}"))
    assert "本人に連絡する" in one
    assert "求人票を集める" not in one


def test_nobody_else_sees_it(browser: Visit, convener: Member, partner: Member, third: Member) -> None:
    outcome_id = promise(convener, [partner], partner, text="求人票を集める")
    assert "求人票を集める" not in browser(third).get("/meetings/promises").text
    assert browser(third).get(f"/meetings/promises/{outcome_id}/done").status_code == 404
    assert browser(third).post(f"/meetings/promises/{outcome_id}/reopen").status_code == 404


def test_a_promise_about_a_person_follows_the_item(
    browser: Visit, convener: Member, partner: Member, third: Member
) -> None:
    """Disclosed once, then withdrawn: owners still know that they owe something; nobody else knows."""
    person_id = make_person(convener, family="波止場")
    consent_id = make_consent(convener, person_id, [partner])
    meeting_id = make_meeting(convener, [partner, third], starts_at=clock.now(), status="in_session")
    item_id = make_item(convener, meeting_id, person_id=person_id, categories=["basic"])
    outcome_id = make_outcome(
        convener, item_id, kind="action", owner_agency_id=partner.agency_id, text="波止場さんを訪ねる"
    )
    assert "訪ねる" not in browser(partner).get("/meetings/promises").text, "not told yet"
    packet_services.open_packet(partner.actor, meeting_id)
    assert "波止場さんを訪ねる" in browser(partner).get("/meetings/promises").text
    withdraw_consent(convener.actor, consent_id)
    page = browser(partner).get("/meetings/promises").text
    assert "波止場" not in page
    assert "表示できません" in page
    assert "波止場" not in browser(partner).get("/").text
    form = browser(partner).get(f"/meetings/promises/{outcome_id}/done")
    assert form.status_code == 200
    assert "波止場" not in form.text
    outcome_services.finish(partner.actor, outcome_id, "記録を廃棄した")
    assert done(outcome_id)
    listed = browser(third).get("/meetings/promises").text
    assert "波止場" not in listed
    assert "表示できません" not in listed


@pytest.mark.both_databases
def test_it_is_closed_with_a_note_and_opened_again(browser: Visit, convener: Member, partner: Member) -> None:
    outcome_id = promise(convener, [partner], partner, text="求人票を集める")
    them = browser(partner)
    form = them.get(f"/meetings/promises/{outcome_id}/done")
    assert form.status_code == 200
    sent = them.post(f"/meetings/promises/{outcome_id}/done", data={"note": "三枚集めた", "version": "1"})
    assert sent.location == "/meetings/promises"
    assert done(outcome_id)
    assert "求人票を集める" not in them.get("/meetings/promises").text
    assert "三枚集めた" in them.get("/meetings/promises?show=done").text
    again = them.post(f"/meetings/promises/{outcome_id}/done", data={"note": "x", "version": "2"})
    assert again.status_code == 409
    assert them.post(f"/meetings/promises/{outcome_id}/reopen").status_code == 302
    assert not done(outcome_id)
    assert "求人票を集める" in them.get("/meetings/promises").text


def test_only_the_owner_and_the_conveners_coordinator_close_it(
    browser: Visit, convener: Member, partner: Member, third: Member
) -> None:
    outcome_id = promise(convener, [partner, third], partner)
    colleague = make_member(convener.agency_id)
    for member in (third, colleague):
        with pytest.raises(NotAllowed):
            outcome_services.finish(member.actor, outcome_id, "済み")
        assert browser(member).get(f"/meetings/promises/{outcome_id}/done").status_code == 403
    with pytest.raises(StaleForm):
        outcome_services.finish(partner.actor, outcome_id, "", version=9)
    outcome_services.finish(convener.actor, outcome_id, "電話で聞いた", version=1)
    assert done(outcome_id)


def test_approved_minutes_do_not_keep_it_open(convener: Member, partner: Member) -> None:
    meeting_id = make_meeting(convener, [partner], starts_at=clock.now())
    item_id = make_item(convener, meeting_id)
    outcome_id = make_outcome(convener, item_id, kind="action", owner_agency_id=partner.agency_id)
    walk(convener, meeting_id, "approved")
    outcome_services.finish(partner.actor, outcome_id, "")
    assert done(outcome_id)


def test_the_step_of_the_referral_closes_it_and_closing_by_hand_asks_why(
    browser: Visit, convener: Member, partner: Member
) -> None:
    referral_id = make_referral(convener, partner)
    meeting_id = make_meeting(convener, [partner], starts_at=clock.now(), status="in_session")
    person_id = make_person(convener)
    item_id = make_item(convener, meeting_id, person_id=person_id, referral_id=referral_id)
    outcome_id, other_id = (
        make_outcome(
            convener,
            item_id,
            kind="action",
            owner_agency_id=partner.agency_id,
            referral_id=referral_id,
            referral_step=named,
        )
        for named in ("accept", "start")
    )
    page = browser(partner).get("/meetings/promises")
    assert "つなぎの手続きへ" in page.text
    assert f"/referrals/{referral_id}" in page.text
    with pytest.raises(Invalid):
        outcome_services.finish(partner.actor, outcome_id, "")
    step(partner, referral_id, "accept")
    assert done(outcome_id)
    assert not done(other_id)
    with pytest.raises(Conflict):
        outcome_services.finish(partner.actor, outcome_id, "済み")
    with pytest.raises(Conflict):
        outcome_services.reopen(partner.actor, outcome_id)


def test_what_happened_before_the_promise_does_not_keep_it(
    convener: Member, partner: Member, at: Clock
) -> None:
    person_id = make_person(convener)
    make_referral(convener, partner, person_id=person_id)
    at("2026-04-07T10:00")
    meeting_id = make_meeting(convener, [partner], starts_at=clock.now(), status="in_session")
    item_id = make_item(convener, meeting_id, person_id=person_id)
    outcome_id = make_outcome(convener, item_id, kind="action", to_agency_id=partner.agency_id)
    assert not done(outcome_id)
    draft = make_referral(convener, partner, person_id=person_id, status="draft")
    assert not done(outcome_id)
    step(convener, draft, "send")
    assert done(outcome_id)


def test_it_says_how_often_it_came_back(browser: Visit, convener: Member, partner: Member, at: Clock) -> None:
    series_id = make_series(convener, [partner])
    meeting_id = make_meeting(
        convener, [partner], series_id=series_id, slot=clock.today(), starts_at=clock.now(), status="approved"
    )
    item_id = make_item(convener, meeting_id)
    make_outcome(convener, item_id, kind="action", due_on=clock.today() + timedelta(days=30))
    for day in (13, 20):
        at(f"2026-04-{day}T10:00")
        make_meeting(
            convener,
            [partner],
            series_id=series_id,
            slot=clock.today(),
            starts_at=clock.now(),
            status="in_session",
        )
    at("2026-04-20T12:00")
    assert "その後の会議 2回" in words_of(browser(partner).get("/meetings/promises"))


def test_the_list_is_logged_pages_by_key_and_asks_no_more_the_longer_it_is(
    app: Flask,
    browser: Visit,
    convener: Member,
    partner: Member,
    count_queries: CountQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    promise(convener, [partner], partner, text="対応事項0")
    them = browser(partner)
    them.get("/meetings/promises")
    with count_queries() as few:
        them.get("/meetings/promises")
    for n in range(1, 5):
        promise(convener, [partner], partner, text=f"対応事項{n}")
    with count_queries() as many:
        first = them.get("/meetings/promises")
    assert len(few) == len(many)
    seen: list[str] = []
    answer = first
    for _page in range(3):
        seen += [f"対応事項{n}" for n in range(5) if f"対応事項{n}" in answer.text]
        if 'rel="next"' not in answer.text:
            break
        answer = them.get(answer.text.split('rel="next"')[1].split('href="')[1].split('"')[0])
    assert sorted(seen) == [f"対応事項{n}" for n in range(5)]
    with db.transaction() as session:
        assert session.query(AuditEntry).filter_by(event=AuditEvent.PROMISES_LISTED).count() >= 4
