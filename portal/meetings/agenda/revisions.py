"""The revisions of an agenda since its announcement (改訂), as one reader sees them: decision 032."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.meetings.agenda.queries import ItemView


@dataclass(frozen=True, slots=True)
class Revision:
    """How often what this reader sees of the agenda has changed since the announcement, and when last (改訂)."""

    count: int
    at: datetime


def revision_of(items: Sequence[ItemView]) -> Revision | None:
    """None while nothing has changed. Other readers count other changes: none tells of a closed item."""
    changes = [(item.revision, item.revised_at) for item in items if item.revised_at]
    if not changes:
        return None
    return Revision(sum(count for count, _ in changes), max(at for _, at in changes))
