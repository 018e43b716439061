"""Whatever the portal's own commands write, the log of it verifies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from flask import Flask
from flask.testing import FlaskCliRunner

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.core.db import db
from portal.core.policy import Role
from portal.retention import services as retention
from portal.retention.models import ErasureGround
from tests.audit.test_checkpoints import outside
from tests.audit.worlds import World
from tests.factories import make_member, make_person
from verify_audit import SOUND

assert outside  # the fixture: a portal that keeps its checkpoints in a folder, with keys of its own
# Commands that write no record and no entry; the others are run by the tests below.
READING = {
    *("audit verify", "audit vkey", "docs referral-flow", "retention clear-files"),
    *(
        f"db {name}"
        for name in ("branches", "check", "current", "heads", "history", "list-templates", "show")
    ),
}
# For whoever writes migrations, on their own machine: no office ever runs them.
WORKSHOP = {f"db {name}" for name in ("downgrade", "edit", "init", "merge", "migrate", "revision", "stamp")}
SCALE = "seed scale --referrals 300"
DEMO = "scenario load scenarios/ashiya.yaml"
# On a portal of the demo, one after the other.
IN_AN_OFFICE = (
    "db upgrade",
    "accounts create --email atarashii@example.jp --name 新人 --role system_admin",
    "accounts create --email soudan2@example.jp --name 新人 --role staff --agency {agency} --administers",
    "audit checkpoint",
    "audit change-key",
    "audit change-master",
    "retention reapply",
    "audit checkpoint",
)


def commands(group: click.Group, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def run(runner: FlaskCliRunner, line: str) -> None:
    done = runner.invoke(args=line.split())
    assert done.exit_code == 0, f"{line}: {done.output}"


def test_every_command_that_writes_is_run_here(app: Flask) -> None:
    ran = {" ".join(line.split()[:2]) for line in (*IN_AN_OFFICE, SCALE, DEMO)}
    assert set(commands(app.cli)) == ran | READING | WORKSHOP  # type: ignore[arg-type]


def test_after_each_command_of_an_office_the_log_verifies(
    outside: Path, app: Flask, runner: FlaskCliRunner, tmp_path: Path
) -> None:
    run(runner, DEMO)
    agency = db.read.query(Agency).order_by(Agency.created_at).first()
    assert agency
    erase_somebody(agency.id)
    world, keys = World(app, tmp_path), set[str]()
    keys.add(world.key)
    for line in IN_AN_OFFICE:
        run(runner, line.format(agency=agency.id))
        world.checkpoint()
        result = world.verdict()
        assert result.exit == SOUND, f"{line}: {result.text}"
    assert runner.invoke(args=["audit", "verify"]).exit_code == SOUND
    assert db.read.query(Staff).filter_by(email="soudan2@example.jp").count() == 1


def erase_somebody(agency_id: object) -> None:
    """So that there is somebody whom `retention reapply` finds erased."""
    first, second = (make_member(agency_id, role) for role in (Role.STAFF, Role.COORDINATOR))  # type: ignore[arg-type]
    person_id = make_person(first)
    erasure = retention.propose(first.actor, person_id, ErasureGround.UNLAWFUL, "誤って登録しました。")
    retention.erase(second.actor, erasure)
    db.end()


def test_a_large_world_made_by_a_command_verifies(app: Flask, runner: FlaskCliRunner, tmp_path: Path) -> None:
    world = World(app, tmp_path)
    run(runner, SCALE)
    world.checkpoint()
    result = world.verdict()
    assert result.exit == SOUND, result.text
