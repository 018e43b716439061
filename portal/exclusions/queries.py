"""Who is shut out, as every rule about people asks it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exists
from sqlalchemy.sql import ColumnElement

from portal.exclusions.models import Exclusion
from portal.policy import Actor


def is_out(staff_id: Any, person_id: Any) -> ColumnElement[bool]:
    """This member of staff is shut out of the affairs of this person; both may be columns."""
    return (
        exists()
        .where(
            Exclusion.person_id == person_id,
            Exclusion.staff_id == staff_id,
            Exclusion.lifted_at.is_(None),
        )
        .correlate_except(Exclusion)
    )


def is_excluded(actor: Actor, person_id: Any) -> ColumnElement[bool]:
    """This reader is shut out of the affairs of the person in this column. It beats every other rule."""
    return is_out(actor.staff_id, person_id)
