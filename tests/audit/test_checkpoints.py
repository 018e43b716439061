"""Checkpoints kept outside, the log that goes back behind them, and the two people who say that it was a restore."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask
from sqlalchemy import func, select, update

from portal.audit import checkpoints, log_integrity, notes
from portal.audit.checkpoint_store import keeping
from portal.audit.checkpoints import newest
from portal.audit.events import AuditEvent
from portal.audit.models import AuditCheckpoint, AuditDetail, AuditEntry, AuditHead
from portal.audit.notes import Halted
from portal.audit.tree import leaf, root_of
from portal.audit.vault import add_master, create, pem, vault
from portal.core.db import db
from portal.core.policy import Role
from portal.inspections import checkpoints as inspection_checkpoints
from portal.inspections import restoring
from tests.browsers import Browser
from tests.databases import Databases
from tests.factories import Member, make_agency, make_member, make_person

Visit = Callable[..., Browser]
numbers = count(1)


@pytest.fixture
def outside(tmp_path: Path, app: Flask) -> Iterator[Path]:
    """A portal that keeps its checkpoints in a folder, as in an office, with keys of its own."""
    folder, keys = tmp_path / "outside", tmp_path / "keys"
    former = vault.folder
    vault.bind(keys)
    keeping.bind(folder, is_strict=True)
    log_integrity.watch.forget()
    yield folder
    keeping.bind(None, is_strict=False)
    log_integrity.watch.forget()
    assert former
    vault.bind(former)


def origin() -> str:
    return db.read.scalars(select(AuditHead.origin)).one()


def place(outside: Path) -> Path:
    return outside / origin().rpartition("/")[2]


def kept(outside: Path) -> list[str]:
    """The names of what is kept, the newest last."""
    return sorted(path.name for path in place(outside).glob("[0-9]*.txt"))


def write(times: int = 1) -> None:
    """Acts, one entry each."""
    for _ in range(times):
        make_agency()


def checkpoint() -> str:
    with db.transaction() as session:
        return log_integrity.make_checkpoint(session)


def at_office() -> tuple[Member, Member]:
    return make_member(role=Role.SYSTEM_ADMIN, name="管理 花子"), make_member(
        role=Role.AUDITOR, name="監査 月子"
    )


class Machine:
    """The database as it lies on the disk: it can be copied, and an older copy put in its place."""

    def __init__(self, app: Flask, database: Databases) -> None:
        self.app, self.database = app, database

    @property
    def url(self) -> str:
        return str(self.app.config["DATABASE_URL"])

    def back_up(self) -> str:
        db.dispose()
        return self.database.copy(self.url, f"backup{next(numbers)}")

    def restore(self, url: str) -> None:
        """The process goes on, as another worker would that was started afterwards."""
        db.bind(url)
        self.app.config["DATABASE_URL"] = url

    def restart(self) -> None:
        log_integrity.watch.forget()


@pytest.fixture
def machine(app: Flask, database: Databases) -> Iterator[Machine]:
    yield Machine(app, database)
    db.dispose()


def recomputed(size: int) -> str:
    """The root by the plain definition over all entries."""
    bodies = db.read.scalars(select(AuditEntry.body).where(AuditEntry.seq <= size).order_by(AuditEntry.seq))
    return root_of(leaf(body) for body in bodies).hex()


def test_each_checkpoint_is_kept_outside_once_it_is_committed(outside: Path) -> None:
    write(3)
    first = kept(outside)
    assert first == ["000000000001.txt"], "the first entry makes the first checkpoint"
    checkpoint()
    rows = db.read.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.size)).all()
    assert [f"{row.size:012}.txt" for row in rows] == kept(outside)
    for row in rows:
        text = (place(outside) / f"{row.size:012}.txt").read_text()
        head = notes.read(text, checkpoints.public_keys())
        assert (head.size, head.root.hex()) == (row.size, row.root)
        assert row.root == recomputed(row.size)
    assert outside.stat().st_mode & 0o077 == 0 or place(outside).stat().st_mode & 0o077 == 0


def test_a_checkpoint_that_is_rolled_back_is_not_kept(outside: Path) -> None:
    write()
    before = kept(outside)
    with pytest.raises(ZeroDivisionError):
        fail_after_a_checkpoint()
    assert kept(outside) == before
    write()
    assert log_integrity.watch.contradiction is None


def fail_after_a_checkpoint() -> None:
    with db.transaction() as session:
        make_agency()
        checkpoints.make(session)
        raise ZeroDivisionError


def test_every_thousand_entries_and_every_hour(
    outside: Path, at: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 5)
    at("2026-11-24T10:00", tick=False)
    write(12)
    assert kept(outside) == ["000000000001.txt", "000000000006.txt", "000000000011.txt"]
    at("2026-11-24T11:00", tick=False)
    write(2)
    assert kept(outside)[-1] == "000000000013.txt"
    assert newest(db.read()).size == 13  # type: ignore[union-attr]


def test_the_log_that_was_there_before_the_first_checkpoint_is_no_contradiction(
    outside: Path, machine: Machine
) -> None:
    """After the upgrade from a portal that made none: there are entries, and nothing is kept."""
    keeping.bind(None, is_strict=True)
    write(4)
    assert newest(db.read()) is not None
    keeping.bind(outside, is_strict=False)  # a machine of one's own: no mistrust
    machine.restart()
    write()
    assert log_integrity.watch.contradiction is None


def test_a_stop_between_commit_and_keeping_is_made_good_at_the_next_start(
    outside: Path, machine: Machine
) -> None:
    write(2)
    checkpoint()
    for name in kept(outside)[1:]:
        (place(outside) / name).unlink()
    machine.restart()
    write()
    assert len(kept(outside)) == 2
    assert log_integrity.watch.contradiction is None


def test_an_older_database_is_read_only_until_two_people_have_confirmed_it(
    outside: Path, machine: Machine, browser: Visit
) -> None:
    admin, auditor = at_office()
    second_admin = make_member(role=Role.SYSTEM_ADMIN, name="管理 次郎")
    worker = make_member()
    write(2)
    older_note = checkpoint()
    backup = machine.back_up()
    write(3)
    lost_note = checkpoint()
    lost = kept(outside)[-1]
    machine.restore(backup)

    desk = browser(worker)
    page = desk.get("/")
    assert page.status_code == 200
    assert "書き込みを停止しています" in page.text
    typed = {"family": "見本", "given": "桃子", "family_kana": "みほん", "given_kana": "ももこ"}
    answer = desk.post("/people/new", data=typed)
    assert answer.status_code == 503
    assert "桃子" in answer.text, "what was typed stays"
    assert "閲覧だけができます" in answer.text
    with pytest.raises(Halted):
        make_person(worker)

    first = browser(admin)
    page = first.get("/audit/restore")
    assert "短くなっていました" in page.text or "一致しません" in page.text
    assert first.post("/audit/restore", data={"reason": ""}).text.count("入力してください") >= 1
    said = first.post("/audit/restore", data={"reason": "ディスクの故障のため、夜の控えから戻した。"})
    assert said.status_code == 303
    seq = proposal_seq()
    refused = first.post(f"/audit/restore/{seq}/confirm")
    assert refused.status_code == 403, "nobody confirms what he declared"
    assert desk.post(f"/audit/restore/{seq}/confirm").status_code == 403
    assert desk.get("/audit/restore").status_code == 403
    assert log_integrity.watch.contradiction is not None

    second = browser(second_admin)
    page = second.get("/audit/restore")
    assert "ディスクの故障" in page.text
    assert "管理 花子" in page.text
    done = second.post(f"/audit/restore/{seq}/confirm", follow_redirects=True)
    assert done.status_code == 200
    assert "再開しました" in done.text
    assert "書き込みを停止しています" not in done.text
    make_person(worker)
    assert log_integrity.watch.contradiction is None

    fact = facts(AuditEvent.RESTORE_DECLARED)[-1]
    old, gone = head_in(older_note), head_in(lost_note)
    assert fact["size"] == old.size
    assert fact["root"] == old.root.hex() == recomputed(old.size)
    assert (fact["kept_size"], fact["kept_root"]) == (gone.size, base64.b64encode(gone.root).decode())
    assert (fact["proposed_by"], fact["agreed_by"]) == (str(admin.staff_id), str(second_admin.staff_id))
    aside = [path.name for path in place(outside).glob("lost-*/*.txt")]
    assert lost in aside, "the lost branch is kept apart, not thrown away"
    covering = newest(db.read())
    assert covering is not None
    assert covering.root == recomputed(covering.size)
    machine.restart()
    write()
    assert log_integrity.watch.contradiction is None, "the next start is at ease as well"
    assert auditor.staff_id


def proposal_seq() -> int:
    return db.read.scalars(
        select(func.max(AuditEntry.seq)).where(AuditEntry.event == AuditEvent.RESTORE_PROPOSED.value)
    ).one()


def facts(what: AuditEvent) -> list[dict[str, Any]]:
    bodies = db.read.scalars(
        select(AuditEntry.body).where(AuditEntry.event == what.value).order_by(AuditEntry.seq)
    )
    return [json.loads(body)["fact"] for body in bodies]


def head_in(note: str) -> notes.Head:
    return notes.read(note, checkpoints.public_keys())


def test_a_confirmed_restore_is_finished_by_the_next_start(
    outside: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is stopped after the commit, before it could lay the lost checkpoints aside."""
    admin, auditor = at_office()
    backup = machine.back_up()
    write(3)
    checkpoint()
    machine.restore(backup)
    restoring.propose(admin.actor, "控えから戻した。")
    with monkeypatch.context() as stopped:
        stopped.setattr(keeping, "lay_aside", lambda *_: None)
        stopped.setattr(keeping, "keep", lambda *_: False)
        restoring.declare(auditor.actor, proposal_seq())
    machine.restart()
    write()
    assert log_integrity.watch.contradiction is None
    assert [*place(outside).glob("lost-*/*.txt")]


