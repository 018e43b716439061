"""What came of an agenda item, and the promises that an agency keeps or takes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, NotOffered
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, require
from portal.meetings import item_visibility
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.minutes.services import held, require_hand
from portal.meetings.outcomes import queries
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.schedule.models import Meeting
from portal.meetings.schedule.queries import members_of
from portal.meetings.schedule.services import locked, perform
from portal.meetings.states import MeetingAction, MeetingStatus, OutcomeKind, Source
from portal.referrals.models import Referral
from portal.referrals.states import FLOW, ReferralAction, ReferralStatus
from portal.wall import predicates

# Until the minutes are approved, mistakes are corrected in place.
CHANGEABLE = frozenset({MeetingStatus.IN_SESSION, MeetingStatus.MINUTED})
APPROVED = N_("この議事録を承認した。")  # stands in the minutes as it is
# Steps that nobody promises: they undo a mistake.
NEVER_PROMISED = frozenset({ReferralAction.CORRECT, ReferralAction.AMEND})


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """An action has an owner and a due date; it may be a step of the item's referral, or a new referral."""

    kind: OutcomeKind
    text: str
    owner_agency_id: UUID | None = None
    owner_staff_id: UUID | None = None
    due_on: date | None = None
    referral_step: ReferralAction | None = None
    to_agency_id: UUID | None = None


def steps_to_come(status: ReferralStatus) -> list[ReferralAction]:
    """Steps that a referral in this state may still take, sooner or later."""
    seen, front = set[ReferralStatus](), [status]
    found: set[ReferralAction] = set()
    while front:
        state = front.pop()
        if state in seen:
            continue
        seen.add(state)
        for action in FLOW.actions_from(state):
            if action not in NEVER_PROMISED:
                found.add(action)
                front.append(FLOW[action].target)
    return [action for action in ReferralAction if action in found]


def may_take(action: ReferralAction, agency_id: UUID | None, referral: Referral) -> bool:
    """Whether it is this agency's step."""
    sides = {
        Permission.REFERRAL_SEND: {referral.from_agency_id},
        Permission.REFERRAL_ANSWER: {referral.to_agency_id},
        Permission.REFERRAL_CANCEL: {referral.from_agency_id, referral.to_agency_id},
    }
    return agency_id in sides[FLOW[action].permission]


def note(actor: Actor, item_id: UUID, facts: OutcomeFacts, *, idempotency_key: str | None = None) -> UUID:
    """Record what came of an item; returns the outcome's id.

    Raises:
        NoResultFound, NotAllowed: not an item on which this actor writes.
        Conflict: the meeting is not in session.
        Invalid: a field does not fit the others.
    """
    made = new_id()
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_hand(actor, meeting, item)
        if earlier := claim(actor, idempotency_key, made):
            return earlier
        if meeting.status is not MeetingStatus.IN_SESSION or not item.stands:
            raise Conflict(N_("決定や対応事項は、会議を開いている間に記録します。"))
        values = checked(session, actor, meeting, item, facts)
        outcome = MeetingOutcome(id=made, item_id=item_id, noted_by_id=actor.staff_id, **values)
        session.add(outcome)
        audit.record(
            AuditEvent.OUTCOME_NOTED, outcome, actor=actor, person_id=item.person_id, values=plain(values)
        )
    return made


def approve_former(actor: Actor, item_id: UUID, *, confirmed: bool = False) -> None:
    """Approve the minutes that an item of the running meeting asks to approve; the item says that it was decided.

    Raises:
        NoResultFound, NotAllowed: not an item on which this actor writes.
        Conflict: not in session, or the item asks for something else.
        IllegalStep, Invalid: see `schedule.services.perform`.
    """
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_hand(actor, meeting, item)
        if meeting.status is not MeetingStatus.IN_SESSION or not item.stands:
            raise Conflict(N_("決定や対応事項は、会議を開いている間に記録します。"))
        if item.source is not Source.MINUTES or item.subject_id is None:
            raise Conflict(N_("この議題には、承認する議事録がありません。"))
        perform(actor, MeetingAction.APPROVE, item.subject_id, confirmed=confirmed)
        note(actor, item_id, OutcomeFacts(OutcomeKind.DECISION, APPROVED))


def plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def found(session: Session, actor: Actor, outcome_id: UUID) -> tuple[Meeting, AgendaItem, MeetingOutcome]:
    """An outcome that may still be changed.

    Raises:
        NoResultFound, NotAllowed: not of an item on which this actor writes.
        Conflict: the minutes are approved, or it was struck.
    """
    require(actor, Permission.MEETING_ATTEND)
    row = select(MeetingOutcome).where(MeetingOutcome.id == outcome_id)
    item_id = session.scalars(row).one().item_id
    meeting, item = held(session, actor, item_id)
    outcome = session.scalars(row, execution_options={"populate_existing": True}).one()
    require_hand(actor, meeting, item)
    if meeting.status not in CHANGEABLE:
        raise Conflict(N_("議事録が承認されたため、直せません。訂正は追記で行ってください。"))
    if outcome.struck_at is not None:
        raise Conflict(N_("この記録は、すでに取り消されています。"))
    return meeting, item, outcome


def change(actor: Actor, outcome_id: UUID, facts: OutcomeFacts, *, version: int | None = None) -> None:
    """Correct an outcome.

    Raises:
        NoResultFound, NotAllowed, Conflict: see `found`.
        StaleForm: somebody changed it meanwhile.
        Invalid: a field does not fit the others.
    """
    with db.transaction() as session:
        meeting, item, outcome = found(session, actor, outcome_id)
        outcome.advance(version)
        changes = outcome.apply(**checked(session, actor, meeting, item, facts, former=outcome))
        audit.record(
            AuditEvent.OUTCOME_CHANGED, outcome, actor=actor, person_id=item.person_id, changes=changes
        )


def strike(actor: Actor, outcome_id: UUID) -> None:
    """Strike out an outcome.

    Raises:
        NoResultFound, NotAllowed, Conflict: see `found`.
    """
    with db.transaction() as session:
        _meeting, item, outcome = found(session, actor, outcome_id)
        outcome.advance(None)
        outcome.apply(struck_at=clock.now())
        audit.record(AuditEvent.OUTCOME_CHANGED, outcome, actor=actor, person_id=item.person_id, struck=True)


def checked(
    session: Session,
    actor: Actor,
    meeting: Meeting,
    item: AgendaItem,
    facts: OutcomeFacts,
    *,
    former: MeetingOutcome | None = None,
) -> dict[str, Any]:
    """The values of these facts by column; raises `Invalid` when they do not fit together."""
    if not facts.text:
        raise Invalid(N_("内容を入力してください。"), field="text")
    values: dict[str, Any] = {
        "kind": facts.kind,
        "text": facts.text,
        "owner_agency_id": facts.owner_agency_id,
        "owner_staff_id": facts.owner_staff_id,
        "due_on": facts.due_on,
        "referral_id": item.referral_id if facts.referral_step else None,
        "referral_step": facts.referral_step,
        "to_agency_id": facts.to_agency_id,
    }
    if facts.kind is OutcomeKind.ACTION:
        check_owner(session, meeting, item, facts)
        check_due(meeting, facts, former)
        if former is not None and former.referral_step and not party_of(session, actor, item):
            # An actor who may not see the referral cannot have meant its step, which stays.
            values |= {"referral_id": former.referral_id, "referral_step": former.referral_step}
        else:
            check_step(session, actor, item, facts, former)
        check_new_referral(session, item, facts)
    elif any(values[name] for name in values.keys() - {"kind", "text"}):
        raise Invalid(N_("担当や期限を付けるときは、種類で「対応事項」を選んでください。"), field="kind")
    return values


def check_owner(session: Session, meeting: Meeting, item: AgendaItem, facts: OutcomeFacts) -> None:
    if facts.owner_agency_id is None:
        raise Invalid(N_("対応事項には、担当する機関を選んでください。"), field="owner")
    if facts.owner_agency_id not in set(session.scalars(members_of(meeting.id))):
        raise NotOffered(
            N_("参加機関から選んでください。"),
            field="owner",
            about=("agency", facts.owner_agency_id),
            person_id=item.person_id,
        )
    if facts.owner_staff_id is None:
        return
    works_there = (
        select(Membership.id)
        .join(Staff, Staff.id == Membership.staff_id)
        .where(
            Membership.staff_id == facts.owner_staff_id,
            Membership.agency_id == facts.owner_agency_id,
            Membership.role.in_([Role.STAFF, Role.COORDINATOR]),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
            ~predicates.is_staff_excluded(Staff.id, item.person_id),
        )
    )
    if session.scalars(works_there).first() is None:
        raise NotOffered(
            N_("担当する機関の職員から選んでください。"),
            field="staff",
            about=("staff", facts.owner_staff_id),
            person_id=item.person_id,
        )


