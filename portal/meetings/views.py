"""All pages of meetings: importing this registers them."""

from portal.meetings import (
    agenda_models,
    agenda_views,
    calendar_views,
    issue_views,
    item_views,
    meeting_views,
    minutes_views,
    models,
    outcome_views,
    packet_views,
    promise_views,
    roster_views,
    series_views,
    session_views,
    stop_views,
)
from portal.meetings.blueprint import bp

__all__ = [
    "agenda_models",
    "agenda_views",
    "bp",
    "calendar_views",
    "issue_views",
    "item_views",
    "meeting_views",
    "minutes_views",
    "models",
    "outcome_views",
    "packet_views",
    "promise_views",
    "roster_views",
    "series_views",
    "session_views",
    "stop_views",
]
