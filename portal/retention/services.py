"""Proposing an erasure, agreeing to it or dropping it, and repeating what a restored backup has undone."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, Staff
from portal.accounts.queries import CASEWORKERS
from portal.accounts.signing_in import OwnPassword, confirm
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid
from portal.core.idempotency import claim, made_by
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures.services import present_person
from portal.people.models import Person
from portal.retention import erasing, kinds, queries
from portal.retention.kinds import Block, Kind
from portal.retention.models import Erasure, ErasureGround
from portal.retention.queries import After, Due, Proposal
from portal.wall import predicates

LONGEST_REASON = 2000


class Blocked(Conflict):
    """Something stands in the way; `found` says what."""

    title = N_("まだ消去できません")

    def __init__(self, found: list[Block]) -> None:
        first = found[0]
        message = (
            N_("%(reason)s。%(day)sから消去できます。")
            if first.until
            else N_("%(reason)s。終えてから、消去を提案してください。")
        )
        super().__init__(message, reason=first.reason, day=first.until and day_text(first.until))
        self.found = found


def day_text(day: date) -> str:
    return clock.era_date(day)


def show_list(actor: Actor, kind: Kind, *, after: After, size: int) -> list[Due]:
    """One page of what is due of one kind; that it was read is logged.

    Raises:
        NotAllowed: the role has nothing to do with it.
    """
    require(actor, Permission.RETENTION_READ)
    found = queries.page(db.read(), actor, kind, clock.now(), after=after, size=size)
    audit.record_reading(
        AuditEvent.RETENTION_LISTED,
        ("retention", None),
        actor=actor,
        categories=["basic"] if any(one.label for one in found) else [],
        ground="home",
        count=len({one.person_id for one in found if one.person_id}),
        kind=kind,
    )
    return found


def show(actor: Actor, erasure_id: UUID) -> tuple[Proposal, list[Block]]:
    """A proposal and what stands in its way now; the reading is logged.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    require(actor, Permission.RETENTION_READ)
    now = clock.now()
    proposal = queries.proposal(db.read(), actor, erasure_id, now)
    found = standing(db.unrestricted(), proposal.person_id, proposal.ground, now) if proposal.is_open else []
    audit.record_reading(
        AuditEvent.RETENTION_LISTED,
        ("erasure", erasure_id),
        actor=actor,
        person_id=proposal.person_id,
        categories=["basic"] if proposal.label else [],
        ground="home",
    )
    return proposal, found


def standing(session: Session, person_id: UUID, ground: ErasureGround, now: datetime) -> list[Block]:
    return kinds.of_people(session, [person_id], now, ground)[person_id]


def grounds_open(person_id: UUID) -> dict[ErasureGround, list[Block]]:
    """What blocks the erasure on each ground, for the page that asks for one; the reader saw the person."""
    now = clock.now()
    return {ground: standing(db.unrestricted(), person_id, ground, now) for ground in ErasureGround}


def propose(
    actor: Actor,
    person_id: UUID,
    ground: ErasureGround,
    reason: str,
    *,
    idempotency_key: str | None = None,
) -> UUID:
    """Ask a colleague to agree to the erasure of this person's record; returns the proposal's id.

    Raises:
        NoResultFound: no such person that this actor may know of.
        NotAllowed: another agency keeps the record.
        Invalid: no reason is given.
        Blocked: something is open, or a period is not over.
        Conflict: a proposal waits already, or the record is erased.
    """
    if not reason.strip():
        raise Invalid(N_("理由を入力してください。二人目が、これを読んで決めます。"), field="reason")
    if len(reason) > LONGEST_REASON:
        raise Invalid(N_("2000文字以内で入力してください。"), field="reason")
    erasure_id = new_id()
    with db.transaction() as session:
        if earlier := made_by(session, actor, idempotency_key):
            return earlier
        person = present_person(session, actor, person_id)
        require(actor, Permission.ERASURE_PROPOSE, person)
        if earlier := claim(actor, idempotency_key, erasure_id):
            return earlier
        if queries.proposals_of(session, [person_id]):
            raise Conflict(N_("この人の消去は、すでに提案されています。"))
        if found := standing(session, person_id, ground, clock.now()):
            raise Blocked(found)
        erasure = Erasure(
            id=erasure_id,
            person_id=person_id,
            agency_id=person.home_agency_id,
            ground=ground,
            reason=reason,
            proposed_by_id=actor.staff_id,
        )
        session.add(erasure)
        audit.record(
            AuditEvent.ERASURE_PROPOSED,
            erasure,
            actor=actor,
            person_id=person_id,
            ground=ground,
            reason=reason,
        )
    return erasure_id


