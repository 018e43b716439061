"""The figures of the city's table come out of the demo's records; as of a day, they are those of a demo that ends there."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.evaluations import catalogue, counting, programmes, table
from portal.evaluations.catalogue import Key
from portal.evaluations.models import EvaluationClosing, EvaluationText, Part
from portal.evaluations.programmes import areas_of
from tests.browsers import Browser
from tests.conftest import scenario
from tests.evaluations.source_figures import AS_OF, BY_MONTH, R1, R2, SAID, WEEKLY, Said
from tests.factories import make_member

DEMO = Path(__file__).resolve().parent.parent.parent / "scenarios" / "ashiya.yaml"
pytestmark = pytest.mark.scenario(str(DEMO))

Figures = dict[Key, int]


@pytest.fixture
def demo(app: Flask) -> Iterator[Flask]:
    yield app
    db.end()


def figures(year: int, as_of: date) -> Figures:
    session = counting.everybody()
    (programme,) = programmes.programmes(session)
    period = catalogue.Period(year, as_of)
    return counting.count(session, programme.id, period, areas_of(session, programme.id, year))


def month_ends(year: int, months: int) -> list[date]:
    """The last days of the fiscal year's first months."""
    firsts = [date(year + (3 + past) // 12, (3 + past) % 12 + 1, 1) for past in range(months)]
    return [first.replace(day=monthrange(first.year, first.month)[1]) for first in firsts]


def added_by_month(year: int, months: int) -> dict[Key, tuple[int, ...]]:
    """By how much each figure grows from one month's end to the next."""
    ends = [figures(year, end) for end in month_ends(year, months)]
    return {
        key: tuple(later - before for before, later in pairwise([0, *(end[key] for end in ends)]))
        for key in ends[-1]
    }


def test_every_figure_of_the_table_comes_out_of_the_records(demo: Flask) -> None:
    counted = {year: figures(year, as_of) for year, as_of in AS_OF.items()}

    def number(said: Said) -> int:
        return counted[said.year][Key(said.area, said.code)]

    others = [
        (said, number(said))
        for said in SAID
        if (number(said) < said.number if said.least else number(said) != said.number)
    ]
    assert others == []


def test_every_area_of_the_table_is_compared_in_both_years(demo: Flask) -> None:
    areas = {key.area for key in figures(R2, AS_OF[R2])}
    assert len(areas) == 4
    assert {(said.year, said.area) for said in SAID} == {(year, area) for year in (R1, R2) for area in areas}


def test_what_the_table_says_of_months_comes_out_by_month(demo: Flask) -> None:
    added = {R1: added_by_month(R1, 12), R2: added_by_month(R2, 9)}
    found = {(year, area, code): added[year][Key(area, code)] for year, area, code in BY_MONTH}
    assert found == BY_MONTH
    weekly = added[R2][Key("consultation", "weekly_meetings")]
    assert weekly[:7] == WEEKLY[:7]
    assert all(held >= least for held, least in zip(weekly[7:], WEEKLY[7:], strict=True))


def test_a_visitor_who_is_known_by_name_later_is_counted_once(demo: Flask) -> None:
    """Anonymous in August, by name in November. Seven cafés, and fewer people than visits."""
    cafe = figures(R2, AS_OF[R2])
    visits, people = (cafe[Key("place", f"cafe.{what}")] for what in ("visits", "people"))
    assert 1 < people < visits
    events = yaml.safe_load(DEMO.read_text(encoding="utf-8"))["events"]
    cafes = [event for event in events if event.get("series") == "as_cafe" and "not_held" not in event]
    named = {person for cafe in cafes for person in cafe.get("attendees", [])}
    firsts = sum(cafe.get("anonymous", {}).get("first", 0) for cafe in cafes)
    keys = {cafe["key"] for cafe in cafes if "key" in cafe}
    links = [event for event in events if event["act"] == "link_attendance" and event["activity"] in keys]
    assert {link["person"] for link in links} <= named
    assert (len(cafes), len(links)) == (7, 1)
    assert people == len(named) + firsts - 1


# What the demo's own words say in numbers: each piece with its figures in place stands in the text of that year's results.
SAYS = {
    (R1, "place"): ("寄ってカフェを{0[cafe.held]}回", "{0[cafe.visits]}人が来られた"),
    (R1, "outreach"): ("研修を{0[briefing.held]}回", "{0[briefing.audience]}人が参加した"),
    (R1, "employment"): (
        "一緒に支えた{0[part_time_job]}人",
        "協力先が{0[partners_added]}社増えた",
        "就労サロンは{0[salon.held]}回",
        "グループセッションは{0[group_session.held]}回",
    ),
    (R1, "consultation"): ("{0[joint_interviews]}件で同席", "{0[joined_after_joint]}件が利用につながった"),
    (R2, "place"): (
        "計{0[cafe.held]}回",
        "延べ{0[cafe.visits]}人",
        "実人数は{0[cafe.people]}人",
    ),
    (R2, "outreach"): ("{0[came_by_leaflet]}人が来られた",),
    (R2, "employment"): ("重ねた{0[part_time_job]}人", "協定は{0[agreements_signed]}社"),
    (R2, "consultation"): (
        "{0[joined_after_joint]}件が利用につながった",
        "継続{0[joined_carried_over]}件を含む",
    ),
}


def test_the_words_of_the_demo_say_what_is_counted(demo: Flask) -> None:
    written = select(EvaluationText.text).where(EvaluationText.part == Part.RESULT)
    with db.read() as session:
        for (year, area), pieces in SAYS.items():
            counted = {key.code: n for key, n in figures(year, AS_OF[year]).items() if key.area == area}
            here = written.where(EvaluationText.year == year, EvaluationText.area == area)
            text = session.scalars(here).one()
            for piece in pieces:
                assert piece.format(counted) in text
    assert {area for _year, area in SAYS} == {key.area for key in figures(R2, AS_OF[R2])}


SHOWN = re.compile(
    r'href="/reports/evaluation/(\d{4})/figures/([a-z_]+)/([a-z_.]+)[^"]*"[^>]*>.*?<strong class="num">\s*(\d+)<',
    re.DOTALL,
)


def test_the_page_of_the_year_shows_the_figures_of_the_table(
    demo: Flask, browser: Callable[..., Browser]
) -> None:
    """Both years stand on it: the one before as it was closed, this one as of the day of the table."""
    (programme,) = programmes.programmes(db.read())
    member = make_member(programme.id)
    db.end()
    page = browser(member).get(f"/reports/evaluation/{R2}?as_of={AS_OF[R2]}")
    assert page.status_code == 200
    found = {
        (int(year), Key(area, code)): int(number) for year, area, code, number in SHOWN.findall(page.text)
    }
    # What never happened is not listed.
    assert {(said.year, Key(said.area, said.code)) for said in SAID if said.number} <= found.keys()
    counted = {(year, key): n for year, day in AS_OF.items() for key, n in figures(year, day).items()}
    assert found == {which: counted[which] for which in found}
    assert {which for which, n in counted.items() if n} == {which for which, n in found.items() if n}


def test_the_first_year_was_closed_with_the_figures_of_the_table(demo: Flask) -> None:
    """In April 2020, before a name stood behind the closed door: the figures of the year are the same since."""
    with db.read() as session:
        closing = session.scalars(select(EvaluationClosing)).one()
        assert (closing.year, closing.as_of, closing.reopened_at) == (R1, AS_OF[R1], None)
        assert table.thawed(closing.frozen).counts == figures(R1, AS_OF[R1])


# On these days the demo ends: at the end of a year, amid one, and on the day of the table. What was corrected since is
# known from the beginning (docs/decisions/021): in autumn nobody could say yet who had opened their door.
CUTS: dict[date, set[Key]] = {
    date(2020, 3, 31): set(),
    date(2020, 9, 30): {Key("place", "door_opened")},
    date(2020, 12, 31): set(),
}


def until(day: date, folder: Path) -> Path:
    """The demo as a file that ends with this day."""
    whole = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    whole["events"] = [event for event in whole["events"] if event["at"][:10] <= day.isoformat()]
    del whole["recent"]
    file = folder / f"until-{day}.yaml"
    file.write_text(yaml.safe_dump(whole, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file


@pytest.mark.long
def test_as_of_a_day_the_figures_are_those_of_a_demo_that_ends_there(
    demo: Flask, renew: Callable[..., str], tmp_path: Path
) -> None:
    known_now = {day: {year: figures(year, day) for year in (R1, R2)} for day in CUTS}
    for day, corrected in CUTS.items():
        db.end()
        renew(*scenario(str(until(day, tmp_path))))
        then = {year: figures(year, day) for year in (R1, R2)}
        assert any(then[R1].values()), day
        differing = {
            key
            for year, now in known_now[day].items()
            for key in now.keys() | then[year].keys()
            if now.get(key) != then[year].get(key)
        }
        assert differing == corrected, day
