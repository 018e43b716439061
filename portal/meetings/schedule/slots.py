"""The coming dates of a series: six of them exist at any time, whatever was cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from portal.agencies.models import Agency
from portal.agencies.queries import opening_days
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Invalid
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.meetings.roster import regulars
from portal.meetings.schedule import queries, rules
from portal.meetings.schedule.models import Meeting, MeetingMember, MeetingSeries, SeriesMember
from portal.meetings.states import COMING

AHEAD = 6  # coming meetings that always exist
NO_SUCH_DATE = N_("この日は、この定例会議の日ではありません。")


def starting(day: date, begins: time) -> datetime:
    """The instant of a day and a time of day in Japan."""
    return clock.as_utc(datetime.combine(day, begins, clock.JAPAN))


def dates_of(session: Session, series: MeetingSeries) -> Iterator[tuple[date, date]]:
    """Slots of the series with the day of each meeting, by the convener's calendar, from a month ago on."""
    convener = session.scalars(select(Agency).where(Agency.id == series.convener_id)).one()
    return rules.plan(
        rules.parse(series.rule),
        series.starts_on,
        opening_days(session, convener),
        series.closed_day,
        clock.today(),
        series.ended_on,
    )


def coming_of(series_id: UUID) -> Select[Meeting]:
    """Meetings of the series that are still to come, the next one first."""
    return (
        select(Meeting)
        .where(Meeting.series_id == series_id, Meeting.status.in_(COMING), Meeting.starts_at > clock.now())
        .order_by(Meeting.starts_at, Meeting.id)
    )


def free_dates(session: Session, series: MeetingSeries) -> Iterator[tuple[date, date]]:
    """Coming dates of the series that have no meeting yet, not even a cancelled or moved one."""
    rule = rules.parse(series.rule)
    held = session.scalars(
        select(Meeting.slot).where(Meeting.series_id == series.id, Meeting.slot.is_not(None))
    )
    taken = {rule.period(slot) for slot in held if slot}
    now = clock.now()
    for slot, day in dates_of(session, series):
        if rule.period(slot) not in taken and starting(day, series.begins) > now:
            yield slot, day


def wanted(session: Session, series: MeetingSeries) -> list[tuple[date, date]]:
    """The dates to add until there are six to come."""
    coming = session.scalar(select(func.count()).select_from(coming_of(series.id).subquery())) or 0
    if coming >= AHEAD:
        return []
    free = free_dates(session, series)
    return [date_ for _, date_ in zip(range(AHEAD - coming), free, strict=False)]


def make(session: Session, actor: Actor, series: MeetingSeries, slot: date, day: date) -> UUID:
    """Make the meeting of a slot, with the facts of its series."""
    meeting = Meeting(
        id=new_id(),
        series_id=series.id,
        slot=slot,
        convener_id=series.convener_id,
        kind=series.kind,
        name=series.name,
        starts_at=starting(day, series.begins),
        minutes=series.minutes,
        place=series.place,
        link=series.link,
        presenter_agency_id=series.presenter_agency_id,
    )
    session.add(meeting)
    session.flush()
    members = session.scalars(select(SeriesMember.agency_id).where(SeriesMember.series_id == series.id))
    session.add_all(MeetingMember(meeting_id=meeting.id, agency_id=one) for one in members.all())
    session.flush()
    regulars.begin_roster(session, actor, meeting)
    audit.record(AuditEvent.MEETING_SCHEDULED, meeting, actor=actor, series=series.id, slot=slot.isoformat())
    return meeting.id


def fill(session: Session, actor: Actor, series: MeetingSeries) -> None:
    """Make the missing meetings; the caller has locked the series."""
    for slot, day in wanted(session, series):
        make(session, actor, series, slot, day)


def held_series(session: Session, actor: Actor, series_id: UUID) -> MeetingSeries:
    """The series, locked until the transaction ends.

    Raises:
        NoResultFound: none whose meetings invite this actor's agency.
    """
    statement = queries.series_visible(actor).where(MeetingSeries.id == series_id)
    held = statement.with_for_update(of=MeetingSeries)
    return session.scalars(held, execution_options={"populate_existing": True}).one()


def top_up(actor: Actor, series_id: UUID) -> None:
    """Ensure that six coming meetings exist. Any agency of the series may ask.

    Raises:
        NoResultFound: no series whose meetings invite this actor's agency.
    """
    require(actor, Permission.MEETING_ATTEND)
    with db.transaction() as session:
        fill(session, actor, held_series(session, actor, series_id))


def top_up_short(actor: Actor, series_id: UUID | None = None) -> None:
    """The same for this series, or each one of the reader's, but only where meetings are really missing.

    For pages: somebody who only looks writes nothing unless they have to.
    """
    require(actor, Permission.MEETING_ATTEND)
    coming = (
        select(func.count(Meeting.id))
        .where(
            Meeting.series_id == MeetingSeries.id,
            Meeting.status.in_(COMING),
            Meeting.starts_at > clock.now(),
        )
        .correlate(MeetingSeries)
        .scalar_subquery()
    )
    goes_on = or_(MeetingSeries.ended_on.is_(None), MeetingSeries.ended_on >= clock.today())
    short = queries.series_visible(actor).where(goes_on, coming < AHEAD)
    if series_id is not None:
        short = short.where(MeetingSeries.id == series_id)
    lacking = [series.id for series in db.read().scalars(short).all() if wanted(db.read(), series)]
    for each in lacking:
        top_up(actor, each)


def meeting_on(_session: Session, actor: Actor, series_id: UUID, slot: date) -> UUID:
    """The meeting of that slot; made if it does not exist yet.

    Raises:
        NoResultFound: no series whose meetings invite this actor's agency.
        NotAllowed: it is to be made, and the actor is not the convener's coordinator.
        Invalid: the series does not meet on that day.
    """
    with db.transaction() as session:
        series = held_series(session, actor, series_id)
        same = select(Meeting.id).where(Meeting.series_id == series_id, Meeting.slot == slot)
        if found := session.scalars(same).one_or_none():
            return found
        require(actor, Permission.MEETING_ARRANGE, series)
        for planned, day in dates_of(session, series):
            if planned == slot:
                return make(session, actor, series, slot, day)
            if planned > slot:
                break
        raise Invalid(NO_SUCH_DATE, field="date")
