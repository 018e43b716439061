"""The days on which a member of staff is away (休み): said by themselves or by who looks after the staff."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Absence, Staff
from portal.accounts.services import managed
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Invalid
from portal.core.labels import N_
from portal.core.policy import Actor


def held(session: Session, actor: Actor, staff_id: UUID) -> Staff:
    """The actor, or one of the staff they look after, locked.

    Raises:
        NoResultFound: no such staff that the actor may know of.
    """
    if staff_id != actor.staff_id:
        return managed(session, actor, staff_id)[0]
    return session.scalars(select(Staff).where(Staff.id == staff_id).with_for_update()).one()


def set_days(actor: Actor, staff_id: UUID, starts_on: date, until: date) -> None:
    """Note from when until when (the last day included) this member is away, in place of what was noted.

    Raises:
        Invalid: the last day comes before the first, or has passed.
    """
    if until < starts_on:
        raise Invalid(N_("休みの最後の日を、最初の日からあとの日にしてください。"), field="until")
    if until < clock.today():
        raise Invalid(N_("休みの最後の日を、今日からあとの日にしてください。"), field="until")
    with db.transaction() as session:
        staff = held(session, actor, staff_id)
        absence = session.get(Absence, staff_id) or Absence(staff_id=staff_id)
        absence.starts_on, absence.until = starts_on, until
        session.add(absence)
        days = {"from": starts_on.isoformat(), "until": until.isoformat()}
        audit.record(AuditEvent.STAFF_UPDATED, staff, actor=actor, away=days)


def take_back(actor: Actor, staff_id: UUID) -> None:
    """Forget the days noted for this member; does nothing when there are none."""
    with db.transaction() as session:
        staff = held(session, actor, staff_id)
        if absence := session.get(Absence, staff_id):
            session.delete(absence)
            audit.record(AuditEvent.STAFF_UPDATED, staff, actor=actor, away=None)
