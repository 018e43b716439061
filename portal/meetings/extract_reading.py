"""What the minutes of all meetings say of one person, to a reader who may both read and name (for the case file)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import among
from portal.disclosures import wall
from portal.meetings import eyes
from portal.meetings.agenda_models import AgendaItem
from portal.meetings.minutes_reading import (
    AddendumView,
    OutcomeView,
    addenda_statement,
    addendum_of,
    by_item,
    outcome_of,
    outcomes_statement,
)
from portal.meetings.models import Meeting
from portal.meetings.states import HELD, ItemKind, MeetingKind, MeetingStatus
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor


@dataclass(frozen=True, slots=True)
class Part:
    """One item about the person in one meeting."""

    id: UUID
    meeting_id: UUID
    meeting_name: str
    meeting_kind: MeetingKind
    starts_at: datetime
    status: MeetingStatus
    kind: ItemKind
    title: str
    minutes_text: str
    postponed_why: str
    outcomes: list[OutcomeView]
    addenda: list[AddendumView]


@cache
def parts_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(
            AgendaItem.id,
            Meeting.id.label("meeting_id"),
            Meeting.name.label("meeting_name"),
            Meeting.kind.label("meeting_kind"),
            Meeting.starts_at,
            Meeting.status,
            AgendaItem.kind,
            AgendaItem.title,
            AgendaItem.minutes_text,
            AgendaItem.postponed_why,
        )
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Person, Person.id == AgendaItem.person_id)
        .where(
            AgendaItem.person_id == bindparam("person_id"),
            AgendaItem.removed_at.is_(None),
            among(Meeting.status, HELD),
            eyes.readable(wall.READER, wall.NOW),
            eyes.named(wall.READER, wall.NOW),
        )
        .order_by(Meeting.starts_at.desc(), Meeting.id, AgendaItem.position, AgendaItem.id)
    )


def load(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[Part]:
    """The newest meeting first."""
    rows = session.execute(parts_statement(), wall.bound(actor, now, person_id=person_id)).all()
    values = wall.bound(actor, now, items=[row.id for row in rows])
    outcomes = by_item([outcome_of(one) for one in session.execute(outcomes_statement("items"), values)])
    addenda = by_item([addendum_of(one) for one in session.execute(addenda_statement("items"), values)])
    return [
        Part(**row._asdict(), outcomes=outcomes.get(row.id, []), addenda=addenda.get(row.id, []))
        for row in rows
    ]


def note(actor: Actor, person_id: UUID, parts: list[Part], channel: str) -> None:
    """Log that the extract was read, before it is shown."""
    audit.record_reading(
        AuditEvent.MINUTES_READ,
        ("person", person_id),
        actor=actor,
        person_id=person_id,
        categories=[Category.BASIC] if parts else [],
        channel=channel,
        items=[part.id for part in parts],
    )
