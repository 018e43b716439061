"""What a caseworker does on the pages of activities, for tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal.activities.models import Activity, ActivityAttendance
from portal.core.db import db
from tests.browsers import Browser

KEY = re.compile(r'name="idempotency_key"[^>]*value="([0-9a-f]{32})"')


def record(browser: Browser, url: str = "/activities/new?kind=cafe", **typed: Any) -> Any:
    """Fill in the page at `url` and save; what is not told stays as the page proposes."""
    given = {"held_on": "2020-12-05", "mode": "in_person", "area": "place"}
    return browser.post(url, data=given | typed)


def recorded(browser: Browser, url: str = "/activities/new?kind=cafe", **typed: Any) -> UUID:
    """The same, to be saved without complaint; the activity's id."""
    answer = record(browser, url, **typed)
    assert answer.status_code == 302, answer.text
    return UUID(re.findall("[0-9a-f-]{36}", answer.location)[0])


def activity(activity_id: UUID) -> Activity:
    found = db.read.scalars(select(Activity).where(Activity.id == activity_id)).one()
    db.end()
    return found


def heads(activity_id: UUID, *, live: bool = True) -> Sequence[ActivityAttendance]:
    statement = select(ActivityAttendance).where(ActivityAttendance.activity_id == activity_id)
    if live:
        statement = statement.where(ActivityAttendance.struck_at.is_(None))
    found = db.read.scalars(statement.order_by(ActivityAttendance.id)).all()
    db.end()
    return found


def shape(activity_id: UUID) -> tuple[int, int, int]:
    """How many came by name, anonymously for the first time, and anonymously again."""
    rows = heads(activity_id)
    nameless = [row for row in rows if row.person_id is None]
    first = sum(row.is_first for row in nameless)
    return len(rows) - len(nameless), first, len(nameless) - first


def boxes(page: str) -> dict[str, bool]:
    """The people whom a page offers, by id, and whether they are ticked."""
    found = re.findall(
        r'<input type="(?:checkbox|radio)"\s+name="people"\s+value="([^"]+)"\s*(checked)?', page
    )
    return {key: bool(ticked) for key, ticked in found}
