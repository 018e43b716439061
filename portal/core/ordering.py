"""The order of a list, and the key behind which its next page begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, tuple_

Value = datetime | date | str | int
# What the last row shown is sorted by, and its id: no two rows share a place.
Key = tuple[Value, UUID]


@dataclass(frozen=True, slots=True)
class Sort:
    """By which column a list is sorted, and whether the greatest comes first. An address says `-number` for downwards."""

    column: str
    is_descending: bool = False

    @property
    def code(self) -> str:
        return ("-" if self.is_descending else "") + self.column

    def turned(self) -> Sort:
        return Sort(self.column, not self.is_descending)


def in_order(key: Any, row_id: Any, sort: Sort) -> tuple[Any, Any]:
    """The arguments of ORDER BY."""
    return (key.desc(), row_id.desc()) if sort.is_descending else (key.asc(), row_id.asc())


def behind(key: Any, row_id: Any, sort: Sort) -> ColumnElement[bool]:
    """The rows behind the key that `place` gives to the statement."""
    here = tuple_(key, row_id)
    last = tuple_(bindparam("after_key", type_=key.type), bindparam("after_id", type_=row_id.type))
    return here < last if sort.is_descending else here > last


def place(after: Key | None) -> dict[str, Any]:
    """The parameters of `behind`."""
    return {"after_key": after[0], "after_id": after[1]} if after else {}
