"""An attacker with the whole database, who drops triggers, rewrites the log and restores the triggers."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.audit.forge import canonical, column_time, peaks_of, signed_note
from tests.audit.reference import root_of

LOG = ("audit_entry", "audit_detail", "audit_checkpoint", "audit_head")


@dataclass
class Loot:
    """The log in memory. Columns are written anew from the bodies, except where `columns` says otherwise."""

    origin: str
    bodies: dict[int, bytes]
    details: dict[int, tuple[Any, Any, bytes]]
    notes: list[str]
    columns: dict[int, dict[str, Any]]
    head: int | None = None

    def say(self, seq: int, /, **changes: Any) -> None:
        self.bodies[seq] = canonical(json.loads(self.bodies[seq]) | changes)

    def entry_rows(self) -> list[tuple[Any, ...]]:
        rows = []
        for seq, body in sorted(self.bodies.items()):
            said = json.loads(body)
            cells = {
                "at": column_time(datetime.fromisoformat(said["at"])),
                "event": said["event"],
                "staff_id": said["staff"],
                "agency_id": said["agency"],
                "object_id": said["object"][1],
                "person_id": said["subject"],
                "ground": said["ground"],
            } | self.columns.get(seq, {})
            rows.append((seq, *cells.values(), body))
        return rows

    def checkpoint_rows(self) -> list[tuple[Any, ...]]:
        rows = []
        for note in self.notes:
            _origin, size_text, root, moment = note.split("\n")[:4]
            size = int(size_text)
            at = column_time(datetime.strptime(moment, "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))
            in_order = [self.bodies[seq] for seq in sorted(self.bodies)][:size]
            rows.append((size, at, base64.b64decode(root).hex(), b"".join(peaks_of(in_order)), note))
        return rows

    # What several tamperings share.

    def shift(self, after: int, by: int) -> None:
        """Renumber all that comes later, also in what the bodies say."""
        later = sorted((seq for seq in self.bodies if seq > after), reverse=by > 0)
        for seq in later:
            self.bodies[seq + by] = self.bodies.pop(seq)
            self.say(seq + by, seq=seq + by)
            if seq in self.details:
                self.details[seq + by] = self.details.pop(seq)

    def cut(self, after: int) -> None:
        for seq in [seq for seq in self.bodies if seq > after]:
            del self.bodies[seq]
            self.details.pop(seq, None)
        self.notes = [note for note in self.notes if size_of(note) <= after]

    def sign_again(self, key: Ed25519PrivateKey) -> None:
        """A checkpoint for each there was, over the log as it is now."""
        bodies = [self.bodies[seq] for seq in sorted(self.bodies)]
        self.notes = [
            signed_note(
                self.origin,
                min(size_of(note), len(bodies)),
                root_of(bodies[: size_of(note)]),
                time_of(note),
                [key],
            )
            for note in self.notes
        ]


def size_of(note: str) -> int:
    return int(note.split("\n")[1])


def time_of(note: str) -> datetime:
    return datetime.strptime(note.split("\n")[3], "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


class SQLiteAttacker:
    """Has the file."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)

    def disarm(self) -> None:
        names = self.db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            self.db.execute(f'DROP TRIGGER "{name}"')

    def take(self) -> Loot:
        return Loot(
            self.db.execute("SELECT origin FROM audit_head").fetchone()[0],
            dict(self.db.execute("SELECT seq, body FROM audit_entry")),
            {
                seq: tuple(rest)
                for seq, *rest in self.db.execute("SELECT seq, key_id, salt, details FROM audit_detail")
            },
            [note for (note,) in self.db.execute("SELECT note FROM audit_checkpoint ORDER BY size")],
            {},
        )

    def put(self, loot: Loot) -> None:
        self.disarm()
        self.db.execute("BEGIN")
        for table in LOG[:3]:
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608
        entries = [
            tuple(one.replace("-", "") if 3 <= at <= 6 and one else one for at, one in enumerate(row))
            for row in loot.entry_rows()
        ]
        names = "seq, at, event, staff_id, agency_id, object_id, person_id, ground, body"
        self.db.executemany(f"INSERT INTO audit_entry ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", entries)  # noqa: S608
        details = [(seq, *rest) for seq, rest in loot.details.items()]
        self.db.executemany(
            "INSERT INTO audit_detail (seq, key_id, salt, details) VALUES (?, ?, ?, ?)", details
        )
        rows = loot.checkpoint_rows()
        self.db.executemany(
            "INSERT INTO audit_checkpoint (size, at, root, peaks, note) VALUES (?, ?, ?, ?, ?)", rows
        )
        head = max(loot.bodies) if loot.head is None else loot.head
        size = max((size_of(note) for note in loot.notes), default=0)
        self.db.execute("UPDATE audit_head SET seq = ?, checkpoint_size = ?", (head, size))
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()


