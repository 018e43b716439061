"""The roster of a meeting: who is named, who came, who comes regularly, and who has acknowledged the duty of secrecy."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, Staff
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, keep_only, new_id
from portal.core.errors import Conflict, Invalid, NotAllowed, NotOffered
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, can, require
from portal.disclosures.models import Basis, Disclosure
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.roster import regulars
from portal.meetings.roster.models import Attendance, RegularMember
from portal.meetings.schedule.models import Meeting
from portal.meetings.schedule.queries import members_of
from portal.meetings.schedule.services import locked, perform
from portal.meetings.schedule.slots import coming_of, held_series
from portal.meetings.states import HELD, MeetingAction, MeetingKind, MeetingStatus

ATTENDED = frozenset({MeetingStatus.IN_SESSION, MeetingStatus.MINUTED})


def open_roster(actor: Actor, meeting: Meeting) -> None:
    """Raise unless members of the table may add names to this roster or strike them."""
    require(actor, Permission.MEETING_ATTEND)
    if meeting.is_coming:
        return
    if meeting.status not in ATTENDED:
        raise Conflict(N_("この会議の名簿は、もう変更できません。"))
    require(actor, Permission.MEETING_ARRANGE, meeting)


def check_hand(actor: Actor, meeting: Meeting, agency_id: UUID | None) -> None:
    """Raise unless the actor may name people of this agency: coordinators of the convener name everybody."""
    if can(actor, Permission.MEETING_ARRANGE, meeting) or agency_id == actor.agency_id:
        return
    raise NotAllowed(N_("ほかの機関の人を名簿に載せる・外すのは、会議を主催する機関の調整担当です。"))


def name_member(actor: Actor, meeting_id: UUID, staff_id: UUID) -> UUID:
    """Put a caseworker of one of the member agencies on the roster; one who is on it already stays.

    Raises:
        Invalid: nobody of that id works for an agency at this table.
    """
    with db.transaction() as session:
        meeting = locked(session, actor, meeting_id)
        open_roster(actor, meeting)
        working = (
            select(Membership.agency_id)
            .join(Staff, Staff.id == Membership.staff_id)
            .where(
                Membership.staff_id == staff_id,
                Membership.role.in_([Role.STAFF, Role.COORDINATOR]),
                Membership.ended_at.is_(None),
                Membership.agency_id.in_(members_of(meeting_id)),
                Staff.disabled_at.is_(None),
            )
        )
        agency_id = session.scalars(working).one_or_none()
        if agency_id is None:
            raise NotOffered(
                N_("参加機関の職員から選んでください。"), field="staff", about=("staff", staff_id)
            )
        check_hand(actor, meeting, agency_id)
        same = (Attendance.meeting_id == meeting_id, Attendance.staff_id == staff_id)
        if earlier := session.scalars(select(Attendance.id).where(*same)).one_or_none():
            return earlier
        row = Attendance(id=new_id(), meeting_id=meeting_id, agency_id=agency_id, staff_id=staff_id)
        session.add(row)
        audit.record(AuditEvent.ROSTER_CHANGED, row, actor=actor, meeting=meeting_id, named=staff_id)
        return row.id


def set_regulars(actor: Actor, series_id: UUID, staff: Collection[UUID]) -> None:
    """Say who of the actor's agency comes to every meeting of the series.

    Whoever is new to the list is named for the coming meetings; whoever is not on it any more is struck from those
    that are not announced yet.

    Raises:
        NoResultFound: no series whose meetings invite this actor's agency.
        NotOffered: somebody who does not work for the actor's agency.
    """
    require(actor, Permission.MEETING_ATTEND)
    assert actor.agency_id is not None  # a caseworker has one  # noqa: S101
    with db.transaction() as session:
        held_series(session, actor, series_id)
        if unknown := set(staff) - set(session.scalars(regulars.caseworkers_of(actor.agency_id))):
            raise NotOffered(
                N_("自機関の職員から選んでください。"), field="staff", about=("staff", min(unknown))
            )
        mine = {"series_id": series_id, "agency_id": actor.agency_id}
        before = set(session.scalars(select(RegularMember.staff_id).filter_by(**mine)))
        new, gone = set(staff) - before, before - set(staff)
        if not new and not gone:
            return
        keep_only(session, RegularMember, "staff_id", staff, **mine)
        session.flush()
        audit.record(
            AuditEvent.ROSTER_CHANGED,
            ("meeting_series", series_id),
            actor=actor,
            named=sorted(new),
            struck=sorted(gone),
        )
        coming = session.scalars(coming_of(series_id).with_for_update(of=Meeting)).all()
        for meeting in coming:
            regulars.begin_roster(session, actor, meeting, only=new)
        drafts = [meeting.id for meeting in coming if meeting.status is MeetingStatus.DRAFT]
        for row in session.scalars(
            select(Attendance).where(Attendance.meeting_id.in_(drafts), Attendance.staff_id.in_(sorted(gone)))
        ).all():
            audit.record(
                AuditEvent.ROSTER_CHANGED, row, actor=actor, meeting=row.meeting_id, struck=row.staff_id
            )
            session.delete(row)
        session.flush()


def name_guest(
    actor: Actor,
    meeting_id: UUID,
    *,
    name: str,
    guest_from: str,
    agency_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Add a guest without an account, by name: guests sit at the table and see nothing in the portal."""
    with db.transaction() as session:
        meeting = locked(session, actor, meeting_id)
        open_roster(actor, meeting)
        check_hand(actor, meeting, agency_id)
        if not name.strip():
            raise Invalid(N_("氏名を入力してください。"), field="name")
        if agency_id and agency_id not in set(session.scalars(members_of(meeting_id))):
            raise NotOffered(N_("参加機関から選んでください。"), field="agency", about=("agency", agency_id))
        made = new_id()
        if earlier := claim(actor, idempotency_key, made):
            return earlier
        row = Attendance(
            id=made,
            meeting_id=meeting_id,
            agency_id=agency_id,
            guest_name=name.strip(),
            guest_from=guest_from,
        )
        session.add(row)
        audit.record(AuditEvent.ROSTER_CHANGED, row, actor=actor, meeting=meeting_id, guest=name.strip())
        return made


