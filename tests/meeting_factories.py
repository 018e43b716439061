"""Meetings, their rosters and their agendas for tests, as the office would find them in the tables.

Written through the models with their entries in the log: tests of the wall need states that no service leads to.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import time, timedelta
from itertools import count
from typing import Any
from unittest import mock
from uuid import UUID

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.meetings.agenda import numbers
from portal.meetings.agenda.models import AgendaItem, ItemCategory
from portal.meetings.issues.models import LocalIssue
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import doubts
from portal.meetings.schedule import services as meetings
from portal.meetings.schedule.models import Meeting, MeetingMember, MeetingSeries, SeriesMember
from portal.meetings.states import ClosedDay, ItemKind, MeetingAction, MeetingKind, MeetingStatus, OutcomeKind
from portal.people.categories import Category
from tests.factories import Agency, Member, id_of

A, S = MeetingAction, MeetingStatus
serial = count(1)

# How a meeting comes to where the test wants it.
PATHS: dict[MeetingStatus, tuple[MeetingAction, ...]] = {
    S.DRAFT: (),
    S.ANNOUNCED: (A.ANNOUNCE,),
    S.IN_SESSION: (A.ANNOUNCE, A.BEGIN),
    S.MINUTED: (A.ANNOUNCE, A.BEGIN, A.CLOSE),
    S.APPROVED: (A.ANNOUNCE, A.BEGIN, A.CLOSE, A.APPROVE),
    S.CANCELLED: (A.CANCEL,),
}


def make_series(convener: Member, members: Collection[Agency | Member | UUID] = (), **values: Any) -> UUID:
    """A weekly series of the convener's; its dates are made by whoever asks for them."""
    defaults: dict[str, Any] = {
        "kind": MeetingKind.WEEKLY,
        "name": "週次打合せ",
        "rule": "FREQ=WEEKLY;BYDAY=TU",
        "starts_on": clock.today(),
        "begins": time(10, 0),
        "minutes": 60,
        "closed_day": ClosedDay.SKIP,
        "presenter_agency_id": id_of(convener),
    }
    with db.transaction() as session:
        series = MeetingSeries(convener_id=id_of(convener), **defaults | values)
        session.add(series)
        session.flush()
        agencies = {id_of(convener), *(id_of(one) for one in members)}
        session.add_all(SeriesMember(series_id=series.id, agency_id=each) for each in agencies)
        audit.record(AuditEvent.SERIES_DEFINED, series, actor=convener.actor)
    return series.id


def make_meeting(
    convener: Member,
    members: Collection[Agency | Member | UUID] = (),
    *,
    kind: MeetingKind | str = MeetingKind.WEEKLY,
    status: MeetingStatus | str = MeetingStatus.DRAFT,
    **values: Any,
) -> UUID:
    """A meeting that the convener's coordinator called, in a week, of these agencies and their own."""
    defaults: dict[str, Any] = {
        "name": f"見本の会議{next(serial)}",
        "starts_at": clock.now() + timedelta(days=7),
        "minutes": 60,
        "presenter_agency_id": id_of(convener),
    }
    with db.transaction() as session:
        meeting = Meeting(convener_id=id_of(convener), kind=MeetingKind(kind), **defaults | values)
        session.add(meeting)
        session.flush()
        agencies = {id_of(convener), *(id_of(one) for one in members)}
        session.add_all(MeetingMember(meeting_id=meeting.id, agency_id=each) for each in agencies)
        audit.record(AuditEvent.MEETING_SCHEDULED, meeting, actor=convener.actor)
    walk(convener, meeting.id, status)
    return meeting.id


def walk(convener: Member, meeting_id: UUID, status: MeetingStatus | str) -> None:
    """A draft to where it is wanted."""
    for action in PATHS[MeetingStatus(status)]:
        take_step(convener, meeting_id, action)


def unasked() -> Any:
    """Within this block nothing speaks against a step: tests begin meetings before their day, with nobody there."""
    return mock.patch.object(doubts, "about", return_value=None)


def take_step(convener: Member, meeting_id: UUID, action: MeetingAction | str) -> None:
    action = MeetingAction(action)
    with unasked():
        meetings.perform(convener.actor, action, meeting_id, text="見本の理由" if action is A.CANCEL else "")


def make_item(
    member: Member,
    meeting_id: UUID,
    *,
    categories: Collection[Category | str] = (),
    shared: bool | None = None,
    **values: Any,
) -> UUID:
    """An item that the member brought; shared when it names categories, unless said otherwise."""
    shared = bool(categories) if shared is None else shared
    with db.transaction() as session:
        number = session.query(AgendaItem).filter_by(meeting_id=meeting_id).count() + 1
        defaults: dict[str, Any] = {
            "kind": ItemKind.CASE if values.get("person_id") else ItemKind.INFORMATION,
            "brought_by_id": id_of(member),
            "presenter_agency_id": id_of(member),
            "title": f"見本の議題{next(serial)}",
            "minutes": 5,
            "position": number * 10,
            "is_touched": True,
            "shared": shared,
            "shared_by_id": member.staff_id if shared else None,
        }
        item = AgendaItem(meeting_id=meeting_id, **defaults | values)
        session.add(item)
        session.flush()
        session.add_all(ItemCategory(item_id=item.id, category=Category(one)) for one in categories)
        audit.record(AuditEvent.ITEM_ADDED, item, actor=member.actor, person_id=item.person_id)
        numbers.give(session, member.actor, session.get_one(Meeting, meeting_id))
    return item.id


def name_member(convener: Member, meeting_id: UUID, member: Member, *, agreed: bool = False) -> UUID:
    """On the roster; `agreed` when they have acknowledged the duty of secrecy."""
    with db.transaction() as session:
        attendance = Attendance(
            meeting_id=meeting_id,
            agency_id=member.agency_id,
            staff_id=member.staff_id,
            secrecy_at=clock.now() if agreed else None,
        )
        session.add(attendance)
        audit.record(AuditEvent.ROSTER_CHANGED, attendance, actor=convener.actor)
    return attendance.id


def make_outcome(member: Member, item_id: UUID, **values: Any) -> UUID:
    """Information unless told otherwise; an action is due in a week and owed by the member's agency."""
    kind = OutcomeKind(values.pop("kind", OutcomeKind.INFORMATION))
    defaults: dict[str, Any] = {"text": "見本の結果", "noted_by_id": member.staff_id}
    if kind is OutcomeKind.ACTION:
        defaults |= {"owner_agency_id": id_of(member), "due_on": clock.today() + timedelta(days=7)}
    with db.transaction() as session:
        outcome = MeetingOutcome(item_id=item_id, kind=kind, **defaults | values)
        session.add(outcome)
        person_id = session.get_one(AgendaItem, item_id).person_id
        audit.record(AuditEvent.OUTCOME_NOTED, outcome, actor=member.actor, person_id=person_id)
    return outcome.id


def make_issue(member: Member, **values: Any) -> UUID:
    defaults: dict[str, Any] = {"text": "夜間に使える居場所がない"}
    with db.transaction() as session:
        issue = LocalIssue(agency_id=id_of(member), raised_by_id=member.staff_id, **defaults | values)
        session.add(issue)
        audit.record(AuditEvent.ISSUE_RAISED, issue, actor=member.actor)
    return issue.id
