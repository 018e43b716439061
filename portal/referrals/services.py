"""The acts on a referral. Every public function that writes is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.agencies.calendar import NeverOpen
from portal.agencies.models import Agency
from portal.agencies.queries import opening_days
from portal.agencies.services import next_number
from portal.audit import services as audit
from portal.cases import services as cases
from portal.cases.codes import HeardBy, Outcome, Score
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, Lack, NoBasis
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, can, require
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis, Channel
from portal.people import services as people
from portal.people.models import Person
from portal.referrals import queries
from portal.referrals.conversation import tell_other_side, write_line
from portal.referrals.drafts import check_anonymous_draft, check_tellable, standing_consent
from portal.referrals.models import Referral, ReferralCategory, TimelineEvent
from portal.referrals.reading import ReferralView
from portal.referrals.states import (
    ENDED,
    FLOW,
    SUPPORTING,
    ReferralAction,
    ReferralKind,
    ReferralStatus,
    Refusal,
    is_late,
)

# A recipient acknowledges within two of its own business days and answers within five (design, section 5).
ACKNOWLEDGE_DAYS = 2
RESPOND_DAYS = 5
BASIS_ENDED = N_("本人の同意が終わっているため、先へ進められません。取下げ・受入不可・終了だけができます。")


HandOver = Callable[[Session, Actor, Referral], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """The values that the form of a step may bring; `scores` are by goal."""

    text: str = ""
    refusal: Refusal | None = None
    first_contact_on: date | None = None
    outcome: Outcome | None = None
    scores: Mapping[UUID, Score] = field(default_factory=dict)
    worker_id: UUID | None = None
    heard_by: HeardBy = HeardBy.AGENCY  # of the case that accepting opens
    opens_case: bool = False  # also for what begins no support
    meeting_at: datetime | None = None  # the first meeting with the person
    meeting_place: str = ""


def perform(
    actor: Actor,
    action: ReferralAction,
    referral_id: UUID,
    answer: Answer = Answer(),
    *,
    version: int | None = None,
    idempotency_key: str | None = None,
    hand_over: HandOver | None = None,
) -> None:
    """Take one step of the flow, or raise a `PortalError` and leave no trace.

    Permission is checked before state, so that outsiders learn nothing of where the referral stands.
    `hand_over` is what accepting a transfer does besides: it knows of meetings, which know of referrals. So
    pages and scenarios take their steps by `transfers.services.perform`.

    Raises:
        NoResultFound: no such referral that this actor may know of.
        NotAllowed: it is the other side's step.
        IllegalStep: somebody was faster, or it is too early.
        StaleForm: it changed since the form that expected `version` was shown.
        NoBasis: the basis has died; the referral may only be ended.
        Invalid: a reason, outcome, score or date is missing or cannot be.
    """
    step = FLOW[action]
    with db.transaction() as session:
        referral = queries.locked(session, actor, referral_id)
        require(actor, step.permission, referral)
        if claim(actor, idempotency_key, referral_id):
            return
        FLOW.check(action, referral.status)
        check_in_time(action, referral.ended_at)
        referral.advance(version)
        check_answer(session, action, referral, answer)
        if action is ReferralAction.SEND:
            send(session, actor, referral)
        elif step.needs_basis and not queries.is_live(session, referral):
            raise NoBasis(
                BASIS_ENDED,
                lack=queries.what_lacks(session, referral),
                about=("referral", referral_id),
                person_id=referral.person_id,
            )
        before = referral.status
        referral.status = step.target
        note_answer(referral, action, answer)
        consequences(session, actor, action, referral, answer, hand_over)
        code = answer.refusal or answer.outcome
        write_line(session, actor, referral, TimelineEvent(action.value), code=code or "", text=answer.text)
        tell_other_side(session, actor, referral, TimelineEvent(action.value))
        audit.record(
            step.event,
            referral,
            actor=actor,
            person_id=referral.person_id,
            ground=referral.basis,
            before=before,
            after=step.target,
            reason=answer.text,
            refusal=answer.refusal,
            outcome=answer.outcome,
            worker=answer.worker_id,
        )


def check_in_time(action: ReferralAction, ended_at: datetime | None) -> None:
    if is_late(action, ended_at):
        raise Conflict(
            N_("完了から%(days)s日を過ぎたため、結果は訂正できません。"), days=str(FLOW[action].days)
        )


def check_answer(session: Session, action: ReferralAction, referral: Referral, answer: Answer) -> None:
    needs, takes = referral.asked(action)
    if "refusal" in needs and answer.refusal is None:
        raise Invalid(N_("受け入れられない理由を選んでください。"), field="refusal")
    if "text" in needs and not answer.text:
        raise Invalid(N_("理由を入力してください。"), field="text")
    if "first_contact" in needs:
        sent_on = clock.japan_date(referral.sent_at) if referral.sent_at else clock.today()
        if answer.first_contact_on is None:
            raise Invalid(N_("初回の連絡・面談の日付を入力してください。"), field="first_contact_on")
        if not sent_on <= answer.first_contact_on <= clock.today():
            raise Invalid(
                N_("初回の連絡・面談の日付は、送付日から今日までの日付にしてください。"),
                field="first_contact_on",
            )
    if "outcome" in needs and answer.outcome is None:
        raise Invalid(N_("結果を選んでください。"), field="outcome")
    if "meeting" in takes and answer.meeting_at and answer.meeting_at <= clock.now():
        raise Invalid(N_("初回の面談は、これからの日時を入力してください。"), field="meeting_at")
    if "meeting" in takes and answer.meeting_place and not answer.meeting_at:
        raise Invalid(N_("初回の面談の日時も入力してください。"), field="meeting_at")
    if "scores" in needs:
        for goal in session.scalars(queries.goals_of(referral.id)):
            if goal.id not in answer.scores:
                raise Invalid(N_("目標ごとに、達成の状況を選んでください。"), field="scores")


def send(session: Session, actor: Actor, referral: Referral) -> None:
    """Check the basis once more, disclose, number it, and set the deadlines by the recipient's calendar."""
    recipient = session.scalars(select(Agency).where(Agency.id == referral.to_agency_id)).one()
    if not recipient.is_active:
        raise Invalid(N_("この機関は現在利用を停止しています。別の機関を選んでください。"), field="to")
    categories = set(
        session.scalars(select(ReferralCategory.category).where(ReferralCategory.referral_id == referral.id))
    )
    consent = None
    if referral.basis is Basis.CONSENT:
        check_tellable(session, actor, referral, categories)
        consent = standing_consent(session, referral, categories)
        referral.consent_id = consent.id
    else:
        check_anonymous_draft(session, actor, referral)
    now = clock.now()
    days = opening_days(session, recipient)
    try:
        acknowledge_by = days.add_business_days(clock.today(), ACKNOWLEDGE_DAYS)
        respond_by = days.add_business_days(clock.today(), RESPOND_DAYS)
    except NeverOpen as error:
        raise Invalid(
            N_("この機関は1年以上休業の予定です。別の機関を選ぶか、電話で確認してください。"), field="to"
        ) from error
    referral.apply(
        number=next_number(session, referral.from_agency_id, "referral"),
        sent_at=now,
        listed_at=now,
        acknowledge_by=acknowledge_by,
        respond_by=respond_by,
    )
    disclosures.disclose(
        actor,
        person_id=referral.person_id,
        to_agency_id=referral.to_agency_id,
        basis=referral.basis,
        categories=categories,
        channel=Channel.TRANSFER if referral.kind is ReferralKind.TRANSFER else Channel.REFERRAL,
        consent=consent,
        source_id=referral.id,
    )
    if referral.part_of_id:
        former = session.scalars(select(Referral).where(Referral.id == referral.part_of_id)).one()
        write_line(session, actor, former, TimelineEvent.REROUTED, sequel_id=referral.id)