def found(session: Session, actor: Actor, attendance_id: UUID) -> tuple[Meeting, Attendance]:
    """An entry of a roster and its meeting, locked.

    Raises:
        NoResultFound: none of a meeting to which this actor's agency is invited.
    """
    meeting_id = session.scalars(select(Attendance.meeting_id).where(Attendance.id == attendance_id)).one()
    meeting = locked(session, actor, meeting_id)
    line = select(Attendance).where(Attendance.id == attendance_id).execution_options(populate_existing=True)
    return meeting, session.scalars(line).one()


def strike(actor: Actor, attendance_id: UUID) -> None:
    """Take somebody off the roster; what a 支援会議 disclosed to them ends with it.

    Raises:
        Conflict: the meeting has begun: absent people are left unticked instead.
    """
    with db.transaction() as session:
        meeting, row = found(session, actor, attendance_id)
        require(actor, Permission.MEETING_ATTEND)
        if not meeting.is_coming:
            raise Conflict(
                N_("会議が始まった後は、名簿から外せません。欠席の方は、出席の印を外してください。")
            )
        check_hand(actor, meeting, row.agency_id)
        if row.staff_id:
            end_telling(session, actor, meeting, row.staff_id)
        audit.record(AuditEvent.ROSTER_CHANGED, row, actor=actor, meeting=meeting.id, struck=row.staff_id)
        session.delete(row)
        session.flush()


def end_telling(session: Session, actor: Actor, meeting: Meeting, staff_id: UUID) -> None:
    """End the disclosures of this meeting's items to this member."""
    live = select(Disclosure).where(
        Disclosure.source_id.in_(select(AgendaItem.id).where(AgendaItem.meeting_id == meeting.id)),
        Disclosure.basis == Basis.COUNCIL,
        Disclosure.to_staff_id == staff_id,
        Disclosure.ended_at.is_(None),
    )
    for disclosure in session.scalars(live).all():
        disclosure.ended_at = clock.now()
        audit.record(
            AuditEvent.DISCLOSURE_ENDED,
            disclosure,
            actor=actor,
            person_id=disclosure.person_id,
            ground=disclosure.basis,
        )


