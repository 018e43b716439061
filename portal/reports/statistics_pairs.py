"""Who refers to whom: the pairs of agencies, how often, and where referrals wait."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from portal.agencies.calendar import OpeningDays
from portal.reports import small_numbers
from portal.reports import statistics_queries as queries
from portal.reports.audit_figures import median
from portal.reports.small_numbers import Shown
from portal.reports.statistics_days import Passed
from portal.reports.statistics_figures import Pair, share
from portal.reports.statistics_scope import Scope

# So many pairs fit a page; the others are found by their agency.
MOST = 30
# Among so many agencies every pair is told in full.
FEW_AGENCIES = 15


@dataclass(frozen=True, slots=True)
class Counted:
    """One pair in the period, as the database counted it."""

    sender: UUID
    recipient: UUID
    sent: int
    receipt_due: int
    received_in_time: int
    answer_due: int
    answered_in_time: int
    refused: int


def of_pairs(
    scope: Scope, counted: Sequence[Counted], totals: Mapping[UUID, Shown], days: Mapping[UUID, OpeningDays]
) -> list[Pair]:
    """The pairs that this reader is told of, the busiest first; those whose number he is not told come last.

    Of a month only those with his own agency: twelve months beside their year would tell too much of the others.
    """
    told = shown_numbers(scope, counted, totals)
    chosen = [
        one
        for one in counted
        if (one.sender, one.recipient) in told and scope.agency_id in (None, one.sender, one.recipient)
    ]
    chosen.sort(key=lambda one: (-(told[one.sender, one.recipient] or 0), one.sender.int, one.recipient.int))
    is_few = scope.agency_id is not None or len(days) <= FEW_AGENCIES
    full = [
        one for one in (chosen if is_few else chosen[:MOST]) if told[one.sender, one.recipient] is not None
    ]
    medians = medians_of(scope, full, days)
    brief = (one for one in chosen[len(full) :])
    return [
        *(pair_of(scope, one, medians) for one in full),
        *(Pair(one.sender, one.recipient, told[one.sender, one.recipient]) for one in brief),
    ]


def shown_numbers(
    scope: Scope, counted: Sequence[Counted], totals: Mapping[UUID, Shown]
) -> dict[tuple[UUID, UUID], Shown]:
    if scope.sees_all or scope.period.month is not None:
        mine = (one for one in counted if scope.sees_all or is_own(scope, one))
        return {(one.sender, one.recipient): one.sent for one in mine}
    lines: defaultdict[UUID, list[Counted]] = defaultdict(list)
    for one in counted:
        lines[one.sender].append(one)
    found: dict[tuple[UUID, UUID], Shown] = {}
    for sender, line in lines.items():
        exact = [is_own(scope, one) for one in line]
        numbers = small_numbers.line(
            [one.sent for one in line], exact, scope.least, is_total_shown=totals[sender] is not None
        )
        found |= {(sender, one.recipient): shown for one, shown in zip(line, numbers, strict=True)}
    return found


def is_own(scope: Scope, one: Counted) -> bool:
    return scope.own_id in (one.sender, one.recipient)


def pair_of(scope: Scope, one: Counted, medians: Mapping[tuple[UUID, UUID], int | None]) -> Pair:
    is_exact = scope.sees_all or is_own(scope, one)
    return Pair(
        sender=one.sender,
        recipient=one.recipient,
        sent=one.sent,
        received=share(one.received_in_time, one.receipt_due, scope.least, is_exact=is_exact),
        answered=share(one.answered_in_time, one.answer_due, scope.least, is_exact=is_exact),
        refused=share(one.refused, one.sent, scope.least, is_exact=is_exact),
        median=medians.get((one.sender, one.recipient)),
    )


def medians_of(
    scope: Scope, full: Iterable[Counted], days: Mapping[UUID, OpeningDays]
) -> dict[tuple[UUID, UUID], int | None]:
    """Business days until the answer."""
    took: defaultdict[tuple[UUID, UUID], Counter[int]] = defaultdict(Counter)
    passed = {recipient: Passed(one, scope.period.bounds[0]) for recipient, one in days.items()}
    wanted = [(one.sender, one.recipient) for one in full]
    rows = scope.session.execute(queries.answers(), scope.given(scope.period) | {"pairs": wanted})
    for sender, recipient, sent, answered, number in rows:
        waited = passed[recipient][answered] - passed[recipient][sent]
        took[sender, recipient][max(0, waited)] += number
    return {
        pair: median(found)
        for pair, found in took.items()
        if scope.sees_all or scope.own_id in pair or found.total() >= scope.least
    }
