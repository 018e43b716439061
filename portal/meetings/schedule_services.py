"""Dates of meetings: calling one without a series, moving one, and who sits at its table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.disclosures.models import Disclosure
from portal.errors import Conflict, Invalid, NotOffered
from portal.meetings import queries, services
from portal.meetings.agenda_models import AgendaItem
from portal.meetings.models import Attendance, Meeting, MeetingMember
from portal.meetings.states import MeetingKind, MeetingStatus
from portal.once import claim
from portal.policy import Actor, Permission, require
from portal.words import N_

LONGEST = timedelta(hours=24)
ALREADY_HELD = N_("この会議は、もう日時や場所を変えられません。開催中か、終わったか、中止になっています。")
KIND_STAYS = N_("案内したあとは、会議の種類を変えられません。中止して、新しい会議を登録してください。")
LEFT = N_("出した機関が、この会議の参加機関から外れました。")


@dataclass(frozen=True, slots=True)
class MeetingFacts:
    """What is said of one meeting. `members` need not name the convener: he always sits at the table."""

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
    """Refuse what no meeting can be; `seated` may stay even when their agency has closed meanwhile.

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
        meeting = services.locked(session, actor, meeting_id)
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
    """Make the meeting what `facts` say; whether anything changed. The caller writes the entry."""
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
    """These agencies at the table and no others; whoever leaves takes along what he brought and may not read on."""
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
    """End what the items told these agencies, take their own items off, and strike their people."""
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
    """End what these items told: these agencies, or everybody."""
    lines = select(Disclosure).where(Disclosure.source_id.in_(item_ids), Disclosure.ended_at.is_(None))
    if agencies is not None:
        lines = lines.where(Disclosure.to_agency_id.in_(agencies))
    for line in session.scalars(lines.order_by(Disclosure.id)).all():
        line.ended_at = clock.now()
        audit.record(
            AuditEvent.DISCLOSURE_ENDED, line, actor=actor, person_id=line.person_id, ground=line.basis
        )
