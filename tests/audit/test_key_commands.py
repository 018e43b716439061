"""`flask audit`: checkpoints, the verifier over the portal's own data, and the change of keys."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from portal.audit import checkpoints, key_services, log_integrity, notes
from portal.audit import vault as audit_vault
from portal.audit.checkpoint_store import keeping
from portal.audit.events import AuditEvent
from portal.audit.models import AuditCheckpoint, AuditEntry, SubjectKey
from portal.audit.vault import vault
from portal.core.db import db
from tests.audit.test_checkpoints import alter_body, kept, outside, place, write
from tests.factories import make_member, make_person, make_referral

assert outside  # the fixture: a portal that keeps its checkpoints in a folder


def the_keys() -> Path:
    assert vault.folder
    return vault.folder


def test_checkpoint_prints_the_note_that_it_keeps(outside: Path, runner: FlaskCliRunner) -> None:
    write(3)
    printed = runner.invoke(args=["audit", "checkpoint"])
    assert printed.exit_code == 0
    assert printed.stdout == (place(outside) / kept(outside)[-1]).read_text()
    again = runner.invoke(args=["audit", "checkpoint"])
    assert again.stdout == printed.stdout, "nothing was written since: the same one"
    key = runner.invoke(args=["audit", "vkey"]).stdout
    assert notes.read(printed.stdout, [notes.parse_vkey(key)[1]]).size == 3


def test_a_halted_log_signs_nothing_and_says_where_to_go(outside: Path, runner: FlaskCliRunner) -> None:
    write(3)
    runner.invoke(args=["audit", "checkpoint"])
    alter_body(2)
    log_integrity.watch.forget()
    for command in ("checkpoint", "change-key", "change-master"):
        done = runner.invoke(args=["audit", command])
        assert done.exit_code == 4, command
        assert "/audit/restore" in done.stderr


def test_verify_runs_the_stand_alone_verifier(
    outside: Path, runner: FlaskCliRunner, capfd: pytest.CaptureFixture[str]
) -> None:
    sender = make_member()
    make_referral(sender, make_member())
    runner.invoke(args=["audit", "checkpoint"])
    assert runner.invoke(args=["audit", "verify", "--json"]).exit_code == 0
    found = json.loads(capfd.readouterr().out)
    assert found["verdict"] == "sound"
    assert found["summary"]["kept"] == len(kept(outside))
    alter_body(1)
    assert runner.invoke(args=["audit", "verify"]).exit_code == 1


def test_a_changed_signing_key_is_trusted_through_the_log(
    outside: Path, runner: FlaskCliRunner, capfd: pytest.CaptureFixture[str]
) -> None:
    make_member()
    old = runner.invoke(args=["audit", "vkey"]).stdout.strip()
    changed = runner.invoke(args=["audit", "change-key"])
    assert changed.exit_code == 0, changed.output
    new = runner.invoke(args=["audit", "vkey"]).stdout.strip()
    assert old != new
    assert changed.stdout.split() == ["old", old, "new", new]
    both = db.read.scalars(select(AuditCheckpoint.note).order_by(AuditCheckpoint.size.desc())).first()
    assert both
    for one in (old, new):
        assert notes.read(both, [notes.parse_vkey(one)[1]])
    assert not (the_keys() / "former.pem").exists(), "it signs no more"
    write(2)
    later = runner.invoke(args=["audit", "checkpoint"]).stdout
    with pytest.raises(notes.BadNote):
        notes.read(later, [notes.parse_vkey(old)[1]])
    capfd.readouterr()
    assert runner.invoke(args=["audit", "verify", "--key", old]).exit_code == 0, capfd.readouterr()
    log_integrity.watch.forget()
    write()
    assert log_integrity.watch.contradiction is None


def test_a_change_of_keys_that_was_stopped_is_finished_by_the_next(
    outside: Path, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the files and before the log: until it is told, both keys sign and the old one stays."""
    make_member()
    old = runner.invoke(args=["audit", "vkey"]).stdout.strip()

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(key_services.audit, "record", stop)
        with pytest.raises(KeyboardInterrupt):
            key_services.change_signing_key()
    new = runner.invoke(args=["audit", "vkey"]).stdout.strip()
    write()
    between = runner.invoke(args=["audit", "checkpoint"]).stdout
    assert notes.read(between, [notes.parse_vkey(old)[1]])
    assert (the_keys() / "former.pem").exists()
    assert runner.invoke(args=["audit", "change-key"]).stdout.split() == ["old", old, "new", new]
    assert not (the_keys() / "former.pem").exists()
    assert runner.invoke(args=["audit", "verify", "--key", old]).exit_code == 0


def test_another_worker_signs_with_the_new_key(
    outside: Path, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that read the keys before they were changed by a command."""
    write()
    remembered = vault.ring
    runner.invoke(args=["audit", "change-key"])
    monkeypatch.setattr(vault, "_ring", remembered)
    write()
    with db.transaction() as session:
        note = checkpoints.make(session)
    vault.reload()
    assert vault.ring.signing != remembered.signing
    assert notes.read(note, [vault.ring.signing.public_key()])


def test_a_changed_master_key_wraps_everybody_who_is_not_erased(
    outside: Path, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_member()
    for _ in range(5):
        make_person(worker)
    monkeypatch.setattr(key_services, "AT_ONCE", 2)
    before = {row.id: row.wrapped for row in db.read.scalars(select(SubjectKey))}
    opened = {row.id: opened_key(row) for row in db.read.scalars(select(SubjectKey))}
    db.end()
    done = runner.invoke(args=["audit", "change-master"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("5 keys")
    rows = db.read.scalars(select(SubjectKey)).all()
    assert {row.master_id for row in rows} == {vault.ring.master_id}
    assert all(before[row.id] != row.wrapped for row in rows)
    assert {row.id: opened_key(row) for row in rows} == opened
    db.end()
    assert runner.invoke(args=["audit", "checkpoint"]).exit_code == 0
    assert runner.invoke(args=["audit", "verify"]).exit_code == 0


def opened_key(row: SubjectKey) -> bytes:
    return vault.unwrap(row.id, row.master_id, row.wrapped or b"")


def test_another_worker_finds_the_new_master_key(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_member()
    person = make_person(worker)
    remembered = vault.ring
    key_services.change_master_key()
    monkeypatch.setattr(vault, "_ring", remembered)
    monkeypatch.setattr(vault, "_open", OrderedDict())
    row = db.read.scalars(select(SubjectKey).where(SubjectKey.person_id == person)).one()
    assert len(opened_key(row)) == 32


def test_the_log_tells_of_the_change_and_keeping_goes_on(outside: Path, runner: FlaskCliRunner) -> None:
    write()
    runner.invoke(args=["audit", "change-key"])
    what = AuditEvent.LOG_REKEYED.value
    body = json.loads(db.read.scalars(select(AuditEntry.body).where(AuditEntry.event == what)).one())
    assert set(body["fact"]) == {"old", "new"}
    assert body["staff"] is None
    assert keeping.problem == ""
    assert audit_vault.load(the_keys()).former is None