def test_while_it_is_halted_no_checkpoint_is_signed(
    outside: Path, machine: Machine, browser: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    _admin, auditor = at_office()
    backup = machine.back_up()
    write(3)
    checkpoint()
    machine.restore(backup)
    made = len(db.read.scalars(select(AuditCheckpoint)).all())
    db.end()
    monkeypatch.setattr(checkpoints, "EVERY", 1)
    desk = browser(auditor)
    for _ in range(3):
        assert desk.get("/audit/checkpoints").status_code == 200
    assert desk.post("/audit/checkpoints").status_code == 503
    assert len(db.read.scalars(select(AuditCheckpoint)).all()) == made


def test_a_declaration_about_other_facts_cannot_be_confirmed(outside: Path, machine: Machine) -> None:
    admin, auditor = at_office()
    backup = machine.back_up()
    write(3)
    checkpoint()
    machine.restore(backup)
    restoring.propose(admin.actor, "控えから戻した。")
    seq = proposal_seq()
    name = kept(outside)[-1]
    (place(outside) / name).unlink()
    (place(outside) / "000000000999.txt").write_text(
        notes.sign(
            notes.Head(origin(), 999, b"x" * 32, head_in(checkpoint_text(outside)).at), [vault.ring.signing]
        )
    )
    with pytest.raises(Exception, match="合わなくなりました"):
        restoring.declare(auditor.actor, seq)
    db.end()


def checkpoint_text(outside: Path) -> str:
    return (place(outside) / kept(outside)[-1]).read_text()


def test_another_worker_notices_and_goes_on_when_it_is_settled(outside: Path, machine: Machine) -> None:
    """Two workers are two `Watch`es over one database; each asks again as long as something is wrong."""
    admin, auditor = at_office()
    backup = machine.back_up()
    write(3)
    checkpoint()
    machine.restore(backup)
    here, there = log_integrity.watch, log_integrity.Watch()
    with pytest.raises(Halted):
        write()
    log_integrity.watch = there
    with pytest.raises(Halted):
        write()
    restoring.propose(admin.actor, "控えから戻した。")
    restoring.declare(auditor.actor, proposal_seq())
    write()
    log_integrity.watch = here
    write()
    assert here.contradiction is None
    assert there.contradiction is None


def test_a_running_worker_notices_that_the_database_went_back(outside: Path, machine: Machine) -> None:
    """PostgreSQL restored, or a file exchanged, under a process that had looked and found all well."""
    write(2)
    backup = machine.back_up()
    write(2)
    checkpoint()
    write()
    machine.restore(backup)
    with pytest.raises(Halted):
        write()


def test_an_entry_that_was_altered_in_the_tail_is_noticed_at_the_start(
    outside: Path, machine: Machine
) -> None:
    write(4)
    checkpoint()
    alter_body(3)
    machine.restart()
    with pytest.raises(Halted):
        write()
    assert log_integrity.watch.contradiction
    assert "一致しません" in log_integrity.watch.contradiction.reason
    assert log_integrity.watch.contradiction.agreed == 1


def alter_body(seq: int) -> None:
    """As somebody with the rights of the database's owner would."""
    log = AuditEntry.__table__
    on = "" if db.engine.dialect.name == "sqlite" else " ON audit_entry"
    with db.engine.connect() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER no_update_audit_entry{on}")
        body = connection.execute(select(log.c.body).where(log.c.seq == seq)).scalar_one()
        forged = body.replace(b"agency:created", b"agency:updated")
        assert forged != body
        connection.execute(update(log).where(log.c.seq == seq).values(body=forged))
        connection.commit()


def test_a_folder_that_was_emptied_is_not_taken_for_a_new_start(outside: Path, machine: Machine) -> None:
    admin, auditor = at_office()
    for name in kept(outside):
        (place(outside) / name).unlink()
    machine.restart()
    with pytest.raises(Halted):
        write()
    restoring.propose(admin.actor, "保管場所のディスクを失くした。")
    restoring.declare(auditor.actor, proposal_seq())
    write()
    fact = facts(AuditEvent.RESTORE_DECLARED)[-1]
    assert (fact["size"], fact["kept_size"]) == (0, 0), "nothing known is lost, so nothing is excused"
    assert len(kept(outside)) == 1


def test_a_folder_that_cannot_be_written_says_so_and_goes_on_by_itself(
    outside: Path, machine: Machine, tmp_path: Path
) -> None:
    """A file stands where the folder should be: no right in the world makes a folder of it."""
    wall = tmp_path / "wall"
    wall.write_text("")
    keeping.bind(wall / "checkpoints", is_strict=True)
    with pytest.raises(Halted):
        write()
    found = log_integrity.watch.contradiction
    assert found
    assert not found.can_be_declared
    assert "書き込めません" in found.reason
    wall.unlink()
    write()
    assert log_integrity.watch.contradiction is None


def test_a_folder_that_breaks_later_does_not_stop_the_work(outside: Path, machine: Machine) -> None:
    _admin, auditor = at_office()
    write()
    whole = place(outside)
    whole.rename(whole.with_name("away"))
    whole.write_text("")
    checkpoint()
    assert keeping.problem
    assert inspection_checkpoints.show(auditor.actor).problem
    db.end()
    whole.unlink()
    whole.with_name("away").rename(whole)
    machine.restart()
    write()
    checkpoint()
    assert keeping.problem == ""
    sizes = db.read.scalars(select(AuditCheckpoint.size).order_by(AuditCheckpoint.size)).all()
    assert kept(outside) == [f"{size:012}.txt" for size in sizes], "what could not be kept is kept now"


def test_another_database_in_the_place_of_this_one_is_noticed(
    outside: Path, machine: Machine, database: Databases
) -> None:
    write(2)
    other = database.fresh()
    with_new_origin(machine, other)
    with pytest.raises(Halted):
        write()
    assert log_integrity.watch.contradiction
    assert "別のデータベース" in log_integrity.watch.contradiction.reason


def with_new_origin(machine: Machine, url: str) -> None:
    """Templates of one run share their origin; a database of somebody else's does not."""
    machine.restore(url)
    with db.engine.connect() as connection:
        connection.exec_driver_sql(
            "UPDATE audit_head SET origin = 'tsunagu/00000000-0000-4000-8000-000000000000'"
        )
        connection.commit()


def test_a_lost_signing_key_stops_and_the_copy_starts_again(outside: Path, machine: Machine) -> None:
    write(2)
    assert vault.folder
    key = vault.folder / "signing.pem"
    copy = key.read_bytes()
    key.unlink()
    vault.reload()
    machine.restart()
    with pytest.raises(Halted):
        write()
    assert log_integrity.watch.contradiction
    assert "署名鍵" in log_integrity.watch.contradiction.reason
    assert notes.read(checkpoint_text(outside), [read_key(copy)])
    key.write_bytes(copy)
    write()
    assert log_integrity.watch.contradiction is None


def read_key(content: bytes) -> Any:
    key = load_pem_private_key(content, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key.public_key()


def test_a_signing_key_that_is_lost_for_good_is_confirmed_by_two(outside: Path, machine: Machine) -> None:
    admin, auditor = at_office()
    assert vault.folder
    (vault.folder / "signing.pem").unlink()
    vault.reload()
    machine.restart()
    restoring.propose(admin.actor, "署名鍵の控えもなくなった。")
    restoring.declare(auditor.actor, proposal_seq())
    write()
    machine.restart()
    write()
    assert log_integrity.watch.contradiction is None


def test_a_lost_master_key_stops_and_nobody_can_declare_it_away(outside: Path, machine: Machine) -> None:
    admin, _auditor = at_office()
    worker = make_member()
    make_person(worker)
    assert vault.folder
    file = vault.folder / "master.key"
    copy = file.read_bytes()
    file.unlink()
    vault.reload()
    machine.restart()
    with pytest.raises(Halted):
        make_person(worker)
    found = log_integrity.watch.contradiction
    assert found
    assert not found.can_be_declared
    with pytest.raises(Exception, match="KEY_DIR"):
        restoring.propose(admin.actor, "鍵を失くした。")
    file.write_bytes(copy)
    make_person(worker)
    assert log_integrity.watch.contradiction is None


def test_a_new_master_key_opens_what_the_old_one_wrapped(outside: Path) -> None:
    worker = make_member()
    make_person(worker)
    assert vault.folder
    add_master(vault.folder)
    vault.reload()
    make_person(worker)
    assert log_integrity.watch.contradiction is None
    assert len({row for row in db.read.scalars(select(AuditDetail.key_id)) if row}) == 2


def test_a_file_is_made_whole_on_a_share_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    create(tmp_path / "one.txt", b"first")
    create(tmp_path / "one.txt", b"second")
    assert (tmp_path / "one.txt").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["one.txt"]


def test_the_page_shows_the_note_and_hands_it_out(outside: Path, browser: Visit) -> None:
    admin, auditor = at_office()
    agency_admin = make_member(role=Role.AGENCY_ADMIN)
    both = make_member(administers=True)
    worker = make_member()
    for who in (admin, auditor, agency_admin, both):
        desk = browser(who)
        assert desk.post("/audit/checkpoints", follow_redirects=True).status_code == 200
        page = desk.get("/audit/checkpoints")
        last = newest(db.read())
        db.end()
        assert last
        assert last.note.splitlines()[0] in page.text
        assert last.root[:8] in page.text
        text = desk.get(f"/audit/checkpoints/{last.size}.txt").text
        assert text == last.note
        vkey = desk.get("/audit/checkpoints/tsunagu.vkey").text
        _origin, key = notes.parse_vkey(vkey)
        assert notes.read(text, [key]).size == last.size
        archive = zipfile.ZipFile(io.BytesIO(desk.get("/audit/checkpoints/all.zip").data))
        assert archive.read(f"{last.size:012}.txt").decode() == text
        later = zipfile.ZipFile(io.BytesIO(desk.get(f"/audit/checkpoints/all.zip?after={last.size}").data))
        assert later.namelist() == ["tsunagu.vkey"]
    desk = browser(worker)
    for path in ("", "/tsunagu.vkey", "/all.zip", "/1.txt"):
        assert desk.get(f"/audit/checkpoints{path}").status_code == 403
    assert desk.post("/audit/checkpoints").status_code == 403
    assert browser(auditor).get("/audit/checkpoints/99999999.txt").status_code == 404
    read = AuditEvent.CHECKPOINT_READ.value
    assert db.read.scalars(select(func.count()).where(AuditEntry.event == read)).one() >= 20


def test_forged_signatures_are_not_taken(outside: Path, machine: Machine) -> None:
    """Somebody can write into the folder and the database, but has not the key."""
    write(2)
    stranger = Ed25519PrivateKey.generate()
    head = head_in(checkpoint())
    file = place(outside) / f"{head.size:012}.txt"
    file.write_text(notes.sign(head, [stranger]))
    machine.restart()
    with pytest.raises(Halted):
        write()
    assert pem(stranger)
