"""How high a cell must be: Excel does not work it out for merged cells, nor when it only prints."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

LINE, SIZE = 15.0, 10  # points
HIGHEST = 400.0  # Excel shows no row higher than 409 points


def breadth(text: str) -> int:
    """In half-width characters; what is ambiguous is taken for wide."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def lines_of(text: str, width: int) -> int:
    """How many lines it takes in a column of so many characters, a little more rather than less."""
    # A column's unit is 7 pixels, a half-width character of 10 points takes 6.7 of them; a word is not broken.
    room = max(2, math.floor((width * 7 - 8) / 6.9))
    return sum(max(1, math.ceil(breadth(line) / room)) for line in text.split("\n")) if text else 0


def height_of(text: str, width: int) -> float:
    return LINE * lines_of(text, width) + 4 if text else 0.0


def split(height: float) -> Sequence[float]:
    """As rows that Excel can show."""
    count = max(1, math.ceil(height / HIGHEST))
    return [max(LINE, height / count)] * count
