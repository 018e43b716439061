"""Acts on dates and series of meetings, and the steps of a meeting's life."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, NotOffered
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis, Disclosure
from portal.meetings.agenda import numbers
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.roster import regulars
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import doubts, queries, rules
from portal.meetings.schedule import slots as schedule_slots
from portal.meetings.schedule.models import Meeting, MeetingMember, MeetingSeries, SeriesMember
from portal.meetings.schedule.slots import fill, held_series, starting
from portal.meetings.states import COMING, FLOW, ClosedDay, MeetingAction, MeetingKind, MeetingStatus

# Steps after which a series has one coming meeting less.
USES_UP = frozenset({MeetingAction.BEGIN, MeetingAction.CLOSE, MeetingAction.CANCEL})


def locked(session: Session, actor: Actor, meeting_id: UUID) -> Meeting:
    """The meeting, locked until the transaction ends.

    Raises:
        NoResultFound: none to which this actor's agency is invited.
    """
    statement = queries.visible(actor).where(Meeting.id == meeting_id).with_for_update(of=Meeting)
    return session.scalars(statement, execution_options={"populate_existing": True}).one()


def perform(
    actor: Actor,
    action: MeetingAction,
    meeting_id: UUID,
    *,
    text: str = "",
    version: int | None = None,
    confirmed: bool = False,
) -> None:
    """Take one step of the flow; `text` is the reason of a cancellation, or of beginning on another day.

    `confirmed`: the actor was told what speaks against the step (`doubts`) and takes it all the same.

    Raises:
        NoResultFound: no meeting to which this actor's agency is invited.
        NotAllowed: not the convener's coordinator.
        IllegalStep: somebody was faster, or it is too early.
        StaleForm: the agenda changed since the form that expected `version` was shown.
        Conflict, Invalid: see `doubts.settle`; or a cancellation without a reason.
    """
    step = FLOW[action]
    with db.transaction() as session:
        meeting = locked(session, actor, meeting_id)
        require(actor, step.permission, meeting)
        FLOW.check(action, meeting.status)
        meeting.advance(version)
        if "text" in step.needs and not text:
            raise Invalid(N_("理由を入力してください。"), field="text")
        doubts.settle(session, meeting, action, confirmed=confirmed, why=text)
        before = meeting.status
        meeting.status = step.target
        note_time(meeting, action, text)
        if action in {MeetingAction.ANNOUNCE, MeetingAction.BEGIN}:
            numbers.give(session, actor, meeting)
        if action is MeetingAction.CANCEL or (
            action is MeetingAction.APPROVE and meeting.basis is Basis.COUNCIL
        ):
            # Disclosures of a 支援会議 last from the packet to the approved minutes, and no longer.
            end_telling(session, actor, meeting)
        audit.record(step.event, meeting, actor=actor, before=before, after=step.target, reason=text)
    if meeting.series_id and action in USES_UP:
        # Apart from the step: a change of a series locks it before its meetings, so no deadlock arises.
        schedule_slots.top_up(actor, meeting.series_id)


def note_time(meeting: Meeting, action: MeetingAction, text: str) -> None:
    now = clock.now()
    match action:
        case MeetingAction.ANNOUNCE:
            meeting.announced_at = now
        case MeetingAction.BEGIN:
            meeting.begun_at = now
        case MeetingAction.CLOSE:
            meeting.closed_at = now
        case MeetingAction.APPROVE:
            meeting.approved_at = now
        case MeetingAction.CANCEL:
            meeting.cancelled_why = text
            meeting.calendar_sequence += 1
        case MeetingAction.REOPEN:
            meeting.closed_at = None


def end_telling(session: Session, actor: Actor, meeting: Meeting) -> None:
    """End all disclosures of the items of this meeting."""
    for item_id in session.scalars(select(AgendaItem.id).where(AgendaItem.meeting_id == meeting.id)).all():
        disclosures.end(actor, item_id)


# Dates of meetings: calling one without a series, moving one, and who sits at its table.

LONGEST = timedelta(hours=24)
ALREADY_HELD = N_("この会議は、もう日時や場所を変えられません。開催中か、終わったか、中止になっています。")
KIND_STAYS = N_("開催通知のあとは、会議の種類を変えられません。中止して、新しい会議を登録してください。")
LEFT = N_("出した機関が、この会議の参加機関から外れました。")


@dataclass(frozen=True, slots=True)
class MeetingFacts:
    """The facts of one meeting. `members` need not name the convener, who always sits at the table."""

    kind: MeetingKind
    name: str
    starts_at: datetime
    minutes: int
    members: frozenset[UUID]
    place: str
    link: str
    presenter_agency_id: UUID


def check_table(
    session: Session,
    name: str,
    minutes: int,
    members: Collection[UUID],
    presenter_agency_id: UUID,
    *,
    seated: Collection[UUID] = (),
) -> None:
    """Raise when a meeting's table is invalid; `seated` may stay even if their agency has closed meanwhile.

    Raises:
        Invalid: no name, a length that cannot be, an agency that does not exist, a presenter from elsewhere.
    """
    if not name.strip():
        raise Invalid(N_("会議の名前を入力してください。"), field="name")
    if not 0 < minutes <= LONGEST / timedelta(minutes=1):
        raise Invalid(N_("会議の長さは、1分から1440分までで入力してください。"), field="minutes")
    usable = select(func.count(Agency.id)).where(
        Agency.id.in_(members), or_(Agency.is_active, Agency.id.in_(list(seated)))
    )
    if session.scalar(usable) != len(set(members)):
        raise Invalid(N_("参加機関を選び直してください。利用を終えた機関が含まれています。"), field="members")
    if presenter_agency_id not in members:
        raise NotOffered(
            N_("説明する機関は、参加機関から選んでください。"),
            field="presenter",
            about=("agency", presenter_agency_id),
        )


def schedule(actor: Actor, facts: MeetingFacts, *, idempotency_key: str | None = None) -> UUID:
    """Call a meeting that belongs to no series.

    Raises:
        NotAllowed: not a coordinator.
        Invalid: see `check_table`; or a day that has passed.
    """
    require(actor, Permission.MEETING_CONVENE)
    assert actor.agency_id is not None  # a coordinator has one  # noqa: S101
    members = facts.members | {actor.agency_id}
    with db.transaction() as session:
        meeting_id = new_id()
        if earlier := claim(actor, idempotency_key, meeting_id):
            return earlier
        check_table(session, facts.name, facts.minutes, members, facts.presenter_agency_id)
        check_day(facts.starts_at)
        meeting = Meeting(
            id=meeting_id,
            convener_id=actor.agency_id,
            kind=facts.kind,
            name=facts.name,
            starts_at=facts.starts_at,
            minutes=facts.minutes,
            place=facts.place,
            link=facts.link,
            presenter_agency_id=facts.presenter_agency_id,
        )
        session.add(meeting)
        session.flush()
        session.add_all(MeetingMember(meeting_id=meeting_id, agency_id=one) for one in members)
        audit.record(AuditEvent.MEETING_SCHEDULED, meeting, actor=actor)
        return meeting_id


def check_day(starts_at: datetime) -> None:
    if clock.japan_date(starts_at) < clock.today():
        raise Invalid(N_("過ぎた日は選べません。日付を確かめてください。"), field="starts_at")


def move(actor: Actor, meeting_id: UUID, facts: MeetingFacts, *, version: int | None) -> None:
    """Change date, place, length, name or members of one coming meeting; its series leaves it alone then.

    Raises:
        NoResultFound: no meeting to which this actor's agency is invited.
        NotAllowed: not the convener's coordinator.
        Conflict: it has begun, is over or was cancelled; or it was announced as another kind.
        StaleForm: somebody changed it since the form was shown.
        Invalid: see `schedule`.
    """
    with db.transaction() as session:
        meeting = locked(session, actor, meeting_id)
        require(actor, Permission.MEETING_ARRANGE, meeting)
        if not meeting.is_coming:
            raise Conflict(ALREADY_HELD)
        if meeting.status is not MeetingStatus.DRAFT and facts.kind is not meeting.kind:
            raise Conflict(KIND_STAYS, field="kind")
        seated = set(session.scalars(queries.members_of(meeting_id)))
        members = facts.members | {meeting.convener_id}
        check_table(session, facts.name, facts.minutes, members, facts.presenter_agency_id, seated=seated)
        if facts.starts_at != meeting.starts_at:
            check_day(facts.starts_at)
        meeting.advance(version)
        if put(session, actor, meeting, facts):
            meeting.is_moved = True
        audit.record(AuditEvent.MEETING_MOVED, meeting, actor=actor)


def put(session: Session, actor: Actor, meeting: Meeting, facts: MeetingFacts) -> bool:
    """Set the meeting to these facts; True when anything changed. The caller writes the entry."""
    changed = meeting.apply(
        kind=facts.kind,
        name=facts.name,
        starts_at=facts.starts_at,
        minutes=facts.minutes,
        place=facts.place,
        link=facts.link,
        presenter_agency_id=facts.presenter_agency_id,
    )
    if changed.keys() & {"name", "starts_at", "minutes", "place", "link"}:
        meeting.calendar_sequence += 1
    return seat(session, actor, meeting, facts.members | {meeting.convener_id}) or bool(changed)


def seat(session: Session, actor: Actor, meeting: Meeting, members: Collection[UUID]) -> bool:
    """Set the members of the table; an agency that leaves takes its items along and may not read on."""
    rows = {
        row.agency_id: row
        for row in session.scalars(select(MeetingMember).where(MeetingMember.meeting_id == meeting.id))
    }
    gone, new = rows.keys() - set(members), set(members) - rows.keys()
    if gone:
        clear_places(session, actor, meeting, gone)
    for agency_id in gone:
        session.delete(rows[agency_id])
    session.add_all(MeetingMember(meeting_id=meeting.id, agency_id=one) for one in new)
    session.flush()
    return bool(gone or new)


def clear_places(session: Session, actor: Actor, meeting: Meeting, gone: Collection[UUID]) -> None:
    """End disclosures to these agencies, take their own items off, and strike their people."""
    now = clock.now()
    items = session.scalars(
        select(AgendaItem)
        .where(AgendaItem.meeting_id == meeting.id)
        .order_by(AgendaItem.id)
        .with_for_update()
    ).all()
    end_lines(session, actor, [item.id for item in items], gone)
    for item in items:
        leaves = item.brought_by_id in gone and item.stands
        if not leaves and item.presenter_agency_id not in gone:
            continue
        if item.presenter_agency_id in gone:
            item.presenter_agency_id = meeting.presenter_agency_id
        if leaves:
            item.removed_at, item.removed_why = now, LEFT
            end_lines(session, actor, [item.id])
        item.advance(None)
        audit.record(AuditEvent.ITEM_CHANGED, item, actor=actor, person_id=item.person_id)
    named = select(Attendance).where(Attendance.meeting_id == meeting.id, Attendance.agency_id.in_(gone))
    for attendance in session.scalars(named).all():
        audit.record(AuditEvent.ROSTER_CHANGED, attendance, actor=actor)
        session.delete(attendance)


def end_lines(
    session: Session, actor: Actor, item_ids: Collection[UUID], agencies: Collection[UUID] | None = None
) -> None:
    """End the disclosures of these items to these agencies, or to everybody."""
    live = select(Disclosure).where(Disclosure.source_id.in_(item_ids), Disclosure.ended_at.is_(None))
    if agencies is not None:
        live = live.where(Disclosure.to_agency_id.in_(agencies))
    for disclosure in session.scalars(live.order_by(Disclosure.id)).all():
        disclosure.ended_at = clock.now()
        audit.record(
            AuditEvent.DISCLOSURE_ENDED,
            disclosure,
            actor=actor,
            person_id=disclosure.person_id,
            ground=disclosure.basis,
        )


# Series of meetings: defining one, changing what is still to come, and ending it.

NO_DATES = N_(
    "この決まりでは、開催できる日がありません。自機関の閉館日と重なっていないか、曜日と「閉館日のとき」を確かめてください。"
)
HAS_ENDED = N_("この定例会議は終了しています。新しく登録してください。")
SERIES_ENDED = N_("定例会議が終了したため")


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """The facts of a series; `rule` in the words of RFC 5545. The convener always sits at the table."""

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
        "rule": rules.parse(facts.rule).text(),
        "starts_on": facts.starts_on,
        "begins": facts.begins,
        "minutes": facts.minutes,
        "closed_day": facts.closed_day,
        "place": facts.place,
        "link": facts.link,
        "presenter_agency_id": facts.presenter_agency_id,
    }


def check_dates(session: Session, series: MeetingSeries) -> None:
    """Raise for a rule by which nobody ever meets."""
    if next((day for _slot, day in schedule_slots.dates_of(session, series)), None) is None:
        raise Invalid(NO_DATES, field="rule")


def define(actor: Actor, facts: SeriesFacts, *, idempotency_key: str | None = None) -> UUID:
    """Begin a series; its next six meetings exist at once.

    Raises:
        NotAllowed: not a coordinator.
        Invalid: a rule that is not understood or never meets; see `check_table`.
    """
    require(actor, Permission.MEETING_CONVENE)
    assert actor.agency_id is not None  # a coordinator has one  # noqa: S101
    members = facts.members | {actor.agency_id}
    with db.transaction() as session:
        series = MeetingSeries(id=new_id(), convener_id=actor.agency_id, **columns_of(facts))
        if earlier := claim(actor, idempotency_key, series.id):
            return earlier
        check_table(session, facts.name, facts.minutes, members, facts.presenter_agency_id)
        check_dates(session, series)
        session.add(series)
        session.flush()
        session.add_all(SeriesMember(series_id=series.id, agency_id=one) for one in members)
        session.flush()
        audit.record(AuditEvent.SERIES_DEFINED, series, actor=actor, rule=series.rule)
        fill(session, actor, series)
        return series.id


def held_to_arrange(session: Session, actor: Actor, series_id: UUID) -> MeetingSeries:
    """The series, locked; raises unless the actor is the convener's coordinator and it goes on."""
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
        check_table(
            session, facts.name, facts.minutes, members, facts.presenter_agency_id, seated=rows.keys()
        )
        series.advance(version)
        series.apply(**columns_of(facts))
        check_dates(session, series)
        for agency_id in rows.keys() - members:
            session.delete(rows[agency_id])
        regulars.forget(session, series_id, rows.keys() - members)
        session.add_all(SeriesMember(series_id=series_id, agency_id=one) for one in members - rows.keys())
        audit.record(AuditEvent.SERIES_CHANGED, series, actor=actor, rule=series.rule)
        session.flush()
        realign(session, actor, series, members)
        fill(session, actor, series)


