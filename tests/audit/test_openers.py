"""Disclosures that the recipients wrote themselves: the verifier accepts them, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Channel, Disclosure
from portal.meetings.states import MeetingAction
from portal.people.categories import Category
from tests.audit.attacker import SQLiteAttacker
from tests.audit.worlds import World
from tests.browsers import Browser
from tests.factories import make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, take_step
from verify_audit import SOUND, TAMPERED

pytestmark = [pytest.mark.either_database, pytest.mark.quick]


@pytest.mark.parametrize("papers", [("packet.pdf",), ("packet.pdf", "packet"), ("packet", "packet.pdf")])
def test_whoever_prints_a_packet_is_no_forger(
    app: Flask, browser: Callable[..., Browser], tmp_path: Path, papers: tuple[str, ...]
) -> None:
    chair, told = make_member(role=Role.COORDINATOR), make_member()
    meeting_id, person_id = make_meeting(chair, [told]), make_person(chair)
    consent_id = make_consent(chair, person_id, [told])
    item_id = make_item(chair, meeting_id, person_id=person_id, categories=[Category.BASIC])
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    world = World(app, tmp_path)
    for paper in papers:
        assert browser(told).get(f"/meetings/{meeting_id}/{paper}").status_code == 200
    lines = db.read.query(Disclosure).filter_by(source_id=item_id).all()
    assert Channel.PRINT in {line.channel for line in lines}
    disclosures.withdraw_consent(chair.actor, consent_id)
    db.end()
    world.checkpoint()
    result = world.verdict()
    assert result.exit == SOUND, result.text


def forge(world: World, change: str) -> set[str]:
    """What the verifier says of the ledger after this change of its line."""
    thief = world.attack()
    if isinstance(thief, SQLiteAttacker):
        thief.disarm()
    else:
        thief.db.execute("ALTER TABLE disclosure DISABLE TRIGGER USER")
    thief.db.execute(f"UPDATE disclosure SET {change}")  # type: ignore[call-overload]  # noqa: S608
    thief.db.commit()
    thief.db.close()
    result = world.verdict()
    assert result.exit == TAMPERED, change
    return {one["en"].partition(": ")[2] for one in result.result["findings"]}


def test_only_a_packet_is_told_by_who_opens_it(app: Flask, tmp_path: Path) -> None:
    """A hand-over whose line was turned round is found, also when it is made to look like a packet."""
    make_referral(make_member(), make_member())
    world = World(app, tmp_path)
    assert world.verdict().exit == SOUND
    turned = "from_agency_id = to_agency_id, to_agency_id = from_agency_id"
    for change in (turned, "channel = 'print'", "channel = 'packet'", "basis = 'council'"):
        assert "agency that tells differs from its entries" in forge(world, change), change


def test_a_packet_is_told_to_who_opened_it(
    app: Flask, browser: Callable[..., Browser], tmp_path: Path
) -> None:
    """The line of an opened packet is between the one who brought it and the one who opened it, and nobody else."""
    chair, told = make_member(role=Role.COORDINATOR), make_member()
    meeting_id, person_id = make_meeting(chair, [told]), make_person(chair)
    make_consent(chair, person_id, [told])
    make_item(chair, meeting_id, person_id=person_id, categories=[Category.BASIC])
    take_step(chair, meeting_id, MeetingAction.ANNOUNCE)
    assert browser(told).get(f"/meetings/{meeting_id}/packet.pdf").status_code == 200
    world = World(app, tmp_path)
    assert "agency that tells differs from its entries" in forge(world, "to_agency_id = from_agency_id")
