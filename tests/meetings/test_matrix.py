"""Who sees what: the matrix says what the packets really show, for every ground; announcing goes through it."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask

from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.packets import matrix
from portal.meetings.packets import services as packet_services
from portal.meetings.packets.matrix import Why
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingAction, MeetingKind, MeetingStatus
from portal.people.categories import Category
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, name_member, take_step

K = MeetingKind


def cells(reader: Member, meeting_id: UUID) -> dict[tuple[UUID, UUID], matrix.Cell]:
    now = clock.now()
    meeting = agenda_queries.load_meeting(db.read(), reader.actor, meeting_id, now)
    table, _ = matrix.load(db.read(), reader.actor, meeting, now)
    db.end()
    return {(item.id, cell.agency_id): cell for item, row in table.rows for cell in row}


def opened(reader: Member, meeting_id: UUID) -> set[UUID]:
    items = packet_services.open_packet(reader.actor, meeting_id).items
    db.end()
    return {item.id for item in items}


@pytest.mark.parametrize("kind", [K.WEEKLY, K.COORDINATION, K.CASE_STUDY, K.STATUTORY])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("tie", ["none", "consent", "other_consent", "referral", "told", "nobody"])
def test_matrix_agrees_with_packets(app: Flask, kind: MeetingKind, shared: bool, tie: str) -> None:
    chair = make_member(role=Role.COORDINATOR)
    left, right = make_member(), make_member()
    meeting_id = make_meeting(chair, [left, right], kind=kind)
    if kind is K.STATUTORY:
        for one in (chair, left):  # the third has not acknowledged
            name_member(chair, meeting_id, one, agreed=True)
        name_member(chair, meeting_id, right)
    person_id = None if tie == "nobody" else make_person(chair)
    referral_id = None
    if person_id and tie in {"consent", "told"}:
        make_consent(chair, person_id, [left])
    if person_id and tie == "other_consent":
        make_consent(chair, person_id, [left], [Category.HEALTH])
    if tie == "referral":
        referral_id = make_referral(chair, left, person_id=person_id)
    item_id = make_item(
        chair,
        meeting_id,
        person_id=person_id,
        referral_id=referral_id,
        shared=shared,
        categories=[Category.BASIC] if shared else (),
    )
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    if tie == "told":
        opened(left, meeting_id)
    said = cells(chair, meeting_id)
    for one in (chair, left, right):
        cell = said[item_id, one.agency_id]  # type: ignore[index]
        if kind is K.STATUTORY and one is right:
            assert cell.why is Why.NOT_AGREED
            continue
        assert cell.sees == (item_id in opened(one, meeting_id)), (one.actor.name, cell)


def test_consent_end_for_those_who_keep_it(app: Flask) -> None:
    chair, other = make_member(role=Role.COORDINATOR), make_member()
    meeting_id = make_meeting(chair, [other])
    person_id = make_person(other)
    make_consent(other, person_id, [chair])
    item_id = make_item(other, meeting_id, person_id=person_id, categories=[Category.BASIC])
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    opened(chair, meeting_id)
    assert cells(other, meeting_id)[item_id, chair.agency_id].until is not None  # type: ignore[index]
    assert cells(chair, meeting_id)[item_id, chair.agency_id].until is None  # type: ignore[index]


def test_announcing(app: Flask, browser: Callable[..., object]) -> None:
    chair, other = make_member(role=Role.COORDINATOR), make_member()
    meeting_id = make_meeting(chair, [other])
    item_id = make_item(other, meeting_id, title="ひみつの題", person_id=make_person(other))
    client = browser(chair)
    page = client.get(f"/meetings/{meeting_id}/matrix")  # type: ignore[attr-defined]
    assert page.status_code == 200
    assert "ひみつの題" not in page.text
    assert str(item_id) not in page.text
    assert page.text.count("非公開の議題") == 1
    version = re.search(r'name="version"[^>]*value="(\d+)"', page.text).group(1)  # type: ignore[union-attr]
    url = f"/meetings/{meeting_id}/matrix"
    assert client.post(url, data={"version": version}).status_code == 200  # type: ignore[attr-defined]
    stale = client.post(url, data={"version": "99", "checked": "y"})  # type: ignore[attr-defined]
    assert stale.status_code == 409
    assert db.read.get(Meeting, meeting_id).status is MeetingStatus.DRAFT  # type: ignore[union-attr]
    db.end()
    done = client.post(url, data={"version": version, "checked": "y"})  # type: ignore[attr-defined]
    assert done.status_code == 302
    assert db.read.get(Meeting, meeting_id).status is MeetingStatus.ANNOUNCED  # type: ignore[union-attr]
    assert db.read.get(AgendaItem, item_id) is not None
    assert browser(other).get(url).status_code == 403  # type: ignore[attr-defined]
    assert browser(make_member()).get(url).status_code == 404  # type: ignore[attr-defined]
