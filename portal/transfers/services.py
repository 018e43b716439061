"""The steps of a referral, and with the acceptance of a transfer all that goes with the record."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.disclosures import services as disclosures
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.services import changed
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.schedule.models import Meeting
from portal.referrals import services as referrals
from portal.referrals.conversation import tell, tell_other_side, write_line
from portal.referrals.models import FollowUp, Referral, ReferralEvent, ReferralNews, TimelineEvent
from portal.referrals.services import Answer
from portal.referrals.states import FLOW, ReferralAction, ReferralKind, ReferralStatus
from portal.transfers import hanging
from portal.transfers.hanging import Fate, OpenItem, OpenPromise, OpenReferral

HANDED_OVER = N_("記録が移管されたため")
NOTHING = Answer()


def perform(
    actor: Actor,
    action: ReferralAction,
    referral_id: UUID,
    answer: Answer = NOTHING,
    *,
    version: int | None = None,
    idempotency_key: str | None = None,
) -> None:
    """Take one step of the flow; accepting a transfer hands over what hangs on the person, in the same transaction.

    Raises:
        PortalError: see `referrals.services.perform`.
    """
    with db.transaction() as session:
        if action is ReferralAction.ACCEPT:
            # Before the person, as whoever opens a packet does: two who wait for each other would wait for ever.
            session.scalars(meetings_of(referral_id)).all()
        referrals.perform(
            actor,
            action,
            referral_id,
            answer,
            version=version,
            idempotency_key=idempotency_key,
            hand_over=hand_over,
        )


def meetings_of(transfer_id: UUID) -> Select[UUID]:
    """The meetings that have an item about the transfer's person, held until the transaction ends."""
    items = (
        select(AgendaItem.meeting_id)
        .join(Referral, Referral.person_id == AgendaItem.person_id)
        .where(Referral.id == transfer_id, Referral.kind == ReferralKind.TRANSFER)
    )
    return select(Meeting.id).where(Meeting.id.in_(items)).order_by(Meeting.id).with_for_update()


def hand_over(session: Session, actor: Actor, transfer: Referral) -> None:
    """Move or end what the former record holder has open about the person (decision 035).

    `actor` accepts the transfer. What ends, ends in the name of who sent it: they were shown it before.
    """
    found = hanging.find(session, transfer, clock.now())
    giver = giver_of(session, actor, transfer)
    for referral in found.referrals:
        settle_referral(session, actor, giver, transfer, referral)
    for promise in found.promises:
        settle_promise(session, actor, giver, transfer, promise)
    for item in found.items:
        settle_item(session, actor, transfer, item)
    for one in found.follow_ups:
        row = session.get_one(FollowUp, one.id)
        row.apply(done_at=clock.now())
        row.advance(None)
        audit.record(AuditEvent.FOLLOW_UP_DONE, row, actor=actor, done=True)


def giver_of(session: Session, actor: Actor, transfer: Referral) -> Actor:
    """Whoever sent the transfer, for the lines of what ends at their agency."""
    sent = select(ReferralEvent.staff_id).where(
        ReferralEvent.referral_id == transfer.id, ReferralEvent.what == TimelineEvent.SEND
    )
    staff_id = session.scalars(sent).one()
    return replace(actor, staff_id=staff_id, agency_id=transfer.from_agency_id, name="", agency_name="")


def settle_referral(
    session: Session, actor: Actor, giver: Actor, transfer: Referral, one: OpenReferral
) -> None:
    if one.fate is Fate.STAYS:
        return
    referral = session.get_one(Referral, one.id, with_for_update=True, populate_existing=True)
    referral.advance(None)
    if one.fate is Fate.MOVES:
        worker_id = transfer.worker_id or actor.staff_id
        changes = referral.apply(from_agency_id=transfer.to_agency_id, sender_worker_id=worker_id)
        write_line(session, actor, referral, TimelineEvent.MOVED)
        session.execute(
            delete(ReferralNews).where(
                ReferralNews.referral_id == referral.id,
                ReferralNews.agency_id == transfer.from_agency_id,
            )
        )
        tell(session, referral, transfer.to_agency_id, TimelineEvent.MOVED)
        tell_other_side(session, actor, referral, TimelineEvent.MOVED)
        audit.record(
            AuditEvent.REFERRAL_MOVED,
            referral,
            actor=actor,
            person_id=referral.person_id,
            ground=referral.basis,
            changes=changes,
        )
        return
    before = referral.status
    action = ReferralAction.CORRECT if before is ReferralStatus.DRAFT else ReferralAction.CANCEL
    step = FLOW[action]
    referral.apply(status=step.target, reason=HANDED_OVER, ended_at=clock.now())
    disclosures.end(actor, referral.id)
    write_line(session, giver, referral, TimelineEvent(action.value), text=HANDED_OVER)
    tell_other_side(session, giver, referral, TimelineEvent(action.value))
    audit.record(
        step.event,
        referral,
        actor=actor,
        person_id=referral.person_id,
        ground=referral.basis,
        before=before,
        after=step.target,
        reason=HANDED_OVER,
    )


def settle_promise(
    session: Session, actor: Actor, giver: Actor, transfer: Referral, one: OpenPromise
) -> None:
    if one.fate is Fate.STAYS:
        return
    outcome = session.get_one(MeetingOutcome, one.id, with_for_update=True, populate_existing=True)
    outcome.advance(None)
    if one.fate is Fate.MOVES:
        changes = outcome.apply(owner_agency_id=transfer.to_agency_id, owner_staff_id=None)
        audit.record(
            AuditEvent.OUTCOME_CHANGED, outcome, actor=actor, person_id=transfer.person_id, changes=changes
        )
        return
    outcome.apply(done_at=clock.now(), done_by_id=giver.staff_id, done_note=HANDED_OVER)
    audit.record(
        AuditEvent.ACTION_DONE,
        outcome,
        actor=actor,
        person_id=transfer.person_id,
        done=True,
        note=HANDED_OVER,
    )


def settle_item(session: Session, actor: Actor, transfer: Referral, one: OpenItem) -> None:
    meeting = session.get_one(Meeting, one.meeting_id, with_for_update=True, populate_existing=True)
    item = session.get_one(AgendaItem, one.id, populate_existing=True)
    if one.fate is Fate.ENDS:
        disclosures.end(actor, item.id)
        changed(actor, meeting, item, removed_why=HANDED_OVER, removed_at=clock.now())
        return
    presents = item.presenter_agency_id == transfer.from_agency_id
    changed(
        actor,
        meeting,
        item,
        brought_by_id=transfer.to_agency_id,
        presenter_agency_id=transfer.to_agency_id if presents else item.presenter_agency_id,
        shared_by_id=actor.staff_id if item.shared else None,
    )
