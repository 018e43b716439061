"""Activities, who came, partners, milestones and the yearly evaluation, as rows for tests; override what the test is about."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count
from typing import Any
from uuid import UUID

from portal.activities.kinds import ActivityKind, Offer
from portal.activities.models import (
    Activity,
    ActivityAgency,
    ActivityAttendance,
    ActivitySeries,
    ActivitySeriesAgency,
    Agreement,
    Partner,
)
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.codes import Milestone
from portal.cases.models import Case, CaseMilestone
from portal.core import clock
from portal.core.db import db
from portal.evaluations.models import EvaluationAddendum, EvaluationArea, EvaluationText, Part
from tests.factories import Member, id_of

serial = count(1)


def make_activity(member: Member, together: Collection[Agency | Member | UUID] = (), **values: Any) -> UUID:
    """A café of today, held by the member's agency, alone unless others are named."""
    defaults: dict[str, Any] = {
        "kind": ActivityKind.CAFE,
        "area": "place",
        "title": f"見本カフェ{next(serial)}",
        "held_on": clock.today(),
    }
    with db.transaction() as session:
        activity = Activity(agency_id=id_of(member), recorded_by_id=member.staff_id, **defaults | values)
        session.add(activity)
        session.flush()
        for agency_id in sorted({id_of(member), *map(id_of, together)}):
            session.add(
                ActivityAgency(activity_id=activity.id, agency_id=agency_id, held_on=activity.held_on)
            )
        audit.record(AuditEvent.ACTIVITY_RECORDED, activity, actor=member.actor)
    return activity.id


def make_attendance(member: Member, activity_id: UUID, person_id: UUID | None = None, **values: Any) -> UUID:
    """A head: a person, or somebody anonymous."""
    with db.transaction() as session:
        head = ActivityAttendance(
            activity_id=activity_id, agency_id=id_of(member), person_id=person_id, **values
        )
        session.add(head)
        audit.record(AuditEvent.ATTENDANCE_NOTED, head, actor=member.actor, person_id=person_id)
    return head.id


def make_activity_series(
    member: Member, together: Collection[Agency | Member | UUID] = (), **values: Any
) -> UUID:
    defaults: dict[str, Any] = {
        "kind": ActivityKind.CAFE,
        "area": "place",
        "title": f"見本の定例カフェ{next(serial)}",
        "starts_on": clock.today(),
    }
    with db.transaction() as session:
        series = ActivitySeries(agency_id=id_of(member), **defaults | values)
        session.add(series)
        session.flush()
        for agency_id in sorted({id_of(member), *map(id_of, together)}):
            session.add(ActivitySeriesAgency(series_id=series.id, agency_id=agency_id))
        audit.record(AuditEvent.ACTIVITY_SERIES_DEFINED, series, actor=member.actor)
    return series.id


def make_partner(member: Member, **values: Any) -> UUID:
    defaults: dict[str, Any] = {
        "name": f"見本商店{next(serial)}",
        "offers": [Offer.VISIT.value],
        "added_on": clock.today(),
    }
    with db.transaction() as session:
        partner = Partner(agency_id=id_of(member), **defaults | values)
        session.add(partner)
        audit.record(AuditEvent.PARTNER_ADDED, partner, actor=member.actor)
    return partner.id


def make_agreement(member: Member, partner_id: UUID, **values: Any) -> UUID:
    defaults: dict[str, Any] = {"signed_on": clock.today()}
    with db.transaction() as session:
        agreement = Agreement(partner_id=partner_id, agency_id=id_of(member), **defaults | values)
        session.add(agreement)
        audit.record(AuditEvent.AGREEMENT_SIGNED, agreement, actor=member.actor)
    return agreement.id


def make_milestone(
    member: Member, case_id: UUID, what: Milestone | str = Milestone.PLAN_MADE, **values: Any
) -> UUID:
    defaults: dict[str, Any] = {"happened_on": clock.today()}
    with db.transaction() as session:
        milestone = CaseMilestone(
            case_id=case_id, what=Milestone(what), noted_by_id=member.staff_id, **defaults | values
        )
        session.add(milestone)
        person_id = session.get_one(Case, case_id).person_id
        audit.record(AuditEvent.MILESTONE_NOTED, milestone, actor=member.actor, person_id=person_id)
    return milestone.id


def make_text(
    member: Member, year: int, area: str = "place", part: Part | str = Part.RESULT, **values: Any
) -> UUID:
    defaults: dict[str, Any] = {"text": "見本の文章"}
    with db.transaction() as session:
        text = EvaluationText(
            agency_id=id_of(member),
            year=year,
            area=area,
            part=Part(part),
            author_id=member.staff_id,
            **defaults | values,
        )
        session.add(text)
        audit.record(AuditEvent.EVALUATION_WRITTEN, text, actor=member.actor)
    return text.id


def make_area(member: Member, code: str, **values: Any) -> UUID:
    defaults: dict[str, Any] = {"name": f"見本の項目{next(serial)}", "position": 100}
    with db.transaction() as session:
        area = EvaluationArea(agency_id=id_of(member), code=code, **defaults | values)
        session.add(area)
        audit.record(AuditEvent.AREA_CHANGED, area, actor=member.actor)
    return area.id


def make_addendum(member: Member, year: int, text: str = "見本の追記") -> UUID:
    with db.transaction() as session:
        addendum = EvaluationAddendum(
            agency_id=id_of(member), year=year, text=text, author_id=member.staff_id
        )
        session.add(addendum)
        audit.record(AuditEvent.EVALUATION_AMENDED, addendum, actor=member.actor)
    return addendum.id
