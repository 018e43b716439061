"""The packet of an agency before it is announced: what the agency would see, within what the coordinator may."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures.models import Disclosure
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.packets import preview
from portal.meetings.packets.services import open_packet
from portal.meetings.states import ItemKind, MeetingAction, MeetingKind
from portal.people import services as people
from portal.people.categories import Category
from tests.factories import Member, id_of, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, name_member, take_step

THEIRS = "（この機関だけが見られる項目）"
GAPS = ("is_theirs", "their_name", "their_referral", "their_words", "their_categories")


def previewed(chair: Member, meeting_id: UUID, agency: Member) -> dict[UUID, preview.Glimpse]:
    now = clock.now()
    meeting = agenda_queries.load_meeting(db.read(), chair.actor, meeting_id, now)
    found = preview.load(db.read(), chair.actor, meeting, id_of(agency), now)
    db.end()
    return {one.item.id: one for one in found}


def gaps_of(glimpse: preview.Glimpse) -> set[str]:
    return {name for name in GAPS if getattr(glimpse, name)}


@pytest.mark.parametrize("kind", [MeetingKind.WEEKLY, MeetingKind.STATUTORY, MeetingKind.CASE_STUDY])
def test_it_shows_what_the_packet_will_show(app: Flask, kind: MeetingKind) -> None:
    """Of a convener to whom everything is open: they keep the person and brought the items."""
    chair, covered, other = make_member(role=Role.COORDINATOR), make_member(), make_member()
    meeting_id = make_meeting(chair, [covered, other], kind=kind)
    for one in (chair, covered, other):
        name_member(chair, meeting_id, one, agreed=True)
    person_id = make_person(chair, family="秘密野")
    for category in (Category.HEALTH, Category.FINANCES):
        people.update_information(chair.actor, person_id, category, text=f"見本の{category}")
    consent_id = make_consent(chair, person_id, [covered], ["basic", "health"])
    make_consent(chair, person_id, [other], ["health"])
    referral_id = make_referral(chair, covered, person_id=person_id, consent_id=consent_id)
    told = () if kind is MeetingKind.CASE_STUDY else ("basic", "health", "finances")
    make_item(chair, meeting_id, person_id=person_id, categories=told, text="見本の相談")
    make_item(chair, meeting_id, person_id=person_id, referral_id=referral_id, kind=ItemKind.HANDOFF)
    make_item(other, meeting_id, text="困っていること")
    drafts = {one: previewed(chair, meeting_id, one) for one in (chair, covered, other)}
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    for one, draft in drafts.items():
        packet = {item.id: item for item in open_packet(one.actor, meeting_id).items}
        db.end()
        assert draft.keys() == packet.keys()
        for key, item in packet.items():
            shown = draft[key].item
            assert not gaps_of(draft[key])
            for name in ("title", "text", "is_readable", "referral", "label"):
                assert getattr(shown, name) == getattr(item, name), (one.actor.name, name)
            assert texts(shown) == texts(item), one.actor.name


def texts(item: Any) -> dict[Category, str]:
    information = item.person_summary.information if item.person_summary else {}
    return {category: information[category] for category in item.categories if category in information}


@pytest.fixture
def strangers(app: Flask) -> tuple[Member, Member, Member, UUID, dict[str, UUID]]:
    """A convener between two agencies that share a person: what they do not tell the convener stays theirs."""
    chair, keeper, partner = make_member(role=Role.COORDINATOR), make_member(), make_member()
    meeting_id = make_meeting(chair, [keeper, partner])
    person_id = make_person(keeper, family="秘密野", given="見本子")
    consent_id = make_consent(keeper, person_id, [partner])
    referral_id = make_referral(keeper, partner, person_id=person_id, consent_id=consent_id)
    both = {"person_id": person_id, "referral_id": referral_id, "kind": ItemKind.HANDOFF}
    items = {
        "closed": make_item(keeper, meeting_id, title="ひみつの題", text="ひみつの文", **both),
        "open": make_item(partner, meeting_id, title="みんなの題"),
    }
    return chair, keeper, partner, meeting_id, items


def test_what_is_closed_to_the_coordinator_is_a_gap_with_whoever_presents_it(
    browser: Any, strangers: Any
) -> None:
    """Of a closed item the coordinator knows the presenter, and learns from no draft who else sees it."""
    chair, keeper, partner, meeting_id, items = strangers
    client = browser(chair)
    for agency, gaps in ((keeper, 1), (partner, 0), (chair, 0)):
        page = client.get(f"/meetings/{meeting_id}/packet/{id_of(agency)}")
        assert page.status_code == 200
        assert "下書き" in page.text
        assert page.text.count(THEIRS) == 2 * gaps  # as its heading and in place of its words
        assert "みんなの題" in page.text
        for word in ("秘密野", "ひみつの題", "ひみつの文", "R8-", str(items["closed"])):
            assert word not in page.text


def test_of_an_item_that_the_coordinator_sees_the_gaps_are_the_agencys_own(app: Flask) -> None:
    """The convener is told of the person and of nothing else: the referral and its health stay with the two."""
    chair, keeper, partner = make_member(role=Role.COORDINATOR), make_member(), make_member()
    person_id = make_person(keeper, family="秘密野")
    people.update_information(keeper.actor, person_id, Category.HEALTH, text="ひみつの診断")
    make_consent(keeper, person_id, [chair])
    consent_id = make_consent(keeper, person_id, [partner], ["basic", "health"])
    referral_id = make_referral(
        keeper, partner, person_id=person_id, consent_id=consent_id, categories=["basic", "health"]
    )
    meeting_id = make_meeting(chair, [keeper, partner])
    item_id = make_item(
        keeper,
        meeting_id,
        person_id=person_id,
        referral_id=referral_id,
        kind=ItemKind.HANDOFF,
        categories=["basic", "health"],
    )
    assert item_id not in previewed(chair, meeting_id, chair)  # nobody has told the convener yet
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    open_packet(chair.actor, meeting_id)
    glimpse = previewed(chair, meeting_id, partner)[item_id]
    assert gaps_of(glimpse) == {"their_referral", "their_categories"}
    assert glimpse.their_categories == [Category.HEALTH]
    assert "ひみつの診断" not in repr(glimpse)
    assert "秘密野" in glimpse.item.label


def test_looking_tells_nobody_and_is_logged(browser: Any, strangers: Any) -> None:
    chair, keeper, _, meeting_id, _ = strangers
    person_id = make_person(chair)
    make_consent(chair, person_id, [keeper])
    make_item(chair, meeting_id, person_id=person_id, categories=["basic"])
    before = count_of(Disclosure.id)
    address = f"/meetings/{meeting_id}/packet/{id_of(keeper)}"
    assert browser(chair).get(address).status_code == 200
    paper = browser(chair).get(address + ".pdf")
    assert paper.data[:5] == b"%PDF-"
    assert count_of(Disclosure.id) == before
    entries = select(AuditEntry.object_id, AuditEntry.staff_id).where(AuditEntry.event == "packet:previewed")
    assert list(db.read.execute(entries)) == [(meeting_id, chair.staff_id)] * 2
    db.end()
    for reader, status in ((keeper, 403), (make_member(), 404), (make_member(role=Role.COORDINATOR), 404)):
        assert browser(reader).get(address).status_code == status
    assert browser(chair).get(f"/meetings/{meeting_id}/packet/{make_member().agency_id}").status_code == 404
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    assert browser(chair).get(address).status_code == 409


def count_of(column: Any) -> int:
    found = db.read.scalar(select(func.count(column))) or 0
    db.end()
    return found