def set_attendance(actor: Actor, meeting_id: UUID, present: set[UUID]) -> None:
    """Record who came, of those on the roster; `present` are entries of it.

    Raises:
        Conflict: the meeting has not begun, or its minutes are approved.
        NotAllowed: not the convener's coordinator.
    """
    with db.transaction() as session:
        meeting = locked(session, actor, meeting_id)
        require(actor, Permission.MEETING_ARRANGE, meeting)
        if meeting.status not in ATTENDED:
            raise Conflict(N_("出欠は、会議を始めてから議事録を承認するまでの間に記録します。"))
        for row in session.scalars(select(Attendance).where(Attendance.meeting_id == meeting_id)).all():
            if row.apply(was_there=row.id in present):
                audit.record(
                    AuditEvent.ROSTER_CHANGED, row, actor=actor, meeting=meeting_id, was_there=row.was_there
                )


def proceed(
    actor: Actor,
    action: MeetingAction,
    meeting_id: UUID,
    *,
    present: set[UUID],
    text: str = "",
    version: int | None = None,
    confirmed: bool = False,
) -> None:
    """Take a step of the meeting; at its beginning `present`, of those on the roster, are there.

    Raises:
        NoResultFound, NotAllowed, IllegalStep, StaleForm, Conflict, Invalid: see `schedule.services.perform`.
    """
    perform(actor, action, meeting_id, text=text, version=version, confirmed=confirmed)
    if action is MeetingAction.BEGIN and present:
        set_attendance(
            actor, meeting_id, present
        )  # apart, as the dates of the series are filled: see `perform`


def check_secrecy(meeting: Meeting) -> None:
    if meeting.kind is not MeetingKind.STATUTORY:
        raise Conflict(N_("守秘義務の確認は、支援会議だけで行います。"))
    if not meeting.is_coming and meeting.status not in HELD:
        raise Conflict(N_("この会議は中止になりました。"))


def acknowledge_secrecy(actor: Actor, meeting_id: UUID) -> None:
    """Acknowledge the duty of secrecy of a 支援会議 for oneself; a second time changes nothing.

    Raises:
        NotAllowed: the roster does not name the actor.
    """
    with db.transaction() as session:
        meeting = locked(session, actor, meeting_id)
        require(actor, Permission.MEETING_ATTEND)
        check_secrecy(meeting)
        mine = (Attendance.meeting_id == meeting_id, Attendance.staff_id == actor.staff_id)
        row = session.scalars(select(Attendance).where(*mine)).one_or_none()
        if row is None or row.agency_id != actor.agency_id:
            raise NotAllowed(N_("名簿にお名前がありません。会議を主催する機関の調整担当に連絡してください。"))
        if row.secrecy_at is None:
            row.secrecy_at = clock.now()
            audit.record(AuditEvent.SECRECY_ACKNOWLEDGED, row, actor=actor, meeting=meeting_id)


def acknowledge_on_paper(actor: Actor, attendance_id: UUID) -> None:
    """Note, as the coordinator, that a guest has signed on paper.

    Raises:
        Conflict: members with an account acknowledge it themselves.
    """
    with db.transaction() as session:
        meeting, row = found(session, actor, attendance_id)
        require(actor, Permission.MEETING_ARRANGE, meeting)
        check_secrecy(meeting)
        if row.staff_id is not None:
            raise Conflict(N_("職員は、本人がサインインして確認します。"))
        if row.secrecy_at is None:
            row.apply(secrecy_at=clock.now(), on_paper=True)
            audit.record(AuditEvent.SECRECY_ACKNOWLEDGED, row, actor=actor, meeting=meeting.id, on_paper=True)
