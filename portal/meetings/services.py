"""The steps of a meeting's life, from announcing it to approving its minutes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import services as audit
from portal.db import db
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.errors import Invalid
from portal.meetings import queries, slot_services
from portal.meetings.agenda_models import AgendaItem
from portal.meetings.models import Meeting
from portal.meetings.states import FLOW, MeetingAction
from portal.policy import Actor, require
from portal.words import N_

# After these a series has one coming meeting less.
USES_UP = frozenset({MeetingAction.BEGIN, MeetingAction.CLOSE, MeetingAction.CANCEL})


def locked(session: Session, actor: Actor, meeting_id: UUID) -> Meeting:
    """The meeting, held until the transaction ends.

    Raises:
        NoResultFound: none to which this actor's agency is invited.
    """
    statement = queries.visible(actor).where(Meeting.id == meeting_id).with_for_update(of=Meeting)
    return session.scalars(statement, execution_options={"populate_existing": True}).one()


def perform(
    actor: Actor, action: MeetingAction, meeting_id: UUID, *, text: str = "", version: int | None = None
) -> None:
    """Take one step of the flow; `text` is why, for a cancellation.

    Raises:
        NoResultFound: no meeting to which this actor's agency is invited.
        NotAllowed: not the convener's coordinator.
        IllegalStep: somebody was faster, or it is too early.
        StaleForm: the agenda changed since the form that expected `version` was shown.
        Invalid: a cancellation without a reason.
    """
    step = FLOW[action]
    with db.transaction() as session:
        meeting = locked(session, actor, meeting_id)
        require(actor, step.permission, meeting)
        FLOW.check(action, meeting.status)
        meeting.advance(version)
        if "text" in step.needs and not text:
            raise Invalid(N_("理由を入力してください。"), field="text")
        before = meeting.status
        meeting.status = step.target
        note_time(meeting, action, text)
        if action is MeetingAction.CANCEL or (
            action is MeetingAction.APPROVE and meeting.basis is Basis.COUNCIL
        ):
            # A 支援会議 opens what it tells from the packet to the approved minutes, and no longer.
            end_telling(session, actor, meeting)
        audit.record(step.event, meeting, actor=actor, before=before, after=step.target, reason=text)
    if meeting.series_id and action in USES_UP:
        # Apart from the step itself: who changes a series holds it before its meetings, so nobody waits round.
        slot_services.top_up(actor, meeting.series_id)


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
    """End all that the items of this meeting told."""
    for item_id in session.scalars(select(AgendaItem.id).where(AgendaItem.meeting_id == meeting.id)).all():
        disclosures.end(actor, item_id)
