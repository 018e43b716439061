"""What the two agencies say and note on a referral besides its steps: receipt, messages, worker, follow-ups."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.accounts.models import Staff
from portal.accounts.queries import does_casework
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import services as cases
from portal.core import clock
from portal.core.db import Base, db, new_id
from portal.core.errors import Conflict, Invalid, NoBasis
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis, Disclosure
from portal.disclosures.queries import to_confirm
from portal.referrals import queries
from portal.referrals.drafts import require_nameless
from portal.referrals.models import (
    FollowUp,
    FollowUpKind,
    Referral,
    ReferralEvent,
    ReferralNews,
    ReferralReading,
    TimelineEvent,
)
from portal.referrals.states import ENDED, ReferralStatus


def write_line(
    session: Session,
    actor: Actor,
    referral: Referral,
    what: TimelineEvent,
    *,
    code: str = "",
    text: str = "",
    sequel_id: UUID | None = None,
) -> UUID:
    """Append an event to the timeline, in the transaction of the act."""
    line = ReferralEvent(
        id=new_id(),
        created_at=clock.now(),
        referral_id=referral.id,
        agency_id=actor.agency_id,
        staff_id=actor.staff_id,
        what=what,
        code=code,
        text=text,
        sequel_id=sequel_id,
    )
    session.add(line)
    return line.id


def tell_other_side(session: Session, actor: Actor, referral: Referral, what: TimelineEvent) -> None:
    """Make the referral news to each of the other agency's staff, until they open it."""
    other = referral.to_agency_id if actor.agency_id == referral.from_agency_id else referral.from_agency_id
    if referral.is_sent:
        tell(session, referral, other, what)


def tell(session: Session, referral: Referral, agency_id: UUID, what: TimelineEvent) -> None:
    """Make the referral news to each of this agency's staff."""
    key = {"referral_id": referral.id, "agency_id": agency_id}
    put(session, ReferralNews, key, {"what": what, "at": clock.now()})


