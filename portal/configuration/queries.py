"""Queries of settings."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.configuration.catalogue import BY_KEY
from portal.configuration.models import Setting


def value(session: Session, key: str) -> int:
    """The value in force, in the unit of its `Spec`."""
    found = session.scalar(select(Setting.value).where(Setting.key == key))
    return BY_KEY[key].default if found is None else found


def values(session: Session) -> dict[str, int]:
    """All values in force, by key."""
    changed = {row.key: row.value for row in session.execute(select(Setting.key, Setting.value))}
    return {key: changed.get(key, spec.default) for key, spec in BY_KEY.items()}
