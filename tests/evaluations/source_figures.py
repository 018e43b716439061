"""What the city's own table says of the two years, as data.

The table is its evaluation of the employment-preparation programme (就労準備支援事業), made in 令和2年度: the results of
令和元年度 as a whole, and those of 令和2年度 as of the end of December 2020. Where it gives no number but says that
something was done, or that somebody came, `least` is what it says at the very least.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

R1, R2 = 2019, 2020
AS_OF = {R1: date(2020, 3, 31), R2: date(2020, 12, 31)}


@dataclass(frozen=True, slots=True)
class Said:
    """One figure of one year; `least`: this many or more."""

    year: int
    area: str
    code: str
    number: int
    least: bool = False


def at_least(year: int, area: str, code: str, number: int = 1) -> Said:
    return Said(year, area, code, number, least=True)


SAID = (
    # 地域での居場所・役割
    Said(R1, "place", "cafe.held", 1),
    Said(R1, "place", "cafe.visits", 5),
    Said(R2, "place", "cafe.held", 7),
    Said(R2, "place", "cafe.not_held", 2),
    Said(R2, "place", "cafe.visits", 15),
    at_least(R2, "place", "home_visit.held", 2),  # regularly
    Said(R1, "place", "door_opened", 0),
    Said(R2, "place", "door_opened", 1),
    # 周知・啓発
    at_least(R1, "outreach", "school_visit.held", 2),  # high schools and universities
    Said(R1, "outreach", "briefing.held", 1),
    at_least(R2, "outreach", "school_visit.held", 2),
    at_least(R2, "outreach", "briefing.held", 2),  # what the café is, and a training
    at_least(R2, "outreach", "came_by_leaflet"),
    # 就労支援
    Said(R1, "employment", "part_time_job", 1),
    Said(R1, "employment", "with_hello_work", 1),
    Said(R1, "employment", "employed", 0),
    Said(R1, "employment", "partners_added", 1),
    Said(R1, "employment", "agreements_signed", 0),
    at_least(R1, "employment", "salon.held"),
    at_least(R1, "employment", "group_session.held"),
    Said(R2, "employment", "part_time_job", 1),
    Said(R2, "employment", "with_hello_work", 0),
    Said(R2, "employment", "employed", 0),
    Said(R2, "employment", "agreements_signed", 3),
    at_least(R2, "employment", "interview_practice.online"),
    at_least(R2, "employment", "salon.held"),
    at_least(R2, "employment", "volunteering.visits"),
    # 相談支援体制の機能強化
    Said(R1, "consultation", "joined_after_joint", 2),
    Said(R2, "consultation", "joined_after_joint", 4),
    Said(R2, "consultation", "joined_carried_over", 1),
    Said(R1, "consultation", "weekly_meetings", 0),
    at_least(R2, "consultation", "weekly_meetings", 2),
    Said(R2, "consultation", "councils", 9),  # once a month
    at_least(R2, "consultation", "city_visit.held"),
)

# How much is added in each month, from April on, where the table speaks of months.
BY_MONTH = {
    (R1, "place", "cafe.held"): (0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0),
    (R2, "place", "cafe.held"): (0, 0, 1, 1, 1, 1, 1, 1, 1),
    (R2, "place", "cafe.not_held"): (1, 1, 0, 0, 0, 0, 0, 0, 0),
    (R2, "employment", "salon.held"): (0, 0, 0, 0, 0, 0, 0, 0, 1),
    (R2, "employment", "interview_practice.online"): (0, 0, 0, 0, 0, 0, 0, 0, 1),
    (R2, "consultation", "councils"): (1, 1, 1, 1, 1, 1, 1, 1, 1),
}
# Weekly, as far as possible, from November on: never before, and then in each month at least this often.
WEEKLY = (0, 0, 0, 0, 0, 0, 0, 2, 2)
