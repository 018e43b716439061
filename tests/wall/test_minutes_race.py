"""Two who write the minutes of one item at once are told of it, and neither loses a word."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.errors import StaleForm
from portal.core.policy import Role
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes.models import MinutesRevision
from portal.meetings.minutes.services import write
from portal.meetings.states import MeetingAction
from tests.factories import make_member
from tests.meeting_factories import take_step
from tests.wall.test_meeting_races import make_table
from tests.wall.test_races import TRIES, together

pytestmark = pytest.mark.both_databases


def test_of_two_writers_of_the_same_minutes_neither_loses_a_word(app: Flask) -> None:
    a, _b, meeting_id, item_id, _consent_id = make_table()
    take_step(a, meeting_id, MeetingAction.BEGIN)
    colleague = make_member(a.agency_id, Role.COORDINATOR)
    for turn in range(TRIES // 4):
        version = db.read().get_one(AgendaItem, item_id).version
        db.end()
        texts = [f"{turn}回目 一人目の文", f"{turn}回目 二人目の文"]
        both = together(
            *(
                lambda one=one, text=text: write(one.actor, item_id, text, version=version)  # type: ignore[misc]  # noqa: B023
                for one, text in zip((a, colleague), texts, strict=True)
            )
        )
        losers = [one.error for one in both if one.error]
        assert len(losers) == 1
        assert isinstance(losers[0], StaleForm)
        statement = select(MinutesRevision.text, MinutesRevision.is_refused).where(
            MinutesRevision.item_id == item_id
        )
        kept = {text: refused for text, refused in db.read().execute(statement) if text in texts}
        assert sorted(kept.values()) == [False, True], "both texts are kept, and one of them is the minutes"
        stands = db.read().get_one(AgendaItem, item_id).minutes_text
        assert kept[stands] is False
        db.end()
