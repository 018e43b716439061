"""Series of meetings: defining one, changing what is still to come, and ending it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from itertools import islice
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Conflict, Invalid
from portal.meetings import schedule_services, series_rules, services, slot_services
from portal.meetings.models import Meeting, MeetingSeries, SeriesMember
from portal.meetings.schedule_services import MeetingFacts
from portal.meetings.slot_services import fill, held_series, meeting_on, starting, top_up
from portal.meetings.states import COMING, ClosedDay, MeetingAction, MeetingKind, MeetingStatus
from portal.once import claim
from portal.policy import Actor, Permission, require
from portal.words import N_

__all__ = ["SeriesFacts", "change", "define", "end", "meeting_on", "top_up"]

NO_DATES = N_(
    "この決まりでは、開催できる日がありません。自機関の閉館日と重なっていないか、曜日と「閉館日のとき」を確かめてください。"
)
HAS_ENDED = N_("この定例会議は終了しています。新しく登録してください。")
SERIES_ENDED = N_("定例会議が終了したため")


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What is said of a series; `rule` in the words of RFC 5545. The convener always sits at the table."""

    kind: MeetingKind
    name: str
    rule: str
    starts_on: date
    begins: time
    minutes: int
    members: frozenset[UUID]
    closed_day: ClosedDay
    place: str
    link: str
    presenter_agency_id: UUID


def columns_of(facts: SeriesFacts) -> dict[str, object]:
    return {
        "kind": facts.kind,
        "name": facts.name,
        "rule": series_rules.parse(facts.rule).text(),
        "starts_on": facts.starts_on,
        "begins": facts.begins,
        "minutes": facts.minutes,
        "closed_day": facts.closed_day,
        "place": facts.place,
        "link": facts.link,
        "presenter_agency_id": facts.presenter_agency_id,
    }


def check_dates(session: Session, series: MeetingSeries) -> None:
    """Refuse a rule by which nobody ever meets."""
    if next((day for _slot, day in slot_services.dates_of(session, series)), None) is None:
        raise Invalid(NO_DATES, field="rule")


def define(actor: Actor, facts: SeriesFacts, *, idempotency_key: str | None = None) -> UUID:
    """Begin a series; its next six meetings exist at once.

    Raises:
        NotAllowed: not a coordinator.
        Invalid: a rule that is not understood or never meets; see `schedule_services.check_table`.
    """
    require(actor, Permission.MEETING_CONVENE)
    assert actor.agency_id is not None  # a coordinator has one  # noqa: S101
    members = facts.members | {actor.agency_id}
    with db.transaction() as session:
        series = MeetingSeries(id=new_id(), convener_id=actor.agency_id, **columns_of(facts))
        if earlier := claim(actor, idempotency_key, series.id):
            return earlier
        schedule_services.check_table(session, facts.name, facts.minutes, members, facts.presenter_agency_id)
        check_dates(session, series)
        session.add(series)
        session.flush()
        session.add_all(SeriesMember(series_id=series.id, agency_id=one) for one in members)
        session.flush()
        audit.record(AuditEvent.SERIES_DEFINED, series, actor=actor, rule=series.rule)
        fill(session, actor, series)
        return series.id


def held_to_arrange(session: Session, actor: Actor, series_id: UUID) -> MeetingSeries:
    """The series, held, for the convener's coordinator while it goes on."""
    series = held_series(session, actor, series_id)
    require(actor, Permission.MEETING_ARRANGE, series)
    if series.ended_on is not None and series.ended_on < clock.today():
        raise Conflict(HAS_ENDED)
    return series


def change(actor: Actor, series_id: UUID, facts: SeriesFacts, *, version: int | None) -> None:
    """Change the series and its coming drafts; what was announced, or changed by hand, stays as it is.

    Raises:
        NoResultFound: no series whose meetings invite this actor's agency.
        NotAllowed: not the convener's coordinator.
        StaleForm, Conflict: somebody changed it since the form was shown, or it has ended.
        Invalid: see `define`.
    """
    with db.transaction() as session:
        series = held_to_arrange(session, actor, series_id)
        members = facts.members | {series.convener_id}
        rows = {
            row.agency_id: row
            for row in session.scalars(select(SeriesMember).where(SeriesMember.series_id == series_id))
        }
        schedule_services.check_table(
            session, facts.name, facts.minutes, members, facts.presenter_agency_id, seated=rows.keys()
        )
        series.advance(version)
        series.apply(**columns_of(facts))
        check_dates(session, series)
        for agency_id in rows.keys() - members:
            session.delete(rows[agency_id])
        session.add_all(SeriesMember(series_id=series_id, agency_id=one) for one in members - rows.keys())
        audit.record(AuditEvent.SERIES_CHANGED, series, actor=actor, rule=series.rule)
        session.flush()
        realign(session, actor, series, members)
        fill(session, actor, series)


def realign(session: Session, actor: Actor, series: MeetingSeries, members: frozenset[UUID]) -> None:
    """The first untouched draft takes the first free date by the new rule, and so on.

    So each meeting keeps its agenda and its place in people's calendars.
    """
    untouched = (
        slot_services.coming_of(series.id)
        .where(Meeting.status == MeetingStatus.DRAFT, ~Meeting.is_moved)
        .with_for_update(of=Meeting)
    )
    drafts = session.scalars(untouched, execution_options={"populate_existing": True}).all()
    slots = [draft.slot for draft in drafts]
    for draft in drafts:
        draft.slot = None
        audit.record(AuditEvent.MEETING_MOVED, draft, actor=actor, series=series.id)
    session.flush()  # two meetings never hold one slot, not even while they change places
    free = list(islice(slot_services.free_dates(session, series), len(drafts)))
    for place, draft in enumerate(drafts):
        if place >= len(free):
            draft.slot = slots[place]
            drop(session, actor, draft)
            continue
        draft.slot, day = free[place]
        facts = MeetingFacts(
            kind=series.kind,
            name=series.name,
            starts_at=starting(day, series.begins),
            minutes=series.minutes,
            members=members,
            place=series.place,
            link=series.link,
            presenter_agency_id=series.presenter_agency_id,
        )
        if schedule_services.put(session, actor, draft, facts):
            draft.advance(None)
    session.flush()


def drop(session: Session, actor: Actor, meeting: Meeting) -> None:
    """Cancel a meeting that its series no longer has."""
    session.flush()
    services.perform(actor, MeetingAction.CANCEL, meeting.id, text=SERIES_ENDED)


def end(actor: Actor, series_id: UUID, last_day: date) -> None:
    """No meeting of the series after this day; those that exist already are cancelled.

    Raises:
        NoResultFound: no series whose meetings invite this actor's agency.
        NotAllowed: not the convener's coordinator.
        Conflict: it has ended already.
        Invalid: a last day that has passed.
    """
    with db.transaction() as session:
        series = held_to_arrange(session, actor, series_id)
        if last_day < clock.today():
            raise Invalid(N_("過ぎた日は選べません。日付を確かめてください。"), field="last_day")
        series.advance(None)
        series.ended_on = last_day
        audit.record(AuditEvent.SERIES_CHANGED, series, actor=actor, ended_on=last_day.isoformat())
        session.flush()
        after = select(Meeting).where(
            Meeting.series_id == series_id,
            Meeting.status.in_(COMING),
            Meeting.starts_at >= clock.end_of_day(last_day),
        )
        for meeting in session.scalars(after.order_by(Meeting.starts_at)).all():
            drop(session, actor, meeting)