def put(session: Session, model: type[Base], key: dict[str, Any], values: dict[str, Any]) -> None:
    """Write the one row of this key, whether there is one or not."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(model).values(**key, **values)
    session.execute(row.on_conflict_do_update(index_elements=list(key), set_=values))


def opened(actor: Actor, referral_id: UUID) -> None:
    """Note that this member looked: to them it is no longer news, and their agency's first look is the receipt.

    Does nothing when there is nothing to note. The version stays, so a look makes nobody's form stale.
    """
    with db.transaction() as session:
        referral = queries.locked(session, actor, referral_id)
        require(actor, Permission.REFERRAL_READ, referral)
        put(
            session,
            ReferralReading,
            {"referral_id": referral_id, "staff_id": actor.staff_id},
            {"at": clock.now()},
        )
        may_receive = referral.received_at is None and can(actor, Permission.REFERRAL_ANSWER, referral)
        if may_receive and queries.is_live(session, referral):
            receive(session, actor, referral)


def receive(session: Session, actor: Actor, referral: Referral) -> None:
    referral.received_at = clock.now()
    write_line(session, actor, referral, TimelineEvent.RECEIVED)
    tell_other_side(session, actor, referral, TimelineEvent.RECEIVED)
    audit.record(
        AuditEvent.REFERRAL_RECEIVED,
        referral,
        actor=actor,
        person_id=referral.person_id,
        ground=referral.basis,
    )


def send_message(actor: Actor, referral_id: UUID, text: str, *, idempotency_key: str | None = None) -> None:
    """Send a message to the other agency, behind the wall.

    Raises:
        NoBasis: the basis has died; nothing more may be disclosed.
        Conflict: the referral is a draft, or was struck out.
    """
    with db.transaction() as session:
        referral = queries.locked(session, actor, referral_id)
        require(actor, Permission.REFERRAL_TAKE_PART, referral)
        if claim(actor, idempotency_key, referral_id):
            return
        if not text:
            raise Invalid(N_("連絡の内容を入力してください。"), field="text")
        if not referral.is_sent or referral.status is ReferralStatus.ENTERED_IN_ERROR:
            raise Conflict(N_("送付していないつなぎ、誤登録のつなぎには連絡を書けません。"))
        is_live = queries.is_live(session, referral)
        if not is_live and not queries.goes_on(session, referral):
            raise NoBasis(
                N_("情報を提供する根拠が終わっているため、連絡を送れません。"),
                lack=queries.what_lacks(session, referral),
                about=("referral", referral_id),
                person_id=referral.person_id,
            )
        # Who was asked anonymously, or has refused, may not know from the words whom they are about.
        is_sender = actor.agency_id == referral.from_agency_id
        if not is_live or (referral.basis is Basis.ANONYMOUS and is_sender):
            require_nameless(session, actor, referral.person_id, text, field="text")
        write_line(session, actor, referral, TimelineEvent.MESSAGE, text=text)
        tell_other_side(session, actor, referral, TimelineEvent.MESSAGE)
        audit.record(
            AuditEvent.MESSAGE_SENT,
            referral,
            actor=actor,
            person_id=referral.person_id,
            ground=referral.basis,
            text=text,
        )


def assign_worker(
    actor: Actor, referral_id: UUID, worker_id: UUID | None, *, version: int | None = None
) -> None:
    """Set or clear the recipient's member of staff who looks after the referral.

    Raises:
        Invalid: not one of the recipient's staff.
        StaleForm: it changed meanwhile.
    """
    with db.transaction() as session:
        referral = queries.locked(session, actor, referral_id)
        require(actor, Permission.REFERRAL_ANSWER, referral)
        if referral.status in ENDED:
            raise Conflict(N_("このつなぎは終わっています。"))
        cases.require_colleague(session, actor, worker_id, queries.named_to_recipient(referral))
        if changes := referral.apply(worker_id=worker_id):
            referral.advance(version)
            write_line(session, actor, referral, TimelineEvent.ASSIGNED)
            audit.record(
                AuditEvent.REFERRAL_ASSIGNED,
                referral,
                actor=actor,
                person_id=referral.person_id,
                changes=changes,
            )


def take(actor: Actor, referral_id: UUID) -> str:
    """Become the one who looks after a referral, on one's own side, that nobody looks after; returns its number.

    Raises:
        Conflict: it has ended, or a colleague looks after it, who is named.
    """
    with db.transaction() as session:
        referral = queries.locked(session, actor, referral_id)
        require(actor, Permission.REFERRAL_TAKE_PART, referral)
        if referral.status in ENDED:
            raise Conflict(N_("このつなぎは終わっています。"))
        is_sender = actor.agency_id == referral.from_agency_id
        present = (referral.sender_worker_id or referral.created_by_id) if is_sender else referral.worker_id
        if present != actor.staff_id:
            colleague = select(Staff.name).where(
                Staff.id == present, does_casework(Staff.id, actor.agency_id)
            )
            if name := session.scalar(colleague):
                raise Conflict(N_("このつなぎは、%(name)sさんが先に担当になりました。"), name=name)
            give(session, actor, referral, actor.staff_id, agency_id=actor.agency_id)
        return referral.number


def give(
    session: Session, actor: Actor, referral: Referral, staff_id: UUID | None, *, agency_id: UUID | None
) -> None:
    """Let this member of staff, or nobody, look after a referral on the side of this agency."""
    column = "sender_worker_id" if agency_id == referral.from_agency_id else "worker_id"
    if changes := referral.apply(**{column: staff_id}):
        referral.advance(None)
        if actor.agency_id == agency_id:  # a system administrator stands in the log only
            write_line(session, actor, referral, TimelineEvent.ASSIGNED)
        audit.record(
            AuditEvent.REFERRAL_ASSIGNED,
            referral,
            actor=actor,
            person_id=referral.person_id,
            changes=changes,
        )


def follow_up(
    actor: Actor, referral_id: UUID, kind: FollowUpKind, text: str, *, idempotency_key: str | None = None
) -> UUID:
    """Note for the next meeting, or as a local issue, what this referral showed; returns its id.

    Raises:
        Invalid: a local issue that names the person.
    """
    row_id = new_id()
    with db.transaction() as session:
        referral = queries.locked(session, actor, referral_id)
        require(actor, Permission.REFERRAL_TAKE_PART, referral)
        if earlier := claim(actor, idempotency_key, row_id):
            return earlier
        if not text:
            raise Invalid(N_("内容を入力してください。"), field="text")
        # An agency asked anonymously must not learn by guessing here whom it was about.
        knows_whom = referral.basis is not Basis.ANONYMOUS or actor.agency_id == referral.from_agency_id
        if kind is FollowUpKind.LOCAL_ISSUE and knows_whom:
            require_nameless(session, actor, referral.person_id, text, field="text")
        row = FollowUp(
            id=row_id,
            agency_id=actor.agency_id,
            referral_id=referral_id,
            kind=kind,
            code=referral.refusal.value if referral.refusal else "",
            text=text,
            noted_by_id=actor.staff_id,
        )
        session.add(row)
        audit.record(
            AuditEvent.FOLLOW_UP_NOTED, row, actor=actor, person_id=referral.person_id, kind=kind, text=text
        )
    return row_id


def finish_follow_up(actor: Actor, follow_up_id: UUID, *, done: bool = True) -> None:
    """Tick a follow-up off, or put it back on the list.

    Raises:
        NoResultFound: none of this agency's.
    """
    require(actor, Permission.CASEWORK)
    with db.transaction() as session:
        row = session.scalars(queries.follow_ups(actor).where(FollowUp.id == follow_up_id)).one()
        if row.apply(done_at=clock.now() if done else None):
            row.advance(None)
            audit.record(AuditEvent.FOLLOW_UP_DONE, row, actor=actor, done=done)


def confirm_stop(actor: Actor, referral_id: UUID, *, note: str = "") -> None:
    """Confirm, as the recipient, that the use of this referral's disclosures has stopped (利用停止の報告).

    Raises:
        Conflict: there is nothing to confirm.
    """
    with db.transaction() as session:
        referral = queries.locked(session, actor, referral_id)
        require(actor, Permission.REFERRAL_ANSWER, referral)
        waiting = to_confirm(actor, clock.now()).where(Disclosure.source_id == referral_id)
        lines = session.scalars(waiting).all()
        if not lines:
            raise Conflict(N_("報告が必要な利用停止はありません。"))
        for disclosure in lines:
            disclosures.confirm_stop(actor, disclosure, note=note)
        write_line(session, actor, referral, TimelineEvent.STOP_CONFIRMED, text=note)
        tell_other_side(session, actor, referral, TimelineEvent.STOP_CONFIRMED)
        audit.record(
            AuditEvent.STOP_CONFIRMED,
            referral,
            actor=actor,
            person_id=referral.person_id,
            ground=referral.basis,
        )
