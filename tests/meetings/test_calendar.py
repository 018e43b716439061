"""Calendar files: per meeting, per series, and by the private address; never a person or an item."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from flask import Flask
from icalendar import Calendar
from sqlalchemy import select

from portal.accounts.models import Membership, Staff
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.meetings.schedule import services
from portal.meetings.schedule.models import CalendarLink
from portal.meetings.schedule.services import MeetingFacts
from portal.meetings.states import MeetingAction, MeetingKind
from tests.browsers import Browser
from tests.factories import Member, make_member, make_person
from tests.meeting_factories import make_item, make_meeting, make_series

Visit = Callable[..., Browser]


@pytest.fixture
def convener(app: Flask) -> Member:
    return make_member(role=Role.COORDINATOR)


def events(content: bytes) -> list[Any]:
    calendar: Any = Calendar.from_ical(content)
    return list(calendar.walk("VEVENT"))


def subscribe(client: Browser) -> str:
    page = client.post("/meetings/calendar").text
    found = re.search(r'value="(http[^"]+/calendar/[^"]+\.ics)"', page)
    assert found, page
    return urlsplit(found[1]).path


def test_a_meeting_as_a_file(convener: Member, browser: Visit) -> None:
    meeting_id = make_meeting(
        convener, name="週次打合せ、春", place="市役所; 2階", link="https://example.jp/room"
    )
    answer = browser(convener).get(f"/meetings/{meeting_id}.ics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/calendar"
    assert answer.data.count(b"BEGIN:VTIMEZONE") == 1
    [event] = events(answer.data)
    assert str(event["summary"]) == "週次打合せ、春"
    assert str(event["location"]) == "市役所; 2階"
    assert str(event["uid"]).startswith(str(meeting_id))
    assert event["dtstart"].params["TZID"] == "Asia/Tokyo"
    assert event["dtend"].dt - event["dtstart"].dt == timedelta(minutes=60)
    assert (event["sequence"], str(event["status"])) == (0, "TENTATIVE")
    assert "https://example.jp/room" in str(event["description"])
    assert all(len(line) <= 75 for line in answer.data.split(b"\r\n"))


def test_moving_and_cancelling_count_and_keep_the_uid(convener: Member, browser: Visit) -> None:
    meeting_id = make_meeting(convener, status="announced")
    client = browser(convener)
    [before] = events(client.get(f"/meetings/{meeting_id}.ics").data)
    later = clock.now().replace(microsecond=0) + timedelta(days=9)
    facts = MeetingFacts(
        MeetingKind.WEEKLY,
        "見本の会議",
        later,
        60,
        frozenset(),
        "",
        "",
        convener.agency_id,  # type: ignore[arg-type]
    )
    services.move(convener.actor, meeting_id, facts, version=None)
    [moved] = events(client.get(f"/meetings/{meeting_id}.ics").data)
    assert moved["dtstart"].dt == later
    services.perform(convener.actor, MeetingAction.CANCEL, meeting_id, text="台風")
    [gone] = events(client.get(f"/meetings/{meeting_id}.ics").data)
    assert before["uid"] == moved["uid"] == gone["uid"]
    assert [one["sequence"] for one in (before, moved, gone)] == [0, 1, 2]
    assert [str(one["status"]) for one in (before, moved, gone)] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]


def test_no_person_and_no_item_stands_in_any_file(convener: Member, browser: Visit) -> None:
    series_id = make_series(convener)
    meeting_id = make_meeting(convener, series_id=series_id, slot=clock.today())
    person_id = make_person(convener, family="鏑木", given="見本")
    make_item(convener, meeting_id, person_id=person_id, title="秘密の議題", text="秘密の内容")
    client = browser(convener)
    paths = (f"/meetings/{meeting_id}.ics", f"/meetings/series/{series_id}.ics", subscribe(client))
    for path in paths:
        text = client.get(path).text.replace("\r\n ", "")
        assert "BEGIN:VEVENT" in text
        assert "秘密" not in text
        assert "鏑木" not in text


def test_a_series_file_holds_six_coming_meetings(convener: Member, browser: Visit) -> None:
    series_id = make_series(convener)
    path = f"/meetings/series/{series_id}.ics"
    found = events(browser(convener).get(path).data)
    assert len([one for one in found if one["dtstart"].dt > clock.now()]) == 6
    assert browser(make_member()).get(path).status_code == 404


def test_who_is_not_at_the_table_gets_no_file(convener: Member, browser: Visit) -> None:
    meeting_id = make_meeting(convener)
    stranger = browser(make_member())
    assert stranger.get(f"/meetings/{meeting_id}.ics").status_code == 404
    assert stranger.get(f"/meetings/{meeting_id}.ics").data == stranger.get(f"/meetings/{uuid4()}.ics").data


def test_the_private_address_needs_no_sign_in_and_shows_own_meetings_only(
    convener: Member, browser: Visit
) -> None:
    mine = make_meeting(convener, name="わたしたちの会議")
    make_meeting(make_member(role=Role.COORDINATOR), name="よその会議")
    make_meeting(convener, name="古い会議", starts_at=clock.now() - timedelta(days=91))
    make_meeting(
        convener, name="先月の会議", starts_at=clock.now() - timedelta(days=30), link="https://example.jp/x"
    )
    path = subscribe(browser(convener))
    answer = browser().get(path)
    assert answer.status_code == 200
    assert {str(one["summary"]) for one in events(answer.data)} == {"わたしたちの会議", "先月の会議"}
    assert str(mine) in answer.text
    assert "https://example.jp/x" not in answer.text


def test_the_address_is_shown_once_and_stored_as_a_hash(convener: Member, browser: Visit) -> None:
    client = browser(convener)
    assert "まだ作っていません" in client.get("/meetings/calendar").text
    path = subscribe(client)
    token = path.removeprefix("/calendar/").removesuffix(".ics")
    assert token not in client.get("/meetings/calendar").text
    link = db.read.scalars(select(CalendarLink)).one()
    assert token not in link.token_hash
    assert len(link.token_hash) == 64


def test_a_renewed_or_revoked_address_is_gone(convener: Member, browser: Visit) -> None:
    client, stranger = browser(convener), browser()
    old = subscribe(client)
    new = subscribe(client)
    assert old != new
    assert stranger.get(old).status_code == 404
    assert stranger.get(new).status_code == 200
    assert client.post("/meetings/calendar", data={"revoke": "1"}).status_code == 302
    assert stranger.get(new).status_code == 404
    assert stranger.get("/calendar/no-such-token.ics").status_code == 404


def gone(member: Member) -> None:
    with db.transaction() as session:
        row = session.get_one(Staff, member.staff_id)
        row.disabled_at = clock.now()
        audit.record(AuditEvent.STAFF_JOINED, row, actor=None)


def left(member: Member) -> None:
    with db.transaction() as session:
        row = session.get_one(Membership, member.actor.membership_id)
        row.ended_at = clock.now()
        audit.record(AuditEvent.STAFF_JOINED, row, actor=None)


def promoted(member: Member) -> None:
    with db.transaction() as session:
        row = session.get_one(Membership, member.actor.membership_id)
        row.role = Role.AGENCY_ADMIN
        audit.record(AuditEvent.STAFF_JOINED, row, actor=None)


@pytest.mark.parametrize("happens", [gone, left, promoted])
def test_the_address_ends_with_the_casework(
    convener: Member, browser: Visit, happens: Callable[[Member], None]
) -> None:
    path = subscribe(browser(convener))
    assert browser().get(path).status_code == 200
    happens(convener)
    assert browser().get(path).status_code == 404


def test_only_caseworkers_have_an_address(browser: Visit, app: Flask) -> None:
    assert browser(make_member(role=Role.AUDITOR)).get("/meetings/calendar").status_code == 403
    assert browser(make_member(role=Role.AGENCY_ADMIN)).post("/meetings/calendar").status_code == 403


def test_the_address_makes_missing_dates(convener: Member, browser: Visit) -> None:
    path = subscribe(browser(convener))
    series_id: UUID = make_series(convener)
    assert series_id
    assert len(events(browser().get(path).data)) == 6
