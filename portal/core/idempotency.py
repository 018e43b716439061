"""The same form sent twice makes one record."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core.clock import now
from portal.core.db import Base, db
from portal.core.policy import Actor


class FormKey(Base):
    """A form that was sent, and the record it made."""

    __tablename__ = "form_key"

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    made_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(default=now)


def made_by(session: Session, actor: Actor, key: str | None) -> UUID | None:
    """The record that this form made earlier; None for a form not sent yet, or without a key."""
    same = (FormKey.staff_id == actor.staff_id, FormKey.key == key)
    return session.scalars(select(FormKey.made_id).where(*same)).one_or_none() if key else None


def claim(actor: Actor, key: str | None, made_id: UUID) -> UUID | None:
    """Tie the form's key to the record about to be made; the id of the earlier record if it was sent before.

    Runs inside the transaction that makes the record: a second sender waits here until the first is done.
    Without a key (a command, a scenario) nothing is claimed.
    """
    if not key:
        return None
    with db.transaction() as session:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        values = {"staff_id": actor.staff_id, "key": key, "made_id": made_id}
        mine = insert(FormKey).values(**values).on_conflict_do_nothing().returning(FormKey.made_id)
        if session.scalars(mine).one_or_none():
            return None
        return made_by(session, actor, key)
