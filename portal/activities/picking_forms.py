"""Whom the page offers to tick as having come: regulars, one's own open cases, and who was searched for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import request
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from portal import clock
from portal.activities import attendance_queries
from portal.activities.attendance_forms import uuids
from portal.activities.attendance_queries import Candidate
from portal.activities.kinds import ActivityKind
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.people.categories import Category
from portal.policy import Actor


@dataclass(slots=True)
class Offered:
    """The boxes of the page in groups, each person once; `found` is None when nothing was searched for."""

    regulars: list[Candidate] = field(default_factory=list)
    supported: list[Candidate] = field(default_factory=list)
    others: list[Candidate] = field(default_factory=list)
    found: list[Candidate] | None = None

    def everybody(self) -> list[Candidate]:
        return [*(self.found or ()), *self.others, *self.regulars, *self.supported]


def wants_search(form: Any) -> bool:
    """Whether this sending of the form looks for somebody, and saves nothing yet."""
    return bool(form.is_submitted() and ("find" in request.form or form.asks_for))


def offered(
    form: Any,
    actor: Actor,
    kind: ActivityKind,
    series_id: UUID | None,
    *,
    but: frozenset[UUID] = frozenset(),
) -> Offered:
    """Fill the boxes of the form; the names that the page will show are logged.

    Ticked people and those found last stay on the page whatever is searched for next.
    """
    session, now, q = db.read(), clock.now(), form.q.data or ""
    seen = set(but)

    def new(found: list[Candidate]) -> list[Candidate]:
        fresh = [one for one in found if one.id not in seen]
        seen.update(one.id for one in fresh)
        return fresh

    asked = form.is_submitted() and q and not form.q.errors
    typed = form.people.data or []
    ticked = uuids(typed if isinstance(typed, list) else [typed])
    made = Offered()
    made.regulars = attendance_queries.regulars(session, actor, kind, series_id, now)
    made.supported = attendance_queries.supported(session, actor, now)
    if asked:
        made.found = new(attendance_queries.search(session, actor, q, now))
    made.regulars, made.supported = new(made.regulars), new(made.supported)
    made.others = new(
        attendance_queries.chosen(session, actor, [one for one in ticked if one not in seen], now)
    )
    form.people.choices = [SelectChoice(str(one.id), one.label) for one in made.everybody()]
    if form.is_submitted():
        form.searched.data = q
    note(actor, made)
    return made


def note(actor: Actor, made: Offered) -> None:
    audit.record_reading(
        AuditEvent.PEOPLE_LISTED, actor=actor, categories=[Category.BASIC], count=len(made.everybody())
    )
