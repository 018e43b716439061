"""Shutting a member of staff out of one person's affairs (利益相反), and letting him in again."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents.services import lock_person
from portal.db import db, new_id
from portal.disclosures import exclusion_list
from portal.disclosures.services import present_person
from portal.errors import Conflict, Invalid, NotOffered
from portal.exclusions.models import Conflict as Why
from portal.exclusions.models import Exclusion
from portal.once import claim
from portal.policy import Actor, Permission, require
from portal.words import N_


def shut_out(
    actor: Actor,
    person_id: UUID,
    staff_id: UUID,
    conflict: Why | None,
    reason: str,
    *,
    idempotency_key: str | None = None,
) -> UUID:
    """From the moment this is done the member of staff sees nothing of the person. Returns the exclusion's id.

    Raises:
        NoResultFound: no such person that this actor may know of.
        Invalid: nobody whom he may shut out, or no reason.
        NotAllowed: the actor does no casework.
    """
    require(actor, Permission.CASEWORK)
    exclusion_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, exclusion_id):
            return earlier
        # The person is held, so nothing is told or sent between this and what waits for it.
        present_person(session, actor, person_id)
        if conflict is None:
            raise Invalid(N_("関わらない理由を選んでください。"), field="conflict")
        if not reason:
            raise Invalid(N_("事情を入力してください。"), field="reason")
        found = exclusion_list.candidates(session, actor, person_id, clock.now())
        member = next((one for one in found if one.id == staff_id), None)
        if member is None:
            raise NotOffered(
                N_("職員を一覧から選び直してください。"),
                field="staff",
                about=("staff", staff_id),
                person_id=person_id,
            )
        require(actor, Permission.EXCLUSION_MAKE, member)
        row = Exclusion(
            id=exclusion_id,
            person_id=person_id,
            staff_id=staff_id,
            agency_id=member.agency_id,
            made_by_id=actor.staff_id,
            conflict=conflict,
            reason=reason,
        )
        session.add(row)
        audit.record(
            AuditEvent.EXCLUSION_MADE,
            row,
            actor=actor,
            person_id=person_id,
            member=staff_id,
            conflict=conflict,
            reason=reason,
        )
    return exclusion_id


def lift(actor: Actor, exclusion_id: UUID, why: str) -> UUID:
    """Let the member of staff in again; returns the person's id. Nobody lifts his own.

    Raises:
        NoResultFound: none that this actor may know of.
        NotAllowed: neither a coordinator of that agency nor of the agency that keeps the record.
        Conflict: it was lifted already.
    """
    require(actor, Permission.CASEWORK)
    with db.transaction() as session:
        seen = exclusion_list.read(session, actor, clock.now(), id=exclusion_id)
        if not seen:
            raise NoResultFound
        require(actor, Permission.EXCLUSION_LIFT, seen[0])
        lock_person(session, seen[0].person_id)
        row = session.scalars(
            select(Exclusion)
            .where(Exclusion.id == exclusion_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()
        if row.lifted_at is not None:
            raise Conflict(N_("この除外は、すでに解除されています。"))
        if not why:
            raise Invalid(N_("解除する理由を入力してください。"), field="why")
        row.lifted_at, row.lifted_by_id, row.lifted_why = clock.now(), actor.staff_id, why
        audit.record(
            AuditEvent.EXCLUSION_LIFTED,
            row,
            actor=actor,
            person_id=row.person_id,
            member=row.staff_id,
            why=why,
        )
        return row.person_id
