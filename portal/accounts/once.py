"""The same form sent twice makes one record."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.accounts.models import FormKey
from portal.db import db
from portal.policy import Actor


def made_by(session: Session, actor: Actor, key: str | None) -> UUID | None:
    """The record that this form made when it was sent before; None for a form not sent yet, or without a key."""
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
        if session.execute(insert(FormKey).values(**values).on_conflict_do_nothing()).rowcount:  # type: ignore[attr-defined]
            return None
        return made_by(session, actor, key)
