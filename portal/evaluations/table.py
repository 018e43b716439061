"""The yearly table as one reader sees it: areas, last year's column beside this year's, small numbers masked."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from portal import clock
from portal.activities.kinds import ActivityKind
from portal.agencies.models import Agency
from portal.evaluations import areas, closing_queries, counting, numbers, programmes, text_queries
from portal.evaluations.catalogue import Area, Count, Spec, counts_of
from portal.evaluations.closing_queries import Closing
from portal.evaluations.figures import FEW, Key, of_kind, of_measure
from portal.evaluations.goal_counts import Goals
from portal.evaluations.models import Part
from portal.evaluations.numbers import Numbers
from portal.evaluations.seen import RESULTS, Column, Eyes, Figure, Group, Months, Row, Scored, Year
from portal.policy import Actor
from portal.settings import queries as settings


def month_end(day: date) -> date:
    """The last end of a month that is not after the day."""
    ends = day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return ends if ends == day else day.replace(day=1) - timedelta(days=1)


def day_shown(year: int, asked: date | None, *, is_inside: bool) -> date:
    """As of which day: today or the end of the year unless another is asked for; from outside ends of months only."""
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
    """The year as this reader may see it; a closed one as it was frozen. `compare` tells what came to be known since."""
    programme_id = programme.id
    set_to = settings.values(session)
    eyes = Eyes(programmes.is_inside(actor, programme_id), set_to["figures.least_shown"])
    closings = closing_queries.of_years(session, programme_id, (year - 1, year))
    standing = {one.year: one for one in closings if one.reopened_at is None}
    texts = text_queries.of_years(session, programme_id, (year - 1, year))
    for closing in standing.values():
        texts = {key: text for key, text in texts.items() if key[0] != closing.year}
        texts |= numbers.texts_of(closing.frozen)
    before, closed = standing.get(year - 1), standing.get(year)
    as_of = closed.as_of if closed else day_shown(year, asked, is_inside=eyes.is_inside)
    this = of_year(programme_id, year, as_of, closed)
    since = None
    if closed and compare and eyes.is_inside:
        since = counting.count(
            counting.everybody(), programme_id, counting.Period(year, as_of), list(this.areas)
        )
    last_day = clock.fiscal_year_bounds(year - 1)[1]
    last_day = min(last_day, day_shown(year - 1, None, is_inside=eyes.is_inside))
    last = of_year(programme_id, year - 1, last_day, before, whole=False)
    months = months_of(this, eyes)
    return Year(
        programme=programme,
        year=year,
        as_of=as_of,
        asked=asked if asked and asked != as_of else None,
        eyes=eyes,
        rows=rows_of(this, last, texts, eyes, since),
        goals=[scored(one, eyes, set_to["figures.goal_target"]) for one in this.goals],
        target=set_to["figures.goal_target"],
        months=[one for one in months if one is not None],
        hides_months=None in months,
        closing=closed,
        closings=[one for one in closings if one.year == year],
        additions=closing_queries.additions(session, programme_id, year),
        last_is_closed=before is not None,
    )


def of_year(
    programme_id: UUID, year: int, as_of: date, closing: Closing | None, *, whole: bool = True
) -> Numbers:
    """Frozen, or counted beside the wall."""
    if closing:
        return numbers.thawed(closing.frozen)
    session = counting.everybody()
    if as_of < clock.fiscal_year_bounds(year)[0]:
        return Numbers(year, as_of, areas.areas_of(session, programme_id, year), {}, {}, [])
    return numbers.counted(session, programme_id, year, as_of, whole=whole)


def rows_of(
    this: Numbers,
    last: Numbers,
    texts: text_queries.Texts,
    eyes: Eyes,
    since: Mapping[Key, int] | None,
) -> list[Row]:
    """This year's areas in their order, each beside the same of last year; those that are no more come last."""
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
                last=column(beside, last, texts, eyes, None) if beside else None,
                plan=texts.get((this.year, code, Part.PLAN), ""),
                this=column(of_this.get(code), this, texts, eyes, since),
            )
        )
    return [row for row in found if row.code in of_this or has_words(row.last)]


def has_words(column: Column | None) -> bool:
    return column is not None and (bool(column.texts) or not all(group.is_empty for group in column.groups))


def column(
    area: Area | None,
    source: Numbers,
    texts: text_queries.Texts,
    eyes: Eyes,
    since: Mapping[Key, int] | None,
) -> Column:
    if area is None:
        return Column((), {})
    written = {
        part: texts[source.year, area.code, part]
        for part in RESULTS
        if (source.year, area.code, part) in texts
    }
    return Column(groups_of(area, source.counts, eyes, since), written)


def groups_of(
    area: Area, counts: Mapping[Key, int], eyes: Eyes, since: Mapping[Key, int] | None
) -> list[Group]:
    def figure(key: Key) -> Figure:
        value = counts.get(key, 0)
        later = since.get(key, 0) if since is not None else value
        return Figure(key, eyes.see(value, key.spec), later if later != value else None)

    groups = [
        Group(kind, [figure(of_kind(area.code, kind, what)) for what in counts_of(kind)])
        for kind in kinds_of(area, counts)
    ]
    measures = [figure(of_measure(area.code, measure)) for measure in area.measures]
    return [*groups, *([Group(None, measures)] if measures else [])]


def kinds_of(area: Area, keys: Iterable[Key]) -> list[ActivityKind]:
    """Those that the area lists, then those that only records say to belong to it."""
    others = {key.kind for key in keys if key.area == area.code and key.kind} - set(area.kinds)
    return [*area.kinds, *(kind for kind in ActivityKind if kind in others)]


def scored(goals: Goals, eyes: Eyes, target: int) -> Scored:
    """From outside, one small number takes the sum and the rate with it: they would tell it."""
    of_people = Spec("", "", of_people=True)
    achieved, partial, not_achieved = (
        eyes.see(value, of_people) for value in (goals.achieved, goals.partial, goals.not_achieved)
    )
    if FEW in {achieved, partial, not_achieved}:
        return Scored(goals.domain, achieved, partial, not_achieved, FEW, None, None)
    reaches = goals.reaches(target)
    return Scored(goals.domain, achieved, partial, not_achieved, goals.scored, goals.rate, reaches)


def months_of(source: Numbers, eyes: Eyes) -> list[Months | None]:
    """Visits of each kind of gathering, else how often it was held; None for one whose months would tell too much."""
    found: list[Months | None] = []
    over = sum(first <= source.as_of for first in firsts_of(source.year))
    for area in source.areas:
        for kind in kinds_of(area, source.months):
            visits = Count.VISITS in counts_of(kind)
            key = of_kind(area.code, kind, Count.VISITS if visits else Count.HELD)
            values = source.months.get(key, ())
            if any(values):
                seen = [eyes.see(value, key.spec) for value in values[:over]]
                found.append(None if FEW in seen else Months(key, [*seen, *[None] * (12 - over)]))
    return found


def firsts_of(year: int) -> list[date]:
    """The first days of the twelve months, April first."""
    months = ((year, month) if month > 3 else (year + 1, month) for month in (*range(4, 13), 1, 2, 3))
    return [date(of_year, month, 1) for of_year, month in months]
