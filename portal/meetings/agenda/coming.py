"""The coming meetings that will speak of a person, for those who are about to withdraw a consent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.db import among
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import COMING


def coming_about(session: Session, person_id: UUID) -> Sequence[Row[*tuple[Any, ...]]]:
    """The coming meetings with an item about this person that the session's reader knows of, the next one first."""
    about = exists().where(
        AgendaItem.meeting_id == Meeting.id,
        AgendaItem.person_id == person_id,
        AgendaItem.removed_at.is_(None),
    )
    statement = select(Meeting.id, Meeting.name, Meeting.starts_at)
    statement = statement.where(among(Meeting.status, COMING), Meeting.starts_at > clock.now(), about)
    return session.execute(statement.order_by(Meeting.starts_at, Meeting.id)).all()
