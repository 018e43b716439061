"""Whose work the Today page shows: one's own with what nobody looks after, or all of the agency."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import or_
from sqlalchemy.sql import ColumnElement

from portal.accounts.queries import does_casework, is_away
from portal.wall import predicates


class Whose(StrEnum):
    """As it stands in the address."""

    MINE = "mine"
    AGENCY = "agency"


def concerns(worker: Any) -> ColumnElement[bool]:
    """The work of this member of staff is shown among one's own: it is, or nobody or an absent colleague has it."""
    reader = predicates.READER
    return or_(
        worker == reader.staff_id,
        ~does_casework(worker, reader.agency_id),
        is_away(worker, predicates.day_of(predicates.NOW)),
    )
