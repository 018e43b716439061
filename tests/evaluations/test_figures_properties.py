"""What holds of all figures in every world, against a plain count over the raw rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from random import Random

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.activities.kinds import ActivityKind
from portal.cases import codes
from portal.cases.codes import Milestone, Outcome
from portal.core.db import db
from portal.evaluations import counting
from portal.evaluations.catalogue import AREAS, Count, Key, Period, of_kind
from portal.evaluations.counting import ADDITIVE
from portal.evaluations.programmes import areas_of
from tests.conftest import CountQueries
from tests.evaluations import oracle, plans
from tests.evaluations.plans import Act, Gathering
from tests.evaluations.worlds import Programme, make_programme, on

YEARS = (2018, 2019, 2020, 2021, 2022)
MANY = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def name_of(key: Key) -> str:
    return f"{key.area}/{key.code}" if key.kind else key.code


def everything() -> oracle.Everything:
    try:
        return oracle.Everything.read(db.unrestricted())
    finally:
        db.end()


def goals(it: Programme, period: Period) -> dict[tuple[str, str], int]:
    try:
        found = counting.goals(counting.everybody(), it.id, period)
    finally:
        db.end()
    return {
        (domain.value, score): number
        for domain, one in found.items()
        for score, number in (
            ("achieved", one.achieved),
            ("partial", one.partial),
            ("not", one.not_achieved),
        )
        if number
    }


@MANY
@given(plan=plans.plans(14), as_of=plans.days)
def test_the_figures_are_those_of_a_plain_count(app: Flask, plan: list[Act], as_of: date) -> None:
    it = plans.world_of(plan)
    rows = everything()
    for year in YEARS:
        for period in (Period.whole(year), Period(year, as_of)):
            wanted = oracle.figures_of(rows, it.id, period.first, period.last)
            figures = it.figures(year, period.as_of)
            assert {name_of(key): number for key, number in figures.items()} == {
                name_of(key): wanted.get(name_of(key), 0) for key in figures
            }
            assert goals(it, period) == oracle.goals_of(rows, it.id, period.first, period.last)


@MANY
@given(plan=plans.plans(14), as_of=plans.days)
def test_as_of_a_day_it_is_what_had_happened_by_then(app: Flask, plan: list[Act], as_of: date) -> None:
    it, copy = plans.world_of(plan), plans.world_of(plans.by(plan, as_of))
    for year in YEARS:
        assert it.figures(year, as_of) == copy.figures(year)
        assert goals(it, Period(year, as_of)) == goals(copy, Period.whole(year))


@MANY
@given(plan=plans.plans(14), random=st.randoms(use_true_random=False))
def test_the_order_of_entry_does_not_matter(app: Flask, plan: list[Act], random: Random) -> None:
    other = list(plan)
    random.shuffle(other)
    it, shuffled = plans.world_of(plan), plans.world_of(other)
    for year in YEARS:
        assert it.figures(year) == shuffled.figures(year)
        assert goals(it, Period.whole(year)) == goals(shuffled, Period.whole(year))


@MANY
@given(plan=st.lists(plans.gatherings(), max_size=10))
def test_heads_are_never_fewer_than_persons_nor_persons_than_who_came_at_once(
    app: Flask, plan: list[Gathering]
) -> None:
    it = plans.world_of(plan)
    for year in YEARS:
        figures = it.figures(year)
        for kind in (ActivityKind.CAFE, ActivityKind.SALON):
            area = "place" if kind is ActivityKind.CAFE else "employment"
            visits, people = (figures[of_kind(area, kind, what)] for what in (Count.VISITS, Count.PEOPLE))
            at_once = [
                len(act.named) + len(act.anonymous)
                for act in plan
                if act.kind is kind
                and not act.is_struck
                and not act.not_held_why
                and date(year, 4, 1) <= act.day < date(year + 1, 4, 1)
            ]
            assert visits == sum(at_once)
            assert visits >= people >= max(at_once, default=0)


@MANY
@given(plan=st.lists(plans.gatherings(), max_size=10), as_of=plans.days)
def test_the_months_make_the_year(app: Flask, plan: list[Gathering], as_of: date) -> None:
    it = plans.world_of(plan)
    for year in YEARS:
        for day in (None, as_of):
            session = counting.everybody()
            try:
                months = counting.by_month(session, it.id, year, areas_of(session, it.id, year), day)
            finally:
                db.end()
            figures = it.figures(year, day)
            assert {key: sum(numbers) for key, numbers in months.items()} == {
                key: number for key, number in figures.items() if key.what in ADDITIVE
            }
            assert all(len(numbers) == 12 for numbers in months.values())


def test_a_month_stands_in_its_place(app: Flask) -> None:
    it = make_programme()
    for day in ("2020-04-01", "2020-12-31", "2021-03-31"):
        it.activity(day, who=[None])
    session = counting.everybody()
    months = counting.by_month(session, it.id, 2020, AREAS)
    db.end()
    for what in (Count.HELD, Count.VISITS):
        key = of_kind("place", ActivityKind.CAFE, what)
        assert months[key] == [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert not [key for key in months if key.what is Count.PEOPLE]


@pytest.mark.parametrize("size", [0, 1, 12])
def test_as_many_statements_whatever_there_is(app: Flask, count_queries: CountQueries, size: int) -> None:
    it = make_programme()
    for n in range(size):
        who = it.person()
        it.activity(date(2020, 1 + n, 1), who=[who, None], title=f"見本{n}")
        it.activity(date(2020, 1 + n, 2), list(ActivityKind)[n], area="place")
        with on("2019-05-01"):
            case = it.case(who, "2019-05-01")
        it.milestone(case, Milestone.EMPLOYED, date(2020, 1 + n, 3))
    session = counting.everybody()
    with count_queries() as asked:
        counting.count(session, it.id, Period.whole(2020), AREAS)
    assert len(asked) == 9
    with count_queries() as asked:
        counting.by_month(session, it.id, 2020, AREAS)
        counting.goals(session, it.id, Period.whole(2020))
    assert len(asked) == 3
    db.end()


def test_goals_by_domain_and_their_rate(app: Flask, at: Callable[..., None]) -> None:
    at("2022-06-01T10:00")
    none = counting.Goals(codes.Domain.DAILY)
    assert (none.scored, none.rate, none.reaches(70)) == (0, None, None)
    seven = counting.Goals(codes.Domain.DAILY, 7, 2, 1)
    assert (seven.scored, seven.rate, seven.reaches(70), seven.reaches(71)) == (10, 70, True, False)
    two = counting.Goals(codes.Domain.DAILY, 2, 1, 0)
    assert (two.rate, two.reaches(67)) == (67, False), "what is shown is rounded, what is compared is not"
    it = make_programme()
    it.close(it.case(it.person(), "2020-05-01"), "2020-06-01", Outcome.IMPROVED)
    session = counting.everybody()
    found = counting.goals(session, it.id, Period.whole(2020))
    db.end()
    assert [one.scored for one in found.values()] == [0, 0, 0]
    assert list(found) == list(codes.Domain)


def test_the_plain_count_is_no_copy() -> None:
    """It shares not even a name with the code it checks."""
    with open(oracle.__file__, encoding="utf-8") as file:
        assert "portal" not in file.read().replace("docs/", "")
