"""How many came: the count of heads over all agencies that noted some, of activities that the reader was shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from portal.activities import queries
from portal.activities.queries import Heads
from portal.db import db


def of_activities(activity_ids: Collection[UUID]) -> Mapping[UUID, Heads]:
    """Who held an activity knows how many came, and by name only whom it noted itself."""
    return queries.heads(db.across(), activity_ids)


def of_activity(activity_id: UUID) -> Heads:
    return of_activities([activity_id])[activity_id]
