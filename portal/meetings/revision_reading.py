"""The texts ever saved for the minutes of an item, and those that came second and wait for their writer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Staff
from portal.disclosures import wall
from portal.meetings import eyes
from portal.meetings.agenda_models import AgendaItem, MinutesRevision
from portal.meetings.models import Meeting
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class RevisionView:
    """A text as it was once saved, or refused because another came first."""

    id: UUID
    created_at: datetime
    staff_id: UUID
    staff_name: str
    text: str
    is_refused: bool


@cache
def revisions_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(
            MinutesRevision.id,
            MinutesRevision.created_at,
            MinutesRevision.staff_id,
            Staff.name.label("staff_name"),
            MinutesRevision.text,
            MinutesRevision.is_refused,
        )
        .join(AgendaItem, AgendaItem.id == MinutesRevision.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Staff, Staff.id == MinutesRevision.staff_id)
        .where(MinutesRevision.item_id == bindparam("item_id"), eyes.readable(wall.READER, wall.NOW))
        .order_by(MinutesRevision.id.desc())
    )


def load_revisions(session: Session, actor: Actor, item_id: UUID, now: datetime) -> list[RevisionView]:
    """Every text ever saved for an item, the newest first."""
    rows = session.execute(revisions_statement(), wall.bound(actor, now, item_id=item_id))
    return [RevisionView(*row) for row in rows]


@cache
def waiting_statement() -> Select[*tuple[Any, ...]]:
    """The reader's own texts that came second and that he has not decided about yet."""
    later = aliased(MinutesRevision)
    decided = (
        select(later.id)
        .where(
            later.item_id == MinutesRevision.item_id,
            later.staff_id == MinutesRevision.staff_id,
            later.id > MinutesRevision.id,
        )
        .correlate(MinutesRevision)
        .exists()
    )
    return (
        select(MinutesRevision.item_id, MinutesRevision.text)
        .join(AgendaItem, AgendaItem.id == MinutesRevision.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            AgendaItem.meeting_id == bindparam("meeting_id"),
            MinutesRevision.staff_id == wall.READER.staff_id,
            MinutesRevision.is_refused,
            ~decided,
            eyes.readable(wall.READER, wall.NOW),
        )
    )


def load_waiting(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> dict[UUID, str]:
    """Item and text of what the reader typed and somebody else's text stood in the way of."""
    rows = session.execute(waiting_statement(), wall.bound(actor, now, meeting_id=meeting_id))
    return {row.item_id: row.text for row in rows}
