"""The national items by agency and month, without what this reader must not be told."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from portal.cases.codes import Milestone
from portal.reports import small_numbers
from portal.reports import statistics_queries as queries
from portal.reports.small_numbers import Shown, Table
from portal.reports.statistics_figures import MONTHS, ItemTable, Period
from portal.reports.statistics_items import Item
from portal.reports.statistics_scope import Scope

# A line for each agency, a column for each month.
Cells = list[list[int]]
COLUMN = {month: at for at, month in enumerate(MONTHS)}


def of_items(scope: Scope, agencies: Sequence[UUID]) -> dict[Item, ItemTable]:
    """Every national item of the whole year, by agency and month: one month is a column of the same table."""
    session, given = scope.session, scope.given(Period(scope.period.year))
    places = {agency: at for at, agency in enumerate(agencies)}
    cells: dict[Item, Cells] = {item: [[0] * len(MONTHS) for _ in agencies] for item in Item}
    known: Cells = [[0] * len(MONTHS) for _ in agencies]
    nothing: Cells = [[0] * len(MONTHS) for _ in agencies]
    for agency, month, number in session.execute(queries.opened(), given):
        cells[Item.OPENED][places[agency]][COLUMN[month]] += number
    for agency, month, what, for_work, number in session.execute(queries.milestones(), given):
        is_plan = what is Milestone.PLAN_MADE
        cells[Item.PLANNED if is_plan else Item.EARNING_MORE][places[agency]][COLUMN[month]] += number
        if is_plan and for_work:
            cells[Item.FOR_WORK][places[agency]][COLUMN[month]] += number
    for agency, month, number in session.execute(queries.employed(), given):
        cells[Item.EMPLOYED][places[agency]][COLUMN[month]] += number
    for agency, month, is_own, number in session.execute(queries.referred(), given):
        row, column = places[agency], COLUMN[month]
        cells[Item.REFERRED][row][column] += number
        if is_own:
            known[row][column] += number
    exact = [[scope.sees_all or agency == scope.own_id] * len(MONTHS) for agency in agencies]
    return {
        item: ItemTable(
            item, places, masked(scope, cells[item], exact, known if item is Item.REFERRED else nothing)
        )
        for item in Item
    }


def masked(scope: Scope, cells: Cells, exact: Sequence[Sequence[bool]], known: Cells) -> Table:
    """The table without what must not be told; what the reader knows of others anyway (`known`) is told in any case."""
    left = [
        [number - more for number, more in zip(row, rest, strict=True)]
        for row, rest in zip(cells, known, strict=True)
    ]
    return added(small_numbers.table(left, exact, scope.least), known)


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
