"""Single meetings: calling, moving and cancelling one, who sits at its table, and the list."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound

from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed, StaleForm
from portal.core.policy import Role
from portal.disclosures.models import Basis, Disclosure
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.packets import services as packet_services
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import services as schedule_services
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.schedule.services import MeetingFacts
from portal.meetings.states import MeetingKind, MeetingStatus
from portal.people.categories import Category
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import Member, make_agency, make_consent, make_member, make_person
from tests.meeting_factories import make_item, make_meeting, name_member, take_step

Visit = Callable[..., Browser]


@pytest.fixture
def convener(app: Flask) -> Member:
    return make_member(role=Role.COORDINATOR)


def in_days(days: int) -> datetime:
    return clock.now().replace(microsecond=0) + timedelta(days=days)


def facts(convener: Member, **more: Any) -> MeetingFacts:
    given = {
        "kind": MeetingKind.OTHER,
        "name": "臨時の会議",
        "starts_at": in_days(3),
        "minutes": 45,
        "members": frozenset(),
        "place": "相談室",
        "link": "",
        "presenter_agency_id": convener.agency_id,
    }
    return MeetingFacts(**given | more)  # type: ignore[arg-type]


def row_of(meeting_id: UUID) -> Meeting:
    found = db.read.get_one(Meeting, meeting_id)
    db.end()
    return found


def members_of(meeting_id: UUID) -> set[UUID]:
    statement = select(MeetingMember.agency_id).where(MeetingMember.meeting_id == meeting_id)
    found = set(db.read.scalars(statement))
    db.end()
    return found


def typed(convener: Member, **more: Any) -> dict[str, Any]:
    return {
        "kind": "other",
        "name": "臨時の会議",
        "starts_at": ["令和18年1月10日", "14:00"],
        "minutes": "45",
        "presenter": str(convener.agency_id),
    } | more


def test_a_meeting_is_called_once_and_the_convener_sits_at_its_table(convener: Member) -> None:
    other, key = make_agency(), "a" * 32
    wanted = facts(convener, members=frozenset({other.id}))
    meeting_id = schedule_services.schedule(convener.actor, wanted, idempotency_key=key)
    assert schedule_services.schedule(convener.actor, wanted, idempotency_key=key) == meeting_id
    assert members_of(meeting_id) == {other.id, convener.agency_id}
    assert row_of(meeting_id).series_id is None
    assert db.read.scalar(select(func.count()).select_from(Meeting)) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": 1441}, "minutes"),
        ({"members": frozenset({uuid4()})}, "members"),
        ({"presenter_agency_id": uuid4()}, "presenter"),
        ({"starts_at": datetime(2020, 1, 1, tzinfo=clock.JAPAN)}, "starts_at"),
    ],
)
def test_what_no_meeting_can_be_is_refused(convener: Member, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        schedule_services.schedule(convener.actor, facts(convener, **wrong))
    assert refused.value.field == field
    assert db.read.scalar(select(func.count()).select_from(Meeting)) == 0


def test_an_agency_that_has_closed_is_not_invited_but_may_stay(convener: Member) -> None:
    shut = make_agency(is_active=False)
    with pytest.raises(Invalid):
        schedule_services.schedule(convener.actor, facts(convener, members=frozenset({shut.id})))
    meeting_id = make_meeting(convener, [shut])
    schedule_services.move(
        convener.actor, meeting_id, facts(convener, members=frozenset({shut.id})), version=None
    )
    assert shut.id in members_of(meeting_id)


def test_only_a_coordinator_calls_and_only_the_conveners_moves(convener: Member) -> None:
    staff, guest = make_member(convener.agency_id), make_member(role=Role.COORDINATOR)
    meeting_id = make_meeting(convener, [guest])
    with pytest.raises(NotAllowed):
        schedule_services.schedule(staff.actor, facts(staff))
    for who, error in (
        (staff, NotAllowed),
        (guest, NotAllowed),
        (make_member(role=Role.COORDINATOR), NoResultFound),
    ):
        with pytest.raises(error):
            schedule_services.move(who.actor, meeting_id, facts(convener), version=None)


def test_moving_counts_for_calendars_and_marks_the_meeting(convener: Member) -> None:
    meeting_id = make_meeting(convener, status="announced")
    version = row_of(meeting_id).version
    wanted = facts(convener, kind=MeetingKind.WEEKLY, starts_at=in_days(5))
    schedule_services.move(convener.actor, meeting_id, wanted, version=version)
    after = row_of(meeting_id)
    assert (after.starts_at, after.calendar_sequence, after.is_moved) == (wanted.starts_at, 1, True)
    assert after.status is MeetingStatus.ANNOUNCED
    with pytest.raises(StaleForm):
        schedule_services.move(convener.actor, meeting_id, wanted, version=version)


@pytest.mark.parametrize("status", ["in_session", "minuted", "approved", "cancelled"])
def test_what_has_begun_or_was_cancelled_is_not_moved(convener: Member, status: str) -> None:
    meeting_id = make_meeting(convener, status=status)
    with pytest.raises(Conflict):
        schedule_services.move(convener.actor, meeting_id, facts(convener), version=None)


def test_an_announced_meeting_keeps_its_kind(convener: Member) -> None:
    meeting_id = make_meeting(convener, status="announced")
    with pytest.raises(Conflict):
        schedule_services.move(
            convener.actor, meeting_id, facts(convener, kind=MeetingKind.STATUTORY), version=None
        )
    assert row_of(meeting_id).kind is MeetingKind.WEEKLY


def test_an_agency_taken_off_loses_what_the_items_told_it_and_its_own_items(convener: Member) -> None:
    leaves, stays = make_member(), make_member()
    person_id = make_person(convener)
    basic = {Category.BASIC}
    make_consent(convener, person_id, [leaves, stays], categories=basic)
    meeting_id = make_meeting(convener, [leaves, stays])
    item_id = make_item(
        convener, meeting_id, person_id=person_id, categories=basic, presenter_agency_id=leaves.agency_id
    )
    theirs = make_item(leaves, meeting_id)
    name_member(convener, meeting_id, leaves)
    name_member(convener, meeting_id, stays)
    take_step(convener, meeting_id, "announce")
    for member in (leaves, stays):
        packet_services.open_packet(member.actor, meeting_id)
    assert stays.agency_id
    schedule_services.move(
        convener.actor,
        meeting_id,
        facts(convener, kind=MeetingKind.WEEKLY, members=frozenset({stays.agency_id})),
        version=None,
    )
    lines = db.read.scalars(select(Disclosure).where(Disclosure.source_id == item_id)).all()
    assert {line.basis for line in lines} == {Basis.CONSENT}
    assert {line.to_agency_id: line.ended_at is None for line in lines} == {
        leaves.agency_id: False,
        stays.agency_id: True,
    }
    assert db.read.get_one(AgendaItem, item_id).presenter_agency_id == convener.agency_id
    assert db.read.get_one(AgendaItem, item_id).stands
    assert not db.read.get_one(AgendaItem, theirs).stands
    assert [one.agency_id for one in db.read.scalars(select(Attendance))] == [stays.agency_id]
    with pytest.raises(NoResultFound):
        packet_services.open_packet(leaves.actor, meeting_id)


# Pages.


def test_a_meeting_is_called_moved_and_cancelled_through_the_pages(
    convener: Member, browser: Visit, at: Any
) -> None:
    at("2036-01-05T09:00")
    other = make_agency(name="見本の相手")
    client = browser(convener)
    page = client.get("/meetings/new").text
    assert "守秘義務を確認した職員だけ" in page
    answer = client.post("/meetings/new", data=typed(convener, members=[str(other.id)]))
    assert answer.status_code == 302, answer.text
    meeting_id = UUID(answer.location.rsplit("/", 1)[1])
    edit = f"/meetings/{meeting_id}/edit"
    assert 'value="14:00"' in client.get(edit).text
    more = {"starts_at": ["R18.1.11", "15:00"], "version": "1", "members": [str(other.id)]}
    assert client.post(edit, data=typed(convener, **more)).status_code == 302
    assert row_of(meeting_id).starts_at == datetime(2036, 1, 11, 15, tzinfo=clock.JAPAN)
    stale = client.post(edit, data=typed(convener, **more | {"place": "書きかけの場所"}))
    assert stale.status_code == 409
    assert "書きかけの場所" in stale.text
    cancel = f"/meetings/{meeting_id}/cancel"
    assert "中止の理由を入力" in client.post(cancel, data={"version": "2"}).text
    assert client.post(cancel, data={"version": "2", "text": "参加者がそろわないため"}).status_code == 302
    assert row_of(meeting_id).status is MeetingStatus.CANCELLED
    assert client.get(edit).status_code == 409
    assert "臨時の会議" in client.get("/meetings/?show=past").text


def test_a_meeting_of_others_is_not_there(convener: Member, browser: Visit) -> None:
    meeting_id, guest = make_meeting(convener, name="ひみつの会議"), make_member(role=Role.COORDINATOR)
    seen = make_meeting(convener, [guest])
    client = browser(guest)
    for path in ("edit", "cancel"):
        assert client.get(f"/meetings/{meeting_id}/{path}").status_code == 404
        assert client.get(f"/meetings/{seen}/{path}").status_code == 403
    assert "ひみつの会議" not in client.get("/meetings/").text


def test_the_list_pages_by_key_in_both_directions_of_time(
    convener: Member, browser: Visit, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PAGE_SIZE", 2)
    for n in range(5):
        make_meeting(convener, name=f"今後{n}番", starts_at=in_days(n + 1))
        make_meeting(convener, name=f"過去{n}番", starts_at=in_days(-n - 1), status="approved")
    client = browser(convener)
    for show, word in (("coming", "今後"), ("past", "過去")):
        found, path = [], f"/meetings/?show={show}"
        while path:
            page = client.get(path).text
            found += re.findall(rf"{word}(\d)番", page)
            next_page = re.search(r'rel="next"\s+href="([^"]+)"', page)
            path = next_page[1].replace("&amp;", "&") if next_page else ""
        assert found == list("01234")


def test_the_list_says_what_to_do_when_it_is_empty(convener: Member, browser: Visit) -> None:
    assert "会議を登録する" in browser(convener).get("/meetings/").text
    staff = browser(make_member(convener.agency_id)).get("/meetings/").text
    assert "会議を登録する" not in staff
    assert "調整担当が登録すると" in staff


def test_the_list_asks_the_database_the_same_however_long_it_is(
    convener: Member, browser: Visit, count_queries: CountQueries
) -> None:
    make_meeting(convener)
    client = browser(convener)
    client.get("/meetings/")
    with count_queries() as few:
        client.get("/meetings/")
    for _ in range(10):
        make_meeting(convener)
    with count_queries() as many:
        client.get("/meetings/")
    assert len(few) == len(many) <= 9
