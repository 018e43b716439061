"""What the log and the two walls cost: the same pages with them and without, and entries per second of many writers."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from statistics import median

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core.db import db, make_engine
from tests.bench.load import Wrong, press
from tests.bench.report import Report
from tests.bench.visits import PAGES, Visitor
from tests.bench.worlds import OFFICE, World, acting, kinds, on_disk, options, seeded
from tests.servers import serve

UNGUARDED = "tests.bench.unguarded:create_app()"
DEARER = 1.3  # the list with the log and both walls, against the list without any of them


def pages(kind: str, world: World, chosen: argparse.Namespace, report: Report) -> None:
    """The list and the search, guarded and not, in turn on the same database and machine."""
    engine = make_engine(world.url, readonly=True)
    with (
        serve(world.url, environment=OFFICE) as guarded,
        serve(world.url, environment=OFFICE, application=UNGUARDED) as bare,
    ):
        here = Visitor(guarded.port, world.email, world.password)
        there = Visitor(bare.port, world.email, world.password)
        for page in (page for page in PAGES if page.name.startswith(("referral list", "name search"))):
            ratios = []
            for _round in range(chosen.rounds):
                try:
                    slow = press(guarded.port, page.requests(here, engine, world), seconds=chosen.seconds)
                    fast = press(bare.port, page.requests(there, engine, world), seconds=chosen.seconds)
                except Wrong as error:
                    report.fail(f"{page.name}: {error}")
                    break
                ratios.append(fast.rate / slow.rate)
            if ratios:
                report.check(
                    median(ratios) <= DEARER or not page.name.startswith("referral list"),
                    f"{kind} {page.name}: {median(ratios):.2f} times dearer with log and walls "
                    f"({min(ratios):.2f} to {max(ratios):.2f}), at most {DEARER} for the list",
                )
    engine.dispose()


def write(url: str, seconds: float, written: multiprocessing.Queue[int]) -> None:
    """One writer: an entry in a transaction of its own, as long as it lasts."""
    with acting(url):
        until, count = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            with db.transaction():
                audit.record(AuditEvent.PEOPLE_LISTED, ("person", None), actor=None, count=3)
            count += 1
    written.put(count)


def writers(kind: str, world: World, chosen: argparse.Namespace, report: Report) -> None:
    """Many processes write into one log at once."""
    written: multiprocessing.Queue[int] = multiprocessing.Queue()
    people = [
        multiprocessing.Process(target=write, args=(world.url, chosen.seconds, written))
        for _ in range(chosen.writers)
    ]
    for one in people:
        one.start()
    for one in people:
        one.join()
    if any(one.exitcode for one in people):
        report.fail(f"{kind}: a writer came to grief")
        return
    total = sum(written.get() for _ in people)
    report.say(
        f"{kind}: {total / chosen.seconds:.0f} entries a second, {chosen.writers} writers, each entry synced"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.guarded", description=__doc__)
    options(parser)
    parser.add_argument("--referrals", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--writers", type=int, default=8, help="processes that write at once")
    chosen, report = parser.parse_args(arguments), Report()
    for kind in kinds(chosen):
        with on_disk(kind) as made:
            world = seeded(made, report, chosen.referrals, chosen.worlds)
            pages(kind, world, chosen, report)
            writers(kind, world, chosen, report)
            made.drop(world.url)
    return report.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
