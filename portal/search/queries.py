"""The search over everything: each kind is found by the search of its own list, within the wall, and logged like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import queries as cases
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.disclosures import people
from portal.meetings.schedule import queries as meetings
from portal.people.categories import Category
from portal.referrals import queries as referrals
from portal.referrals.queries import Filter

# So many of each kind are shown; the lists show the rest.
MOST = 10


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of each kind, one more than `MOST` where there is more."""

    people: Sequence[people.PersonRow]
    referrals: Sequence[Any]
    cases: Sequence[Any]
    meetings: Sequence[Any]


def look(actor: Actor, q: str) -> Found:
    """All that this reader may see and that answers to the words.

    People by name or number, referrals and cases by their number or the person's name, meetings by their name.
    """
    require(actor, Permission.CASEWORK)
    session, now, size = db.read(), clock.now(), MOST + 1
    found = Found(
        people=people.page(session, actor, now, q=q, size=size),
        referrals=referrals.rows(session, actor, Filter(q=q), now, size=size),
        cases=cases.search(session, actor, q, now, size=size),
        meetings=meetings.search(session, actor, q, size=size),
    )
    for event, rows, categories in (
        (AuditEvent.PEOPLE_LISTED, found.people, [Category.BASIC]),
        (AuditEvent.REFERRALS_LISTED, found.referrals, [Category.BASIC]),
        (AuditEvent.CASES_LISTED, found.cases, [Category.BASIC]),
        (AuditEvent.MEETINGS_LISTED, found.meetings, []),
    ):
        audit.record_reading(event, actor=actor, categories=categories, count=min(len(rows), MOST))
    return found
