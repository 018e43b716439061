"""Who is named, who came, and the duty of secrecy without which nothing of a 支援会議 is shown."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.policy import Role
from portal.disclosures.models import Disclosure
from portal.meetings.roster import services as roster_services
from portal.meetings.roster.models import Attendance
from portal.meetings.states import MeetingAction, MeetingKind
from portal.people.categories import Category
from tests.factories import make_member, make_person
from tests.meeting_factories import make_item, make_meeting, take_step


def test_secrecy_opens_the_packet_and_striking_ends_it(browser: Any, app: Flask) -> None:
    chair, other = make_member(role=Role.COORDINATOR), make_member()
    meeting_id = make_meeting(chair, [other], kind=MeetingKind.STATUTORY)
    person_id = make_person(chair, family="秘密野")
    item_id = make_item(chair, meeting_id, person_id=person_id, categories=[Category.BASIC])
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    client = browser(other)
    assert client.get(f"/meetings/{meeting_id}/oath").status_code == 403
    named = client.post(
        f"/meetings/{meeting_id}/roster", data={"act": "member", "staff": str(other.staff_id)}
    )
    assert named.status_code == 302
    assert client.get(f"/meetings/{meeting_id}/packet").status_code == 403
    oath = client.get(f"/meetings/{meeting_id}/oath")
    assert "守秘義務" in oath.text
    assert "秘密野" not in oath.text
    assert client.post(f"/meetings/{meeting_id}/oath", data={}).status_code == 200  # not ticked: not done
    assert client.get(f"/meetings/{meeting_id}/packet").status_code == 403
    assert client.post(f"/meetings/{meeting_id}/oath", data={"agreed": "y"}).status_code == 302
    assert "秘密野" in client.get(f"/meetings/{meeting_id}/packet").text
    row = db.read.scalars(select(Attendance).where(Attendance.staff_id == other.staff_id)).one()
    db.end()
    assert client.post(f"/meetings/{meeting_id}/roster/{row.id}/strike").status_code == 302
    line = db.read.scalars(select(Disclosure).where(Disclosure.source_id == item_id)).one()
    db.end()
    assert line.ended_at is not None
    assert client.get(f"/meetings/{meeting_id}/packet").status_code == 403


def test_who_may_name_whom(app: Flask) -> None:
    chair, other, third = make_member(role=Role.COORDINATOR), make_member(), make_member()
    meeting_id = make_meeting(chair, [other, third])
    roster_services.name_member(chair.actor, meeting_id, third.staff_id)
    with pytest.raises(NotAllowed):
        roster_services.name_member(other.actor, meeting_id, third.staff_id)
    with pytest.raises(Invalid):
        roster_services.name_member(chair.actor, meeting_id, make_member().staff_id)
    once = roster_services.name_member(other.actor, meeting_id, other.staff_id)
    assert roster_services.name_member(chair.actor, meeting_id, other.staff_id) == once


def test_attendance_and_guests(browser: Any, app: Flask) -> None:
    chair, other = make_member(role=Role.COORDINATOR), make_member()
    meeting_id = make_meeting(chair, [other], kind=MeetingKind.STATUTORY)
    guest = roster_services.name_guest(chair.actor, meeting_id, name="見本 客子", guest_from="見本病院")
    member = roster_services.name_member(chair.actor, meeting_id, other.staff_id)
    with pytest.raises(Conflict):
        roster_services.set_attendance(chair.actor, meeting_id, {guest})
    with pytest.raises(NotAllowed):
        roster_services.acknowledge_on_paper(other.actor, guest)
    with pytest.raises(Conflict):
        roster_services.acknowledge_on_paper(chair.actor, member)
    roster_services.acknowledge_on_paper(chair.actor, guest)
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    take_step(chair, meeting_id, MeetingAction.BEGIN)
    saved = browser(chair).post(
        f"/meetings/{meeting_id}/roster", data={"act": "attendance", "present": [str(guest)]}
    )
    assert saved.status_code == 302
    page = browser(other).get(f"/meetings/{meeting_id}/roster").text
    assert "見本 客子" in page
    assert "確認済み（書面）" in page
    there = {row.id: row.was_there for row in db.read.scalars(select(Attendance))}
    db.end()
    assert there == {guest: True, member: False}
    with pytest.raises(Conflict):
        roster_services.strike(chair.actor, member)
