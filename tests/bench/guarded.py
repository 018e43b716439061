"""What the log and the two walls cost: the same pages with them and without, and entries per second of 8 writers."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from statistics import median
from uuid import UUID

from config import TestConfig
from portal import create_app
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, make_engine
from tests.bench.load import Wrong, press
from tests.bench.pages import OFFICE, Report, on_disk, seed
from tests.bench.visits import PAGES, Visitor
from tests.databases import Databases
from tests.servers import serve

UNGUARDED = "tests.bench.unguarded:create_app()"
DEARER = 1.3  # the list with the log and both walls, against the list without any of them
WRITERS = 8
NOBODY = UUID(int=0)


def pages(made: Databases, kind: str, chosen: argparse.Namespace, report: Report) -> None:
    """The list and the search, guarded and not, in turn on the same database and machine."""
    url = made.fresh()
    email, password = seed(url, chosen.referrals, report)
    engine = make_engine(url, readonly=True)
    with (
        serve(url, environment=OFFICE) as guarded,
        serve(url, environment=OFFICE, application=UNGUARDED) as bare,
    ):
        here, there = Visitor(guarded.port, email, password), Visitor(bare.port, email, password)
        for page in (page for page in PAGES if page.name.startswith(("referral list", "name search"))):
            ratios = []
            for _round in range(chosen.rounds):
                try:
                    slow = press(
                        guarded.port, page.requests(here, engine, email), seconds=chosen.seconds
                    ).rate
                    fast = press(bare.port, page.requests(there, engine, email), seconds=chosen.seconds).rate
                except Wrong as error:
                    report.check(False, f"{page.name}: {error}")
                    break
                ratios.append(fast / slow)
            if ratios:
                report.check(
                    median(ratios) <= DEARER or not page.name.startswith("referral list"),
                    f"{kind} {page.name}: {median(ratios):.2f} times dearer with log and walls "
                    f"({min(ratios):.2f} to {max(ratios):.2f}), at most {DEARER} for the list",
                )
    engine.dispose()
    made.drop(url)


def write(url: str, seconds: float, written: multiprocessing.Queue[int]) -> None:
    """One writer: an entry in a transaction of its own, as long as it lasts."""
    create_app(TestConfig)
    db.bind(url)
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        with db.transaction():
            audit.record(AuditEvent.PEOPLE_LISTED, ("person", None), actor=None, count=3)
        count += 1
    db.dispose()
    written.put(count)


def writers(made: Databases, kind: str, chosen: argparse.Namespace, report: Report) -> None:
    url = made.fresh()
    written: multiprocessing.Queue[int] = multiprocessing.Queue()
    people = [
        multiprocessing.Process(target=write, args=(url, chosen.seconds, written)) for _ in range(WRITERS)
    ]
    for one in people:
        one.start()
    total = sum(written.get() for _ in people)
    for one in people:
        one.join()
    report.say(f"{kind}: {total / chosen.seconds:.0f} entries a second, {WRITERS} writers, each entry synced")
    made.drop(url)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.guarded", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--referrals", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen, report = parser.parse_args(arguments), Report()
    for kind in ("sqlite", "postgresql") if chosen.database == "both" else (chosen.database,):
        with on_disk(kind) as made:
            pages(made, kind, chosen, report)
            writers(made, kind, chosen, report)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
