"""What became of the referrals of a period: in time or not, why refused, with which outcome, after how many days."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from portal.agencies.calendar import OpeningDays
from portal.cases.codes import Outcome
from portal.referrals.states import Refusal
from portal.reports import small_numbers
from portal.reports import statistics_queries as queries
from portal.reports.audit_figures import median
from portal.reports.small_numbers import Shown
from portal.reports.statistics_days import Passed
from portal.reports.statistics_figures import MONTHS, Flow, ItemTable, Medians, Period, Share, share
from portal.reports.statistics_pairs import Counted
from portal.reports.statistics_scope import Scope
from portal.reports.statistics_tables import added

Code = TypeVar("Code", Refusal, Outcome)


def of_flow(
    scope: Scope, counted: Sequence[Counted], referred: ItemTable, days: Mapping[UUID, OpeningDays]
) -> Flow | None:
    """Nobody but the auditor has the details of another agency."""
    if scope.agency_id is not None and not scope.is_exact:
        return None
    asked = [one for one in counted if scope.agency_id in (None, one.sender, one.recipient)]
    own = [one for one in asked if scope.own_id in (one.sender, one.recipient)]
    rows = scope.session.execute(queries.ends(), scope.given(Period(scope.period.year))).all()
    refused, refusals = of_codes(scope, list(Refusal), [(row[0], row[1], row[2], row[4]) for row in rows])
    ended, outcomes = of_codes(scope, list(Outcome), [(row[0], row[1], row[3], row[4]) for row in rows])
    sent = sum(one.sent for one in asked) if scope.is_exact else referred.of_all(scope.period.month)

    def in_time(part: Callable[[Counted], int], whole: Callable[[Counted], int]) -> Share:
        known = sum(map(part, own)), sum(map(whole, own))
        whole_of, part_of = sum(map(whole, asked)), sum(map(part, asked))
        return share(part_of, whole_of, scope.least, known=known, is_exact=scope.is_exact)

    return Flow(
        sent=sent,
        received=in_time(lambda one: one.received_in_time, lambda one: one.receipt_due),
        answered=in_time(lambda one: one.answered_in_time, lambda one: one.answer_due),
        refused=refused,
        refusals=refusals,
        ended=ended,
        outcomes=outcomes,
        medians=Medians() if sent is None else of_medians(scope, days),
    )


def of_codes(
    scope: Scope, codes: Sequence[Code], rows: Sequence[tuple[int, int, Code | None, int]]
) -> tuple[Shown, dict[Code, Shown]]:
    """How often each code came, and all together: of the year and of each month out of one table."""
    others, known = ([[0] * len(MONTHS) for _ in codes] for _ in range(2))
    for month, is_own, code, number in rows:
        if code is not None:
            (known if is_own else others)[codes.index(code)][MONTHS.index(month)] += number
    exact = [[scope.is_exact] * len(MONTHS) for _ in codes]
    shown = added(small_numbers.table(others, exact, scope.least), known)
    if scope.period.month is None:
        return shown.total, dict(zip(codes, shown.rows, strict=True))
    at = MONTHS.index(scope.period.month)
    return shown.columns[at], {code: shown.cells[i][at] for i, code in enumerate(codes)}


def of_medians(scope: Scope, days: Mapping[UUID, OpeningDays]) -> Medians:
    """Of fewer than the reader may know, none."""
    given = scope.given(scope.period)
    shared: defaultdict[OpeningDays, list[UUID]] = defaultdict(list)
    for agency, one in days.items():
        shared[one].append(agency)
    calendars = sorted(shared, key=lambda one: -len(shared[one]))  # the most common is asked for by no test
    which = {f"calendar{n}": shared[one] for n, one in enumerate(calendars) if n}
    steps = scope.session.execute(queries.business_steps(max(1, len(calendars))), given | which)
    took: dict[str, Counter[int]] = defaultdict(Counter)
    receiving, answering = took["received"], took["answered"]
    passed = [Passed(one, scope.period.bounds[0]) for one in calendars]
    for calendar, sent, received, answered, number in steps:
        open_days = passed[calendar]
        before = open_days[sent]
        if received is not None:
            receiving[max(0, open_days[received] - before)] += number
        if answered is not None:
            answering[max(0, open_days[answered] - before)] += number
    for started, ended, number in scope.session.execute(queries.calendar_steps(), given):
        for step, waited in (("started", started), ("ended", ended)):
            if waited is not None:
                took[step][max(0, waited)] += number
    least = 1 if scope.is_exact else scope.least
    return Medians(**{step: median(found) for step, found in took.items() if found.total() >= least})