class PostgreSQLAttacker:
    """Owns the tables."""

    def __init__(self, address: str) -> None:
        self.db = psycopg.connect(address)

    def take(self) -> Loot:
        run = self.db.execute
        origin = run("SELECT origin FROM audit_head").fetchall()[0][0]
        details = run("SELECT seq, key_id, salt, details FROM audit_detail").fetchall()
        return Loot(
            origin,
            {seq: bytes(body) for seq, body in run("SELECT seq, body FROM audit_entry")},
            {seq: (key, salt, bytes(stored)) for seq, key, salt, stored in details},
            [note for (note,) in run("SELECT note FROM audit_checkpoint ORDER BY size")],
            {},
        )

    def put(self, loot: Loot) -> None:
        run = self.db.execute
        for table in LOG:
            # The owner of a table grants themselves again what they revoked from themselves.
            run(f"GRANT ALL ON {table} TO CURRENT_USER")  # type: ignore[call-overload]
            run(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # type: ignore[call-overload]
        keys = run(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint "
            "WHERE contype = 'f' AND conrelid::regclass::text = 'audit_detail'"
        ).fetchall()
        for table, name in keys:
            run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for table in LOG[:3]:
            run(f"DELETE FROM {table}")  # type: ignore[call-overload]  # noqa: S608
        with self.db.cursor() as cursor:
            zoned = [(row[0], f"{row[1]}+00", *row[2:]) for row in loot.entry_rows()]
            names = "seq, at, event, staff_id, agency_id, object_id, person_id, ground, body"
            places = "%s, %s, %s, %s, %s, %s, %s, %s, %s"
            cursor.executemany(f"INSERT INTO audit_entry ({names}) VALUES ({places})", zoned)  # noqa: S608  # type: ignore[call-overload]
            details = [(seq, *rest) for seq, rest in loot.details.items()]
            cursor.executemany(
                "INSERT INTO audit_detail (seq, key_id, salt, details) VALUES (%s, %s, %s, %s)", details
            )
            rows = [(size, f"{at}+00", *rest) for size, at, *rest in loot.checkpoint_rows()]
            columns = "size, at, root, peaks, note"
            cursor.executemany(f"INSERT INTO audit_checkpoint ({columns}) VALUES (%s, %s, %s, %s, %s)", rows)  # noqa: S608  # type: ignore[call-overload]
        head = max(loot.bodies) if loot.head is None else loot.head
        size = max((size_of(note) for note in loot.notes), default=0)
        run("UPDATE audit_head SET seq = %s, checkpoint_size = %s", (head, size))
        self.db.commit()
        self.db.close()


# The fifteen tamperings. Each is given the log, a source of chance, and the key that signed it.

Tampering = Callable[[Loot, Random, Ed25519PrivateKey], None]
OTHERS = ("person:read", "note:written", "referral:read", "consent:read")


def place(loot: Loot, random: Random) -> int:
    """Any entry that a checkpoint covers."""
    return random.randint(1, size_of(loot.notes[-1]))


def another(loot: Loot, seq: int, random: Random) -> dict[str, Any]:
    """A change of one entry that keeps its form."""
    said = json.loads(loot.bodies[seq])
    change = random.choice(["event", "channel", "staff", "outcome", "ground"])
    if change == "event":
        return {"event": random.choice([one for one in OTHERS if one != said["event"]])}
    if change == "outcome":
        return {"outcome": "deny" if said["outcome"] == "allow" else "allow"}
    if change == "staff":
        return {"staff": None if said["staff"] else "00000000-0000-4000-8000-000000000000"}
    return {change: "emergency" if said[change] != "emergency" else "other"}


def body_edited(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    seq = place(loot, random)
    before = {row[0]: row for row in loot.entry_rows()}[seq]
    names = ("at", "event", "staff_id", "agency_id", "object_id", "person_id", "ground")
    loot.say(seq, **another(loot, seq, random))
    loot.columns[seq] = dict(zip(names, before[1:8], strict=True))


def body_and_leaf_edited(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    """And all that can be computed again without the key: columns, peaks, roots, the root within the note."""
    seq = place(loot, random)
    loot.say(seq, **another(loot, seq, random))
    bodies = [loot.bodies[one] for one in sorted(loot.bodies)]
    for at, note in enumerate(loot.notes):
        root = root_of(bodies[: size_of(note)])
        lines = note.split("\n")
        lines[2] = base64.b64encode(root).decode()
        loot.notes[at] = "\n".join(lines)


def two_swapped(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    one, other = random.sample(range(1, size_of(loot.notes[-1]) + 1), 2)
    loot.bodies[one], loot.bodies[other] = loot.bodies[other], loot.bodies[one]
    if random.random() < 0.7:
        loot.say(one, seq=one)
        loot.say(other, seq=other)
    details = {one: loot.details.pop(other, None), other: loot.details.pop(one, None)}
    loot.details |= {seq: found for seq, found in details.items() if found}


def one_deleted(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    seq = place(loot, random)
    del loot.bodies[seq]
    loot.details.pop(seq, None)


def tail_cut(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    loot.cut(random.randrange(1, size_of(loot.notes[-1])))


def one_forged(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    after = random.randrange(1, size_of(loot.notes[-1]))
    loot.shift(after, 1)
    loot.bodies[after + 1] = loot.bodies[after]
    loot.say(after + 1, seq=after + 1, event=random.choice(OTHERS), commitment=None)
    if "sealed" in json.loads(loot.bodies[after + 1]):
        loot.say(after + 1, sealed=None)


def renumbered(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    """One is taken out and the rest moves up."""
    seq = place(loot, random)
    del loot.bodies[seq]
    loot.details.pop(seq, None)
    loot.shift(seq, -1)


def duplicated(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    seq = place(loot, random)
    if random.random() < 0.5:
        loot.bodies[max(loot.bodies) + 1] = loot.bodies[seq]
        return
    loot.shift(seq, 1)
    loot.bodies[seq + 1] = loot.bodies[seq]
    loot.say(seq + 1, seq=seq + 1)
    if seq in loot.details:
        loot.details[seq + 1] = loot.details[seq]


def times_moved(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    seq = place(loot, random)
    at = datetime.fromisoformat(json.loads(loot.bodies[seq])["at"])
    moved = at + timedelta(seconds=random.choice([-1, 1]) * random.randrange(1, 10**7))
    loot.say(seq, at=moved.isoformat(timespec="microseconds"))


def older_checkpoint(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    """The newest ones are gone, so that what they covered can be changed; sometimes it is."""
    left = random.randrange(len(loot.notes))
    last = size_of(loot.notes[-1])
    loot.notes = loot.notes[:left]
    if random.random() < 0.7:
        low = size_of(loot.notes[-1]) if loot.notes else 0
        seq = random.randint(low + 1, last)
        loot.say(seq, **another(loot, seq, random))


def other_key(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    seq = place(loot, random)
    loot.say(seq, **another(loot, seq, random))
    loot.sign_again(Ed25519PrivateKey.from_private_bytes(random.randbytes(32)))


def fork(loot: Loot, random: Random, key: Ed25519PrivateKey) -> None:
    """The attacker has even the signing key: only a checkpoint that somebody kept contradicts them."""
    seq = place(loot, random)
    if random.random() < 0.5:
        loot.cut(seq)
    else:
        loot.say(seq, **another(loot, seq, random))
    loot.sign_again(key)


def details_altered(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    seq = random.choice(sorted(loot.details))
    key, salt, stored = loot.details[seq]
    at, bit = random.randrange(len(stored)), 1 << random.randrange(8)
    changed = stored[:at] + bytes([stored[at] ^ bit]) + stored[at + 1 :]
    loot.details[seq] = (key, salt, changed)


def details_dropped(loot: Loot, random: Random, _key: Ed25519PrivateKey) -> None:
    del loot.details[random.choice(sorted(loot.details))]


TAMPERINGS: list[Tampering] = [
    *(
        body_edited,
        body_and_leaf_edited,
        two_swapped,
        one_deleted,
        tail_cut,
        one_forged,
        renumbered,
        duplicated,
    ),
    *(times_moved, older_checkpoint, other_key, fork, details_altered, details_dropped),
]  # the fifteenth, an old file put back, needs no rewriting
