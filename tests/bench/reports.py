"""Measures the yearly evaluation in a large world: processor time of its figures and of its page, year by year."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID

import psycopg

from portal.core import clock
from portal.core.db import db
from portal.evaluations import counting, programmes
from portal.evaluations.catalogue import Count, Key, Period
from portal.evaluations.programmes import areas_of
from tests.bench.load import Connection, Wrong
from tests.bench.processor import seconds_of
from tests.bench.report import Report
from tests.bench.visits import Visitor
from tests.bench.worlds import OFFICE, World, acting, kinds, on_disk, options, seeded
from tests.databases import Databases
from tests.servers import Server, serve

MILLISECONDS = 300.0
FLAT = 1.5  # the dearest full year costs at most so many times the middle one
MOST_ROUNDS = 20


def backends(url: str) -> list[int]:
    """The server's processes for this database, on the same machine; SQLite has none."""
    if not url.startswith("postgresql"):
        return []
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        return [row[0] for row in connection.execute(asked)]


@dataclass
class Spent:
    """Processor time of one's own process or a server's workers, and of the database's processes."""

    own: float = 0.0
    database: float = 0.0

    @property
    def milliseconds(self) -> float:
        return (self.own + self.database) * 1000


@contextmanager
def spending(url: str, workers: list[int], times: int) -> Iterator[Spent]:
    """What each of so many runs inside costs; a database's process that comes or goes inside is not counted."""
    spent = Spent()
    before = {pid: seconds_of(pid) for pid in [*workers, *backends(url)]}
    own = time.process_time()
    yield spent
    own = time.process_time() - own
    used = {pid: seconds_of(pid) - was for pid, was in before.items() if Path(f"/proc/{pid}").exists()}
    if set(before) - set(used):
        raise Wrong("a process went away while it was measured")
    spent.own = (sum(used[pid] for pid in workers) if workers else own) / times
    spent.database = sum(used.values()) / times - (spent.own if workers else 0.0)


def years() -> list[int]:
    """The fiscal years of the seeded world that are over, and the present one."""
    present = clock.fiscal_year(clock.today())
    return list(range(present - 7, present + 1))


def figures(programme_id: UUID, year: int) -> dict[Key, int]:
    """What the page of a year has counted: the year, its months, its goals, and the year before."""
    session, today = counting.everybody(), clock.today()
    found: dict[Key, int] = {}
    for one in (year - 1, year):
        areas = areas_of(session, programme_id, one)
        found = counting.count(session, programme_id, Period(one, today), areas)
    counting.by_month(session, programme_id, year, areas, today)
    counting.goals(session, programme_id, Period(year, today))
    return found


def heads(found: dict[Key, int]) -> int:
    return sum(value for key, value in found.items() if key.what is Count.VISITS)


def measure_figures(kind: str, url: str, rounds: int, report: Report) -> None:
    programme = programmes.programmes(db.unrestricted())[0]
    costs = {}
    figures(programme.id, years()[0])  # statements are built once
    for year in years():
        with spending(url, [], rounds) as spent:
            for _ in range(rounds):
                found = figures(programme.id, year)
        costs[year] = spent.milliseconds
        report.check(
            spent.milliseconds <= MILLISECONDS,
            f"{kind:<11}figures of {year}: {spent.milliseconds:.0f} ms "
            f"(database {spent.database * 1000:.0f}), wanted {MILLISECONDS:.0f}; {heads(found):,} attendances",
        )
    flat(f"{kind:<11}figures", costs, report)


def flat(what: str, costs: dict[int, float], report: Report) -> None:
    """Whether one full year costs what another costs; the first and the last are not full."""
    whole = [costs[year] for year in years()[1:-1]]
    ratio = max(whole) / median(whole)
    report.check(ratio <= FLAT, f"{what}: the dearest year {ratio:.2f} times the middle one, wanted {FLAT}")


def measure_page(kind: str, here: World, rounds: int, report: Report) -> None:
    with serve(here.url, workers=1, environment=OFFICE) as server:
        visitor = Visitor(server.port, here.programme, here.password)
        costs = {}
        for year in years():
            request = visitor.get(f"/reports/evaluation/{year}")
            ask(server, request)
            with spending(here.url, server.workers(), rounds) as spent:
                for _ in range(rounds):
                    ask(server, request)
            costs[year] = spent.milliseconds
            report.check(
                spent.milliseconds <= MILLISECONDS,
                f"{kind:<11}page of {year}: {spent.milliseconds:.0f} ms "
                f"(database {spent.database * 1000:.0f}), wanted {MILLISECONDS:.0f}",
            )
        flat(f"{kind:<11}page", costs, report)


def ask(server: Server, request: bytes) -> None:
    connection = Connection(server.port)
    try:
        status, _head, _body = connection.ask(request)
    finally:
        connection.socket.close()
    if status != 200:
        raise Wrong(f"the page of the year: {status}")


def measure(kind: str, made: Databases, chosen: argparse.Namespace, report: Report) -> None:
    report.say(f"{kind}, {chosen.referrals:,} referrals, {chosen.attendances:,} attendances")
    here = seeded(made, report, chosen.referrals, chosen.worlds, chosen.attendances)
    with acting(here.url):
        measure_figures(kind, here.url, chosen.rounds, report)
    if not chosen.figures_only:
        measure_page(kind, here, chosen.rounds, report)
    made.drop(here.url)


def read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reports", description=__doc__)
    options(parser)
    parser.add_argument("--referrals", type=int, default=100_000)
    parser.add_argument("--attendances", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5, help=f"for each year, at most {MOST_ROUNDS}")
    parser.add_argument("--figures-only", action="store_true", help="leave the page out")
    chosen = parser.parse_args(arguments)
    chosen.rounds = min(chosen.rounds, MOST_ROUNDS)
    return chosen


def main(arguments: list[str]) -> int:
    chosen, report = read(arguments), Report()
    for kind in kinds(chosen):
        with on_disk(kind) as made:
            measure(kind, made, chosen, report)
    return report.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