def held(session: Session, actor: Actor, erasure_id: UUID) -> tuple[Erasure, Person]:
    """The open proposal and the person, locked until the transaction ends, the person first as everywhere."""
    mine = (Erasure.id == erasure_id, queries.visible_to(actor))
    person_id = session.scalars(select(Erasure.person_id).where(*mine)).one()
    options = {"populate_existing": True}
    person = session.scalars(
        select(Person).where(Person.id == person_id).with_for_update(), execution_options=options
    ).one()
    erasure = session.scalars(select(Erasure).where(*mine).with_for_update(), execution_options=options).one()
    if not erasure.is_open:
        raise Conflict(
            N_("この人の記録は、すでに消去されています。")
            if erasure.done_at
            else N_("この提案は、すでに取りやめになっています。")
        )
    return erasure, person


def drop(actor: Actor, erasure_id: UUID) -> None:
    """Take one's proposal back, or decline a colleague's.

    Raises:
        NoResultFound: no such proposal of this actor's agency.
        Conflict: it was done or dropped already.
    """
    require(actor, Permission.RETENTION_READ)
    with db.transaction() as session:
        erasure, person = held(session, actor, erasure_id)
        require(actor, Permission.ERASURE_DROP, erasure)
        erasure.dropped_at, erasure.dropped_by_id = clock.now(), actor.staff_id
        erasure.advance(None)
        audit.record(
            AuditEvent.ERASURE_DROPPED, erasure, actor=actor, person_id=person.id, ground=erasure.ground
        )


def agree(actor: Actor, erasure_id: UUID, own: OwnPassword) -> None:
    """Agree with one's own password once more: the record is erased now, for good.

    Raises:
        NoResultFound: no such proposal of this actor's agency.
        NotAllowed: it is the actor's own proposal, or the actor is not the one to agree.
        Invalid: it is not the actor's password.
        Blocked: something has come up since.
        Conflict: it was done or dropped, or who proposed it is not here any more.
    """
    require(actor, Permission.RETENTION_READ)
    with db.transaction() as session:
        check(session, actor, erasure_id)
    confirm(actor, own)
    erase(actor, erasure_id)


def erase(actor: Actor, erasure_id: UUID) -> None:
    """`agree`, of somebody whose password was confirmed (or whose act a scenario replays)."""
    with db.transaction() as session:
        erasure, person = check(session, actor, erasure_id)
        now = clock.now()
        erasure.agreed_by_id, erasure.agreed_at = actor.staff_id, now
        erasure.advance(None)
        audit.record(
            AuditEvent.ERASURE_AGREED, erasure, actor=actor, person_id=person.id, ground=erasure.ground
        )
        erasing.erase(session, actor, person, ground=erasure.ground)
        erasure.done_at = now
        person_id = person.id
    with db.transaction() as session:
        erasing.note_outside(session, [person_id])


def check(session: Session, actor: Actor, erasure_id: UUID) -> tuple[Erasure, Person]:
    """Refuse unless this actor may agree to it now."""
    erasure, person = held(session, actor, erasure_id)
    require(actor, Permission.ERASURE_AGREE, erasure)
    check_proposer(session, erasure)
    if person.home_agency_id != erasure.agency_id:
        raise Conflict(N_("この人の記録は、ほかの機関に移りました。ここでは消去できません。"))
    if found := standing(session, person.id, erasure.ground, clock.now()):
        raise Blocked(found)
    return erasure, person


def check_proposer(session: Session, erasure: Erasure) -> None:
    """Raise unless the proposer still works there and may know of the person."""
    works = (
        select(Membership.id)
        .join(Staff, Staff.id == Membership.staff_id)
        .where(
            Membership.staff_id == erasure.proposed_by_id,
            Membership.agency_id == erasure.agency_id,
            Membership.role.in_(CASEWORKERS),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
        )
    )
    excluded = select(predicates.is_staff_excluded(erasure.proposed_by_id, erasure.person_id))
    if session.scalar(works) is None or session.scalar(excluded):
        raise Conflict(
            N_("提案した人が担当を離れました。この提案を取りやめて、いまの担当者から提案し直してください。")
        )


def reapply() -> int:
    """Erase again everybody whom a restored backup has brought back, and complete the list; returns how many.

    Raises:
        Halted: two people have not yet declared the restore.
    """
    with db.transaction() as session:
        listed = erasing.noted_outside(session)
        done = select(Person.id).where(Person.erased_at.is_not(None)).order_by(Person.id)
        erasing.note_outside(session, list(session.scalars(done)))
    count = 0
    for person_id in listed:
        with db.transaction() as session:
            back = select(Person).where(Person.id == person_id, Person.erased_at.is_(None))
            person = session.scalars(back.with_for_update()).one_or_none()
            if person is not None:
                erase_again(session, person)
                count += 1
    return count


def erase_again(session: Session, person: Person) -> None:
    """Erase without asking again: two people agreed once. A proposal restored with the backup is done."""
    waiting = select(Erasure).where(
        Erasure.person_id == person.id, Erasure.done_at.is_(None), Erasure.dropped_at.is_(None)
    )
    erasure = session.scalars(waiting).one_or_none()
    if erasure:
        erasure.done_at = clock.now()
        audit.record(AuditEvent.ERASURE_AGREED, erasure, actor=None, person_id=person.id, channel="command")
    erasing.erase(session, None, person, ground=erasure.ground if erasure else None)
