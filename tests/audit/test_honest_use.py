"""Whatever people do by the portal's own pages, the log of it verifies: every rule of the URL map, each role, two worlds."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.accounts.models import Membership, Staff
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.scenario.loading import load
from tests.audit.busy import busy, more
from tests.audit.visitors import Call, Reader, Town, Visitor
from tests.audit.worlds import World as History
from tests.browsers import PASSWORD
from tests.wall import conftest
from verify_audit import SOUND

pytestmark = pytest.mark.both_databases

# The fixtures of the wall's tests: worlds built once, and paper of which one sheet of each kind is printed.
copied, light_paper = conftest.copied, conftest.light_paper

DEMO = Path(__file__).resolve().parents[2] / "scenarios" / "ashiya.yaml"
# The parts of the portal, each walked through by itself: workers share them.
PARTS: dict[str, frozenset[str]] = {
    "people": frozenset({"people", "consents", "cases", "exclusions", "retention"}),
    "referrals": frozenset({"referrals", "emergency", "today", "search", "help", "web"}),
    "meetings": frozenset({"meetings", "calendar"}),
    "activities": frozenset({"activities", "evaluations", "monthly", "statistics"}),
    "offices": frozenset({"agencies", "accounts", "handovers", "configuration"}),
    "log": frozenset({"audit", "checkpoints", "figures", "inspections", "anomalies"}),
}
NOT_A_PAGE = {"static"}
# What no walk through the pages comes to, and why; each is done in the test that is named.
UNREACHED: dict[Call, str] = {
    ("checkpoints.restore", "POST"): "only where a restore was found: tests/audit/test_checkpoints.py",
    ("checkpoints.confirm", "POST"): "the same",
    (
        "checkpoints.clock_jump",
        "POST",
    ): "only while the server's clock is behind the log: test_clock_pages.py",
    ("referrals.step send", "GET"): "has a page of its own",
    ("referrals.step send", "POST"): "the same",
    ("people.information basic", "POST"): "basics have a page of their own",
    ("accounts.keep_alive", "POST"): "sent by a script, and writes nothing: tests/browser/test_session.py",
}
# What each part's walk writes into the log: all events of these objects, and those named in full.
EVENTS = {
    "people": "person information family consent case note milestone exclusion erasure record retention disclosure:read",
    "referrals": "referral message followup stop disclosure emergency person:moved",
    "meetings": "series meeting roster secrecy item packet minutes outcome action issue calendar",
    "activities": "activity attendance activityseries partner agreement evaluation area statistics figures",
    "offices": "agency service closure staff password session setting",
    "log": "access audit name log sample finding watch",
}
UNHEARD: dict[AuditEvent, str] = {
    AuditEvent.LOG_RESEALED: "by a migration alone: tests/audit/test_verify.py",
    AuditEvent.RECORDS_BOUND: "by a migration alone: tests/audit/test_bound.py",
    AuditEvent.LOG_REKEYED: "by a command alone: tests/audit/test_commands_verify.py",
    AuditEvent.RESTORE_PROPOSED: "only where a restore was found: tests/audit/test_checkpoints.py",
    AuditEvent.RESTORE_DECLARED: "the same",
    AuditEvent.CLOCK_DECLARED: "only while the server's clock is behind the log: tests/audit/test_clock_pages.py",
}
# What chance seldom lets somebody do: the world's making does it, and what it wrote is verified with the rest.
PREPARED = {"emergency:asked", "person:moved", "referral:moved"}
# Those who walk, in this order: who arranges comes first, who can stop others comes last.
READERS = (
    *("a's coordinator", "b's coordinator", "b", "a", "c", "d", "b's worker who administers", "a's admin"),
    *("a's second coordinator", "auditor", "second auditor", "system_admin", "second system_admin"),
)
# One of each role, for the short run.
ONE_OF_EACH = ("a's coordinator", "b", "a's admin", "auditor", "system_admin")


def seed_of(config: pytest.Config) -> int:
    """The same each time, so that what is red can be looked into; with --long another each time."""
    given = os.environ.get("HONEST_SEED")
    return int(given) if given else secrets.randbits(32) if config.getoption("--long") else 10


def demo() -> list[Reader]:
    """The demo of two years; one of each agency and each role walks through it."""
    sign_ins = {one.email: one.password for one in load(DEMO).sign_ins}
    posts = select(Staff.email, Membership.role, Membership.agency_id)
    posts = posts.join(Membership, Membership.staff_id == Staff.id)
    readers: dict[Any, Reader] = {}
    for email, role, agency_id in db.read.execute(posts.order_by(Staff.email)):
        readers.setdefault(
            agency_id if role is Role.STAFF else role, Reader(email, email, sign_ins[email], role)
        )
    return list(readers.values())


def events_of(part: str) -> set[str]:
    """What the walk through this part is to write."""
    words = set(EVENTS[part].split())
    elsewhere = {word for other in EVENTS.values() for word in other.split() if ":" in word} - words
    codes = {event.value for event in AuditEvent} - {event.value for event in UNHEARD} - elsewhere
    return {code for code in codes if code in words or code.partition(":")[0] in words}


def heard(after: int) -> set[str]:
    """What was written since."""
    found = set(db.read.scalars(select(AuditEntry.event).where(AuditEntry.seq > after).distinct()))
    db.end()
    return {str(code) for code in found}


def last_entry() -> int:
    seq = db.read.scalar(select(func.max(AuditEntry.seq)))
    db.end()
    return seq or 0


def walk(town: Town, readers: list[Reader], go_on: Callable[[], None] | None) -> None:
    """Everybody reads and writes; where work can go on, they then look for what nobody has come to."""
    visitors = []
    for reader in readers:
        visitor = Visitor(town, reader)
        visitor.walk()
        visitor.work()
        visitors.append(visitor)
        town.look()
    for visitor in visitors if go_on else ():
        if missing := town.missing() - UNREACHED.keys():
            go_on()
            town.look()
            visitor.seek(missing)


@pytest.mark.drawn(1, postgresql=0)
@pytest.mark.parametrize("part", PARTS)
def test_whatever_is_done_in_the_walls_world_the_log_verifies(
    app: Flask,
    copied: Callable[..., Any],
    light_paper: None,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    at: Callable[..., None],
    part: str,
) -> None:
    is_long = bool(pytestconfig.getoption("--long"))
    world = copied(busy)
    history, chance = History(app, tmp_path), seed_of(pytestconfig)
    far = {"further": 4} if is_long else {"most_of_a_kind": 1, "most_sent": 1}
    town = Town(app, PARTS[part], Random(chance), **far)
    town.wait = lambda: at(clock.now() + timedelta(minutes=2))
    before = last_entry()
    town.known = [world.c.email]  # nobody stops them or gives them another password
    names = READERS if is_long else ONE_OF_EACH
    readers = [Reader(n, world.members[n].email, PASSWORD, world.members[n].actor.role) for n in names]
    with town.watched():
        # The stranger signs in while nobody has been stopped yet.
        everybody = [Reader("stranger", None, "", None), *readers]
        walk(town, everybody, partial(more, world, part) if is_long else None)
    history.checkpoint()
    result = history.verdict()
    assert result.exit == SOUND, f"HONEST_SEED={chance}: {result.text}"
    assert not town.faults, f"HONEST_SEED={chance}: " + "\n".join(town.faults)
    if not is_long:  # chance decides who comes where, and a step may be gone by then
        assert len(town.reached) > len(town.wanted()) // 2
        return
    missing = {call: town.answers.get(call) for call in town.missing() - UNREACHED.keys()}
    assert not missing, f"HONEST_SEED={chance}: nobody came to these, or was refused there: {missing}"
    silent = events_of(part) - heard(before) - PREPARED
    assert not silent, f"HONEST_SEED={chance}: nothing that was done wrote these: {silent}"


@pytest.mark.drawn(1, postgresql=0)
@pytest.mark.parametrize("part", PARTS)
def test_whatever_is_done_in_the_demo_the_log_verifies(
    app: Flask,
    copied: Callable[..., Any],
    light_paper: None,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    part: str,
) -> None:
    readers = copied(demo)
    history, chance = History(app, tmp_path), seed_of(pytestconfig)
    town = Town(app, PARTS[part], Random(chance), most_of_a_kind=1)
    if not pytestconfig.getoption("--long"):
        # Every agency walks through some part, and every role through each.
        agencies = [one for one in readers if one.role is Role.STAFF]
        mine = agencies[list(PARTS).index(part) :: len(PARTS)]
        readers = [one for one in readers if one.role is not Role.STAFF or one in mine]
    with town.watched():
        for reader in readers:
            visitor = Visitor(town, reader)
            visitor.walk()
            visitor.work()
    history.checkpoint()
    result = history.verdict()
    assert result.exit == SOUND, f"HONEST_SEED={chance}: {result.text}"
    assert not town.faults, f"HONEST_SEED={chance}: " + "\n".join(town.faults)
    assert sum(town.reached.values()) > 20


def test_every_part_of_the_portal_is_walked_through(app: Flask) -> None:
    parts = {rule.endpoint.partition(".")[0] for rule in app.url_map.iter_rules()}
    assert parts - NOT_A_PAGE == set().union(*PARTS.values())
    codes = {event.value for event in AuditEvent} - {event.value for event in UNHEARD}
    assert codes == set().union(*map(events_of, EVENTS))
    assert EVENTS.keys() == PARTS.keys()
