"""The portal's log of the demo's two years, on both databases: sound as it is, and every tampering is caught."""

from __future__ import annotations

import ast
import gzip
import importlib
import secrets
import sys
from pathlib import Path
from random import Random

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import inspect

import verify_audit
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import Audited
from portal.core.db import Base, db
from portal.meetings.states import FLOW as MEETING_FLOW
from portal.referrals.states import FLOW as REFERRAL_FLOW
from portal.referrals.states import ReferralAction
from tests.audit.attacker import TAMPERINGS, Tampering
from tests.audit.verifying import run
from tests.audit.worlds import World
from verify_audit import SOUND, TAMPERED

pytestmark = pytest.mark.either_database

DEMO = pytest.mark.scenario("scenarios/ashiya.yaml")


@pytest.fixture
def world(app: Flask, tmp_path: Path) -> World:
    return World(app, tmp_path)


@DEMO
def test_the_demo_is_sound(world: World) -> None:
    result = world.verdict()
    assert result.exit == SOUND, result.text
    assert result.result["summary"]["entries"] >= 2000
    world.go_on()
    assert world.verdict().exit == SOUND


@DEMO
def test_a_compressed_dump_and_a_dump_in_another_zone(world: World) -> None:
    data = world.export()
    if not data.read_bytes().startswith(b"SQLite"):
        packed = data.with_suffix(".gz")
        packed.write_bytes(gzip.compress(data.read_bytes(), 1))
        assert world.verdict(data=packed).exit == SOUND
        with world.attack().db as connection:  # type: ignore[union-attr]
            connection.execute(f"ALTER DATABASE {world.url.database} SET TimeZone = 'Asia/Tokyo'")
            connection.execute(f"ALTER DATABASE {world.url.database} SET bytea_output = 'escape'")
        data = world.export()
        assert b"+09\t" in data.read_bytes()
    assert world.verdict(data=data).exit == SOUND


@DEMO
def test_the_portal_may_be_running(world: World) -> None:
    """Somebody is in the middle of an act; the newest entries are in the write-ahead log. Nothing is left behind."""
    world.go_on()
    with world.app.app_context(), db.transaction():
        audit.record(AuditEvent.AUDIT_READ, actor=None, period="not yet committed")
        file = Path(world.url.database or "")
        if world.url.get_backend_name() != "sqlite":
            assert world.verdict().exit == SOUND
            return
        before = set(file.parent.glob(f"{file.name}*"))
        assert Path(f"{file}-wal").stat().st_size > 0
        assert world.verdict(data=file).exit == SOUND
        assert {one for one in file.parent.glob(f"{file.name}*") if one.suffix != ".kept"} == before


@DEMO
@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda one: one.__name__)
def test_every_tampering_of_the_portals_log_is_caught(world: World, tamper: Tampering) -> None:
    thief, place = world.attack(), secrets.randbits(32)
    loot = thief.take()
    tamper(loot, Random(place), world.signing)
    thief.put(loot)
    result = world.verdict("--log-only")
    assert result.exit == TAMPERED, f"place {place}: {result.text}"


@DEMO
def test_a_log_that_was_only_taken_and_put_back_is_sound(world: World) -> None:
    """What the tests above change is found, not how they change it."""
    thief = world.attack()
    thief.put(thief.take())
    assert world.verdict().exit == SOUND


@DEMO
def test_an_old_file_is_recognised(world: World) -> None:
    old = world.export()
    world.go_on()
    assert world.verdict(data=old).exit == TAMPERED
    assert world.verdict().exit == SOUND


def test_a_seeded_world_is_sound(app: Flask, runner: FlaskCliRunner, tmp_path: Path) -> None:
    done = runner.invoke(args=["seed", "scale", "--referrals", "1000"])
    assert done.exit_code == 0, done.output
    world = World(app, tmp_path)
    result = world.verdict()
    assert result.exit == SOUND, result.text
    assert result.result["summary"]["entries"] > 10_000


def test_an_empty_portal_is_sound(world: World) -> None:
    assert world.verdict().exit == SOUND


# What verify_audit.py knows of the portal, held against the portal.


def audited() -> dict[str, type]:
    for path in Path("portal").rglob("*models.py"):
        importlib.import_module(".".join(path.with_suffix("").parts))
    return {m.class_.__tablename__: m.class_ for m in Base.registry.mappers if issubclass(m.class_, Audited)}


def test_it_knows_every_audited_table_and_its_key() -> None:
    assert set(verify_audit.TABLES) == set(audited())
    for table, model in audited().items():
        mapper = inspect(model)
        named = mapper.synonyms["id"].name if "id" in mapper.synonyms else "id"
        assert verify_audit.KEY_COLUMN.get(table, "id") == named, table


def test_it_knows_every_step_and_where_it_leads() -> None:
    referral = {
        REFERRAL_FLOW[action].event.value: REFERRAL_FLOW[action].target.value for action in ReferralAction
    }
    assert {event: status for event, status in verify_audit.STATUS["referral"].items() if event} == referral
    meeting = {step.event.value: step.target.value for step in MEETING_FLOW.steps.values()}
    assert {event: status for event, status in verify_audit.STATUS["meeting"].items() if event} == meeting


def test_it_knows_the_events_of_the_portal() -> None:
    events = {event.value for event in AuditEvent}
    assert set(verify_audit.REMOVED_BY.values()) <= events
    assert set().union(*verify_audit.MADE_BY.values()) <= events
    assert events >= verify_audit.FACTS


def test_it_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(verify_audit.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_somebody_elses_bundle_is_no_portal(world: World, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"hello")
    assert run(tmp_path / "data", [world.key]).exit == verify_audit.WRONG