def note_answer(referral: Referral, action: ReferralAction, answer: Answer) -> None:
    """Store the values of the step on the referral itself, where lists and sheets read them."""
    now = clock.now()
    if answer.text:
        referral.reason = answer.text
    if action in {ReferralAction.ACCEPT, ReferralAction.REJECT}:
        referral.answered_at = now
    if answer.worker_id:
        referral.worker_id = answer.worker_id
    if action is ReferralAction.REJECT:
        referral.refusal = answer.refusal
    if action is ReferralAction.START and referral.first_contact_on is None:
        referral.first_contact_on = answer.first_contact_on
    if answer.meeting_at and "meeting" in referral.asked(action)[1]:
        referral.appointment_at, referral.appointment_place = answer.meeting_at, answer.meeting_place
    if answer.outcome and "outcome" in FLOW[action].needs:
        referral.outcome = answer.outcome
    if FLOW[action].target in ENDED and action is not ReferralAction.AMEND:
        referral.ended_at = now


def consequences(
    session: Session,
    actor: Actor,
    action: ReferralAction,
    referral: Referral,
    answer: Answer,
    hand_over: HandOver | None,
) -> None:
    match action:
        case ReferralAction.ACCEPT:
            take_on(session, actor, referral, answer, hand_over)
        case ReferralAction.COMPLETE | ReferralAction.AMEND:
            for goal in session.scalars(queries.goals_of(referral.id)):
                goal.score = answer.scores[goal.id]
                audit.record(
                    FLOW[action].event,
                    goal,
                    actor=actor,
                    person_id=referral.person_id,
                    score=goal.score,
                )
        case ReferralAction.REJECT | ReferralAction.CANCEL | ReferralAction.CORRECT:
            # Refused or taken back: what was disclosed for it may not be read any longer.
            disclosures.end(actor, referral.id)


