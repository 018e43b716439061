"""Small numbers: nothing hidden follows from what is shown, checked against plain linear algebra."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from portal.statistics import small_numbers
from portal.statistics.small_numbers import Shown

LEAST = 3
NUMBERS = st.one_of(st.integers(0, 4), st.integers(0, 30))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[int]], list[list[bool]]]:
    high, wide = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    cells = [[draw(NUMBERS) for _ in range(wide)] for _ in range(high)]
    known = [draw(st.booleans()) and draw(st.booleans()) for _ in range(high)]
    return cells, [[one] * wide for one in known]


def with_sums(table: small_numbers.Table) -> list[list[Shown]]:
    return [[*row, total] for row, total in zip(table.cells, table.rows, strict=True)] + [
        [*table.columns, table.total]
    ]


def truth(cells: list[list[int]]) -> list[list[int]]:
    rows = [[*row, sum(row)] for row in cells]
    return [*rows, [sum(column) for column in zip(*rows, strict=True)]]


def determined(shown: list[list[Shown]]) -> set[int]:
    """Which hidden places have one value only in all tables of numbers that look like this: by elimination."""
    high, wide = len(shown), len(shown[0])
    places = [(i, j) for i in range(high) for j in range(wide) if shown[i][j] is None]
    at = {place: n for n, place in enumerate(places)}
    lines = [[(i, j) for j in range(wide)] for i in range(high)]
    lines += [[(i, j) for i in range(high)] for j in range(wide)]
    rows = []
    for line in lines:
        row = [Fraction(0)] * len(places)
        for place in line:
            if place in at:
                row[at[place]] = Fraction(-1 if place == line[-1] else 1)
        rows.append(row)
    pivots = 0
    for column in range(len(places)):
        found = next((r for r in range(pivots, len(rows)) if rows[r][column]), None)
        if found is None:
            continue
        rows[pivots], rows[found] = rows[found], rows[pivots]
        rows[pivots] = [value / rows[pivots][column] for value in rows[pivots]]
        for r, row in enumerate(rows):
            if r != pivots and row[column]:
                rows[r] = [a - row[column] * b for a, b in zip(row, rows[pivots], strict=True)]
        pivots += 1
    alone = [[n for n, value in enumerate(row) if value] for row in rows]
    return {numbers[0] for numbers in alone if len(numbers) == 1}


@given(tables())
def test_no_hidden_number_follows_from_the_shown_ones(
    made: tuple[list[list[int]], list[list[bool]]],
) -> None:
    shown = with_sums(small_numbers.table(*made, LEAST))
    assert determined(shown) == set()


@given(tables())
def test_what_is_shown_is_true_and_not_small(made: tuple[list[list[int]], list[list[bool]]]) -> None:
    cells, exact = made
    table = small_numbers.table(cells, exact, LEAST)
    for line, values in zip(with_sums(table), truth(cells), strict=True):
        for number, value in zip(line, values, strict=True):
            assert number is None or number == value
    for i, row in enumerate(cells):
        for j, value in enumerate(row):
            if exact[i][j]:
                assert table.cells[i][j] == value, "one's own numbers are told in any case"
            elif 0 < value < LEAST:
                assert table.cells[i][j] is None


@given(tables())
def test_what_a_line_leaves_for_its_hidden_numbers_is_not_small(
    made: tuple[list[list[int]], list[list[bool]]],
) -> None:
    shown, values = with_sums(small_numbers.table(*made, LEAST)), truth(made[0])
    lines = [list(zip(a, b, strict=True)) for a, b in zip(shown, values, strict=True)]
    lines += [list(line) for line in zip(*lines, strict=True)]
    for line in lines:
        *cells, (total, _value) = line
        left = sum(value for number, value in cells if number is None)
        assert total is None or not 0 < left < LEAST


@given(tables())
def test_nothing_is_hidden_without_need(made: tuple[list[list[int]], list[list[bool]]]) -> None:
    cells, exact = made
    assert None not in [n for row in with_sums(small_numbers.table(cells, exact, 1)) for n in row]
    big = [[value * LEAST for value in row] for row in cells]
    assert None not in [n for row in with_sums(small_numbers.table(big, exact, LEAST)) for n in row]


def test_beside_one_small_number_the_next_smallest_goes_too() -> None:
    shown = small_numbers.table([[1, 9, 20], [8, 30, 40], [50, 60, 70]], [[False] * 3] * 3, LEAST)
    assert shown.cells == [[None, None, 20], [None, None, 40], [50, 60, 70]]
    assert shown.rows == [30, 78, 180]
    assert shown.total == 288


def test_two_groups_joined_by_one_number_do_not_tell_it() -> None:
    """In each line two are hidden, and yet the one in the middle is what both sides leave over."""
    small, big = 2, 40
    cells = [
        [small, small, big, big],
        [small, small, small, big],
        [big, big, small, small],
        [big, big, small, small],
    ]
    shown = with_sums(small_numbers.table(cells, [[False] * 4] * 4, LEAST))
    assert determined(shown) == set()
    assert sum(number is None for row in shown for number in row) == 10, "the nine small ones and one more"


@given(
    st.lists(st.tuples(NUMBERS, st.booleans()), min_size=1, max_size=8),
    st.booleans(),
)
def test_a_single_line_keeps_its_numbers(line: list[tuple[int, bool]], is_total_shown: bool) -> None:
    values, exact = [value for value, _known in line], [known for _value, known in line]
    left = sum(value for value, known in line if not known)
    # A total is shown only where what the reader does not know of it is none, or not small.
    is_total_shown = is_total_shown and not 0 < left < LEAST
    shown = small_numbers.line(values, exact, LEAST, is_total_shown=is_total_shown)
    hidden = [value for value, number in zip(values, shown, strict=True) if number is None]
    for value, known, number in zip(values, exact, shown, strict=True):
        assert number == value if known else number is None or number == 0 or number >= LEAST
    if is_total_shown:
        assert len(hidden) != 1
        assert not 0 < sum(hidden) < LEAST
    elif not all(exact):
        assert hidden, "else the hidden total would be their sum"


def test_numbers_are_hidden_the_smallest_first() -> None:
    shown = small_numbers.line([1, 5, 9, 0], [False] * 4, LEAST)
    assert shown == [None, None, 9, 0]
