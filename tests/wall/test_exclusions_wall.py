"""Conflict of interest against the whole portal: who is shut out finds nothing of the person on any page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy.exc import NoResultFound

from portal.audit.stale_read import StaleRead
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import exclusions
from portal.disclosures import services as disclosures
from portal.exclusions.models import Conflict
from portal.referrals import conversation
from tests.browsers import Browser
from tests.factories import Member, make_member, make_person, make_referral
from tests.wall import oracle
from tests.wall.canaries import CANARY
from tests.wall.drawing import Draw
from tests.wall.test_canary_sweep import check, search, settled, start
from tests.wall.test_races import PATIENCE, Runner, last_of, paused_at
from tests.wall.world import World
from tests.wall.world_exclusions import person_of

pytestmark = pytest.mark.both_databases


def keep_out(world: World, by: Member, whom: Member, *names: str) -> None:
    for name in names:
        exclusions.exclude(
            by.actor, world.people[name], whom.staff_id, Conflict.NEIGHBOUR, world.canaries.word()
        )
    db.end()


@pytest.mark.usefixtures("light_paper")
@pytest.mark.drawn(1, postgresql=0)
@pytest.mark.parametrize("reader", ["a's coordinator", "b"])
def test_nothing_of_that_person_on_any_page(
    app: Flask, browser: Callable[..., Browser], copied: Callable[..., World], reader: str, draw: Draw
) -> None:
    """The coordinator of the agency that keeps the record and convenes its meetings, and a worker who was told."""
    world = copied(settled)
    names = ("live", "parent")
    keep_out(world, world.a, world.members[reader], *names)
    out = {world.people[name] for name in names}
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        rights, sweep = start(app, browser, world, reader, rows)
        draw.sweep(sweep, rights, known=3, hidden=1)
        search(sweep, rights, most=None if draw.is_long else 4)
        check(rights, sweep, everything=False)
    seen = {
        person_of(rights, planted.table, planted.row) for word in sweep.seen for planted in sweep.known[word]
    }
    told = {
        person_of(rights, planted.table, planted.row)
        for word in sweep.seen
        if CANARY.fullmatch(word)
        for planted in sweep.known[word]
    }
    assert not out & told
    # Of the others they go on reading, so this is no empty page.
    assert len(seen - out - {None}) > 4


@pytest.mark.parametrize("side", ["home", "told"])
def test_a_reading_after_the_exclusion_is_acknowledged_shows_nothing(app: Flask, side: str) -> None:
    a, b = make_member(), make_member()
    person_id = make_person(a)
    referral_id = make_referral(a, b, person_id=person_id, status="requested")
    out = make_member(a.agency_id if side == "home" else b.agency_id, Role.STAFF)
    db.end()

    def shut() -> object:
        return exclusions.exclude(a.actor, person_id, out.staff_id, Conflict.RELATIVE, "親族です。")

    with paused_at("INSERT INTO exclusion") as pause:
        excluder = Runner(pause.act(shut))
        assert pause.reached.wait(PATIENCE)
        # Somebody who acts meanwhile waits for the person, and then there is nobody for them.
        late = Runner(lambda: conversation.send_message(out.actor, referral_id, "よろしくお願いします"))
        late.join(0.3)
        assert late.is_alive(), "he acted while the exclusion was being written"
        pause.go_on.set()
        assert excluder.finish().error is None
        assert isinstance(late.finish().error, NoResultFound)
    reading = Runner(lambda: disclosures.show(out.actor, person_id)).finish()
    assert isinstance(reading.error, NoResultFound)
    assert last_of(app, "exclusion:made") > last_of(app, "person:read", "message:sent")


def test_a_reading_that_has_begun_is_in_the_log_before_the_exclusion_or_shows_nothing(app: Flask) -> None:
    """Held just before its entry is written: either it comes first, or it was told before the act was answered."""
    a = make_member()
    out, person_id = make_member(a.agency_id), make_person(a)
    db.end()
    with paused_at("UPDATE audit_head") as pause:
        reader = Runner(pause.act(lambda: disclosures.show(out.actor, person_id)))
        assert pause.reached.wait(PATIENCE)
        excluder = Runner(
            lambda: exclusions.exclude(a.actor, person_id, out.staff_id, Conflict.RELATIVE, "親族です。")
        )
        excluder.join(0.3)
        pause.go_on.set()
        reader.finish()
        assert excluder.finish().error is None
    if reader.error:
        assert isinstance(reader.error, StaleRead)
    else:
        assert last_of(app, "exclusion:made") > last_of(app, "person:read")
    again = Runner(lambda: disclosures.show(out.actor, person_id)).finish()
    assert isinstance(again.error, NoResultFound)
