"""What the pages of a year are made of: figures, columns, rows, as one reader may see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from portal import clock
from portal.activities.kinds import ActivityKind
from portal.agencies.models import Agency
from portal.cases.codes import Domain
from portal.evaluations.catalogue import Count, Measure, Spec
from portal.evaluations.closing_queries import Addition, Closing
from portal.evaluations.figures import FEW, Key, shown
from portal.evaluations.models import Part

RESULTS = (Part.RESULT, Part.FINDING, Part.OPEN)


@dataclass(frozen=True, slots=True)
class Eyes:
    """With which eyes figures are looked at: from inside the programme or not, and what is few then."""

    is_inside: bool
    least: int

    def see(self, value: int, spec: Spec) -> int:
        return shown(value, spec, inside=self.is_inside, least=self.least)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number as its reader may see it; `now` is what today's records say, where that is another."""

    key: Key
    value: int
    now: int | None = None

    @property
    def is_few(self) -> bool:
        return self.value == FEW

    @property
    def what(self) -> Count | Measure:
        return self.key.what

    @property
    def spec(self) -> Spec:
        return self.key.spec


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of one kind of activity, or without a kind those of cases, partners and meetings."""

    kind: ActivityKind | None
    figures: Sequence[Figure]

    @property
    def is_empty(self) -> bool:
        return not any(figure.value or figure.now for figure in self.figures)


@dataclass(frozen=True, slots=True)
class Column:
    """What a year shows of an area: figures and texts."""

    groups: Sequence[Group]
    texts: Mapping[Part, str]

    @property
    def figures(self) -> Iterator[Figure]:
        return (figure for group in self.groups for figure in group.figures)


@dataclass(frozen=True, slots=True)
class Row:
    """An area (項目): last year's column, the plan of the year, its column."""

    code: str
    name: str
    last: Column | None  # None: not an area of that year
    plan: str
    this: Column


@dataclass(frozen=True, slots=True)
class Scored:
    """The goals of a domain; numbers and rate as the reader may see them, None: not shown."""

    domain: Domain
    achieved: int
    partial: int
    not_achieved: int
    scored: int
    rate: int | None
    reaches: bool | None


@dataclass(frozen=True, slots=True)
class Months:
    """Twelve numbers of a figure, April first; None: not over yet."""

    key: Key
    values: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Year:
    """The whole page."""

    programme: Agency
    year: int
    as_of: date
    asked: date | None  # the day that was asked for, where another is shown
    eyes: Eyes
    rows: Sequence[Row]
    goals: Sequence[Scored]
    target: int
    months: Sequence[Months]
    hides_months: bool
    closing: Closing | None
    closings: Sequence[Closing]
    additions: Sequence[Addition]
    last_is_closed: bool

    @property
    def has_begun(self) -> bool:
        return self.as_of >= clock.fiscal_year_bounds(self.year)[0]

    @property
    def is_over(self) -> bool:
        return self.as_of == clock.fiscal_year_bounds(self.year)[1]
