"""Small charts as SVG made on the server: presentation attributes only, readable in black and white and without script."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import gettext
from markupsafe import Markup, escape

# Darker than the page's lines, so that the bars stand in a copy too.
FILL, LINE, TEXT = "#0017c1", "#4d4d4d", "#1a1a1a"
FAMILY = "Noto Sans JP, Hiragino Sans, BIZ UDPGothic, Yu Gothic, Meiryo, sans-serif"
ABOVE, BELOW = 18, 20
LEAST = 2


def bars(
    values: Sequence[int | str | None],
    labels: Sequence[str],
    *,
    title: str,
    desc: str = "",
    width: int = 360,
    height: int = 130,
) -> Markup:
    """Columns side by side, each with its number above and its label below.

    None is no value (not yet, or not counted); a word instead of a number (少数) stands on an open bar without height.
    """
    slot = width / max(1, len(values))
    base = height - BELOW
    highest = max((value for value in values if isinstance(value, int)), default=0) or 1
    parts = [
        *(_column(value, index, slot, base, highest) for index, value in enumerate(values)),
        Markup('<line x1="0" y1="{y}" x2="{x}" y2="{y}" stroke="{line}" stroke-width="1"/>').format(
            x=width, y=base, line=LINE
        ),
        *(_word(label, (i + 0.5) * slot, height - 5, 11) for i, label in enumerate(labels)),
    ]
    return figure(
        Markup("").join(parts), title=title, desc=desc or in_words(values, labels), size=(width, height)
    )


def shares(
    rows: Sequence[tuple[str, Sequence[int]]], legend: Sequence[str], *, title: str, width: int = 520
) -> Markup:
    """A bar for each row, divided by its numbers; the parts differ by pattern: full, hatched, empty."""
    line, left = 34, 150
    parts = []
    for index, (label, numbers) in enumerate(rows):
        y, x, total = index * line + 6, float(left), sum(numbers)
        parts.append(_word(label, 0, y + 17, 13, anchor="start"))
        for place, number in enumerate(numbers):
            wide = (width - left - 4) * number / total if total else 0.0
            if wide:
                parts.append(_part(place, x, y, wide))
                parts.append(
                    _word(number, x + wide / 2, y + 17, 12, fill="#ffffff" if place % 3 == 0 else TEXT)
                )
            x += wide
    words = gettext("、").join(
        f"{label}：" + "・".join(f"{word} {n}" for word, n in zip(legend, numbers, strict=True))
        for label, numbers in rows
    )
    return figure(Markup("").join(parts), title=title, desc=words, size=(width, line * max(1, len(rows))))


def figure(inside: Markup, *, title: str, desc: str, size: tuple[int, int]) -> Markup:
    """A picture with its name and its words for who cannot see it. `inside` is safe markup."""
    width, height = size
    return Markup(
        '<svg class="chart" role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        ' font-family="{family}" aria-label="{title}"><title>{title}</title><desc>{desc}</desc>{inside}</svg>'
    ).format(w=width, h=height, family=FAMILY, title=title, desc=desc, inside=inside)


def in_words(values: Sequence[int | str | None], labels: Sequence[str]) -> str:
    """The same as a sentence: 4月 0、5月 3."""
    known = [f"{label} {value}" for label, value in zip(labels, values, strict=True) if value is not None]
    return str(gettext("、").join(known))


def _column(value: int | str | None, index: int, slot: float, base: int, highest: int) -> Markup:
    if value is None:
        return Markup("")
    middle, wide = (index + 0.5) * slot, slot * 0.62
    if isinstance(value, str):
        open_bar = Markup(
            '<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="5" fill="#ffffff" stroke="{line}" stroke-dasharray="2 2"/>'
        ).format(x=middle - wide / 2, y=base - 5, w=wide, line=LINE)
        return open_bar + _word(value, middle, base - 10, 10)
    tall = max((base - ABOVE) * value / highest, LEAST) if value else 0
    bar = Markup('<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}"/>').format(
        x=middle - wide / 2, y=base - tall, w=wide, h=tall, fill=FILL
    )
    return (bar if value else Markup("")) + _word(value, middle, base - tall - 4, 12)


def _part(place: int, x: float, y: int, wide: float) -> Markup:
    fill = (FILL, "#d9e6ff", "#ffffff")[place % 3]
    return Markup(
        '<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="24" fill="{fill}" stroke="{line}" stroke-width="1"/>'
    ).format(x=x, y=y, w=wide, fill=fill, line=LINE)


def _word(text: object, x: float, y: float, size: int, *, anchor: str = "middle", fill: str = TEXT) -> Markup:
    return Markup(
        '<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}">{t}</text>'
    ).format(x=x, y=y, size=size, anchor=anchor, fill=fill, t=escape(str(text)))
