"""Serves the portal and, beside it with the same settings, a bare Flask page; prints how they compare."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import median

from portal.core.db import make_engine
from tests.bench import bare
from tests.bench.load import Load, Wrong, press
from tests.bench.processor import seconds_of
from tests.bench.report import Report
from tests.bench.visits import PAGES, Page, Visitor
from tests.bench.worlds import OFFICE, kinds, on_disk, options, seeded
from tests.databases import Databases
from tests.servers import ROOT, Server, serve

BARE = "tests.bench.bare:create_app()"
SLOWER = 1.15  # at most so many times slower on the largest database than on the smallest
LIST_BYTES = 60_000
ASSET_BYTES = 72_000
WORKER_MIB = 120


def read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    options(parser)
    parser.add_argument("--referrals", default="1000,100000", help="sizes, smallest first, commas between")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each page in each round, at most 30")
    parser.add_argument("--rounds", type=int, default=3, help="at most 20")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--drafts", type=int, default=1500, help="written beforehand, to be sent")
    parser.add_argument("--page", default="", help="only pages whose name holds this")
    chosen = parser.parse_args(arguments)
    chosen.seconds, chosen.rounds = min(chosen.seconds, 30.0), min(chosen.rounds, 20)
    return chosen


def in_turn(
    server: Server, ruler: Server, page: Page, requests: Iterator[bytes], chosen: argparse.Namespace
) -> tuple[list[float], Load]:
    """The bare page and the page in turn, so that whatever else the machine does falls on both."""
    head = f" HTTP/1.1\r\nHost: 127.0.0.1:{ruler.port}\r\n\r\n"
    random = Random(7)
    plain = cycle([f"GET /{random.randint(1, bare.ROWS)}{head}".encode() for _ in range(500)])
    warming = min(0.5, chosen.seconds)
    press(ruler.port, plain, seconds=warming)
    press(server.port, requests, seconds=warming, expect=page.expect)
    ratios, whole = [], Load()
    for _round in range(chosen.rounds):
        before = seconds_used(ruler), seconds_used(server)
        ruled = press(ruler.port, plain, seconds=chosen.seconds)
        load = press(server.port, requests, seconds=chosen.seconds, expect=page.expect)
        whole.processor += seconds_used(server) - before[1]
        whole.ruled += (seconds_used(ruler) - before[0]) / len(ruled.latencies) / chosen.rounds
        ratios.append(load.rate / ruled.rate)
        whole.latencies += load.latencies
        whole.seconds += load.seconds
        whole.size = max(whole.size, load.size)
    return ratios, whole


def seconds_used(server: Server) -> float:
    """Processor time of the workers up to now."""
    return sum(seconds_of(pid) for pid in server.workers())


def line_of(page: Page, ratios: list[float], load: Load) -> str:
    half, most = load.percentile(0.5) * 1000, load.percentile(0.95) * 1000
    # Of the worker alone: unlike the rate, it does not wait for a disk that others keep busy.
    spent = load.processor / len(load.latencies)
    ratio = load.ruled / spent if spent else 0.0
    return (
        f"{page.name:<24}{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), "
        f"wanted {page.share:.2f}; {load.rate:.0f} a second, half within {half:.1f} ms, "
        f"95% within {most:.1f} ms, {load.size:,} bytes; processor {spent * 1000:.1f} ms, ratio {ratio:.3f}"
    )


def resident(server: Server) -> float:
    """MiB of the largest worker, with what it shares with others."""
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in server.workers()]
    return max(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses) / 1024


def measure(kind: str, made: Databases, referrals: int, chosen: argparse.Namespace, report: Report) -> None:
    """Every page on one kind of database of one size."""
    report.say(f"{kind}, {referrals:,} referrals")
    ruled = made.create(f"bare{referrals}")
    bare.fill(ruled)
    here = replace(seeded(made, report, referrals, chosen.worlds), drafts=chosen.drafts)
    engine = make_engine(here.url, readonly=True)
    with (
        serve(here.url, workers=chosen.workers, environment=OFFICE) as server,
        serve(ruled, workers=chosen.workers, application=BARE, ready="/1") as ruler,
    ):
        visitor = Visitor(server.port, here.email, here.password)
        for page in (page for page in PAGES if chosen.page in page.name):
            try:
                ratios, load = in_turn(server, ruler, page, page.requests(visitor, engine, here), chosen)
            except Wrong as error:
                report.fail(f"{page.name:<24}{error}")
                continue
            report.check(median(ratios) >= page.share, line_of(page, ratios, load))
            report.ratios.setdefault((kind, page.name), []).append(median(ratios))
            if page is PAGES[0]:
                report.check(load.size <= LIST_BYTES, f"its HTML {load.size:,} bytes, at most {LIST_BYTES:,}")
        used = resident(server)
        beside = f"(bare page {resident(ruler):.0f})"
        report.check(used <= WORKER_MIB, f"memory of a worker {used:.0f} MiB {beside}, at most {WORKER_MIB}")
    engine.dispose()
    made.drop(here.url)


def weigh_assets(report: Report) -> None:
    files = [path for kind in ("css", "js") for path in (ROOT / "static").rglob(f"*.{kind}")]
    assets = sum(path.stat().st_size for path in files)
    report.check(assets <= ASSET_BYTES, f"all CSS and JS {assets:,} bytes, at most {ASSET_BYTES:,}")


def main(arguments: list[str]) -> int:
    chosen, report = read(arguments), Report()
    for kind in kinds(chosen):
        with on_disk(kind) as made:
            for referrals in chosen.referrals.split(","):
                measure(kind, made, int(referrals), chosen, report)
    report.say("from the smallest to the largest")
    report.compare_sizes(SLOWER)
    weigh_assets(report)
    return report.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
