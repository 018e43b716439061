"""Meetings made by the services, for measuring their pages."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from portal.accounts.models import Membership, Staff
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor
from portal.meetings.agenda import services as agenda_services
from portal.meetings.agenda.services import ItemFacts
from portal.meetings.schedule import services as meetings
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import ItemKind, MeetingAction, MeetingKind
from portal.referrals.models import Referral
from tests.bench.load import Wrong


def actor_of(email: str) -> Actor:
    query = select(Staff, Membership).join(Membership, Membership.staff_id == Staff.id)
    query = query.where(Staff.email == email, Membership.ended_at.is_(None))
    staff, member = db.unrestricted.execute(query).one()
    return Actor(staff.id, member.id, staff.name, member.role, member.agency_id, "")


def busiest_partner(actor: Actor) -> UUID:
    """To whom this agency refers most: the two of them meet."""
    rows = db.unrestricted.scalars(
        select(Referral.to_agency_id).where(Referral.from_agency_id == actor.agency_id).limit(2000)
    ).all()
    if not rows:
        raise Wrong("this agency refers to nobody")
    return max(set(rows), key=lambda row: (rows.count(row), str(row)))


def call_meeting(actor: Actor, partner: UUID, *, items: int = 0, announced: bool = False) -> UUID:
    """A weekly meeting of the two in a week, with so many items typed by hand."""
    assert actor.agency_id is not None
    with db.transaction() as session:
        meeting = Meeting(
            convener_id=actor.agency_id,
            kind=MeetingKind.CASE_STUDY if items else MeetingKind.WEEKLY,
            name="測定の会議",
            starts_at=clock.now() + timedelta(days=7),
            minutes=60,
            presenter_agency_id=actor.agency_id,
        )
        session.add(meeting)
        session.flush()
        session.add_all(
            MeetingMember(meeting_id=meeting.id, agency_id=agency) for agency in (actor.agency_id, partner)
        )
        audit.record(AuditEvent.MEETING_SCHEDULED, meeting, actor=actor)
    for number in range(items):
        facts = ItemFacts(
            ItemKind.INFORMATION, f"議題 {number + 1}", "話したいこと。" * 20, 5, actor.agency_id
        )
        agenda_services.add_item(actor, meeting.id, facts)
    if announced:
        meetings.perform(actor, MeetingAction.ANNOUNCE, meeting.id)
    return meeting.id
