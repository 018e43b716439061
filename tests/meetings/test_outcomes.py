"""What came of an item: who writes it down, what an action needs, and how the work itself closes it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.meetings.outcomes import services as outcome_services
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.outcomes.queries import is_done
from portal.meetings.outcomes.services import OutcomeFacts, steps_to_come
from portal.meetings.packets import services as packet_services
from portal.meetings.states import MeetingAction, OutcomeKind
from portal.people.categories import Category
from portal.referrals.states import ReferralAction, ReferralStatus
from tests.factories import make_agency, make_consent, make_member, make_person, make_referral, step
from tests.meeting_factories import make_item, make_meeting, take_step

A, K, R = MeetingAction, OutcomeKind, ReferralAction


class Table:
    """In session: an item of nobody, and one on a referral from the chair's agency to the other's."""

    def __init__(self) -> None:
        self.chair = make_member(make_agency(), Role.COORDINATOR)
        self.other, self.third = make_member(), make_member()
        self.meeting_id = make_meeting(self.chair, [self.other, self.third])
        self.item_id = make_item(self.chair, self.meeting_id, title="見本の議題")
        self.person_id = make_person(self.chair, family="秘密野", given="見本子")
        self.referral_id = make_referral(self.chair, self.other, person_id=self.person_id)
        self.about_id = make_item(
            self.chair, self.meeting_id, person_id=self.person_id, referral_id=self.referral_id
        )
        for action in (A.ANNOUNCE, A.BEGIN):
            take_step(self.chair, self.meeting_id, action)

    def new(self, item_id: UUID | None = None) -> str:
        return f"/meetings/{self.meeting_id}/items/{item_id or self.item_id}/outcomes/new"

    def action(self, **more: Any) -> OutcomeFacts:
        given: dict[str, Any] = {"owner_agency_id": self.other.agency_id, "due_on": clock.today()}
        return OutcomeFacts(K.ACTION, "見本の対応事項", **given | more)


@pytest.fixture
def table(app: Flask) -> Table:
    return Table()


def row(outcome_id: UUID) -> MeetingOutcome:
    found = db.read().get_one(MeetingOutcome, outcome_id)
    db.end()
    return found


def rows(table: Table) -> list[MeetingOutcome]:
    wanted = select(MeetingOutcome).where(MeetingOutcome.item_id.in_([table.item_id, table.about_id]))
    found = list(db.read.scalars(wanted.order_by(MeetingOutcome.id)))
    db.end()
    return found


def done(outcome_id: UUID) -> bool:
    found = db.read.scalar(select(is_done()).where(MeetingOutcome.id == outcome_id))
    db.end()
    return bool(found)


def test_added_in_place_on_the_page_of_the_session(browser: Any, table: Table) -> None:
    chair = browser(table.chair)
    page = chair.get(f"/meetings/{table.meeting_id}/session").text
    form = page.partition(f'action="{table.new()}"')[2].partition("</form>")[0]
    key = re.search(r'name="idempotency_key"[^>]*value="([0-9a-f]{32})"', form)
    assert key
    due = clock.today() + timedelta(days=7)
    typed = {
        "idempotency_key": key[1],
        "kind": "action",
        "text": "電話で返事をする",
        "owner": str(table.other.agency_id),
        "due_on": clock.era_date(due),
    }
    for _ in range(2):
        answer = chair.post(table.new(), data=typed)
        assert answer.status_code == 302
    assert answer.location.endswith(f"/session#item-{table.item_id}")
    (one,) = rows(table)
    assert (one.kind, one.text, one.owner_agency_id, one.due_on) == (
        K.ACTION,
        "電話で返事をする",
        table.other.agency_id,
        due,
    )
    for who in (table.chair, table.other, table.third):
        for page in ("session", "minutes", "minutes.txt"):
            assert "電話で返事をする" in browser(who).get(f"/meetings/{table.meeting_id}/{page}").text


@pytest.mark.parametrize("kind", [K.INFORMATION, K.DECISION])
def test_information_and_decisions_need_words_alone(browser: Any, table: Table, kind: OutcomeKind) -> None:
    chair = browser(table.chair)
    assert chair.post(table.new(), data={"kind": kind.value, "text": "見本の結果"}).status_code == 302
    answer = chair.post(table.new(), data={"kind": kind.value, "text": "期限つき", "due_on": "2099-01-01"})
    assert answer.status_code == 400
    assert "種類で「対応事項」を選んでください" in answer.text
    assert "期限つき" in answer.text, "what was typed stays"
    assert chair.post(table.new(), data={"kind": kind.value, "text": ""}).status_code == 200
    assert [one.kind for one in rows(table)] == [kind]


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ({"owner_agency_id": None}, "owner"),
        ({"due_on": None}, "due_on"),
        ({"due_on": clock.today() - timedelta(days=1)}, "due_on"),
    ],
)
def test_what_an_action_needs(table: Table, missing: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        outcome_services.note(table.chair.actor, table.item_id, table.action(**missing))
    assert refused.value.field == field
    assert rows(table) == []


def test_an_action_goes_to_the_table_and_to_those_who_work_there(table: Table) -> None:
    stranger, worker = make_member(), make_member(table.other.agency_id)
    for facts, field in (
        (table.action(owner_agency_id=stranger.agency_id), "owner"),
        (table.action(owner_staff_id=stranger.staff_id), "staff"),
        (table.action(owner_staff_id=table.chair.staff_id), "staff"),
    ):
        with pytest.raises(Invalid) as refused:
            outcome_services.note(table.chair.actor, table.item_id, facts)
        assert refused.value.field == field
    made = outcome_services.note(
        table.chair.actor, table.item_id, table.action(owner_staff_id=worker.staff_id)
    )
    assert row(made).owner_staff_id == worker.staff_id


def test_who_writes_outcomes(browser: Any, table: Table) -> None:
    typed = {"kind": "decision", "text": "見本の決定"}
    assert browser(table.third).post(table.new(), data=typed).status_code == 403
    assert browser(table.third).post(table.new(table.about_id), data=typed).status_code == 404
    assert browser(table.other).post(table.new(table.about_id), data=typed).status_code == 403
    assert browser(make_member()).post(table.new(), data=typed).status_code == 404
    assert browser(make_member(table.chair.agency_id)).post(table.new(), data=typed).status_code == 302
    with pytest.raises(NotAllowed):
        outcome_services.note(table.third.actor, table.item_id, OutcomeFacts(K.DECISION, "だめ"))


def test_changed_and_struck_until_the_minutes_are_approved(browser: Any, table: Table) -> None:
    chair = browser(table.chair)
    made = outcome_services.note(table.chair.actor, table.item_id, OutcomeFacts(K.DECISION, "はじめの決定"))
    other = outcome_services.note(table.chair.actor, table.item_id, OutcomeFacts(K.DECISION, "残る決定"))
    path = f"/meetings/outcomes/{made}"
    assert "はじめの決定" in chair.get(path).text
    assert browser(table.third).get(path).status_code == 403
    assert browser(make_member()).get(path).status_code == 404
    typed = {"kind": "decision", "text": "直した決定", "version": "1"}
    assert chair.post(path, data=typed).status_code == 302
    assert row(made).text == "直した決定"
    answer = chair.post(path, data=typed | {"text": "古い画面から"})
    assert answer.status_code == 409
    assert "古い画面から" in answer.text
    with pytest.raises(StaleForm):
        outcome_services.change(table.chair.actor, made, OutcomeFacts(K.DECISION, "古い"), version=1)
    take_step(table.chair, table.meeting_id, A.CLOSE)
    assert chair.post(f"{path}/strike").status_code == 302
    assert chair.get(path).status_code == 404
    minutes = chair.get(f"/meetings/{table.meeting_id}/minutes").text
    assert "直した決定" not in minutes
    assert "残る決定" in minutes
    take_step(table.chair, table.meeting_id, A.APPROVE)
    assert chair.get(f"/meetings/outcomes/{other}").status_code == 409
    for act in (
        lambda: outcome_services.change(table.chair.actor, other, OutcomeFacts(K.DECISION, "遅い")),
        lambda: outcome_services.strike(table.chair.actor, other),
        lambda: outcome_services.note(table.chair.actor, table.item_id, OutcomeFacts(K.DECISION, "遅い")),
    ):
        with pytest.raises(Conflict):
            act()
    assert row(other).text == "残る決定"


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (ReferralStatus.REQUESTED, {R.ACCEPT, R.REJECT, R.START, R.HOLD, R.COMPLETE, R.FAIL, R.CANCEL}),
        (ReferralStatus.IN_PROGRESS, {R.START, R.HOLD, R.COMPLETE, R.FAIL, R.CANCEL}),
        (ReferralStatus.REJECTED, set()),
        (ReferralStatus.ENTERED_IN_ERROR, set()),
    ],
)
def test_only_steps_that_can_still_come(status: ReferralStatus, wanted: set[ReferralAction]) -> None:
    assert set(steps_to_come(status)) == wanted
    assert set(steps_to_come(ReferralStatus.DRAFT)) >= {R.SEND, R.ACCEPT}


def test_the_step_done_closes_the_action(browser: Any, table: Table) -> None:
    made = outcome_services.note(table.chair.actor, table.about_id, table.action(referral_step=R.ACCEPT))
    assert row(made).referral_id == table.referral_id
    assert not done(made)
    step(table.other, table.referral_id, R.ACCEPT)
    assert done(made)
    assert "受け入れる" in browser(table.other).get(f"/meetings/{table.meeting_id}/minutes").text


def test_a_step_fits_its_referral_and_its_owner(table: Table) -> None:
    for item_id, facts in (
        (table.item_id, table.action(referral_step=R.ACCEPT)),
        (table.about_id, table.action(referral_step=R.CORRECT)),
        (table.about_id, table.action(referral_step=R.SEND)),
        (table.about_id, table.action(referral_step=R.ACCEPT, owner_agency_id=table.chair.agency_id)),
        (table.about_id, table.action(referral_step=R.ACCEPT, owner_agency_id=table.third.agency_id)),
    ):
        with pytest.raises(Invalid) as refused:
            outcome_services.note(table.chair.actor, item_id, facts)
        assert refused.value.field == "referral_step"
    mine = table.action(referral_step=R.CANCEL, owner_agency_id=table.chair.agency_id)
    assert outcome_services.note(table.chair.actor, table.about_id, mine)


def test_steps_are_offered_to_the_sides_alone(browser: Any, table: Table) -> None:
    assert "つなぎの手続き" in browser(table.chair).get(table.new(table.about_id)).text
    assert "つなぎの手続き" not in browser(table.chair).get(table.new()).text


def test_a_new_referral_begun_from_the_minutes(browser: Any, table: Table) -> None:
    chair = browser(table.chair)
    typed = {
        "kind": "action",
        "text": "新しくつなぐ",
        "owner": str(table.chair.agency_id),
        "due_on": clock.today().isoformat(),
        "to_agency": str(table.third.agency_id),
    }
    assert chair.post(table.new(), data=typed).status_code == 200, "of nobody there is nothing to choose from"
    assert chair.post(table.new(table.about_id), data=typed).status_code == 302
    (one,) = rows(table)
    page = chair.get(f"/meetings/{table.meeting_id}/minutes").text
    link = re.search(r'href="(/referrals/new\?[^"]+)"', page)
    assert link
    assert f"person={table.person_id}" in link[1]
    assert chair.get(link[1].replace("&amp;", "&")).status_code == 200
    assert "/referrals/new" not in browser(table.other).get(f"/meetings/{table.meeting_id}/minutes").text
    assert not done(one.id)
    make_referral(table.chair, table.third, person_id=table.person_id)
    assert done(one.id)


def test_a_new_referral_goes_elsewhere_and_is_of_somebody(table: Table) -> None:
    own = table.action(to_agency_id=table.other.agency_id)
    nobody = table.action(to_agency_id=table.third.agency_id)
    for item_id, facts in ((table.about_id, own), (table.item_id, nobody)):
        with pytest.raises(Invalid) as refused:
            outcome_services.note(table.chair.actor, item_id, facts)
        assert refused.value.field == "to_agency"


def test_who_no_longer_reads_the_item_still_knows_what_they_owe(browser: Any, app: Flask) -> None:
    chair, told = make_member(role=Role.COORDINATOR), make_member()
    meeting_id = make_meeting(chair, [told])
    person_id = make_person(chair, family="秘密野", given="見本子")
    consent_id = make_consent(chair, person_id, [told])
    item_id = make_item(chair, meeting_id, person_id=person_id, categories=[Category.BASIC], title="秘密の題")
    take_step(chair, meeting_id, A.ANNOUNCE)
    packet_services.open_packet(told.actor, meeting_id)
    take_step(chair, meeting_id, A.BEGIN)
    for text, owner in (("秘密の対応事項", told), ("よその対応事項", chair)):
        facts = OutcomeFacts(K.ACTION, text, owner_agency_id=owner.agency_id, due_on=clock.today())
        outcome_services.note(chair.actor, item_id, facts)
    client = browser(told)
    assert "秘密の対応事項" in client.get(f"/meetings/{meeting_id}/minutes").text
    disclosures.withdraw_consent(chair.actor, consent_id)
    for end in ("minutes", "minutes.txt"):
        page = client.get(f"/meetings/{meeting_id}/{end}").text
        assert "貴機関の対応事項" in page
        assert "内容は表示できません" in page
        assert clock.era_date(clock.today()) in page
        for word in ("秘密の対応事項", "よその対応事項", "秘密野", "秘密の題"):
            assert word not in page
