"""The yearly table as one reader sees it, as of a day: counted now or as it was frozen, last year's column beside this."""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from portal.activities.kinds import ActivityKind
from portal.agencies.models import Agency
from portal.audit.services import canonical
from portal.cases.codes import Domain
from portal.configuration import queries as settings
from portal.core import clock
from portal.core.policy import Actor
from portal.evaluations import catalogue, counting, programmes, queries
from portal.evaluations.catalogue import (
    FEW,
    Area,
    Count,
    Key,
    Measure,
    Period,
    Spec,
    counts_of,
    of_kind,
    of_measure,
    shown,
)
from portal.evaluations.counting import Goals
from portal.evaluations.models import Part
from portal.evaluations.queries import Addition, Closing


@dataclass(frozen=True, slots=True)
class Numbers:
    """The exact numbers counted for one year, for readers who may see them."""

    year: int
    as_of: date
    areas: Sequence[Area]
    counts: Mapping[Key, int]
    months: Mapping[Key, Sequence[int]]
    goals: Sequence[Goals]


def counted(session: Session, programme_id: UUID, year: int, as_of: date, *, whole: bool = True) -> Numbers:
    """The numbers from the records; without `whole` the figures alone, no months and no goals."""
    of_year = programmes.areas_of(session, programme_id, year)
    period = Period(year, as_of)
    return Numbers(
        year=year,
        as_of=as_of,
        areas=of_year,
        counts=counting.count(session, programme_id, period, of_year),
        months=counting.by_month(session, programme_id, year, of_year, as_of) if whole else {},
        goals=list(counting.goals(session, programme_id, period).values()) if whole else [],
    )


def frozen(session: Session, programme_id: UUID, year: int, as_of: date) -> dict[str, Any]:
    """Figures and texts of a year as closing keeps them: whole numbers, codes and words, in canonical order."""
    numbers = counted(session, programme_id, year, as_of)
    texts = queries.texts_of_years(session, programme_id, [year])
    kept = {
        "v": 1,
        "programme": programme_id,
        "year": year,
        "as_of": as_of,
        "areas": [
            {"code": area.code, "name": area.name, "kinds": area.kinds, "measures": area.measures}
            for area in numbers.areas
        ],
        "figures": by_area(numbers.counts),
        "months": by_area(numbers.months),
        "goals": {
            one.domain: {"achieved": one.achieved, "partial": one.partial, "not": one.not_achieved}
            for one in numbers.goals
        },
        "texts": {
            area.code: {part: text for part in Part if (text := texts.get((year, area.code, part)))}
            for area in numbers.areas
        },
    }
    found: dict[str, Any] = json.loads(canonical(kept))
    return found


