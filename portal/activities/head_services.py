"""One head at one activity: a note on it, taking it back, and naming somebody anonymous later."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from portal import clock
from portal.activities import attendance_queries
from portal.activities.attendance_services import (
    ELSEWHERE,
    OVERTAKEN,
    live_activity,
    live_rows,
    lock_nameable,
    strike_out,
)
from portal.activities.models import ActivityAttendance
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.errors import Conflict, StaleForm
from portal.policy import Actor, Permission, require
from portal.words import N_


def own_head(session: Session, actor: Actor, activity_id: UUID, head_id: UUID) -> ActivityAttendance:
    """A head that this actor's agency wrote down, locked together with its activity."""
    require(actor, Permission.ACTIVITY_RECORD)
    live_activity(session, actor, activity_id)
    mine = (
        live_rows(activity_id)
        .where(ActivityAttendance.id == head_id, attendance_queries.of_own_agency(actor))
        .with_for_update()
    )
    return session.scalars(mine, execution_options={"populate_existing": True}).one()


def remove(actor: Actor, activity_id: UUID, head_id: UUID) -> None:
    """He was not there after all: from the beginning he counts no more."""
    with db.transaction() as session:
        strike_out(actor, own_head(session, actor, activity_id, head_id))


def set_note(
    actor: Actor,
    activity_id: UUID,
    head_id: UUID,
    note: str,
    *,
    is_first: bool | None = None,
    expected: str | None = None,
) -> None:
    """Write what concerns this one person on this day; `expected` is the note that the form was filled in on.

    Raises:
        NoResultFound: no such head of one's own agency.
        StaleForm: a colleague changed the note meanwhile.
        ErasedPerson: his record was erased.
    """
    with db.transaction() as session:
        head = own_head(session, actor, activity_id, head_id)
        if expected is not None and expected != head.note:
            raise StaleForm(OVERTAKEN)
        values: dict[str, Any] = {"note": note}
        if head.person_id is None and is_first is not None:
            values["is_first"] = is_first
        if changes := head.apply(**values):
            audit.record(
                AuditEvent.ATTENDANCE_CHANGED,
                head,
                actor=actor,
                person_id=head.person_id,
                activity=activity_id,
                changes=changes,
            )


def link(actor: Actor, activity_id: UUID, head_id: UUID, person_id: UUID) -> None:
    """Somebody anonymous is known by name now: that day he counts as this person.

    Raises:
        NoResultFound: no such head of one's own agency.
        Conflict: the head has a name, or the person stands among those who came that day already.
        Invalid: somebody whom this agency may not write down by name.
    """
    with db.transaction() as session:
        head = own_head(session, actor, activity_id, head_id)
        if head.person_id is not None:
            raise Conflict(N_("この参加者には、すでに氏名があります。"))
        lock_nameable(session, actor, [person_id])
        same = live_rows(activity_id).where(ActivityAttendance.person_id == person_id)
        if there := session.scalars(same).first():
            if there.agency_id != actor.agency_id:
                raise Conflict(ELSEWHERE, field="people")
            raise Conflict(
                N_(
                    "この人は、すでにこの日の参加者です。匿名の参加者が同じ人だったときは、匿名の記録を取り消してください。"
                ),
                field="people",
            )
        head.apply(person_id=person_id, linked_at=clock.now())
        audit.record(
            AuditEvent.ATTENDANCE_LINKED, head, actor=actor, person_id=person_id, activity=activity_id
        )


def unlink(actor: Actor, activity_id: UUID, head_id: UUID, *, note: str = "") -> None:
    """It was somebody else: the head is anonymous again, with what may stay of its note.

    Raises:
        NoResultFound: no such head of one's own agency.
        Conflict: it was not linked later, but written down by name.
    """
    with db.transaction() as session:
        head = own_head(session, actor, activity_id, head_id)
        if head.linked_at is None:
            raise Conflict(N_("この参加者は、はじめから氏名で記録されています。"))
        person_id = head.person_id
        head.apply(person_id=None, linked_at=None, note=note)
        audit.record(
            AuditEvent.ATTENDANCE_CHANGED,
            head,
            actor=actor,
            person_id=person_id,
            activity=activity_id,
            unlinked=True,
        )