def take_on(
    session: Session, actor: Actor, referral: Referral, answer: Answer, hand_over: HandOver | None
) -> None:
    """Do what accepting brings: open a case at the recipient, and on a transfer take over the record."""
    cases.require_colleague(session, actor, answer.worker_id, queries.named_to_recipient(referral))
    wants_case = answer.opens_case and "case" in referral.asked(ReferralAction.ACCEPT)[1]
    if referral.kind not in SUPPORTING and not wants_case:
        return
    if referral.kind is ReferralKind.TRANSFER:
        person = session.scalars(select(Person).where(Person.id == referral.person_id)).one()
        if person.home_agency_id != referral.from_agency_id:
            # Two transfers were open: the sender may not hand over what it no longer keeps.
            raise Conflict(
                N_("この人の記録は、すでに別の機関へ移管されています。受入不可と回答してください。"),
                lack=Lack.NOT_KEPT,
                about=("referral", referral.id),
                person_id=person.id,
            )
        people.move_home(session, actor, person)
        former = cases.open_case_of(session, referral.from_agency_id, referral.person_id)
        if former is not None:
            cases.close_on_transfer(session, actor, former)
        assert hand_over is not None  # else open work would be left behind  # noqa: S101
        hand_over(session, actor, referral)
    if not cases.open_case_of(session, referral.to_agency_id, referral.person_id):
        cases.open_case(
            actor,
            referral.person_id,
            worker_id=answer.worker_id,
            heard_by=answer.heard_by,
            source_id=referral.id,
        )


def steps_open(referral: Referral | ReferralView, actor: Actor, *, stopped: bool) -> list[ReferralAction]:
    """The steps that this actor may take now, for the buttons on the page. `stopped`: the basis has ended."""
    return [
        action
        for action in FLOW.actions_from(referral.status)
        if can(actor, FLOW[action].permission, referral)
        and not (stopped and FLOW[action].needs_basis)
        and not is_late(action, referral.ended_at)
    ]


def check_open(actor: Actor, action: ReferralAction, view: ReferralView) -> None:
    """Raise what `perform` would raise, before its form is shown."""
    require(actor, FLOW[action].permission, view)
    FLOW.check(action, view.status)
    check_in_time(action, view.ended_at)
    if FLOW[action].needs_basis and view.status is not ReferralStatus.DRAFT and not view.is_live:
        about = ("referral", view.id)
        raise NoBasis(BASIS_ENDED, lack=Lack.ENDED, about=about, person_id=view.person_id)
