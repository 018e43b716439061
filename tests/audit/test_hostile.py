"""Files that were made to fool or to break verify_audit.py: it answers with words and never takes them for sound."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

import verify_audit
from tests.audit.forge import Forge
from tests.audit.verifying import Verdict, run
from verify_audit import SOUND, TAMPERED, WRONG


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    forge = Forge(tmp_path / "log.db", Random(2))
    for _ in range(2):
        forge.live(20)
        forge.checkpoint()
    return forge


def verdict(forge: Forge, data: Path | None = None) -> Verdict:
    found = run(data or forge.path, forge.vkeys, forge.kept)
    assert found.exit != WRONG or "思いがけない" not in found.text
    return found


# SQLite files.


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE audit_head",
        "DROP TABLE audit_checkpoint",
        "DROP TABLE audit_detail",
        "DROP TABLE audit_entry",
        "DROP TABLE subject_key",
        "DROP TABLE referral",
        "ALTER TABLE audit_entry RENAME TO hidden; CREATE VIEW audit_entry AS SELECT * FROM hidden",
        "ALTER TABLE audit_entry DROP COLUMN ground",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head SELECT 2, seq, origin, checkpoint_size, checkpoint_at FROM audit_head",
        "UPDATE audit_head SET seq = 9223372036854775807",
        "UPDATE audit_head SET seq = 'many'",
        "UPDATE audit_head SET seq = -1",
        "UPDATE audit_head SET seq = 1e300",
        "UPDATE audit_head SET origin = NULL",
        "UPDATE audit_head SET origin = x'ff00'",
        "UPDATE audit_head SET checkpoint_size = 'x'",
        "UPDATE audit_entry SET seq = 9223372036854775807 WHERE seq = 5",
        "UPDATE audit_entry SET seq = -5 WHERE seq = 5",
        "UPDATE audit_entry SET seq = 'five' WHERE seq = 5",
        "UPDATE audit_entry SET seq = 5.5 WHERE seq = 5",
        "UPDATE audit_entry SET seq = x'05' WHERE seq = 5",
        "UPDATE audit_entry SET body = NULL WHERE seq = 5",
        "UPDATE audit_entry SET body = 7 WHERE seq = 5",
        "UPDATE audit_entry SET body = x'' WHERE seq = 5",
        "UPDATE audit_entry SET body = zeroblob(20000000) WHERE seq = 5",
        "UPDATE audit_entry SET body = replace(hex(zeroblob(500000)), '0', '[') WHERE seq = 5",
        "UPDATE audit_entry SET at = 7 WHERE seq = 5",
        "UPDATE audit_entry SET event = x'ff' WHERE seq = 5",
        "UPDATE audit_entry SET staff_id = 1.5",
        "UPDATE audit_detail SET seq = 'x' WHERE rowid = 1",
        "UPDATE audit_detail SET seq = 1000000 WHERE rowid = 1",
        "UPDATE audit_detail SET details = NULL WHERE rowid = 1",
        "UPDATE audit_detail SET salt = NULL",
        "UPDATE audit_detail SET salt = 7, key_id = NULL",
        "UPDATE audit_detail SET key_id = 'nobody'",
        "UPDATE audit_checkpoint SET size = 'x' WHERE rowid = 1",
        "UPDATE audit_checkpoint SET size = size + 1",
        "UPDATE audit_checkpoint SET note = NULL",
        "UPDATE audit_checkpoint SET note = ''",
        "UPDATE audit_checkpoint SET note = replace(note, '+', '-')",
        "UPDATE audit_checkpoint SET note = note || note",
        "UPDATE audit_checkpoint SET note = replace(note, char(10), char(13) || char(10))",
        "UPDATE audit_checkpoint SET note = replace(note, 'time 2026', 'time 0000')",
        "UPDATE audit_checkpoint SET note = replace(note, 'time 2026-04', 'time 2026-99')",
        "UPDATE audit_checkpoint SET peaks = NULL",
        "UPDATE audit_checkpoint SET peaks = 'x'",
        "UPDATE audit_checkpoint SET root = NULL",
        "UPDATE audit_checkpoint SET at = NULL",
        "UPDATE subject_key SET person_id = NULL",
        "UPDATE subject_key SET id = 5 WHERE rowid = 1",
        "UPDATE disclosure SET starts_at = 'x'",
        "UPDATE disclosure SET person_id = NULL, basis = NULL, channel = NULL",
        "UPDATE disclosure SET basis = x'ff', channel = x'ff'",
        "UPDATE referral SET status = x'ff'",
        "UPDATE referral SET id = 7 WHERE rowid = 1",
    ],
)
def test_whatever_stands_in_the_columns(forge: Forge, change: str) -> None:
    forge.db.executescript(change)
    assert verdict(forge).exit in {TAMPERED, WRONG}


def test_a_row_that_the_index_hides(forge: Forge) -> None:
    """The index knows of all entries but one; the table has it."""
    forge.db.execute("PRAGMA writable_schema=ON")
    forge.db.execute("CREATE TABLE other (seq BIGINT NOT NULL PRIMARY KEY)")
    forge.db.execute("INSERT INTO other SELECT seq FROM audit_entry WHERE seq <> 7")
    pages = dict(forge.db.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'index'"))
    page = pages["sqlite_autoindex_other_1"]
    forge.db.execute(
        "UPDATE sqlite_master SET rootpage = ? WHERE name = 'sqlite_autoindex_audit_entry_1'", (page,)
    )
    forge.db.execute("DELETE FROM sqlite_master WHERE name LIKE '%other%'")
    forge.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    forge.close()
    assert verdict(forge).exit in {TAMPERED, WRONG}


def test_a_torn_file(forge: Forge) -> None:
    forge.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    forge.close()
    whole = forge.path.read_bytes()
    random = Random(1)
    for _ in range(40):
        torn = bytearray(whole)
        at = random.randrange(100, len(whole) - 4096)
        torn[at : at + random.choice([1, 16, 4096])] = random.randbytes(16)
        forge.path.write_bytes(torn[: random.choice([len(torn), len(torn) // 2])])
        # Unused bytes of a page may change without a harm; whatever is read is judged.
        assert verdict(forge).exit in {SOUND, TAMPERED, WRONG}
    forge.path.write_bytes(whole[:3000])
    assert verdict(forge).exit == WRONG


# Dumps, by hand: a table is a line of names, lines of cells and an end.


def as_dump(forge: Forge) -> bytes:
    parts = [b"SET client_encoding = 'UTF8';\n"]
    names = [name for (name,) in forge.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        cursor = forge.db.execute(f'SELECT * FROM "{name}"')  # noqa: S608
        columns = [column[0] for column in cursor.description]
        parts.append(f"COPY public.{name} ({', '.join(columns)}) FROM stdin;\n".encode())
        for row in cursor:
            cells = []
            for column, cell in zip(columns, row, strict=True):
                if cell is None:
                    cells.append(b"\\N")
                elif isinstance(cell, bytes):
                    cells.append(b"\\\\x" + cell.hex().encode())
                else:
                    zone = "+00" if column == "at" or column.endswith("_at") else ""
                    text = str(cell).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
                    cells.append((text + zone).encode())
            parts.append(b"\t".join(cells) + b"\n")
        parts.append(b"\\.\n\n")
    return b"".join(parts)


@pytest.fixture
def plain(forge: Forge, tmp_path: Path) -> Path:
    path = tmp_path / "dump.sql"
    path.write_bytes(as_dump(forge))
    assert verdict(forge, path).exit == SOUND, verdict(forge, path).text
    return path


def test_rows_of_a_dump_stand_in_any_order(
    forge: Forge, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, start, rest = plain.read_bytes().partition(b"COPY public.audit_entry ")
    names, _, rest = rest.partition(b"\n")
    rows, end, rest = rest.partition(b"\\.\n")
    lines = rows.splitlines(keepends=True)
    Random(1).shuffle(lines)
    plain.write_bytes(head + start + names + b"\n" + b"".join(lines) + end + rest)
    assert verdict(forge, plain).exit == SOUND
    # In many parts, as a long log is read: none of them is in order.
    monkeypatch.setattr(verify_audit, "KIB", 1)
    monkeypatch.setattr(verify_audit.Dump, "parts", in_many_parts)
    assert verdict(forge, plain).exit == SOUND


def in_many_parts(self: verify_audit.Dump, table: str, _last: int, _count: int) -> list[tuple[int, int]]:
    section = self.sections[table]
    data = self.map(section.file)[section.start : section.end]
    edges, at = [section.start], section.start
    for line in data.splitlines(keepends=True):
        at += len(line)
        edges.append(at)
    return list(pairwise(edges)) or [(section.start, section.end)]


def test_line_ends_of_windows(forge: Forge, plain: Path) -> None:
    plain.write_bytes(plain.read_bytes().replace(b"\n", b"\r\n"))
    assert verdict(forge, plain).exit == SOUND


@pytest.mark.parametrize(
    "change",
    [
        lambda dump: dump[: dump.index(b"COPY public.audit_entry") + 5000],
        lambda dump: dump[: dump.index(b"COPY public.subject_key")],
        lambda dump: dump + dump,
        lambda dump: dump.decode().encode("utf-16"),
        lambda dump: dump.replace(b"+00\t", b"\t"),
        lambda dump: dump.replace(b"2026-04", b"infinity"),
        lambda dump: dump.replace(b"\\\\x7b", b"\\\\xzz"),
        lambda dump: dump.replace(b"COPY public.audit_head (id, seq", b"COPY public.audit_head (seq, seq"),
        lambda dump: dump.replace(b"\n2\t2026", b"\n" + b"9" * 5000 + b"\t2026"),
        lambda dump: dump.replace(b"\n2\t2026", b"\n\t\t\t\t2026"),
        lambda dump: dump.replace(b"\n2\t2026", b"\n\\N\t2026"),
        lambda dump: dump.replace(b"FROM stdin;", b"FROM stdin"),
        lambda dump: b"PGDMP" + dump,
        lambda _dump: b"",
        lambda _dump: b"COPY ",
        lambda _dump: b"\0" * 100_000,
        lambda _dump: b"COPY a (" + b"x," * 100_000,
    ],
)
def test_dumps_that_are_none(forge: Forge, plain: Path, change: Callable[[bytes], bytes]) -> None:
    plain.write_bytes(change(plain.read_bytes()))
    assert verdict(forge, plain).exit in {TAMPERED, WRONG}


def test_a_compressed_bomb(forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_audit, "MIB", 1 << 10)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"\0" * 50_000_000))
    found = verdict(forge, bomb)
    assert found.exit == WRONG
    assert "大きさが異常" in found.text
    bomb.write_bytes(gzip.compress(b"x" * 10_000)[:-9])
    assert verdict(forge, bomb).exit == WRONG
    bomb.write_bytes(b"\x1f\x8b" + b"\xff" * 100)
    assert verdict(forge, bomb).exit == WRONG


# Bundles.


def rewritten(forge: Forge, tmp_path: Path, **members: bytes | None) -> Path:
    """A bundle of everything, with some members in another shape or none."""
    forge.bundle(tmp_path / "good.zip")
    target = tmp_path / "bad.zip"
    names = {"manifest": "manifest.json", "checkpoint": "checkpoint.txt", "entries": "entries.jsonl"}
    with (
        zipfile.ZipFile(tmp_path / "good.zip") as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for short, name in names.items():
            content = members.get(short, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.mark.parametrize(
    ("member", "content"),
    [
        *((name, content) for name in ("manifest", "checkpoint", "entries") for content in (None, b"", b"\xff\xfe", b"x" * 100_000)),
        ("manifest", b"[]"),
        ("manifest", b"null"),
        ("manifest", b'{"complete": true, "complete": false}'),
        ("manifest", b'{"complete": true, "entries": 1e9}'),
        ("manifest", b"[" * 60_000),
        ("entries", b"[" * 100_000 + b"\n"),
        ("entries", b'{"seq": 1, "body": "{}"}\n'),
        ("entries", b'{"seq": 1, "seq": 1, "body": "{}"}\n'),
        ("entries", b'{"seq": ' + b"9" * 100_000 + b', "body": ""}\n'),
        ("entries", b'{"seq": 1, "body": "\\ud800"}\n'),
        ("entries", b'{"seq": 1, "body": 5}\n'),
        ("entries", b"\n\n\n"),
        ("entries", b"null\n"),
    ],
)  # fmt: skip
def test_bundles_of_nonsense(forge: Forge, tmp_path: Path, member: str, content: bytes | None) -> None:
    assert verdict(forge, rewritten(forge, tmp_path, **{member: content})).exit in {TAMPERED, WRONG}


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:-1],
        lambda lines: lines[1:],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines[:4], lines[4].replace("allow", "deny"), *lines[5:]],
        lambda lines: [json.dumps(json.loads(one) | {"proof": []}) for one in lines],
    ],
)
def test_bundles_with_altered_entries(
    forge: Forge, tmp_path: Path, change: Callable[[list[str]], list[str]]
) -> None:
    forge.bundle(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as file:
        lines = file.read("entries.jsonl").decode().splitlines()
    changed = "".join(f"{line}\n" for line in change(lines)).encode()
    assert verdict(forge, rewritten(forge, tmp_path, entries=changed)).exit == TAMPERED


def test_a_proof_is_not_taken_for_whole(forge: Forge, tmp_path: Path) -> None:
    """A part that says it is everything, and everything that says it is a part."""
    forge.bundle(tmp_path / "a.zip", [1, 2, 3], complete=True)
    assert verdict(forge, tmp_path / "a.zip").exit == TAMPERED
    forge.bundle(tmp_path / "b.zip", complete=False)
    assert verdict(forge, tmp_path / "b.zip").exit == TAMPERED
    forge.bundle(tmp_path / "c.zip", [1, 2, 3], entries=4)
    assert verdict(forge, tmp_path / "c.zip").exit == TAMPERED
    forge.bundle(tmp_path / "d.zip", [1, 2, 3], size=3)
    assert verdict(forge, tmp_path / "d.zip").exit == TAMPERED


def test_a_zip_bomb(forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_audit, "MIB", 1 << 10)
    line = b'{"seq": 1, "body": "' + b"x" * 1000 + b'"}\n'
    found = verdict(forge, rewritten(forge, tmp_path, entries=line * 100_000))
    assert found.exit == WRONG
    assert "大きさが異常" in found.text
    one_line = verdict(forge, rewritten(forge, tmp_path, entries=b"x" * 10_000_000))
    assert one_line.exit == WRONG


def test_paths_in_a_bundle_lead_nowhere(forge: Forge, tmp_path: Path) -> None:
    forge.bundle(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip", "a") as file:
        file.writestr("../../escape.txt", "x")
        file.writestr("/etc/escape", "x")
    before = sorted(tmp_path.rglob("*"))
    assert verdict(forge, tmp_path / "all.zip").exit == SOUND
    assert [one for one in sorted(tmp_path.rglob("*")) if ".kept" not in str(one)] == [
        one for one in before if ".kept" not in str(one)
    ]
    assert not (tmp_path.parent / "escape.txt").exists()


def test_a_torn_bundle(forge: Forge, tmp_path: Path) -> None:
    forge.bundle(tmp_path / "all.zip")
    whole, random = (tmp_path / "all.zip").read_bytes(), Random(1)
    for _ in range(60):
        torn = bytearray(whole)
        torn[random.randrange(len(torn))] ^= 1 << random.randrange(8)
        (tmp_path / "torn.zip").write_bytes(torn[: random.choice([len(torn), random.randrange(len(torn))])])
        # A bit of the zip's own dates may turn; no traceback, and nothing else is taken for sound.
        assert verdict(forge, tmp_path / "torn.zip").exit in {SOUND, TAMPERED, WRONG}


# Keys, kept checkpoints and the command.


@pytest.mark.parametrize("key", ["", "x", "a+b+c", "tsunagu/x+00000000+AAAA", "/", "/nowhere", "\0"])
def test_keys_that_are_none(forge: Forge, key: str) -> None:
    assert run(forge.path, [key]).exit == WRONG


def test_a_key_in_a_file(forge: Forge, tmp_path: Path) -> None:
    for content in (forge.vkeys[0], forge.vkeys[0] + "\n", "\ufeff" + forge.vkeys[0] + "\r\n"):
        (tmp_path / "key.txt").write_text(content, newline="")
        assert run(forge.path, [str(tmp_path / "key.txt")], forge.kept).exit == SOUND


def test_kept_files_that_are_none(forge: Forge, tmp_path: Path) -> None:
    folder = tmp_path / "my kept"
    folder.mkdir()
    (folder / "a.txt").write_text(forge.kept[0])
    (folder / "sub").mkdir()
    (folder / "sub" / "b.txt").write_text(forge.kept[-1], newline="\r\n")
    (folder / "memo.txt").write_text("鍵は金庫")
    (folder / "c.pdf").write_bytes(b"%PDF")
    found = run(forge.path, forge.vkeys, (), "--checkpoint", str(folder))
    assert found.exit == SOUND
    assert found.result["summary"]["kept"] == 2
    (folder / "d.txt").write_text(forge.kept[0].replace("time", "tine"))
    assert run(forge.path, forge.vkeys, (), "--checkpoint", str(folder)).exit == WRONG
    assert run(forge.path, forge.vkeys, (), "--checkpoint", str(folder / "nowhere.txt")).exit == WRONG
    (folder / "d.txt").write_bytes(b"tsunagu/" + b"x" * 10_000_000)
    assert run(forge.path, forge.vkeys, (), "--checkpoint", str(folder)).exit == WRONG


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-I", verify_audit.__file__, *map(str, arguments)]
    return subprocess.run(whole, capture_output=True, text=True, check=False, encoding="utf-8")


def test_as_a_command_of_its_own(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "k.txt").write_text(forge.kept[-1])
    sound = command(forge.path, "--key", forge.vkeys[0], "--checkpoint", tmp_path / "k.txt")
    assert (sound.returncode, sound.stderr) == (SOUND, "")
    assert sound.stdout.splitlines()[-1] == "○ 改ざんは見つかりませんでした / sound"
    forge.db.execute("UPDATE audit_entry SET event = ? WHERE seq = 3", ("\x1b[2J\n✗",))
    bad = command(forge.path, "--key", forge.vkeys[0])
    assert (bad.returncode, bad.stderr) == (TAMPERED, "")
    assert "\x1b" not in bad.stdout
    assert bad.stdout.startswith("✗ 記録 3: ")
    for wrong in (
        (),
        (forge.path,),
        (tmp_path, "--key", forge.vkeys[0]),
        (forge.path, "--key", "x"),
        (forge.path, "--now", "x"),
    ):
        said = command(*wrong)
        assert said.returncode == WRONG
        assert said.stderr
        assert "Traceback" not in said.stderr
    assert "終了コード" in command("--help").stdout


def test_a_long_list_of_findings_is_cut(forge: Forge) -> None:
    forge.db.execute("UPDATE audit_entry SET ground = 'emergency'")
    found = verdict(forge)
    assert found.result["counts"]["column"] > verify_audit.SHOWN
    assert sum(one["code"] == "column" for one in found.result["findings"]) == verify_audit.SHOWN


def test_two_processes_say_what_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forge = Forge(tmp_path / "log.db", Random(4))
    forge.live(400)
    forge.rekey()
    forge.checkpoint()
    (tmp_path / "dump.sql").write_bytes(as_dump(forge))
    alone = [verdict(forge).result, verdict(forge, tmp_path / "dump.sql").result]
    monkeypatch.setattr(verify_audit, "SMALL", 0)
    together = [verdict(forge).result, verdict(forge, tmp_path / "dump.sql").result]
    for one in (*alone, *together):
        del one["summary"]["seconds"]
    assert alone == together
    assert alone[0]["exit"] == SOUND
