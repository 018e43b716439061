"""Goals by domain: achieved, partly, not; out of referrals to the programme and its own cases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import Session

from portal.cases.codes import Domain, Score
from portal.cases.models import Case, CaseGoal
from portal.evaluations.period import BEGINS, ENDS, PROGRAMME, Period
from portal.referrals.models import Referral, ReferralGoal
from portal.referrals.states import ReferralStatus


@dataclass(frozen=True, slots=True)
class Goals:
    """The goals of one domain that were scored in the period."""

    domain: Domain
    achieved: int = 0
    partial: int = 0
    not_achieved: int = 0

    @property
    def scored(self) -> int:
        return self.achieved + self.partial + self.not_achieved

    @property
    def rate(self) -> int | None:
        """達成率 in percent, half a percent rounded up; nothing where nothing was scored."""
        return (200 * self.achieved + self.scored) // (2 * self.scored) if self.scored else None

    def reaches(self, target: int) -> bool | None:
        """Whether it is as many percent, compared exactly; nothing where nothing was scored."""
        return 100 * self.achieved >= target * self.scored if self.scored else None


@cache
def scored() -> Select[*tuple[Any, ...]]:
    both = union_all(
        select(ReferralGoal.domain, ReferralGoal.score).where(
            Referral.to_agency_id == PROGRAMME,
            Referral.ended_at >= BEGINS,
            Referral.ended_at < ENDS,
            Referral.status == ReferralStatus.COMPLETED,
            ReferralGoal.referral_id == Referral.id,
            ReferralGoal.score.is_not(None),
        ),
        select(CaseGoal.domain, CaseGoal.score).where(
            Case.agency_id == PROGRAMME,
            CaseGoal.case_id == Case.id,
            CaseGoal.score.is_not(None),
            CaseGoal.scored_at >= BEGINS,
            CaseGoal.scored_at < ENDS,
        ),
    ).subquery("scored")
    return select(both.c.domain, both.c.score, func.count()).group_by(both.c.domain, both.c.score)


def goals(session: Session, programme_id: UUID, period: Period) -> dict[Domain, Goals]:
    """All domains, in their order; one statement."""
    rows = session.execute(scored(), period.values(programme_id))
    found = {(domain, score): number for domain, score, number in rows}
    return {domain: Goals(domain, *(found.get((domain, score), 0) for score in Score)) for domain in Domain}
