"""What stands beside an item while its minutes are written: who it is about, what was asked, and what was said last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor
from portal.disclosures.people import Withheld
from portal.disclosures.person_header import PersonSummary
from portal.meetings.agenda.queries import ItemView, MeetingView
from portal.meetings.minutes import queries
from portal.meetings.minutes.queries import Part
from portal.referrals import reading
from portal.referrals.reading import Line

LAST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Background:
    """As far as the reader may see it: what may not be seen is empty."""

    person: PersonSummary | None = None
    need: str = ""
    messages: Sequence[Line] = ()
    last: Part | None = None

    def __bool__(self) -> bool:
        return bool(self.person or self.need or self.messages or self.last)


def show(actor: Actor, meeting: MeetingView, item: ItemView) -> Background:
    """The background of an item of this meeting; what is read of its referral and of earlier minutes is logged."""
    if not item.is_readable:
        return Background()
    need, messages = "", list[Line]()
    if item.referral:
        referral, _is_news = reading.show(actor, item.referral.id)
        need = "" if isinstance(referral.need, Withheld) else referral.need
        said = [one for one in referral.timeline if one.text and not isinstance(one.text, Withheld)]
        messages = said[-LAST_WORDS:]
    return Background(item.person_summary, need, messages, last_minutes(actor, meeting, item))


def last_minutes(actor: Actor, meeting: MeetingView, item: ItemView) -> Part | None:
    """What the latest earlier meeting wrote about the same person, whom the reader may name in both."""
    if item.person_id is None:
        return None
    parts = queries.load(db.read(), actor, item.person_id, clock.now())
    earlier = [
        part
        for part in parts
        if part.starts_at < meeting.starts_at
        and part.meeting_id != meeting.id
        and (part.minutes_text or part.outcomes)
    ]
    if not earlier:
        return None
    queries.note(actor, item.person_id, earlier[:1], "portal")
    return earlier[0]
