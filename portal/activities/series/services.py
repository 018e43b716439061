"""Defining a series of activities, changing what its next record begins with, and ending it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind, Mode, modes_of
from portal.activities.models import Activity, ActivitySeries, ActivitySeriesAgency
from portal.activities.series import queries
from portal.activities.services import check_area
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What each new record of the series begins with. `together` are the other agencies that hold it."""

    kind: ActivityKind
    area: str
    title: str
    starts_on: date
    place: str = ""
    mode: Mode = Mode.IN_PERSON
    together: frozenset[UUID] = frozenset()

    def columns(self) -> dict[str, Any]:
        names = ("kind", "area", "title", "starts_on", "place", "mode")
        return {name: getattr(self, name) for name in names}


def check(session: Session, facts: SeriesFacts, known: frozenset[UUID] = frozenset()) -> None:
    check_area(facts.area)
    if not facts.title:
        raise Invalid(N_("活動の名前を入力してください。"), field="title")
    if facts.mode not in modes_of(facts.kind):
        raise Invalid(N_("この種類の活動では選べない方法です。"), field="mode")
    there = select(Agency.id).where(Agency.id.in_(facts.together), Agency.is_active)
    if facts.together - known - set(session.scalars(there)):
        raise Invalid(N_("一覧にない機関が含まれています。選び直してください。"), field="together")


def define(actor: Actor, facts: SeriesFacts, *, idempotency_key: str | None = None) -> UUID:
    """Begin a series; returns its id.

    Raises:
        NotAllowed: the actor does no casework.
        Invalid: no name, an agency that does not exist, a mode that does not fit.
    """
    require(actor, Permission.ACTIVITY_RECORD)
    assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
    with db.transaction() as session:
        series = ActivitySeries(id=new_id(), agency_id=actor.agency_id, **facts.columns())
        if earlier := claim(actor, idempotency_key, series.id):
            return earlier
        check(session, facts)
        session.add(series)
        session.flush()
        for agency_id in sorted(facts.together | {actor.agency_id}):
            session.add(ActivitySeriesAgency(series_id=series.id, agency_id=agency_id))
        audit.record(
            AuditEvent.ACTIVITY_SERIES_DEFINED,
            series,
            actor=actor,
            **facts.columns(),
            together=facts.together,
        )
        return series.id


def holders(series_id: UUID) -> Select[UUID]:
    """The agencies that hold a series."""
    return select(ActivitySeriesAgency.agency_id).where(ActivitySeriesAgency.series_id == series_id)


def own_series(session: Session, actor: Actor, series_id: UUID) -> ActivitySeries:
    """The series, locked; raises unless the actor's agency keeps it and it goes on."""
    mine = select(ActivitySeries).where(ActivitySeries.id == series_id, queries.visible_to(actor))
    series = session.scalars(mine.with_for_update(), execution_options={"populate_existing": True}).one()
    require(actor, Permission.ACTIVITY_EDIT, series)
    if series.ended_on is not None and series.ended_on < clock.today():
        raise Conflict(N_("この定例の活動は終了しています。新しく登録してください。"))
    return series


def change(actor: Actor, series_id: UUID, facts: SeriesFacts, *, version: int | None = None) -> None:
    """Change the series; what was recorded stays as it is.

    Raises:
        NoResultFound: none that this actor's agency holds.
        NotAllowed: another agency keeps it.
        StaleForm, Conflict: somebody changed it since the form was shown, or it has ended.
        Invalid: see `define`.
    """
    with db.transaction() as session:
        series = own_series(session, actor, series_id)
        rows = {
            row.agency_id: row
            for row in session.scalars(
                select(ActivitySeriesAgency).where(ActivitySeriesAgency.series_id == series_id)
            )
        }
        check(session, facts, frozenset(rows))
        together = facts.together | {series.agency_id}
        changes = series.apply(**facts.columns())
        if not changes and rows.keys() == together:
            return
        series.advance(version)
        for agency_id in rows.keys() - together:
            session.delete(rows[agency_id])
        for agency_id in sorted(together - rows.keys()):
            session.add(ActivitySeriesAgency(series_id=series_id, agency_id=agency_id))
        audit.record(
            AuditEvent.ACTIVITY_SERIES_CHANGED, series, actor=actor, changes=changes, together=together
        )


def end(actor: Actor, series_id: UUID, last_day: date) -> None:
    """Set the last day of a series.

    Raises:
        NoResultFound, NotAllowed, Conflict: see `change`.
        Invalid: before the series began, or before a day on which it was held.
    """
    with db.transaction() as session:
        series = own_series(session, actor, series_id)
        latest = session.scalar(
            select(func.max(Activity.held_on)).where(
                Activity.series_id == series_id, Activity.struck_at.is_(None)
            )
        )
        if last_day < max(series.starts_on, latest or series.starts_on):
            raise Invalid(
                N_("始まりの日より前、または記録がある日より前には終われません。日付を確かめてください。"),
                field="last_day",
            )
        if changes := series.apply(ended_on=last_day):
            series.advance(None)
            audit.record(AuditEvent.ACTIVITY_SERIES_CHANGED, series, actor=actor, changes=changes)
