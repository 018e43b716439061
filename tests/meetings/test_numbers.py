"""The numbers of agenda items, the frozen agenda, and what packets say of its revisions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.meetings.agenda import drafting, numbers
from portal.meetings.agenda import services as agenda
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.services import ItemFacts
from portal.meetings.packets.services import open_packet
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import ItemKind, MeetingAction
from portal.people.categories import Category
from portal.web.formats import era_datetime
from tests.factories import Member, id_of, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, make_series, take_step

A = MeetingAction


class Table:
    """Three agencies; two matters of the town, and a person shared with the second alone."""

    def __init__(self) -> None:
        self.chair, self.told, self.third = make_member(role=Role.COORDINATOR), make_member(), make_member()
        self.meeting_id = make_meeting(self.chair, [self.told, self.third])
        self.first = make_item(self.chair, self.meeting_id, title="一つ目")
        self.person_id = make_person(self.chair, family="秘密野", given="見本子")
        self.consent_id = make_consent(self.chair, self.person_id, [self.told])
        self.closed = self.about_the_person()
        self.last = make_item(self.third, self.meeting_id, title="二つ目")

    @property
    def members(self) -> tuple[Member, Member, Member]:
        return self.chair, self.told, self.third

    def about_the_person(self) -> UUID:
        return make_item(self.chair, self.meeting_id, person_id=self.person_id, categories=[Category.BASIC])

    def announce(self) -> None:
        take_step(self.chair, self.meeting_id, A.ANNOUNCE)

    def numbers_of(self, member: Member) -> dict[UUID, int | None]:
        return {item.id: item.number for item in open_packet(member.actor, self.meeting_id).items}

    def facts(self, **values: Any) -> ItemFacts:
        return ItemFacts(
            kind=ItemKind.INFORMATION,
            title="急ぎの件",
            text="",
            minutes=5,
            presenter_agency_id=id_of(self.chair),
            **values,
        )


@pytest.fixture
def table(app: Flask) -> Table:
    return Table()


def test_every_reader_gives_an_item_the_same_number_everywhere(table: Table, browser: Any) -> None:
    table.announce()
    told = table.numbers_of(table.told)
    assert told == table.numbers_of(table.chair)
    assert (told[table.first], told[table.last]) == (1, 2)
    assert told[table.closed] in numbers.LOTS
    assert table.numbers_of(table.third) == {table.first: 1, table.last: 2}
    take_step(table.chair, table.meeting_id, A.BEGIN)
    agenda_of = {"packet": "", "session": "", "minutes": "", "minutes.txt": ""}
    for member in table.members:
        for page in agenda_of:
            text = browser(member).get(f"/meetings/{table.meeting_id}/{page}").get_data(as_text=True)
            assert re.search(r"\b2\.\s+情報共有・その他：二つ目", text), (page, text)
            assert (f"{told[table.closed]}." in text) == (member is not table.third), page
            assert page == "session" or "3桁の番号は無作為" in text


def test_a_number_once_given_stays(table: Table) -> None:
    table.announce()
    before = table.numbers_of(table.chair)
    agenda.move_item(table.chair.actor, table.last, up=True)
    agenda.remove_item(table.chair.actor, table.first, "見本の理由")
    left = table.numbers_of(table.chair)
    assert left == {key: number for key, number in before.items() if key != table.first}
    added = agenda.add_item(table.third.actor, table.meeting_id, table.facts())
    assert table.numbers_of(table.chair)[added] == 3
    agenda.restore_item(table.chair.actor, table.first)
    assert table.numbers_of(table.third) == {table.first: 1, table.last: 2, added: 3}


def test_lots_are_drawn_from_all_that_are_free() -> None:
    """So the numbers that somebody sees say nothing of those that they do not see."""
    free = set(numbers.LOTS[:3])
    drawn = {numbers.drawn(set(numbers.LOTS) - free) for _ in range(100)}
    assert drawn == free


def waiting(meeting_id: UUID) -> list[AgendaItem]:
    found = select(AgendaItem).where(
        AgendaItem.meeting_id == meeting_id, AgendaItem.waiting_since.is_not(None)
    )
    rows = list(db.read.scalars(found))
    db.end()
    return rows


def test_what_the_work_brings_after_the_announcement_waits_for_the_convener(
    table: Table, browser: Any
) -> None:
    table.announce()
    make_referral(table.chair, table.told, person_id=table.person_id, consent_id=table.consent_id)
    was = browser(table.told).get(f"/meetings/{table.meeting_id}/packet").text
    assert waiting(table.meeting_id) == []
    page = browser(table.chair).get(f"/meetings/{table.meeting_id}")
    (late,) = waiting(table.meeting_id)
    assert "開催通知の後に増えたもの" in page.text
    assert "改訂" not in was
    assert late.id not in table.numbers_of(table.told)
    with pytest.raises(NotAllowed):
        agenda.restore_item(table.told.actor, late.id)
    browser(table.chair).post(f"/meetings/{table.meeting_id}/items/{late.id}/restore")
    packet = browser(table.told).get(f"/meetings/{table.meeting_id}/packet").text
    assert "改訂 1" in packet
    assert table.numbers_of(table.told)[late.id] in numbers.LOTS
    assert "改訂 1" not in browser(table.third).get(f"/meetings/{table.meeting_id}/packet").text


def test_what_was_not_taken_in_comes_next_time_and_what_was_does_not(app: Flask) -> None:
    """A referral of the days between the announcement and the meeting is new to the meeting after that."""
    chair, partner = make_member(role=Role.COORDINATOR), make_member()
    series_id = make_series(chair, [partner])
    first = make_meeting(chair, [partner], series_id=series_id)
    take_step(chair, first, A.ANNOUNCE)
    taken, left = (make_referral(chair, partner) for _ in range(2))
    drafting.refresh(chair.actor, first)
    by_referral = {item.referral_id: item.id for item in waiting(first)}
    agenda.restore_item(chair.actor, by_referral[taken])
    take_step(chair, first, A.BEGIN)
    later = make_meeting(chair, [partner], series_id=series_id, starts_at=clock.now().replace(year=2099))
    drafting.refresh(chair.actor, later)
    rows = select(AgendaItem.referral_id).where(AgendaItem.meeting_id == later)
    assert list(db.read.scalars(rows)) == [left]
    db.end()


def test_a_withdrawal_masks_a_frozen_agenda_at_once(table: Table) -> None:
    table.announce()
    assert table.closed in table.numbers_of(table.told)
    disclosures.withdraw_consent(table.chair.actor, table.consent_id)
    assert table.numbers_of(table.told) == {table.first: 1, table.last: 2}


def test_the_convener_adds_an_urgent_item_in_session(table: Table, browser: Any) -> None:
    table.announce()
    for member in table.members:
        open_packet(member.actor, table.meeting_id)
    take_step(table.chair, table.meeting_id, A.BEGIN)
    with pytest.raises(Conflict):
        agenda.add_item(table.told.actor, table.meeting_id, table.facts())
    facts = table.facts(person_id=table.person_id, categories=frozenset({Category.BASIC}))
    urgent = agenda.add_item(table.chair.actor, table.meeting_id, facts)
    assert urgent in table.numbers_of(table.told)
    for member, revised in ((table.told, True), (table.third, False)):
        page = browser(member).get(f"/meetings/{table.meeting_id}/packet").text
        assert ("改訂 1" in page, "急ぎの件" in page) == (revised, revised)
    answer = browser(table.chair).get(f"/meetings/{table.meeting_id}/items/new")
    assert answer.status_code == 200
    take_step(table.chair, table.meeting_id, A.CLOSE)
    with pytest.raises(Conflict):
        agenda.add_item(table.chair.actor, table.meeting_id, facts)


def test_the_planned_time_stays_beside_the_real_one(table: Table, browser: Any, at: Any) -> None:
    with db.transaction() as session:
        planned = session.get_one(Meeting, table.meeting_id)
        planned.starts_at = clock.now() + timedelta(minutes=3)
        audit.record(AuditEvent.MEETING_MOVED, planned, actor=table.chair.actor)
        starts_at = planned.starts_at
    table.announce()
    at(starts_at + timedelta(minutes=4))
    take_step(table.chair, table.meeting_id, A.BEGIN)
    times = [era_datetime(one).split(" ")[-1] for one in (starts_at, starts_at + timedelta(minutes=4))]
    for page in ("", "/packet", "/session", "/minutes", "/minutes.txt"):
        text = browser(table.told).get(f"/meetings/{table.meeting_id}{page}").get_data(as_text=True)
        assert re.search(f"予定.*{times[0]}|{times[0]}.*予定", text.replace("\n", "")), page
        assert re.search(f"開会.*{times[1]}", text.replace("\n", "")), page


def test_a_packet_carries_what_is_asked_to_the_two_sides_alone(table: Table, browser: Any) -> None:
    make_consent(table.chair, table.person_id, [table.third])
    referral_id = make_referral(
        table.chair,
        table.told,
        person_id=table.person_id,
        consent_id=table.consent_id,
        need="働く準備を始めたい",
    )
    values = {"person_id": table.person_id, "referral_id": referral_id, "kind": ItemKind.HANDOFF}
    item_id = make_item(table.chair, table.meeting_id, categories=[Category.BASIC], **values)
    table.announce()
    for member, asked in zip(table.members, (True, True, False), strict=True):
        assert item_id in table.numbers_of(member)
        page = browser(member).get(f"/meetings/{table.meeting_id}/packet").text
        assert ("働く準備を始めたい" in page) == asked
