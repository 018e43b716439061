"""Who may read which field of a meeting, its agenda and its minutes; `rights` is the reader at one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

Row = dict[str, Any]
Rule = Callable[[Any, Row], bool]
HELD = {"in_session", "minuted", "approved"}
OPENED = {"announced"} | HELD


def series(rights: Any, row: Row) -> bool:
    members = rights.tables["meeting_series_member"].values()
    return (row["id"], rights.works) in {(one["series_id"], one["agency_id"]) for one in members}


def meeting(rights: Any, row: Row) -> bool:
    return bool(rights.truth.sits_at(rights.works, row.get("meeting_id", row["id"])))


def is_open(rights: Any, item: UUID) -> bool:
    """The agenda is out; before, and when nothing came of it, it is for those who make it."""
    one = rights.truth.items[item]
    found = rights.truth.meetings[one.meeting]
    arranges = rights.role == "coordinator" and found.convener == rights.works
    return found.status in OPENED or one.bringer == rights.works or arranges


def reads(rights: Any, item: UUID) -> bool:
    return bool(rights.truth.reads_item(rights.works, rights.staff, item, rights.now)) and is_open(
        rights, item
    )


def item(rights: Any, row: Row) -> bool:
    return reads(rights, row["id"])


def of_item(rights: Any, row: Row) -> bool:
    return reads(rights, row["item_id"])


def promise(rights: Any, row: Row) -> bool:
    """An agency keeps what it promised itself."""
    return of_item(rights, row) or (rights.works is not None and row["owner_agency_id"] == rights.works)


def addendum(rights: Any, row: Row) -> bool:
    if row["item_id"]:
        return of_item(rights, row)
    return bool(rights.truth.enters(rights.works, rights.staff, row["meeting_id"]))


def issue(rights: Any, row: Row) -> bool:
    """Without persons: for who raised it, and for the tables it came to."""
    if row["agency_id"] == rights.works:
        return True
    about = [one["id"] for one in rights.tables["agenda_item"].values() if one["issue_id"] == row["id"]]
    return any(reads(rights, each) for each in about)


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


def has_begun(rights: Any, row: Row) -> bool:
    """It stands on an agenda that is out, or concerns no single item."""
    matter = row if "minutes_text" in row else rights.tables["agenda_item"].get(row.get("item_id"))
    if matter is None:
        return True
    stands = matter["removed_at"] is None and matter["postponed_at"] is None
    out = rights.truth.meetings[matter["meeting_id"]].status in OPENED
    # What an agency owes on an item it may not read is masked wherever it stands.
    return stands and out and reads(rights, matter["id"])
