"""Measures the audit log: how fast `verify_audit.py` checks a long one. Run by hand: `python -m tests.bench.audit --verify 1000000`."""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import verify_audit
from portal.audit import notes
from portal.audit.bound import digest_of, state_of
from portal.audit.events import AuditEvent
from portal.audit.services import entry_values
from portal.audit.tree import Growing
from tests.audit.forge import COLUMNS, SCHEMA, column_time
from tests.bench.report import Report

ROOT = Path(__file__).resolve().parent.parent.parent
VERIFY_SECONDS = 10.0
VERIFY_ENTRIES = 1_000_000
EVERY = 1000
AT_ONCE = 5000
# The bound columns that hold something, besides the id.
HELD = {"person": ("id", "family", "given"), "referral_event": ("id", "referral_id", "what", "text")}


class LongLog:
    """A log as a busy portal writes it: of ten entries five are readings, four acts with sealed details, and one binds
    the records of these acts."""

    def __init__(self, path: Path, entries: int) -> None:
        self.random, self.entries = Random(1), entries
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + SCHEMA)
        bound = {table: ", ".join(HELD.get(table, names)) for table, names in verify_audit.BOUND.items()}
        for table in {*verify_audit.TABLES, *bound}:
            columns = bound.get(table) or COLUMNS.get(table, "id CHAR(32) PRIMARY KEY")
            self.db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        self.db.execute("ALTER TABLE evaluation_closing ADD COLUMN frozen")
        self.db.execute(
            "CREATE TABLE record_salt (kind TEXT, record_id CHAR(32), salt BLOB, PRIMARY KEY (kind, record_id))"
        )
        self.origin = f"tsunagu/{self.new_id()}"
        self.signing = Ed25519PrivateKey.generate()
        self.vkey = notes.vkey(self.origin, self.signing.public_key())
        self.at, self.tree = datetime(2024, 4, 1, tzinfo=UTC), Growing()
        self.actors = [(self.new_id(), self.new_id(), "staff") for _ in range(200)]
        self.people = [self.new_id() for _ in range(max(10, entries // 100))]
        self.keys = {person: self.new_id() for person in self.people}
        self.rows: dict[str, list[tuple[Any, ...]]] = {}
        self.unbound: list[str] = []

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128))

    def add(self, table: str, *cells: Any) -> None:
        self.rows.setdefault(table, []).append(
            tuple(one.hex if isinstance(one, UUID) else one for one in cells)
        )

    def flush(self) -> None:
        self.db.execute("BEGIN")
        for table, rows in self.rows.items():
            places = ", ".join("?" * len(rows[0]))
            self.db.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608
        self.db.execute("COMMIT")
        self.rows.clear()

    def write(self) -> None:
        for person in self.people:
            self.add("subject_key", self.keys[person], person, "m", b"wrapped", None)
        for seq in count(1):
            self.entry(seq)
            if seq % EVERY == 0 or seq == self.entries:
                self.checkpoint()
            if seq % AT_ONCE == 0 or seq == self.entries:
                self.flush()
            if seq == self.entries:
                break
        head = (self.entries, self.origin, self.entries, column_time(self.at))
        self.db.execute("INSERT INTO audit_head VALUES (1, ?, ?, ?, ?)", head)
        self.db.close()

    def hold(self, table: str, key: UUID, *cells: str) -> None:
        """A bound record, to be bound by the next entry that binds."""
        salt, row = self.random.randbytes(32), dict(zip(HELD[table], (key, *cells), strict=True))
        self.add(table, key, *cells)
        self.add("record_salt", table, key, salt)
        digest = digest_of(salt, state_of(table, row, sorted(row)), ())
        self.unbound.append(f"{table}:{key.hex}:-:{digest}")

    def entry(self, seq: int) -> None:
        self.at += timedelta(seconds=30)
        if seq == self.entries or (seq > len(self.people) and seq % 10 == 4):
            lines, self.unbound = self.unbound[:500], self.unbound[500:]
            self.enter(seq, AuditEvent.RECORDS_BOUND, (None, None), fact={"records": lines})
            return
        person = self.people[seq % len(self.people)]
        what, kind, key, details = AuditEvent.PERSON_READ, "person", person, {}
        if seq <= len(self.people):
            what = AuditEvent.PERSON_REGISTERED
            self.hold("person", person, "架空", "花子")
        elif seq % 10 < 4:
            what, kind, key, details = AuditEvent.NOTE_WRITTEN, "progress_note", self.new_id(), {"text": "x"}
            self.add("progress_note", key)
            self.hold("referral_event", self.new_id(), key.hex, "message", "来週の火曜日にうかがいます。")
        self.enter(seq, what, (kind, key), person, details)

    def enter(
        self,
        seq: int,
        what: AuditEvent,
        subject: Any,
        person: Any = None,
        details: Any = None,
        *,
        fact: Any = None,
    ) -> None:
        entry, detail = entry_values(
            seq,
            self.at,
            what,
            actor=None if fact else self.actors[seq % len(self.actors)],
            subject=subject,
            person_id=person,
            categories=() if fact else ("basic", "health"),
            ground=None if fact else "home",
            channel="portal",
            allowed=True,
            count=None,
            request=f"{self.random.getrandbits(64):016x}",
            details=details or {},
            salt=self.random.randbytes(32),
            key=(self.keys[person], self.keys[person].bytes * 2) if person else None,
            fact=fact,
            version=3,
        )
        self.tree.append(entry["body"])
        ids = (entry["staff_id"], entry["agency_id"], subject[1], person)
        self.add(
            "audit_entry", seq, column_time(self.at), entry["event"], *ids, entry["ground"], entry["body"]
        )
        if detail:
            self.add("audit_detail", seq, detail["key_id"], detail["salt"], detail["details"])

    def checkpoint(self) -> None:
        head = notes.Head(self.origin, self.tree.size, self.tree.root(), self.at.replace(microsecond=0))
        note = notes.sign(head, [self.signing])
        at = column_time(head.at)
        self.add("audit_checkpoint", head.size, at, head.root.hex(), self.tree.peaks, note)


def measure_verifier(entries: int, report: Report) -> None:
    """Writes a log of so many entries and checks it."""
    with tempfile.TemporaryDirectory(prefix="tsunagu-bench-") as folder:
        path = Path(folder) / "log.db"
        log = LongLog(path, entries)
        log.write()
        command = (sys.executable, ROOT / "verify_audit.py", path, "--key", log.vkey, "--json")
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
    result = json.loads(done.stdout)
    if done.returncode != verify_audit.SOUND:
        report.fail(f"verify_audit.py: {result['verdict']}")
        return
    limit = max(1.0, VERIFY_SECONDS * entries / VERIFY_ENTRIES)
    report.check(
        seconds <= limit,
        f"verify_audit.py: {result['verdict']}, {entries} entries, {entries // EVERY} checkpoints "
        f"in {seconds:.2f} s ({entries / seconds:,.0f} a second); limit {limit:.1f} s",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--verify", type=int, default=VERIFY_ENTRIES, metavar="N", help="check a log of N entries"
    )
    report = Report()
    measure_verifier(parser.parse_args().verify, report)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
