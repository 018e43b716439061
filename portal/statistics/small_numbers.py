"""Small numbers: what of a table may be shown, so that no hidden number can be computed from those beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

# A number that is shown; None is one that is not.
Shown = int | None
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the sums of its rows, of its columns, and of everything."""

    cells: list[list[Shown]]
    rows: list[Shown]
    columns: list[Shown]
    total: Shown


def table(cells: Sequence[Sequence[int]], exact: Sequence[Sequence[bool]], least: int) -> Table:
    """What is shown of a table of counts whose sums are shown too; `exact` are cells that the reader knows anyway.

    Hidden are numbers between 0 and `least`, and as many more as are needed so that no hidden number follows
    from the shown ones: in each line, and in lines put together. What a line leaves for its hidden cells is
    not small either.
    """
    wide = len(cells[0]) if cells else 0
    board = Board(
        [[*row, sum(row)] for row in cells] + [[*(sum(row[at] for row in cells) for at in range(wide))]],
        [[*row, all(row)] for row in exact] + [[*(all(row[at] for row in exact) for at in range(wide))]],
        least,
    )
    board.settle()
    shown = [
        [None if (i, j) in board.hidden else value for j, value in enumerate(row)]
        for i, row in enumerate(board.values)
    ]
    return Table(
        cells=[row[:-1] for row in shown[:-1]],
        rows=[row[-1] for row in shown[:-1]],
        columns=shown[-1][:-1],
        total=shown[-1][-1],
    )


def line(
    values: Sequence[int], exact: Sequence[bool], least: int, *, is_total_shown: bool = True
) -> list[Shown]:
    """The same for a single line whose total stands elsewhere, shown or hidden there."""
    hidden = {at for at, value in enumerate(values) if not exact[at] and 0 < value < least}
    free = sorted(
        (at for at in range(len(values)) if not exact[at] and at not in hidden),
        key=lambda at: (values[at] == 0, values[at]),
    )
    while free and gives_away([values[at] for at in hidden], least, is_total_shown=is_total_shown):
        hidden.add(free.pop(0))
    return [None if at in hidden else value for at, value in enumerate(values)]


def gives_away(hidden: Sequence[int], least: int, *, is_total_shown: bool) -> bool:
    """Whether the hidden numbers of a line, or its hidden total, follow from what is shown."""
    if not is_total_shown:
        return not hidden
    return len(hidden) == 1 or 0 < sum(hidden) < least


class Board:
    """The table with its sums as one more row and column: in each line, what is hidden must not be a single number.

    A hidden number joins its row and its column. It can be computed exactly when no other path of hidden
    numbers joins the two: when it is a bridge of that graph.
    """

    def __init__(self, values: list[list[int]], exact: list[list[bool]], least: int) -> None:
        values[-1].append(sum(values[-1]))
        exact[-1].append(all(exact[-1]))
        self.values, self.exact, self.least = values, exact, least
        self.high, self.wide = len(values), len(values[0])
        self.rows: list[set[Place]] = [set() for _ in range(self.high)]
        self.columns: list[set[Place]] = [set() for _ in range(self.wide)]
        self.hidden: set[Place] = set()

    def hide(self, place: Place) -> None:
        self.hidden.add(place)
        self.rows[place[0]].add(place)
        self.columns[place[1]].add(place)

    def settle(self) -> None:
        for i, row in enumerate(self.values):
            for j, value in enumerate(row):
                if 0 < value < self.least and not self.exact[i][j]:
                    self.hide((i, j))
        while self.hidden:
            more = self.next_in_a_line() or self.next_across()
            if more is None:
                return
            self.hide(more)

    def next_in_a_line(self) -> Place | None:
        """What to hide beside a number that its line gives away: the next smallest, rather than a zero or the sum."""
        told_rows = (i for i, row in enumerate(self.rows) if self.is_given_away(row, (i, self.wide - 1)))
        told_columns = (
            j for j, column in enumerate(self.columns) if self.is_given_away(column, (self.high - 1, j))
        )
        lines = chain(
            (((i, j) for j in range(self.wide)) for i in told_rows),
            (((i, j) for i in range(self.high)) for j in told_columns),
        )
        return next(filter(None, map(self.cheapest, lines)), None)

    def is_given_away(self, hidden: set[Place], total: Place) -> bool:
        if not hidden:
            return False
        if total in hidden:
            return len(hidden) == 1
        numbers = [self.values[i][j] for i, j in hidden]
        return gives_away(numbers, self.least, is_total_shown=True)

    def next_across(self) -> Place | None:
        """What to hide so that a bridge is one no more: a number that joins its two sides another way."""
        bridge, beyond = self.bridge()
        if bridge is None:
            return None
        joined = (
            (i, j)
            for i in range(self.high)
            for j in range(self.wide)
            if self.rows[i] and self.columns[j] and ((i in beyond) != (self.high + j in beyond))
        )
        return self.cheapest(joined)

    def cheapest(self, places: Iterable[Place]) -> Place | None:
        free = [
            (self.values[i][j] == 0, self.values[i][j], (i, j))
            for i, j in places
            if (i, j) not in self.hidden and not self.exact[i][j]
        ]
        return min(free)[2] if free else None

    def neighbours(self, node: int) -> list[int]:
        """Rows are numbered from 0, columns after them."""
        if node < self.high:
            return [self.high + j for _i, j in self.rows[node]]
        return [i for i, _j in self.columns[node - self.high]]

    def bridge(self) -> tuple[Place | None, set[int]]:
        """A hidden number that follows from the others, and the lines that lie beyond it (Tarjan's bridges)."""
        order: dict[int, int] = {}
        low: dict[int, int] = {}
        visited: list[int] = []
        for start in range(self.high):
            if start in order or not self.rows[start]:
                continue
            order[start] = low[start] = len(visited)
            visited.append(start)
            path: list[tuple[int, int, Iterator[int]]] = [(start, -1, iter(self.neighbours(start)))]
            while path:
                node, parent, ahead = path[-1]
                for there in ahead:
                    if there not in order:
                        order[there] = low[there] = len(visited)
                        visited.append(there)
                        path.append((there, node, iter(self.neighbours(there))))
                        break
                    if there != parent:
                        low[node] = min(low[node], order[there])
                else:
                    path.pop()
                    if path:
                        low[parent] = min(low[parent], low[node])
                        if low[node] > order[parent]:
                            i, j = (node, parent) if node < self.high else (parent, node)
                            return (i, j - self.high), set(visited[order[node] :])
        return None, set()
