"""Measures what a worker weighs after a day's work: many mixed pages and some PDFs, and what prints beside it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from portal.core.db import make_engine
from tests.bench.load import press
from tests.bench.report import Report
from tests.bench.visits import PAGES, Visitor, referrals_sent
from tests.bench.worlds import OFFICE, World, kinds, on_disk, options, seeded
from tests.servers import Server, serve

WORKER_MIB = 130
SENT = "sending a referral"  # answers by a redirection, and each draft once


def resident(pid: int) -> float:
    """MiB of a process, with what it shares with others."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def children(pid: int) -> list[int]:
    """The processes that a worker has started, in whichever of its threads."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]


def weights(server: Server) -> str:
    (worker,) = server.workers()
    printers = ", ".join(f"{resident(child):.0f}" for child in children(worker)) or "none"
    return f"worker {resident(worker):.0f} MiB, beside it {printers}"


def in_turn(requests: list[Iterator[bytes]]) -> Iterator[bytes]:
    """One of each page after the other."""
    return chain.from_iterable(zip(*requests, strict=False))


def measure(kind: str, here: World, chosen: argparse.Namespace, report: Report) -> None:
    report.say(f"{kind}, {chosen.referrals:,} referrals")
    engine = make_engine(here.url, readonly=True)
    with serve(here.url, workers=1, environment=OFFICE) as server:
        visitor = Visitor(server.port, here.email, here.password)
        report.say(f"  signed in: {weights(server)}")
        mixed = [page.requests(visitor, engine, here) for page in PAGES if page.name != SENT]
        done = press(server.port, islice(in_turn(mixed), chosen.pages), seconds=600)
        report.say(f"  after {len(done.latencies)} pages: {weights(server)}")
        papers = islice(referrals_sent(engine, here), chosen.papers)
        done = press(server.port, (visitor.get(f"/referrals/{key}/sheet.pdf") for key in papers), seconds=600)
        report.say(f"  after {len(done.latencies)} PDFs: {weights(server)}")
        report.say(
            f"  half of the PDFs within {done.percentile(0.5):.2f} s, each within {done.percentile(1):.2f} s"
        )
        (worker,) = server.workers()
        report.check(
            resident(worker) <= WORKER_MIB, f"a worker {resident(worker):.0f} MiB, at most {WORKER_MIB}"
        )
    engine.dispose()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    options(parser)
    parser.add_argument("--referrals", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=500, help="how many pages are opened")
    parser.add_argument("--papers", type=int, default=20, help="how many PDFs are printed")
    chosen, report = parser.parse_args(arguments), Report()
    for kind in kinds(chosen):
        with on_disk(kind) as made:
            here = seeded(made, report, chosen.referrals, chosen.worlds)
            measure(kind, here, chosen, report)
            made.drop(here.url)
    return report.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
