"""What hangs on a person when a transfer is accepted: it is shown before, and moves or ends with the record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.meetings.agenda.drafting import refresh
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.outcomes.models import MeetingOutcome
from portal.referrals import conversation, reading
from portal.referrals.models import FollowUp, FollowUpKind, Referral, ReferralNews
from portal.referrals.states import ReferralAction, ReferralStatus
from tests.browsers import Browser
from tests.factories import (
    Member,
    make_consent,
    make_member,
    make_person,
    make_referral,
    step,
)
from tests.meeting_factories import make_item, make_meeting, make_outcome

Browsers = Callable[..., Browser]
A, S = ReferralAction, ReferralStatus

pytestmark = pytest.mark.both_databases


class Office:
    """A person of ours with work under way: b takes over the record, c sits in, d is at the table with us."""

    def __init__(self) -> None:
        self.a, self.b = make_member(role=Role.COORDINATOR), make_member()
        self.c, self.d = make_member(), make_member()
        self.person = make_person(self.a, family="移管山", given="渡")
        self.consent = make_consent(self.a, self.person, [self.b, self.c, self.d])

    def refer(self, to: Member, **more: Any) -> UUID:
        consent = {} if more.get("basis") is Basis.ANONYMOUS else {"consent_id": self.consent}
        return make_referral(self.a, to, person_id=self.person, **consent | more)

    def accept(self, transfer: UUID) -> None:
        step(self.b, transfer, A.ACCEPT)


@pytest.fixture
def office(app: Flask) -> Office:
    return Office()


def row(model: Any, key: UUID) -> Any:
    found = db.unrestricted.get_one(model, key)
    db.end()
    return found


def events(key: UUID) -> list[str]:
    found = list(
        db.unrestricted.scalars(
            select(AuditEntry.event).where(AuditEntry.object_id == key).order_by(AuditEntry.seq)
        )
    )
    db.end()
    return [str(one) for one in found]


def test_a_joint_interview_goes_with_the_record(office: Office, browser: Browsers) -> None:
    when = {"appointment_place": "市役所 相談室"}
    sitting_in = office.refer(office.c, status="accepted", kind="joint_interview", **when)
    transfer = office.refer(office.b, kind="transfer")
    theirs = browser(office.b)
    assert theirs.get(f"/referrals/{sitting_in}").status_code == 404

    office.accept(transfer)
    page = theirs.get(f"/referrals/{sitting_in}")
    assert page.status_code == 200
    assert "移管山" in page.text
    assert "市役所 相談室" in page.text
    assert "記録の移管により、送り手を引き継ぎました" in page.text
    told = browser(office.c).get(f"/referrals/{sitting_in}").text
    assert "記録の移管により、送り手を引き継ぎました" in told
    assert browser(office.a).get(f"/referrals/{sitting_in}").status_code == 404
    assert "referral:moved" in events(sitting_in)

    step(office.b, sitting_in, A.CANCEL)  # the new sender may do what a sender may
    assert row(Referral, sitting_in).status is S.CANCELLED


def test_both_sides_of_what_moves_have_news_of_it_and_the_former_none(office: Office) -> None:
    moved = office.refer(office.c)
    conversation.send_message(office.c.actor, moved, "確認します")  # news that the former sender never opened
    transfer = office.refer(office.b, kind="transfer")
    office.accept(transfer)
    news = select(ReferralNews.agency_id).where(ReferralNews.referral_id == moved)
    assert set(db.unrestricted.scalars(news)) == {office.b.agency_id, office.c.agency_id}
    db.end()


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"to": "c", "status": "draft"}, S.ENTERED_IN_ERROR),
        ({"to": "b", "status": "in_progress", "kind": "joint_interview"}, S.CANCELLED),
        ({"to": "c", "kind": "transfer"}, S.CANCELLED),
    ],
)
def test_what_cannot_go_on_ends_in_the_name_of_who_handed_over(
    office: Office, given: dict[str, Any], becomes: ReferralStatus
) -> None:
    other = office.refer(getattr(office, given["to"]), **{key: given[key] for key in given if key != "to"})
    transfer = office.refer(office.b, kind="transfer")
    office.accept(transfer)
    ended = row(Referral, other)
    assert ended.status is becomes
    assert ended.from_agency_id == office.a.agency_id
    view, _row = reading.load(office.a.actor, other)
    line = view.timeline[-1]
    assert (line.who, line.agency, line.text) == (
        office.a.actor.name,
        office.a.actor.agency_name,
        "記録が移管されたため",
    )


def test_a_referral_on_a_dead_consent_ends_and_tells_nobody_who_keeps_the_record_now(
    office: Office, browser: Browsers
) -> None:
    short = make_consent(office.a, office.person, [office.c])
    stopped = make_referral(office.a, office.c, person_id=office.person, consent_id=short, status="accepted")
    transfer = office.refer(office.b, kind="transfer")
    disclosures.withdraw_consent(office.a.actor, short)
    office.accept(transfer)
    assert row(Referral, stopped).status is S.CANCELLED
    page = browser(office.c).get(f"/referrals/{stopped}").text
    assert office.b.actor.agency_name not in page


def test_an_anonymous_request_stays_so_that_nobody_learns_whom_it_was_about(office: Office) -> None:
    asked = office.refer(office.c, kind="advice", basis=Basis.ANONYMOUS)
    before = row(Referral, asked)
    transfer = office.refer(office.b, kind="transfer")
    office.accept(transfer)
    after = row(Referral, asked)
    assert (after.from_agency_id, after.status, after.version) == (
        office.a.agency_id,
        S.REQUESTED,
        before.version,
    )


def test_items_and_promises_go_to_the_new_record_holder_where_it_sits_at_the_table(office: Office) -> None:
    past = make_meeting(office.a, [office.b, office.d], status="in_session")
    spoken = make_item(office.a, past, person_id=office.person, categories=["basic"])
    promise = make_outcome(office.a, spoken, kind="action")
    coming = make_meeting(office.a, [office.b, office.d])
    item = make_item(office.a, coming, person_id=office.person, categories=["basic"])
    transfer = office.refer(office.b, kind="transfer")
    office.accept(transfer)
    assert row(MeetingOutcome, promise).owner_agency_id == office.b.agency_id
    moved = row(AgendaItem, item)
    assert (moved.brought_by_id, moved.presenter_agency_id) == (office.b.agency_id, office.b.agency_id)
    assert moved.stands
    assert "outcome:changed" in events(promise)
    assert "item:changed" in events(item)


def test_items_promises_and_notes_that_nobody_could_name_end(office: Office) -> None:
    """Also for the convener, and also when the agenda is drafted anew."""
    refused = office.refer(office.d, status="rejected")
    note = conversation.follow_up(office.a.actor, refused, FollowUpKind.MEETING, "次回、相談する")
    past = make_meeting(office.a, [office.d], status="in_session")
    spoken = make_item(office.a, past, person_id=office.person, categories=["basic"])
    promise = make_outcome(office.a, spoken, kind="action")
    coming = make_meeting(office.a, [office.d])
    item = make_item(office.a, coming, person_id=office.person, categories=["basic"])
    refresh(office.a.actor, coming)
    db.end()
    transfer = office.refer(office.b, kind="transfer")
    office.accept(transfer)
    outcome = row(MeetingOutcome, promise)
    assert outcome.done_at is not None
    assert (outcome.done_by_id, outcome.done_note) == (office.a.staff_id, "記録が移管されたため")
    assert "action:done" in events(promise)
    assert row(AgendaItem, item).removed_why == "記録が移管されたため"
    assert row(FollowUp, note).done_at is not None

    refresh(office.a.actor, coming)
    db.end()
    standing = select(func.count()).where(
        AgendaItem.meeting_id == coming, AgendaItem.person_id.is_not(None), AgendaItem.removed_at.is_(None)
    )
    assert db.unrestricted.scalar(standing) == 0
    db.end()


def test_a_lapsing_consent_is_the_matter_of_who_keeps_the_record(app: Flask) -> None:
    a, b, c = make_member(role=Role.COORDINATOR), make_member(), make_member()
    person = make_person(a)
    consent = make_consent(a, person, [b, c], until=clock.today() + timedelta(days=20))
    transfer = make_referral(a, b, kind="transfer", person_id=person, consent_id=consent)
    meeting = make_meeting(a, [b, c])
    step(b, transfer, A.ACCEPT)
    refresh(a.actor, meeting)
    db.end()
    items = select(AgendaItem.brought_by_id).where(AgendaItem.meeting_id == meeting)
    assert db.unrestricted.scalars(items).all() == [b.agency_id]
    db.end()


def test_the_page_before_sending_says_what_becomes_of_each(office: Office, browser: Browsers) -> None:
    sitting_in = office.refer(office.c, kind="joint_interview")
    past = make_meeting(office.a, [office.d], status="in_session", name="先月の打合せ")
    make_outcome(
        office.a, make_item(office.a, past, person_id=office.person, categories=["basic"]), kind="action"
    )
    coming = make_meeting(office.a, [office.b], name="来週の打合せ")
    make_item(office.a, coming, person_id=office.person, categories=["basic"])
    transfer = office.refer(office.b, kind="transfer", status="draft")
    page = browser(office.a).get(f"/referrals/{transfer}/send").text
    theirs = office.b.actor.agency_name
    for words in (
        row(Referral, sitting_in).number,
        f"送り手が{theirs}に変わり、続きます。",
        "先月の打合せ",
        "済みになります。引き継ぐことは「お願いしたいこと」に書いてください。",
        "来週の打合せ",
        f"{theirs}の議題になります。",
        f"そのまま続き、{theirs}が管理します。",
    ):
        assert words in page


def test_whoever_accepts_is_told_of_what_they_see_already_and_of_nothing_else(
    office: Office, browser: Browsers
) -> None:
    hidden = office.refer(office.c, kind="joint_interview")
    known = office.refer(office.b, kind="joint_interview")
    past = make_meeting(office.a, [office.d], status="in_session", name="先月の打合せ")
    make_outcome(
        office.a, make_item(office.a, past, person_id=office.person, categories=["basic"]), kind="action"
    )
    transfer = office.refer(office.b, kind="transfer")
    page = browser(office.b).get(f"/referrals/{transfer}/accept").text
    assert f"/referrals/{known}" in page
    assert "取り下げになります。" in page
    for secret in (str(hidden), row(Referral, hidden).number, "先月の打合せ", office.c.actor.agency_name):
        assert secret not in page
    assert "受け入れると自分の機関に移るか、終わります。" in page


def test_what_went_away_with_the_record_blames_no_consent_and_keeps_the_menu(
    office: Office, browser: Browsers
) -> None:
    transfer = office.refer(office.b, kind="transfer")
    us = browser(office.a)
    office.accept(transfer)
    page = us.get(f"/people/{office.person}")
    assert page.status_code == 404
    assert "記録の移管などで" in page.text
    assert '<nav class="nav"' in page.text
    assert page.text == us.get(f"/people/{uuid4()}").text
