"""Keyset pages: the cursor in the address is a signed key, never a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask import current_app, request, url_for
from itsdangerous import BadData, URLSafeSerializer

Row = TypeVar("Row")
After = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page; `next_url` and `prev_url` (back to the first) are None where there is none."""

    rows: Sequence[Row]
    next_url: str | None
    prev_url: str | None


def signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.secret_key or "", salt=f"after:{request.endpoint}")


def after() -> After | None:
    """The key at which this page begins; a tampered cursor begins at the first."""
    try:
        moment, key = signer().loads(request.args.get("after", ""))
        return datetime.fromisoformat(moment), UUID(key)
    except (BadData, ValueError, TypeError):
        return None


def page_of(rows: Sequence[Row], key: Callable[[Row], After], *, size: int | None = None) -> Page[Row]:
    """One page of the rows read with a limit of `page_size() + 1`: the extra row shows that there is more."""
    size = size or page_size()
    shown = rows[:size]
    next_url = prev_url = None
    if len(rows) > size:
        moment, row_id = key(shown[-1])
        next_url = address(after=signer().dumps([moment.isoformat(), row_id.hex]))
    if request.args.get("after"):
        prev_url = address()
    return Page(shown, next_url, prev_url)


def page_size() -> int:
    return int(current_app.config["PAGE_SIZE"])


def address(**more: str) -> str:
    kept: dict[str, Any] = {k: v for k, v in request.args.to_dict(flat=False).items() if k != "after"}
    return url_for(request.endpoint or "", **{**(request.view_args or {}), **kept, **more})
