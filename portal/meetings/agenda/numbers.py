"""The numbers of agenda items: the same for every reader, and telling nobody of an item that they may not see.

Decision 032. An item about nobody is seen by the whole table and is counted: 1, 2, 3. One about a person gets
its number by lot, so that it says neither how many there are nor in which order.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import MeetingStatus

LOTS = range(200, 1000)
# On each packet and on all minutes, whether or not there is an item about a person.
EXPLAINED = N_(
    "議題の番号は、どの機関でも同じです。相談者のいる議題の3桁の番号は無作為に付けたもので、順番や件数とは関係がありません。"
)


def drawn(taken: Collection[int]) -> int:
    """A number by lot among those that are free."""
    return secrets.choice([number for number in LOTS if number not in taken])


def give(session: Session, actor: Actor, meeting: Meeting) -> None:
    """Number what stands on an announced agenda and has no number yet. A number once given stays."""
    if meeting.status is MeetingStatus.DRAFT:
        return
    session.flush()
    whole = select(AgendaItem).where(AgendaItem.meeting_id == meeting.id)
    items = session.scalars(whole.order_by(AgendaItem.position, AgendaItem.id)).all()
    taken = {item.number for item in items if item.number is not None}
    for item in items:
        if item.number is not None or not item.stands:
            continue
        counted = max((number for number in taken if number not in LOTS), default=0) + 1
        item.number = drawn(taken) if item.person_id else counted
        taken.add(item.number)
        audit.record(AuditEvent.ITEM_CHANGED, item, actor=actor, person_id=item.person_id, number=item.number)
