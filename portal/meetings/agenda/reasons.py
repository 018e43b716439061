"""Why else an item is on the agenda, in one reader's eyes."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, case, null, or_, select
from sqlalchemy.orm import Session

from portal.meetings import item_visibility
from portal.meetings.agenda.models import AgendaItem, ItemReason
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import Source
from portal.wall import predicates


@cache
def statement() -> Select[*tuple[Any, ...]]:
    """Further reasons of items: for who brought them; of a referral for its sides; of a promise for its readers."""
    reader, now = predicates.READER, predicates.NOW
    promise = and_(ItemReason.source == Source.ACTION, MeetingOutcome.id == ItemReason.subject_id)
    of_referral = and_(
        ItemReason.subject_id == AgendaItem.referral_id, item_visibility.is_referral_party(reader)
    )
    return (
        select(
            ItemReason.item_id,
            ItemReason.source,
            ItemReason.reason_on,
            ItemReason.reason_count,
            case((item_visibility.readable(reader, now), MeetingOutcome.text), else_=null()).label(
                "promised"
            ),
        )
        .join(AgendaItem, AgendaItem.id == ItemReason.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .outerjoin(MeetingOutcome, promise)
        .where(
            AgendaItem.meeting_id == bindparam("meeting_id"),
            item_visibility.present(reader, now),
            or_(item_visibility.is_own(reader), of_referral, MeetingOutcome.id.is_not(None)),
        )
        .order_by(ItemReason.item_id, ItemReason.source, ItemReason.reason_on, ItemReason.subject_id)
    )


def load(session: Session, values: dict[str, Any]) -> dict[UUID, list[Any]]:
    """The further reasons on this agenda, by item; `values` are those of the agenda's own statement."""
    found: dict[UUID, list[Any]] = {}
    for row in session.execute(statement(), values):
        found.setdefault(row.item_id, []).append(row)
    return found
