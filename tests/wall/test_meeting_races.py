"""Two people at once at a meeting: after a withdrawal no packet tells, and a meeting is announced once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.audit.stale_read import StaleRead
from portal.core.db import db
from portal.core.errors import Conflict, StaleForm
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.meetings.packets.services import open_packet
from portal.meetings.schedule import services as meetings
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingAction
from tests.factories import Member, make_consent, make_member, make_person
from tests.meeting_factories import make_item, make_meeting
from tests.wall import oracle
from tests.wall.test_races import PATIENCE, TRIES, Runner, last_of, paused_at, together

pytestmark = pytest.mark.both_databases


def make_table() -> tuple[Member, Member, UUID, UUID, UUID]:
    """A convener, a member, and an announced meeting with an item that a consent lets it tell."""
    a, b = make_member(role=Role.COORDINATOR), make_member()
    person_id = make_person(a)
    consent_id = make_consent(a, person_id, [b])
    meeting_id = make_meeting(a, [b], kind="coordination")
    item_id = make_item(a, meeting_id, person_id=person_id, categories=["basic"])
    meetings.perform(a.actor, MeetingAction.ANNOUNCE, meeting_id)
    db.end()
    return a, b, meeting_id, item_id, consent_id


def opening(member: Member, meeting_id: UUID) -> Callable[[], Any]:
    return lambda: [item.person_id for item in open_packet(member.actor, meeting_id)[1]]


def test_a_packet_that_is_being_opened_tells_before_the_withdrawal_is_acknowledged(app: Flask) -> None:
    a, b, meeting_id, _item_id, consent_id = make_table()
    with paused_at("INSERT INTO disclosure ") as pause:
        reader = Runner(pause.act(opening(b, meeting_id)))
        assert pause.reached.wait(PATIENCE)
        withdrawer = Runner(lambda: disclosures.withdraw_consent(a.actor, consent_id))
        withdrawer.join(0.3)
        assert withdrawer.is_alive(), "it was acknowledged while a packet was still telling"
        pause.go_on.set()
        # The withdrawal may come between the disclosure and the reading: then nothing is shown, and the web asks again.
        error = reader.finish().error
        assert error is None or isinstance(error, StaleRead), error
        assert withdrawer.finish().error is None
    assert last_of(app, "consent:withdrawn") > last_of(app, "disclosure:made")
    assert Runner(opening(b, meeting_id)).finish().result == []


def test_a_withdrawal_that_has_begun_closes_the_packet(app: Flask) -> None:
    a, b, meeting_id, item_id, consent_id = make_table()
    with paused_at("INSERT INTO withdrawal") as pause:
        withdrawer = Runner(pause.act(lambda: disclosures.withdraw_consent(a.actor, consent_id)))
        assert pause.reached.wait(PATIENCE)
        reader = Runner(opening(b, meeting_id))
        reader.join(0.3)
        assert reader.is_alive(), "it told something while the withdrawal was being written"
        pause.go_on.set()
        assert withdrawer.finish().error is None
        assert reader.finish().result == []
    truth = oracle.read(app.config["DATABASE_URL"])
    assert not [line for lines in truth.lines.values() for line in lines if line.source == item_id]


def test_of_two_announcements_at_once_one_wins(app: Flask) -> None:
    a, b = make_member(role=Role.COORDINATOR), make_member()
    for _ in range(TRIES // 4):
        meeting_id = make_meeting(a, [b])
        version = db.read().get_one(Meeting, meeting_id).version
        db.end()
        announce = lambda: meetings.perform(  # noqa: E731
            a.actor,
            MeetingAction.ANNOUNCE,
            meeting_id,  # noqa: B023 - they end in this turn
            version=version,  # noqa: B023
        )
        losers = [one.error for one in together(announce, announce) if one.error]
        assert len(losers) == 1
        assert isinstance(losers[0], StaleForm | Conflict)
        with oracle.reading(app.config["DATABASE_URL"]) as rows:
            found = rows("SELECT object_id FROM audit_entry WHERE event = 'meeting:announced'")
        assert [oracle.uid(one) for (one,) in found].count(meeting_id) == 1
