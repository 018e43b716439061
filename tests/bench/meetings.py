"""Measures a meeting's pages in worlds of two sizes as ratios to the bare page, and the PDF of a packet of 15 items."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from uuid import UUID

from sqlalchemy import Engine

from portal.core.db import make_engine
from portal.core.policy import Actor
from tests.bench import bare
from tests.bench.gathering import actor_of, busiest_partner, call_meeting
from tests.bench.load import Connection, Wrong
from tests.bench.pages import BARE, SLOWER, in_turn, line_of
from tests.bench.report import Report
from tests.bench.visits import Page, Visitor
from tests.bench.worlds import OFFICE, World, acting, kinds, on_disk, options, seeded
from tests.databases import Databases
from tests.servers import serve

PDF_SECONDS = 2.0
PDF_ITEMS = 15


def pages(actor: Actor, partner: UUID) -> tuple[Page, ...]:
    """The agenda, brought in step with the work at each opening, and the packet with the same items."""
    draft = call_meeting(actor, partner)
    packet = call_meeting(actor, partner, announced=True)

    def opening(path: str) -> Page:
        def requests(visitor: Visitor, _engine: Engine, _here: World) -> Iterator[bytes]:
            visitor.ask(visitor.get(path))  # the first opening writes; every other finds it done
            return cycle([visitor.get(path)])

        return Page(path.rpartition("/")[2] if path.endswith("packet") else "agenda", 0.03, requests)

    return opening(f"/meetings/{draft}"), opening(f"/meetings/{packet}/packet")


def time_pdf(visitor: Visitor, meeting_id: UUID, chosen: argparse.Namespace, report: Report) -> None:
    seconds = []
    for _ in range(chosen.rounds):
        started = time.perf_counter()
        connection = Connection(visitor.port)
        try:
            status, _head, _body = connection.ask(visitor.get(f"/meetings/{meeting_id}/packet.pdf"))
        finally:
            connection.socket.close()
        seconds.append(time.perf_counter() - started)
        if status != 200:
            raise Wrong(f"packet.pdf: {status}")
    best = min(seconds)
    report.check(
        best <= PDF_SECONDS,
        f"PDF of {chosen.items} items in {best:.2f} s ({max(seconds):.2f} at most), wanted {PDF_SECONDS:.1f} s",
    )


def measure(kind: str, made: Databases, referrals: int, chosen: argparse.Namespace, report: Report) -> None:
    report.say(f"{kind}, {referrals:,} referrals")
    ruled = made.create(f"bare{referrals}")
    bare.fill(ruled)
    here = seeded(made, report, referrals, chosen.worlds)
    started = time.perf_counter()
    with acting(here.url):
        actor = actor_of(here.coordinator)
        partner = busiest_partner(actor)
        wanted = pages(actor, partner)
        long = call_meeting(actor, partner, items=chosen.items, announced=True)
    report.say(f"  meetings called in {time.perf_counter() - started:.1f} s")
    engine = make_engine(here.url, readonly=True)
    with (
        serve(here.url, workers=1, environment=OFFICE) as server,
        serve(ruled, workers=1, application=BARE, ready="/1") as ruler,
    ):
        visitor = Visitor(server.port, here.coordinator, here.password)
        for page in wanted:
            ratios, load = in_turn(server, ruler, page, page.requests(visitor, engine, here), chosen)
            middle = sorted(ratios)[len(ratios) // 2]
            report.check(middle >= page.share, line_of(page, ratios, load))
            report.ratios.setdefault((kind, page.name), []).append(middle)
        time_pdf(visitor, long, chosen, report)
    engine.dispose()
    made.drop(here.url)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.meetings", description=__doc__)
    options(parser)
    parser.add_argument("--referrals", default="1000,100000", help="sizes, smallest first, commas between")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--items", type=int, default=PDF_ITEMS, help="of the packet that is printed")
    chosen, report = parser.parse_args(arguments), Report()
    for kind in kinds(chosen):
        with on_disk(kind) as made:
            for referrals in chosen.referrals.split(","):
                measure(kind, made, int(referrals), chosen, report)
    report.compare_sizes(SLOWER)
    return report.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