def by_area(values: Mapping[Key, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        found.setdefault(key.area, {})[key.code] = value
    return found


def thawed(kept: Mapping[str, Any]) -> Numbers:
    """The numbers of a closed year, from what was frozen."""
    return Numbers(
        year=kept["year"],
        as_of=date.fromisoformat(kept["as_of"]),
        areas=[
            Area(
                area["code"],
                area["name"],
                tuple(ActivityKind(kind) for kind in area["kinds"]),
                tuple(Measure(measure) for measure in area["measures"]),
            )
            for area in kept["areas"]
        ],
        counts=by_key(kept["figures"]),
        months=by_key(kept["months"]),
        goals=[
            Goals(domain, scores["achieved"], scores["partial"], scores["not"])
            for domain in Domain
            if (scores := kept["goals"].get(domain.value))
        ],
    )


def by_key(values: Mapping[str, Mapping[str, Any]]) -> dict[Key, Any]:
    return {Key(area, code): value for area, codes in values.items() for code, value in codes.items()}


def texts_of(kept: Mapping[str, Any]) -> queries.Texts:
    return {
        (kept["year"], area, Part(part)): text
        for area, parts in kept["texts"].items()
        for part, text in parts.items()
    }


# What the pages of a year are made of: figures, columns, rows, as one reader may see them.

RESULTS = (Part.RESULT, Part.FINDING, Part.OPEN)


@dataclass(frozen=True, slots=True)
class Masking:
    """How figures are masked for this reader: inside the programme or not, and which numbers are small."""

    is_inside: bool
    least: int

    def see(self, value: int, spec: Spec) -> int:
        return shown(value, spec, inside=self.is_inside, least=self.least)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number as its reader may see it; `now` is the present number of the records, if it differs."""

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
    """The figures of one kind of activity; without a kind, those of cases, partners and meetings."""

    kind: ActivityKind | None
    figures: Sequence[Figure]

    @property
    def is_empty(self) -> bool:
        return not any(figure.value or figure.now for figure in self.figures)


@dataclass(frozen=True, slots=True)
class Column:
    """One year's column of an area: figures and texts."""

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
    masking: Masking
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


# The yearly table as one reader sees it: areas, last year's column beside this year's, small numbers masked.


def month_end(day: date) -> date:
    """The last end of a month that is not after the day."""
    ends = day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return ends if ends == day else day.replace(day=1) - timedelta(days=1)


def day_shown(year: int, asked: date | None, *, is_inside: bool) -> date:
    """The day of the figures: the one asked for, else today or the year's end; from outside, a month's."""
    first, last = clock.fiscal_year_bounds(year)
    day = min(max(asked or last, first), last, clock.today())
    return day if is_inside else month_end(day)


def load(
    session: Session,
    actor: Actor,
    programme: Agency,
    year: int,
    asked: date | None = None,
    *,
    compare: bool = True,
) -> Year:
    """The year as this reader may see it; a closed one as frozen. `compare` adds what became known since."""
    programme_id = programme.id
    set_to = settings.values(session)
    masking = Masking(programmes.is_inside(actor, programme_id), set_to["figures.least_shown"])
    closings = queries.closings_of_years(session, programme_id, (year - 1, year))
    standing = {one.year: one for one in closings if one.reopened_at is None}
    texts = queries.texts_of_years(session, programme_id, (year - 1, year))
    for closing in standing.values():
        texts = {key: text for key, text in texts.items() if key[0] != closing.year}
        texts |= texts_of(closing.frozen)
    before, closed = standing.get(year - 1), standing.get(year)
    as_of = closed.as_of if closed else day_shown(year, asked, is_inside=masking.is_inside)
    this = of_year(programme_id, year, as_of, closed)
    since = None
    if closed and compare and masking.is_inside:
        since = counting.count(
            counting.everybody(), programme_id, catalogue.Period(year, as_of), list(this.areas)
        )
    last_day = clock.fiscal_year_bounds(year - 1)[1]
    last_day = min(last_day, day_shown(year - 1, None, is_inside=masking.is_inside))
    last = of_year(programme_id, year - 1, last_day, before, whole=False)
    months = months_of(this, masking)
    return Year(
        programme=programme,
        year=year,
        as_of=as_of,
        asked=asked if asked and asked != as_of else None,
        masking=masking,
        rows=rows_of(this, last, texts, masking, since),
        goals=[scored(one, masking, set_to["figures.goal_target"]) for one in this.goals],
        target=set_to["figures.goal_target"],
        months=[one for one in months if one is not None],
        hides_months=None in months,
        closing=closed,
        closings=[one for one in closings if one.year == year],
        additions=queries.additions(session, programme_id, year),
        last_is_closed=before is not None,
    )


def of_year(
    programme_id: UUID, year: int, as_of: date, closing: Closing | None, *, whole: bool = True
) -> Numbers:
    """The numbers of a year, frozen or counted without the wall."""
    if closing:
        return thawed(closing.frozen)
    session = counting.everybody()
    if as_of < clock.fiscal_year_bounds(year)[0]:
        return Numbers(year, as_of, programmes.areas_of(session, programme_id, year), {}, {}, [])
    return counted(session, programme_id, year, as_of, whole=whole)


def rows_of(
    this: Numbers,
    last: Numbers,
    texts: queries.Texts,
    masking: Masking,
    since: Mapping[Key, int] | None,
) -> list[Row]:
    """This year's areas in order, each beside last year's; areas that no longer exist come last."""
    of_last = {area.code: area for area in last.areas}
    names = {area.code: area.name for area in (*last.areas, *this.areas)}
    of_this = {area.code: area for area in this.areas}
    found = []
    for code in [*of_this, *(code for code in of_last if code not in of_this)]:
        beside = of_last.get(code)
        found.append(
            Row(
                code=code,
                name=names[code],
                last=column(beside, last, texts, masking, None) if beside else None,
                plan=texts.get((this.year, code, Part.PLAN), ""),
                this=column(of_this.get(code), this, texts, masking, since),
            )
        )
    return [row for row in found if row.code in of_this or has_words(row.last)]


def has_words(column: Column | None) -> bool:
    return column is not None and (bool(column.texts) or not all(group.is_empty for group in column.groups))


def column(
    area: Area | None,
    source: Numbers,
    texts: queries.Texts,
    masking: Masking,
    since: Mapping[Key, int] | None,
) -> Column:
    if area is None:
        return Column((), {})
    written = {
        part: texts[source.year, area.code, part]
        for part in RESULTS
        if (source.year, area.code, part) in texts
    }
    return Column(groups_of(area, source.counts, masking, since), written)


def groups_of(
    area: Area, counts: Mapping[Key, int], masking: Masking, since: Mapping[Key, int] | None
) -> list[Group]:
    def figure(key: Key) -> Figure:
        value = counts.get(key, 0)
        later = since.get(key, 0) if since is not None else value
        return Figure(key, masking.see(value, key.spec), later if later != value else None)

    groups = [
        Group(kind, [figure(of_kind(area.code, kind, what)) for what in counts_of(kind)])
        for kind in kinds_of(area, counts)
    ]
    measures = [figure(of_measure(area.code, measure)) for measure in area.measures]
    return [*groups, *([Group(None, measures)] if measures else [])]


def kinds_of(area: Area, keys: Iterable[Key]) -> list[ActivityKind]:
    """The kinds that the area lists, then those that only records assign to it."""
    others = {key.kind for key in keys if key.area == area.code and key.kind} - set(area.kinds)
    return [*area.kinds, *(kind for kind in ActivityKind if kind in others)]


def scored(goals: Goals, masking: Masking, target: int) -> Scored:
    """Goals as the reader may see them: one hidden small number also hides the sum and the rate."""
    of_people = Spec("", "", of_people=True)
    achieved, partial, not_achieved = (
        masking.see(value, of_people) for value in (goals.achieved, goals.partial, goals.not_achieved)
    )
    if FEW in {achieved, partial, not_achieved}:
        return Scored(goals.domain, achieved, partial, not_achieved, FEW, None, None)
    reaches = goals.reaches(target)
    return Scored(goals.domain, achieved, partial, not_achieved, goals.scored, goals.rate, reaches)


def months_of(source: Numbers, masking: Masking) -> list[Months | None]:
    """The months of each gathering, or how often it was held; None where the months would reveal too much."""
    found: list[Months | None] = []
    over = sum(first <= source.as_of for first in firsts_of(source.year))
    for area in source.areas:
        for kind in kinds_of(area, source.months):
            visits = Count.VISITS in counts_of(kind)
            key = of_kind(area.code, kind, Count.VISITS if visits else Count.HELD)
            values = source.months.get(key, ())
            if any(values):
                seen = [masking.see(value, key.spec) for value in values[:over]]
                found.append(None if FEW in seen else Months(key, [*seen, *[None] * (12 - over)]))
    return found


def firsts_of(year: int) -> list[date]:
    """The first days of the twelve months, April first."""
    months = ((year, month) if month > 3 else (year + 1, month) for month in (*range(4, 13), 1, 2, 3))
    return [date(of_year, month, 1) for of_year, month in months]
