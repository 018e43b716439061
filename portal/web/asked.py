"""An id that a page was asked for in its query or its form."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from flask import abort, g, request

Id = TypeVar("Id", UUID, UUID | None)


def asked(name: str) -> UUID | None:
    """The id under this name. One that is none leads nowhere, as one of nothing does."""
    text = request.values.get(name, "")
    if not text:
        return None
    try:
        found = UUID(text)
    except ValueError:
        abort(404)
    return asking(found)


def asking(found: Id) -> Id:
    """Remember what the page looks for first: should it be refused, the audit log names this id."""
    if "asked_for" not in g and isinstance(found, UUID):
        g.asked_for = found
    return found
