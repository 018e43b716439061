"""The national items by agency and month, without what this reader must not be told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from portal.cases.codes import Milestone
from portal.reports import small_numbers
from portal.reports import statistics_queries as queries
from portal.reports.small_numbers import Shown, Table
from portal.reports.statistics_figures import MONTHS, ItemTable, Period
from portal.reports.statistics_items import Item
from portal.reports.statistics_scope import Scope

Cells = Mapping[tuple[UUID, int], int]


def of_items(scope: Scope, agencies: Sequence[UUID]) -> dict[Item, ItemTable]:
    """Every national item of the whole year, by agency and month: one month is a column of the same table."""
    session, given = scope.session, scope.given(Period(scope.period.year))
    cells: dict[Item, defaultdict[tuple[UUID, int], int]] = {item: defaultdict(int) for item in Item}
    known: defaultdict[tuple[UUID, int], int] = defaultdict(int)
    for agency, month, number in session.execute(queries.opened(), given):
        cells[Item.OPENED][agency, month] += number
    for agency, month, what, for_work, number in session.execute(queries.milestones(), given):
        is_plan = what is Milestone.PLAN_MADE
        cells[Item.PLANNED if is_plan else Item.EARNING_MORE][agency, month] += number
        if is_plan and for_work:
            cells[Item.FOR_WORK][agency, month] += number
    for agency, month, number in session.execute(queries.employed(), given):
        cells[Item.EMPLOYED][agency, month] += number
    for agency, month, is_own, number in session.execute(queries.referred(), given):
        cells[Item.REFERRED][agency, month] += number
        known[agency, month] += number if is_own else 0
    places = {agency: at for at, agency in enumerate(agencies)}
    return {
        item: ItemTable(
            item, places, masked(scope, agencies, cells[item], known if item is Item.REFERRED else {})
        )
        for item in Item
    }


def masked(scope: Scope, agencies: Sequence[UUID], cells: Cells, known: Cells) -> Table:
    """The table without what must not be told; what the reader knows of others anyway (`known`) is told in any case."""
    mine = [agency == scope.own_id for agency in agencies]
    sure = [
        [0 if is_mine else known.get((agency, month), 0) for month in MONTHS]
        for agency, is_mine in zip(agencies, mine, strict=True)
    ]
    left = [
        [cells.get((agency, month), 0) - sure[at][place] for place, month in enumerate(MONTHS)]
        for at, agency in enumerate(agencies)
    ]
    exact = [[is_mine or scope.sees_all] * len(MONTHS) for is_mine in mine]
    return added(small_numbers.table(left, exact, scope.least), sure)


def added(shown: Table, sure: Sequence[Sequence[int]]) -> Table:
    def plus(number: Shown, more: int) -> Shown:
        return None if number is None else number + more

    return Table(
        cells=[
            [plus(one, more) for one, more in zip(row, known, strict=True)]
            for row, known in zip(shown.cells, sure, strict=True)
        ],
        rows=[plus(one, sum(known)) for one, known in zip(shown.rows, sure, strict=True)],
        columns=[plus(one, sum(row[at] for row in sure)) for at, one in enumerate(shown.columns)],
        total=plus(shown.total, sum(map(sum, sure))),
    )