def realign(session: Session, actor: Actor, series: MeetingSeries, members: frozenset[UUID]) -> None:
    """Move each untouched draft to the next free date of the new rule, in order.

    So each meeting keeps its agenda and its place in people's calendars.
    """
    untouched = (
        schedule_slots.coming_of(series.id)
        .where(Meeting.status == MeetingStatus.DRAFT, ~Meeting.is_moved)
        .with_for_update(of=Meeting)
    )
    drafts = session.scalars(untouched, execution_options={"populate_existing": True}).all()
    slots = [draft.slot for draft in drafts]
    for draft in drafts:
        draft.slot = None
        audit.record(AuditEvent.MEETING_MOVED, draft, actor=actor, series=series.id)
    session.flush()  # two meetings never hold one slot, not even while they change places
    free = list(islice(schedule_slots.free_dates(session, series), len(drafts)))
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
        if put(session, actor, draft, facts):
            draft.advance(None)
    session.flush()


def drop(session: Session, actor: Actor, meeting: Meeting) -> None:
    """Cancel a meeting that its series no longer has."""
    session.flush()
    perform(actor, MeetingAction.CANCEL, meeting.id, text=SERIES_ENDED)


def end(actor: Actor, series_id: UUID, last_day: date) -> None:
    """End the series after this day; later meetings are cancelled.

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
