"""Taking a post away, and handing over what hangs on it, in one transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import services as accounts
from portal.accounts.models import Membership
from portal.accounts.queries import CASEWORKERS, does_casework
from portal.accounts.services import Post
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core.db import db
from portal.core.errors import Conflict, NotOffered
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.handovers import queries
from portal.handovers.queries import Hanging
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.roster import services as rosters
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule.models import Meeting
from portal.people.models import Person
from portal.referrals import conversation
from portal.referrals.queries import Box
from portal.wall import predicates


def look(actor: Actor, staff_id: UUID, agency_id: UUID | None) -> Hanging:
    """How much hangs on a member of staff whose page this actor may see."""
    return queries.hanging(db.unrestricted(), staff_id, agency_id)


def leaves(former: Membership, post: Post) -> bool:
    """Whether this change of post ends somebody's casework for their agency."""
    return former.role in CASEWORKERS and (post.role not in CASEWORKERS or post.agency_id != former.agency_id)


def disable(
    actor: Actor,
    staff_id: UUID,
    *,
    heir_id: UUID | None = None,
    decided: bool = False,
    leave_unmanaged: bool = False,
) -> None:
    """Disable an account and hand over what hangs on it, to a colleague or (`decided`) to nobody.

    Raises:
        Conflict: something hangs on it and nobody said who takes it; or as `accounts.services.disable`.
        NotOffered: the heir does no casework in that agency.
    """
    with db.transaction() as session:
        _staff, membership = accounts.managed(session, actor, staff_id)
        accounts.disable(actor, staff_id, leave_unmanaged=leave_unmanaged)
        hand_over(session, actor, membership, heir_id, decided=decided)


def update(
    actor: Actor,
    staff_id: UUID,
    *,
    name: str,
    post: Post,
    heir_id: UUID | None = None,
    decided: bool = False,
    version: int | None = None,
    leave_unmanaged: bool = False,
) -> None:
    """Change name, role or agency; whose casework for the agency ends hands over what hangs on them.

    Raises:
        Conflict: something hangs on them and nobody said who takes it; or as `accounts.services.update`.
        NotOffered: the heir does no casework in that agency.
    """
    with db.transaction() as session:
        _staff, former = accounts.managed(session, actor, staff_id)
        is_leaving = leaves(former, post)
        accounts.update(
            actor, staff_id, name=name, post=post, version=version, leave_unmanaged=leave_unmanaged
        )
        if is_leaving:
            hand_over(session, actor, former, heir_id, decided=decided)


def hand_over(
    session: Session, actor: Actor, former: Membership, heir_id: UUID | None, *, decided: bool
) -> None:
    """Give all that hangs on this post to the heir; what the heir is excluded from (利益相反) goes to nobody."""
    staff_id, agency_id = former.staff_id, former.agency_id
    if agency_id is None or not queries.hanging(session, staff_id, agency_id):
        return
    if heir_id is None and not decided:
        raise Conflict(N_("この職員が担当しているものがあります。引き継ぐ人を選んでください。"), field="heir")
    if heir_id is not None and (
        heir_id == staff_id or not session.scalar(select(does_casework(heir_id, agency_id)))
    ):
        raise NotOffered(
            N_("引き継ぐ人は、同じ機関の職員から選んでください。"), field="heir", about=("staff", heir_id)
        )

    for case in session.scalars(queries.cases(staff_id, agency_id)).all():
        changes = case.apply(worker_id=fit(session, heir_id, case.person_id))
        case.advance(None)
        audit.record(AuditEvent.CASE_UPDATED, case, actor=actor, person_id=case.person_id, changes=changes)
    for box in (Box.IN, Box.OUT):
        for referral in session.scalars(queries.referrals(staff_id, agency_id, box)).all():
            heir = fit(session, heir_id, referral.person_id)
            # Of what was sent the author stays on record: without a post there, they look after nothing.
            if heir is not None or box is Box.IN:
                conversation.give(session, actor, referral, heir, agency_id=agency_id)
    for promise in session.scalars(queries.promises(staff_id, agency_id)).all():
        item = session.get_one(AgendaItem, promise.item_id)
        changes = promise.apply(owner_staff_id=fit(session, heir_id, item.person_id))
        promise.advance(None)
        audit.record(
            AuditEvent.OUTCOME_CHANGED, promise, actor=actor, person_id=item.person_id, changes=changes
        )
    for attendance in session.scalars(queries.attendances(staff_id, agency_id)).all():
        give_place(session, actor, attendance, heir_id)


def fit(session: Session, heir_id: UUID | None, person_id: UUID | None) -> UUID | None:
    """The heir, or nobody where the heir is excluded from this person's affairs."""
    if heir_id is None or person_id is None:
        return heir_id
    is_out = select(Person.id).where(Person.id == person_id, predicates.is_staff_excluded(heir_id, Person.id))
    return None if session.scalar(is_out) else heir_id


def give_place(session: Session, actor: Actor, former: Attendance, heir_id: UUID | None) -> None:
    """Strike the former member off a roster and name the heir, unless they are on it; secrecy is one's own to promise."""
    meeting = session.get_one(Meeting, former.meeting_id)
    assert former.staff_id  # guests have no post  # noqa: S101
    rosters.end_telling(session, actor, meeting, former.staff_id)
    audit.record(AuditEvent.ROSTER_CHANGED, former, actor=actor, meeting=meeting.id, struck=former.staff_id)
    session.delete(former)
    session.flush()
    if heir_id is None:
        return
    same = (Attendance.meeting_id == meeting.id, Attendance.staff_id == heir_id)
    if session.scalar(select(Attendance.id).where(*same)) is None:
        named = Attendance(meeting_id=meeting.id, agency_id=former.agency_id, staff_id=heir_id)
        session.add(named)
        audit.record(AuditEvent.ROSTER_CHANGED, named, actor=actor, meeting=meeting.id, named=heir_id)