def check_due(meeting: Meeting, facts: OutcomeFacts, former: MeetingOutcome | None) -> None:
    if facts.due_on is None:
        raise Invalid(N_("対応事項には、期限を入力してください。"), field="due_on")
    first = clock.japan_date(min(meeting.begun_at or meeting.starts_at, meeting.starts_at))
    if facts.due_on < first and (former is None or former.due_on != facts.due_on):
        raise Invalid(N_("期限は、会議の日かそれより後の日付にしてください。"), field="due_on")


def party_of(session: Session, actor: Actor, item: AgendaItem) -> Referral | None:
    """The item's referral, if this actor's agency is a side of it."""
    party = (
        select(Referral)
        .join(AgendaItem, AgendaItem.referral_id == Referral.id)
        .where(AgendaItem.id == item.id, item_visibility.is_referral_party(actor))
    )
    return session.scalars(party).one_or_none()


def check_step(
    session: Session, actor: Actor, item: AgendaItem, facts: OutcomeFacts, former: MeetingOutcome | None
) -> None:
    step = facts.referral_step
    if step is None:
        return
    referral = party_of(session, actor, item)
    if referral is None:
        raise Invalid(
            N_("つなぎの手続きを対応事項にできるのは、そのつなぎの送り手・受け手の機関だけです。"),
            field="referral_step",
        )
    is_same = former is not None and former.referral_step is step
    if not is_same and step not in steps_to_come(referral.status):
        raise Invalid(N_("このつなぎでは、もうその手続きは行えません。"), field="referral_step")
    if not may_take(step, facts.owner_agency_id, referral):
        raise Invalid(N_("その手続きは、担当に選んだ機関では行えません。"), field="referral_step")
    if facts.to_agency_id is not None:
        raise Invalid(N_("つなぎの手続きと新しいつなぎは、別の対応事項にしてください。"), field="to_agency")


def check_new_referral(session: Session, item: AgendaItem, facts: OutcomeFacts) -> None:
    if facts.to_agency_id is None:
        return
    if item.person_id is None:
        raise Invalid(N_("相談者のいない議題からは、つなぎを始められません。"), field="to_agency")
    if facts.to_agency_id == facts.owner_agency_id:
        raise Invalid(N_("担当する機関とは別の機関を選んでください。"), field="to_agency")
    if session.get(Agency, facts.to_agency_id) is None:
        raise Invalid(N_("一覧から選んでください。"), field="to_agency")


# Closing a promise (対応事項) and taking that back; minutes that are approved do not stand in the way.


def held_promise(session: Session, actor: Actor, outcome_id: UUID) -> tuple[MeetingOutcome, AgendaItem]:
    """The promise and its item, with the meeting locked until the transaction ends.

    Raises:
        NoResultFound: none that this actor may know of.
        NotAllowed: neither the owner's nor the coordinator's of the convener.
    """
    require(actor, Permission.MEETING_ATTEND)
    known = (
        select(MeetingOutcome, AgendaItem)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(MeetingOutcome.id == outcome_id, queries.known_to(actor, clock.now()))
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
        outcome, item = held_promise(session, actor, outcome_id)
        done = select(MeetingOutcome.id).where(MeetingOutcome.id == outcome_id, queries.is_done())
        if session.scalar(done):
            raise Conflict(N_("この対応事項は、すでに済みになっています。"))
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
        outcome, item = held_promise(session, actor, outcome_id)
        if outcome.done_at is None:
            raise Conflict(N_("この対応事項は、手で済みにしたものではないため、戻せません。"))
        outcome.advance(None)
        outcome.apply(done_at=None, done_by_id=None, done_note="")
        audit.record(AuditEvent.ACTION_DONE, outcome, actor=actor, person_id=item.person_id, done=False)
