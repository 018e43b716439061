"""Lists in pages: their order, their length, and keyset cursors, which show no name in the address."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from flask import current_app, request, url_for

from portal.core.ordering import Key, Sort, Value
from portal.web.sealing import seal, unseal

Row = TypeVar("Row")
After = tuple[datetime, UUID]

# What a reader may ask for instead of the usual number of rows.
LONGER = (50, 100)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column by which the list can be sorted: where it leads, and how it is sorted now, as ARIA says it."""

    label: str
    url: str
    aria: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page; `next_url` and `prev_url` (back to the first) are None where there is none.

    `sizes` are the numbers of rows to choose from, each with its address; none where the list is short.
    """

    rows: Sequence[Row]
    next_url: str | None
    prev_url: str | None
    sizes: Sequence[tuple[int, str, bool]] = ()


def sort_of(offered: Sequence[Sort]) -> Sort:
    """The order in the address, if its column is offered; else the first of those offered."""
    asked = request.args.get("sort", "")
    column = asked.removeprefix("-")
    return next((Sort(column, asked.startswith("-")) for one in offered if one.column == column), offered[0])


def heads(words: Mapping[str, str], sort: Sort, offered: Sequence[Sort]) -> dict[str, Head | str]:
    """The heads of a table by the names of its columns: those that are offered as links, the others as words."""
    first = {one.column: one for one in offered}
    return {name: head_of(word, sort, first[name]) if name in first else word for name, word in words.items()}


def head_of(word: str, sort: Sort, first: Sort) -> Head:
    if sort.column != first.column:
        return Head(word, address(sort=first.code), None)
    return Head(word, address(sort=sort.turned().code), "descending" if sort.is_descending else "ascending")


READ: dict[str, Callable[[Any], Value]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "str": str,
    "int": int,
}


def after() -> After | None:
    """The key at which this page begins; a tampered cursor begins at the first."""
    return cast(After | None, sorted_after(None))


def sorted_after(sort: Sort | None) -> Key | None:
    """The same for a list in this order; a cursor of another order begins at the first, too.

    The cursor is sealed: it may hold what the list is sorted by, such as a name.
    """
    opened = unseal(request.args.get("after", ""), about(sort))
    if opened is None:
        return None
    kind, value, key = json.loads(opened)
    return READ[kind](value), UUID(key)


def cursor(value: Value, row_id: UUID, sort: Sort | None) -> str:
    plain = value.isoformat() if isinstance(value, date) else value
    return seal(json.dumps([type(value).__name__, plain, row_id.hex]), about(sort))


def about(sort: Sort | None) -> str:
    return f"{request.endpoint} {sort.code if sort else ''}"


def page_of(
    rows: Sequence[Row],
    key: Callable[[Row], tuple[Any, UUID]],
    *,
    size: int | None = None,
    sort: Sort | None = None,
) -> Page[Row]:
    """One page of the rows read with a limit of `page_size() + 1`: the extra row shows that there is more.

    `key` gives the value and the id by which they are sorted; the value is a moment unless there is a `sort`.
    """
    choices = sizes() if size is None else ()
    size = size or page_size()
    shown = rows[:size]
    next_url = prev_url = None
    if len(rows) > size:
        next_url = address(after=cursor(*key(shown[-1]), sort))
    if request.args.get("after"):
        prev_url = address()
    is_short = not next_url and not prev_url and size == usual_size()
    return Page(shown, next_url, prev_url, () if is_short else choices)


def usual_size() -> int:
    return int(current_app.config["PAGE_SIZE"])


def page_size() -> int:
    """The number of rows on a page: what the address asks for, if it is offered."""
    asked = request.args.get("rows", "")
    return int(asked) if asked in {str(one) for one in LONGER} else usual_size()


def sizes() -> list[tuple[int, str, bool]]:
    here = page_size()
    return [
        (one, address(rows=None if one == usual_size() else str(one)), one == here)
        for one in (usual_size(), *LONGER)
    ]


def address(**more: str | None) -> str:
    """The address of this page with other values, from its first row on; None takes a value out."""
    kept: dict[str, Any] = {k: v for k, v in request.args.to_dict(flat=False).items() if k != "after"}
    return url_for(request.endpoint or "", **{**(request.view_args or {}), **kept, **more})
