"""Who may read which field of a meeting, its agenda and its minutes; `eye` is the reader at one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

Row = dict[str, Any]
Rule = Callable[[Any, Row], bool]
HELD = {"in_session", "minuted", "approved"}
OPENED = {"announced"} | HELD


def series(eye: Any, row: Row) -> bool:
    members = eye.tables["meeting_series_member"].values()
    return (row["id"], eye.works) in {(one["series_id"], one["agency_id"]) for one in members}


def meeting(eye: Any, row: Row) -> bool:
    return bool(eye.wise.sits_at(eye.works, row.get("meeting_id", row["id"])))


def is_open(eye: Any, item: UUID) -> bool:
    """The agenda is out; before, and when nothing came of it, it is for those who make it."""
    one = eye.wise.items[item]
    found = eye.wise.meetings[one.meeting]
    arranges = eye.role == "coordinator" and found.convener == eye.works
    return found.status in OPENED or one.bringer == eye.works or arranges


def reads(eye: Any, item: UUID) -> bool:
    return bool(eye.wise.reads_item(eye.works, eye.staff, item, eye.now)) and is_open(eye, item)


def item(eye: Any, row: Row) -> bool:
    return reads(eye, row["id"])


def of_item(eye: Any, row: Row) -> bool:
    return reads(eye, row["item_id"])


def promise(eye: Any, row: Row) -> bool:
    """An agency keeps what it promised itself."""
    return of_item(eye, row) or (eye.works is not None and row["owner_agency_id"] == eye.works)


def addendum(eye: Any, row: Row) -> bool:
    if row["item_id"]:
        return of_item(eye, row)
    return bool(eye.wise.enters(eye.works, eye.staff, row["meeting_id"]))


def issue(eye: Any, row: Row) -> bool:
    """Without persons: for who raised it, and for the tables it came to."""
    if row["agency_id"] == eye.works:
        return True
    about = [one["id"] for one in eye.tables["agenda_item"].values() if one["issue_id"] == row["id"]]
    return any(reads(eye, each) for each in about)


RULES_OF_MEETINGS: dict[tuple[str, str], Rule] = {
    ("meeting_series", "name"): series,
    ("meeting_series", "place"): series,
    ("meeting_series", "link"): series,
    ("meeting", "name"): meeting,
    ("meeting", "place"): meeting,
    ("meeting", "link"): meeting,
    ("meeting", "cancelled_why"): meeting,
    ("attendance", "guest_name"): meeting,
    ("attendance", "guest_from"): meeting,
    **{
        ("agenda_item", column): item
        for column in ("title", "text", "removed_why", "postponed_why", "minutes_text")
    },
    ("minutes_revision", "text"): of_item,
    ("meeting_outcome", "text"): promise,
    ("meeting_outcome", "done_note"): promise,
    ("addendum", "text"): addendum,
    ("local_issue", "text"): issue,
    ("local_issue", "result"): issue,
}


def has_begun(eye: Any, row: Row) -> bool:
    """It stands on an agenda that is out, or concerns no single item."""
    matter = row if "minutes_text" in row else eye.tables["agenda_item"].get(row.get("item_id"))
    if matter is None:
        return True
    stands = matter["removed_at"] is None and matter["postponed_at"] is None
    out = eye.wise.meetings[matter["meeting_id"]].status in OPENED
    # What an agency owes on an item it may not read is masked wherever it stands.
    return stands and out and reads(eye, matter["id"])
