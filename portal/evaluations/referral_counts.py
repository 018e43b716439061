"""Referrals to the programme: first interviews sat in on, and who came to use it."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from portal.cases.codes import Outcome
from portal.cases.models import Case
from portal.evaluations.activity_counts import many
from portal.evaluations.case_counts import completed
from portal.evaluations.catalogue import Measure
from portal.evaluations.period import FIRST, LAST, PROGRAMME
from portal.referrals.models import Referral
from portal.referrals.states import ReferralKind, ReferralStatus

IS_JOINT = Referral.kind == ReferralKind.JOINT_INTERVIEW


def sat_in() -> list[ColumnElement[bool]]:
    return [
        Referral.to_agency_id == PROGRAMME,
        Referral.first_contact_on.between(FIRST, LAST),
        IS_JOINT,
        Referral.status != ReferralStatus.ENTERED_IN_ERROR,
    ]


def joined() -> list[ColumnElement[bool]]:
    return completed(Referral.to_agency_id, Outcome.JOINED_PROGRAMME)


def is_carried_over() -> ColumnElement[bool]:
    """継続: the programme was supporting the person when the year began."""
    return (
        exists()
        .where(
            Case.agency_id == PROGRAMME,
            Case.person_id == Referral.person_id,
            Case.opened_on < FIRST,
            or_(Case.closed_on.is_(None), Case.closed_on >= FIRST),
        )
        .correlate_except(Case)
    )


@cache
def joinings() -> Select[*tuple[Any, ...]]:
    tests = (many(IS_JOINT), many(and_(IS_JOINT, is_carried_over())), func.count())
    return select(*tests).where(*joined())


@cache
def interviews() -> Select[int]:
    return select(func.count()).select_from(Referral).where(*sat_in())


def count(session: Session, values: dict[str, Any]) -> dict[Measure, int]:
    """Two statements."""
    after_joint, carried_over, every = session.execute(joinings(), values).one()
    return {
        Measure.JOINT_INTERVIEWS: session.execute(interviews(), values).scalar_one(),
        Measure.JOINED_AFTER_JOINT: int(after_joint),
        Measure.JOINED_CARRIED_OVER: int(carried_over),
        Measure.JOINED: every,
    }
