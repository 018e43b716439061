"""The month of one agency in figures, with the newest checkpoint at its foot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.inspections.checkpoints import Slip, newest_slip
from portal.referrals.models import Referral
from portal.referrals.states import ReferralStatus
from portal.statistics import figures
from portal.statistics.figures import Figures


@dataclass(frozen=True, slots=True)
class Month:
    """Its first and its last day."""

    first: date
    last: date

    @classmethod
    def of(cls, year: int, month: int) -> Month:
        """Raises ValueError: there is no such month."""
        first = date(year, month, 1)
        return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))

    @property
    def previous(self) -> date:
        return (self.first - timedelta(days=1)).replace(day=1)

    @property
    def following(self) -> date:
        return self.last + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Side:
    """Referrals of one direction: sent in the month, refused of those, and not ended when it ended."""

    sent: int
    accepted: int
    refused: int
    still_open: int


@dataclass(frozen=True, slots=True)
class Monthly:
    month: Month
    is_running: bool
    outgoing: Side
    incoming: Side
    figures: Figures
    slip: Slip | None


def read(actor: Actor, month: Month) -> Monthly:
    """The month of one's own agency; itself logged.

    Administrators may not see one referral, but see how many there were: these are counted without the
    wall, for their own agency only.

    Raises:
        NotAllowed: neither administrator nor coordinator.
    """
    require(actor, Permission.FIGURES_READ)
    assert actor.agency_id is not None  # the permission implies it  # noqa: S101
    audit.record_reading(
        AuditEvent.AUDIT_READ, ("agency", actor.agency_id), actor=actor, figures=[month.first, month.last]
    )
    session = db.unrestricted()
    return Monthly(
        month=month,
        is_running=month.last >= clock.today(),
        outgoing=side(session, month, Referral.from_agency_id == actor.agency_id),
        incoming=side(session, month, Referral.to_agency_id == actor.agency_id),
        figures=figures.count(session, month.first, month.last, actor.agency_id)[0],
        slip=newest_slip(session),
    )


def side(session: Session, month: Month, mine: ColumnElement[bool]) -> Side:
    begin, end = clock.start_of_day(month.first), clock.end_of_day(month.last)
    within = Referral.sent_at >= begin
    accepted = within & Referral.answered_at.is_not(None) & Referral.refusal.is_(None)
    stands = or_(Referral.ended_at.is_(None), Referral.ended_at >= end)
    columns = [
        func.coalesce(func.sum(case((test, 1), else_=0)), 0)
        for test in (within, accepted, within & Referral.refusal.is_not(None), stands)
    ]
    struck = Referral.status != ReferralStatus.ENTERED_IN_ERROR
    row = session.execute(select(*columns).where(mine, struck, Referral.sent_at < end)).one()
    return Side(*row)


def months_back(today: date, count: int = 12) -> list[Month]:
    """The present month and those before it."""
    found, first = [], today.replace(day=1)
    for _ in range(count):
        found.append(Month.of(first.year, first.month))
        first = found[-1].previous
    return found
