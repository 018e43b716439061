"""Closing a promise (宿題) and taking that back; minutes that are approved do not stand in the way."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.errors import Conflict, Invalid
from portal.meetings import promise_queries
from portal.meetings.agenda_models import AgendaItem, MeetingOutcome
from portal.meetings.models import Meeting
from portal.meetings.services import locked
from portal.policy import Actor, Permission, require
from portal.words import N_


def held(session: Session, actor: Actor, outcome_id: UUID) -> tuple[MeetingOutcome, AgendaItem]:
    """The promise and its item, the meeting held until the transaction ends.

    Raises:
        NoResultFound: none that this actor may know of.
        NotAllowed: neither the owner's nor the coordinator's of the convener.
    """
    require(actor, Permission.MEETING_ATTEND)
    known = (
        select(MeetingOutcome, AgendaItem)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(MeetingOutcome.id == outcome_id, promise_queries.known_to(actor, clock.now()))
    )
    _outcome, item = session.execute(known).one()
    meeting = locked(session, actor, item.meeting_id)
    outcome, item = session.execute(known, execution_options={"populate_existing": True}).one()
    if outcome.owner_agency_id != actor.agency_id:
        require(actor, Permission.MEETING_ARRANGE, meeting)
    return outcome, item


def finish(actor: Actor, outcome_id: UUID, note: str, *, version: int | None = None) -> None:
    """Say that a promise was kept, or why it is closed otherwise.

    Raises:
        NoResultFound, NotAllowed: see `held`.
        Conflict: it is done already.
        StaleForm: it changed since the form that expected `version` was shown.
        Invalid: the work should show it done, and no reason says why it does not.
    """
    with db.transaction() as session:
        outcome, item = held(session, actor, outcome_id)
        done = select(MeetingOutcome.id).where(MeetingOutcome.id == outcome_id, promise_queries.is_done())
        if session.scalar(done):
            raise Conflict(N_("この宿題は、すでに済みになっています。"))
        outcome.advance(version)
        if not note and (outcome.referral_step or outcome.to_agency_id):
            raise Invalid(
                N_("つなぎの手続きをせずに済みにするときは、理由を入力してください。"), field="note"
            )
        outcome.apply(done_at=clock.now(), done_by_id=actor.staff_id, done_note=note)
        audit.record(
            AuditEvent.ACTION_DONE, outcome, actor=actor, person_id=item.person_id, done=True, note=note
        )


def reopen(actor: Actor, outcome_id: UUID) -> None:
    """Take back that a promise was closed by hand.

    Raises:
        NoResultFound, NotAllowed: see `held`.
        Conflict: nobody closed it by hand.
    """
    with db.transaction() as session:
        outcome, item = held(session, actor, outcome_id)
        if outcome.done_at is None:
            raise Conflict(N_("この宿題は、手で済みにしたものではないため、戻せません。"))
        outcome.advance(None)
        outcome.apply(done_at=None, done_by_id=None, done_note="")
        audit.record(AuditEvent.ACTION_DONE, outcome, actor=actor, person_id=item.person_id, done=False)
