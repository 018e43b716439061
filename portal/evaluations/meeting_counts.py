"""Meetings at whose table the programme sat, and the partners and agreements that it won."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.activities.models import Agreement, Partner
from portal.evaluations.catalogue import Measure
from portal.evaluations.period import BEGINS, ENDS, FIRST, LAST, PROGRAMME
from portal.meetings import states
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import MeetingKind

KINDS = {
    Measure.WEEKLY_MEETINGS: MeetingKind.WEEKLY,
    Measure.COUNCILS: MeetingKind.COORDINATION,
    Measure.CASE_STUDIES: MeetingKind.CASE_STUDY,
}


def held() -> list[ColumnElement[bool]]:
    return [
        MeetingMember.agency_id == PROGRAMME,
        Meeting.id == MeetingMember.meeting_id,
        Meeting.starts_at >= BEGINS,
        Meeting.starts_at < ENDS,
        Meeting.status.in_(sorted(states.HELD)),
    ]


def added() -> list[ColumnElement[bool]]:
    return [Partner.agency_id == PROGRAMME, Partner.added_on.between(FIRST, LAST)]


def signed() -> list[ColumnElement[bool]]:
    return [
        Agreement.agency_id == PROGRAMME,
        Agreement.signed_on.between(FIRST, LAST),
        Agreement.struck_at.is_(None),
    ]


@cache
def meetings() -> Select[*tuple[Any, ...]]:
    return select(Meeting.kind, func.count()).where(*held()).group_by(Meeting.kind)


@cache
def partners() -> Select[*tuple[Any, ...]]:
    numbers = (
        select(func.count()).select_from(Partner).where(*added()),
        select(func.count()).select_from(Agreement).where(*signed()),
    )
    return select(*(number.scalar_subquery() for number in numbers))


def count(session: Session, values: dict[str, Any]) -> dict[Measure, int]:
    """Two statements."""
    by_kind = {row[0]: row[1] for row in session.execute(meetings(), values)}
    new, agreed = session.execute(partners(), values).one()
    return {
        **{measure: by_kind.get(kind, 0) for measure, kind in KINDS.items()},
        Measure.PARTNERS_ADDED: new,
        Measure.AGREEMENTS_SIGNED: agreed,
    }
