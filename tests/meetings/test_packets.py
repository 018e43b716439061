"""The packet in each reader's eyes, and what opening it writes into the ledger."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Channel, Disclosure
from portal.meetings.agenda import services as agenda_services
from portal.meetings.schedule import services
from portal.meetings.states import MeetingAction
from portal.people.categories import Category
from tests.factories import Member, make_consent, make_member, make_person
from tests.meeting_factories import make_item, make_meeting, take_step

ALWAYS = "この資料には、貴機関に提供できる議題だけを載せています。"


def lines(item_id: UUID) -> list[Disclosure]:
    found = list(db.read.scalars(select(Disclosure).where(Disclosure.source_id == item_id)))
    db.end()
    return found


@pytest.fixture
def world(app: Flask) -> tuple[Member, Member, Member, UUID, UUID, UUID, UUID]:
    """A meeting of three agencies; one person, shared, with a consent for the second of them alone."""
    chair, told, third = make_member(role=Role.COORDINATOR), make_member(), make_member()
    meeting_id = make_meeting(chair, [told, third])
    person_id = make_person(chair, family="秘密野", given="見本子")
    consent_id = make_consent(chair, person_id, [told])
    item_id = make_item(
        chair, meeting_id, person_id=person_id, categories=[Category.BASIC], text="見本の相談内容"
    )
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    return chair, told, third, meeting_id, person_id, consent_id, item_id


def test_each_with_their_own_eyes(browser: Any, world: Any) -> None:
    chair, told, third, meeting_id, *_ = world
    for who, sees in ((chair, True), (told, True), (third, False)):
        page = browser(who).get(f"/meetings/{meeting_id}/packet")
        assert page.status_code == 200
        assert ("秘密野" in page.text, "見本の相談内容" in page.text) == (sees, sees)
        assert ALWAYS in page.text
    assert browser(make_member()).get(f"/meetings/{meeting_id}/packet").status_code == 404


def test_opening_and_printing_are_disclosures_once_each(browser: Any, world: Any) -> None:
    _, told, third, meeting_id, _, _, item_id = world
    client = browser(told)
    for _ in range(2):
        client.get(f"/meetings/{meeting_id}/packet")
        browser(third).get(f"/meetings/{meeting_id}/packet")
    assert [line.channel for line in lines(item_id)] == [Channel.PACKET]
    for _ in range(2):
        paper = client.get(f"/meetings/{meeting_id}/packet.pdf")
    assert paper.data[:5] == b"%PDF-"
    written = lines(item_id)
    assert sorted(line.channel for line in written) == [Channel.PACKET, Channel.PRINT]
    assert {line.to_agency_id for line in written} == {told.agency_id}


def test_withdrawn_a_minute_ago_is_masked_and_a_new_consent_tells_again(browser: Any, world: Any) -> None:
    chair, told, _, meeting_id, person_id, consent_id, item_id = world
    client = browser(told)
    assert "秘密野" in client.get(f"/meetings/{meeting_id}/packet").text
    disclosures.withdraw_consent(chair.actor, consent_id)
    page = client.get(f"/meetings/{meeting_id}/packet").text
    assert "秘密野" not in page
    assert "見本の相談内容" not in page
    assert len(lines(item_id)) == 1
    make_consent(chair, person_id, [told])
    assert "秘密野" in client.get(f"/meetings/{meeting_id}/packet").text
    assert len(lines(item_id)) == 2


def test_closed_before_announcing(browser: Any, app: Flask) -> None:
    chair = make_member(role=Role.COORDINATOR)
    meeting_id = make_meeting(chair)
    assert browser(chair).get(f"/meetings/{meeting_id}/packet").status_code == 409
    assert browser(chair).get(f"/meetings/{meeting_id}/packet.pdf").status_code == 409


@pytest.mark.parametrize(
    "act",
    [
        lambda chair, meeting, item: agenda_services.unshare_item(chair, item),
        lambda chair, meeting, item: agenda_services.remove_item(chair, item, "見本の理由"),
        lambda chair, meeting, item: agenda_services.postpone_item(chair, item, "見本の理由"),
        lambda chair, meeting, item: services.perform(
            chair, MeetingAction.CANCEL, meeting, text="見本の理由"
        ),
    ],
    ids=["unshared", "removed", "postponed", "cancelled"],
)
def test_what_an_item_told_ends_with_it(browser: Any, world: Any, act: Any) -> None:
    chair, told, _, meeting_id, person_id, _, item_id = world
    client = browser(told)
    client.get(f"/meetings/{meeting_id}/packet")
    assert "秘密野" in client.get(f"/people/{person_id}").text
    act(chair.actor, meeting_id, item_id)
    assert [line.ended_at is None for line in lines(item_id)] == [False]
    assert "秘密野" not in client.get(f"/meetings/{meeting_id}/packet").text
    assert client.get(f"/people/{person_id}").status_code == 404


def test_a_longer_agenda_asks_the_database_no_more(browser: Any, world: Any, count_queries: Any) -> None:
    """Nor does one whose items no consent opens to the reader."""
    chair, told, third, meeting_id, *_ = world
    asked: dict[Member, list[int]] = {told: [], third: []}
    for more in (2, 12):
        for _ in range(more):
            person_id = make_person(chair)
            make_consent(chair, person_id, [told])
            make_item(chair, meeting_id, person_id=person_id, categories=[Category.BASIC], text="見本")
        for reader, counts in asked.items():
            client = browser(reader)
            client.get(f"/meetings/{meeting_id}/packet")  # the first opening tells
            with count_queries() as statements:
                client.get(f"/meetings/{meeting_id}/packet")
            counts.append(len(statements))
    assert all(few == many for few, many in asked.values()), asked
