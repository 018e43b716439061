"""A picture of who hands over to whom, as SVG: senders on the left, recipients on the right, the number at each arrow.

Presentation attributes only. Width tells how often, the line's pattern how it was answered, and both stand there as
words too, so that a copy in black and white says the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from markupsafe import Markup

from portal.web.charts import FILL, LINE, TEXT, figure

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
    """`weight` is its width against the others, None where the number is not told; `number` and `answer` are words."""

    sender: Hashable
    recipient: Hashable
    weight: int | None
    number: str
    answer: str
    pattern: Pattern


@dataclass(slots=True)
class Stack:
    """One side: each agency with room for as many arrows as it has, from the top down."""

    tops: dict[Hashable, float]
    highs: dict[Hashable, float]
    used: dict[Hashable, int]
    end: float

    @classmethod
    def of(cls, keys: Sequence[Hashable]) -> Stack:
        """`keys`: the agency of every arrow of this side; the busiest stands at the top."""
        order = sorted(set(keys), key=lambda key: (-keys.count(key), keys.index(key)))
        stack, top = cls({}, {}, {}, 0), float(GAP)
        for key in order:
            stack.tops[key], stack.highs[key] = top, max(LEAST_HIGH, SLOT * keys.count(key) + 6)
            stack.used[key] = 0
            top += stack.highs[key] + GAP
        stack.end = top
        return stack

    def slot(self, key: Hashable, total: int) -> float:
        """The height of the next arrow of this agency, so that all of them stand around its middle."""
        middle = self.tops[key] + self.highs[key] / 2
        place = self.used[key] - (total - 1) / 2
        self.used[key] += 1
        return middle + place * SLOT


def network(arrows: Sequence[Arrow], names: Mapping[Hashable, str], *, title: str, desc: str) -> Markup:
    """The arrows in their order; an agency that both sends and receives stands on both sides."""
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
