"""Small charts and pictures as SVG made on the server: presentation attributes only, readable in black and white."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

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
    """A picture with its title and a description for readers who cannot see it. `inside` is safe markup."""
    width, height = size
    return Markup(
        '<svg class="chart" role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        ' font-family="{family}" aria-label="{title}"><title>{title}</title><desc>{desc}</desc>{inside}</svg>'
    ).format(w=width, h=height, family=FAMILY, title=title, desc=desc, inside=inside)


def in_words(values: Sequence[int | str | None], labels: Sequence[str]) -> str:
    """The same values as a sentence: 4月 0、5月 3."""
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


# A picture of referrals between agencies, as SVG: senders left, recipients right, the number at each arrow.
#
# Presentation attributes only. Width shows how often, the line's pattern how it was answered, and words say
# both, so that a copy in black and white says the same.

# A name's box, and where the arrows begin and end.
BOX, LEFT, RIGHT, WIDTH = 154, 162, 494, 740
SLOT, GAP, LEAST_HIGH = 20, 14, 40
THINNEST, THICKEST = 1.5, 9.0
LETTERS, LINES = 12, 2


class Pattern(StrEnum):
    """How a line is drawn: its dashes, as SVG has them."""

    FULL = ""
    DASHED = "12 5"
    DOTTED = "2 5"


@dataclass(frozen=True, slots=True)
class Arrow:
    """`weight` is its relative width, None where the number is hidden; `number` and `answer` are words."""

    sender: Hashable
    recipient: Hashable
    weight: int | None
    number: str
    answer: str
    pattern: Pattern


@dataclass(slots=True)
class Stack:
    """One side: each agency with room for all its arrows, from the top down."""

    tops: dict[Hashable, float]
    highs: dict[Hashable, float]
    used: dict[Hashable, int]
    end: float

    @classmethod
    def of(cls, keys: Sequence[Hashable]) -> Stack:
        """`keys`: the agency of every arrow on this side; the busiest stands at the top."""
        order = sorted(set(keys), key=lambda key: (-keys.count(key), keys.index(key)))
        stack, top = cls({}, {}, {}, 0), float(GAP)
        for key in order:
            stack.tops[key], stack.highs[key] = top, max(LEAST_HIGH, SLOT * keys.count(key) + 6)
            stack.used[key] = 0
            top += stack.highs[key] + GAP
        stack.end = top
        return stack

    def slot(self, key: Hashable, total: int) -> float:
        """The height of this agency's next arrow, so that its arrows are centred on its name."""
        middle = self.tops[key] + self.highs[key] / 2
        place = self.used[key] - (total - 1) / 2
        self.used[key] += 1
        return middle + place * SLOT


def network(arrows: Sequence[Arrow], names: Mapping[Hashable, str], *, title: str, desc: str) -> Markup:
    """Draw the arrows in order; an agency that both sends and receives stands on both sides."""
    senders, recipients = [one.sender for one in arrows], [one.recipient for one in arrows]
    left, right = Stack.of(senders), Stack.of(recipients)
    most = max((one.weight or 0 for one in arrows), default=0) or 1
    # Arrows leave and arrive in the order in which the agencies stand on the other side: fewer of them cross.
    starts = {
        one: left.slot(one.sender, senders.count(one.sender))
        for one in sorted(arrows, key=lambda one: right.tops[one.recipient])
    }
    ends = {
        one: right.slot(one.recipient, recipients.count(one.recipient))
        for one in sorted(arrows, key=lambda one: left.tops[one.sender])
    }
    parts = [
        *(drawn(one, starts[one], ends[one], most) for one in arrows),
        *(words(one, starts[one], ends[one]) for one in arrows),
        *(box(names[key], 4, left, key) for key in left.tops),
        *(box(names[key], WIDTH - BOX - 4, right, key) for key in right.tops),
    ]
    high = round(max(left.end, right.end, LEAST_HIGH))
    return figure(Markup("").join(parts), title=title, desc=desc, size=(WIDTH, high))


def drawn(one: Arrow, start: float, end: float, most: int) -> Markup:
    width = THINNEST if one.weight is None else THINNEST + (THICKEST - THINNEST) * one.weight / most
    middle = (LEFT + RIGHT) / 2
    line = Markup(
        '<path d="M {x1} {y1:.1f} C {m} {y1:.1f}, {m} {y2:.1f}, {x2} {y2:.1f}" fill="none" stroke="{colour}"'
        ' stroke-width="{w:.1f}" stroke-opacity="0.75"{dashes}/>'
    ).format(
        x1=LEFT + 34,
        y1=start,
        m=middle,
        y2=end,
        x2=RIGHT - 8,
        colour=FILL,
        w=width,
        dashes=Markup(' stroke-dasharray="{}"').format(one.pattern.value) if one.pattern else "",
    )
    head = Markup('<polygon points="{x},{y:.1f} {b},{t:.1f} {b},{u:.1f}" fill="{colour}"/>').format(
        x=RIGHT, y=end, b=RIGHT - 9, t=end - 5, u=end + 5, colour=FILL
    )
    return line + head


def words(one: Arrow, start: float, end: float) -> Markup:
    return word(one.number, LEFT + 30, start + 4, "end", bold=True) + word(
        one.answer, RIGHT + 4, end + 4, "start"
    )


def box(name: str, x: float, stack: Stack, key: Hashable) -> Markup:
    top, high = stack.tops[key], stack.highs[key]
    rows = lines_of(name)
    first = top + high / 2 + 4.5 - 8 * (len(rows) - 1)
    frame = Markup(
        '<rect x="{x}" y="{y:.1f}" width="{w}" height="{h:.1f}" rx="6" fill="#ffffff" stroke="{line}"/>'
    ).format(x=x, y=top, w=BOX, h=high, line=LINE)
    return Markup("").join(
        [frame, *(word(row, x + BOX / 2, first + 16 * at, "middle") for at, row in enumerate(rows))]
    )


def lines_of(name: str) -> list[str]:
    """The name on two lines at most, broken at its own space where it has one there."""
    first, space, rest = name.partition(" ")
    if not space or len(first) > LETTERS:
        first, rest = name[:LETTERS], name[LETTERS:]
    if len(rest) > LETTERS:
        rest = rest[: LETTERS - 1] + "…"
    return [row for row in (first, rest) if row]


def word(text: str, x: float, y: float, anchor: str, *, bold: bool = False) -> Markup:
    weight = Markup(' font-weight="700"') if bold else ""
    return Markup(
        '<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}" fill="{fill}"{weight}>{text}</text>'
    ).format(x=x, y=y, anchor=anchor, fill=TEXT, weight=weight, text=text)
