"""Measures a meeting's pages in worlds of two sizes as ratios to the bare page, and the PDF of a packet of 15 items."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from uuid import UUID

from sqlalchemy import Engine, select

from portal import clock
from portal.accounts.models import Membership, Staff
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, make_engine
from portal.meetings import agenda_services
from portal.meetings import services as meetings
from portal.meetings.agenda_services import ItemFacts
from portal.meetings.models import Meeting, MeetingMember
from portal.meetings.states import ItemKind, MeetingAction, MeetingKind
from portal.policy import Actor, Role
from portal.referrals.models import Referral
from tests.bench import bare
from tests.bench.load import Connection, Wrong
from tests.bench.pages import BARE, OFFICE, SLOWER, Report, in_turn, line_of, on_disk, seed
from tests.bench.visits import Page, Visitor, actor_of
from tests.databases import Databases
from tests.servers import serve

PDF_SECONDS = 2.0
PDF_ITEMS = 15


def coordinator(email: str) -> Actor:
    """The member of staff as the coordinator of his agency, which the seeded world may not have."""
    with db.transaction() as session:
        query = select(Membership).join(Staff, Staff.id == Membership.staff_id)
        member = session.scalars(query.where(Staff.email == email, Membership.ended_at.is_(None))).one()
        if member.role is not Role.COORDINATOR:
            member.role = Role.COORDINATOR
            audit.record(AuditEvent.STAFF_UPDATED, member, actor=None, channel="command")
    return actor_of(email)


def busiest_partner(actor: Actor) -> UUID:
    """To whom this agency refers most: the two of them meet."""
    rows = db.read.scalars(
        select(Referral.to_agency_id).where(Referral.from_agency_id == actor.agency_id).limit(2000)
    ).all()
    if not rows:
        raise Wrong("this agency refers to nobody")
    return max(set(rows), key=lambda row: (rows.count(row), str(row)))


def call_meeting(actor: Actor, partner: UUID, *, items: int = 0, announced: bool = False) -> UUID:
    """A weekly meeting of the two in a week, with so many items typed by hand."""
    assert actor.agency_id is not None
    with db.transaction() as session:
        meeting = Meeting(
            convener_id=actor.agency_id,
            kind=MeetingKind.CASE_STUDY if items else MeetingKind.WEEKLY,
            name="測定の会議",
            starts_at=clock.now() + timedelta(days=7),
            minutes=60,
            presenter_agency_id=actor.agency_id,
        )
        session.add(meeting)
        session.flush()
        session.add_all(
            MeetingMember(meeting_id=meeting.id, agency_id=agency) for agency in (actor.agency_id, partner)
        )
        audit.record(AuditEvent.MEETING_SCHEDULED, meeting, actor=actor)
    for number in range(items):
        facts = ItemFacts(
            ItemKind.INFORMATION, f"議題 {number + 1}", "話したいこと。" * 20, 5, actor.agency_id
        )
        agenda_services.add_item(actor, meeting.id, facts)
    if announced:
        meetings.perform(actor, MeetingAction.ANNOUNCE, meeting.id)
    return meeting.id


def pages(actor: Actor, partner: UUID) -> tuple[Page, ...]:
    """The agenda, brought in step with the work at each opening, and the packet with the same items."""
    draft = call_meeting(actor, partner)
    packet = call_meeting(actor, partner, announced=True)

    def opening(path: str) -> Page:
        def requests(visitor: Visitor, _engine: Engine, _email: str) -> Iterator[bytes]:
            visitor.ask(visitor.get(path))  # the first opening writes; every other finds it done
            return cycle([visitor.get(path)])

        return Page(path.rpartition("/")[2] if path.endswith("packet") else "agenda", 0.03, requests)

    return opening(f"/meetings/{draft}"), opening(f"/meetings/{packet}/packet")


def time_pdf(visitor: Visitor, meeting_id: UUID, report: Report) -> None:
    seconds = []
    for _ in range(3):
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
        f"PDF of {PDF_ITEMS} items in {best:.2f} s ({max(seconds):.2f} at most), wanted {PDF_SECONDS:.1f} s",
    )


def measure(kind: str, made: Databases, referrals: int, chosen: argparse.Namespace, report: Report) -> None:
    report.say(f"{kind}, {referrals:,} referrals")
    url, ruled = made.fresh(), made.create(f"bare{referrals}")
    bare.fill(ruled)
    email, password = seed(url, referrals, report)
    db.bind(url)
    actor = coordinator(email)
    partner = busiest_partner(actor)
    started = time.perf_counter()
    wanted = pages(actor, partner)
    long = call_meeting(actor, partner, items=PDF_ITEMS, announced=True)
    report.say(f"  meetings called in {time.perf_counter() - started:.1f} s")
    db.dispose()
    engine = make_engine(url, readonly=True)
    with (
        serve(url, workers=1, environment=OFFICE) as server,
        serve(ruled, workers=1, application=BARE, ready="/1") as ruler,
    ):
        visitor = Visitor(server.port, email, password)
        for page in wanted:
            ratios, load = in_turn(server, ruler, page, page.requests(visitor, engine, email), chosen)
            middle = sorted(ratios)[len(ratios) // 2]
            report.check(middle >= page.share, line_of(page, ratios, load))
            report.ratios.setdefault((kind, page.name), []).append(middle)
        time_pdf(visitor, long, report)
    engine.dispose()
    made.drop(url)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.meetings", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--referrals", default="1000,100000", help="sizes, smallest first, commas between")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen, report = parser.parse_args(arguments), Report()
    for kind in ("sqlite", "postgresql") if chosen.database == "both" else (chosen.database,):
        with on_disk(kind) as made:
            for referrals in chosen.referrals.split(","):
                measure(kind, made, int(referrals), chosen, report)
    for (kind, page), ratios in report.ratios.items():
        if len(ratios) > 1:
            slower = ratios[0] / ratios[-1]
            report.check(slower <= SLOWER, f"{kind:<11}{page:<24}{slower:.2f} times slower, at most {SLOWER}")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
