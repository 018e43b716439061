"""Writes logs of invented histories into SQLite files: the same bytes as the portal's, by code that shares none with it."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import zipfile
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import verify_audit
from tests.audit.reference import path_of, root_of

SCHEMA = """
CREATE TABLE audit_head (id INTEGER PRIMARY KEY, seq BIGINT, origin TEXT, checkpoint_size BIGINT, checkpoint_at TEXT);
CREATE TABLE audit_entry (seq BIGINT NOT NULL PRIMARY KEY, at TEXT, event TEXT, staff_id CHAR(32), agency_id CHAR(32),
    object_id CHAR(32), person_id CHAR(32), ground TEXT, body BLOB);
CREATE TABLE audit_detail (seq BIGINT NOT NULL PRIMARY KEY, key_id CHAR(32), salt BLOB, details BLOB);
CREATE TABLE audit_checkpoint (size BIGINT NOT NULL PRIMARY KEY, at TEXT, root TEXT, peaks BLOB, note TEXT);
CREATE TABLE subject_key (id CHAR(32) PRIMARY KEY, person_id CHAR(32), master_id TEXT, wrapped BLOB, destroyed_at TEXT);
CREATE TABLE disclosure_category (disclosure_id CHAR(32), category TEXT);
"""
COLUMNS = {
    "referral": "id CHAR(32) PRIMARY KEY, status TEXT",
    "meeting": "id CHAR(32) PRIMARY KEY, status TEXT",
    "calendar_link": "staff_id CHAR(32) PRIMARY KEY",
    "evaluation_closing": "id CHAR(32) PRIMARY KEY, year INTEGER, digest TEXT, frozen TEXT",
    "disclosure": (
        "id CHAR(32) PRIMARY KEY, person_id CHAR(32), from_agency_id CHAR(32), to_agency_id CHAR(32), "
        "to_staff_id CHAR(32), basis TEXT, consent_id CHAR(32), channel TEXT, source_id CHAR(32), "
        "starts_at TEXT, ended_at TEXT"
    ),
}
WORDS = ("電話で相談", "訪問", '引用"符', "逆\\斜線", "改\n行", "𠮷野", "tab\tand <b>")
STEPS = {
    "referral:sent": "requested",
    "referral:accepted": "accepted",
    "referral:started": "in_progress",
    "referral:completed": "completed",
}


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def column_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def key_hash(origin: str, key: Ed25519PrivateKey) -> bytes:
    return sha(origin.encode() + b"\n\x01" + key.public_key().public_bytes_raw())[:4]


def vkey(origin: str, key: Ed25519PrivateKey) -> str:
    raw = base64.b64encode(b"\x01" + key.public_key().public_bytes_raw()).decode()
    return f"{origin}+{key_hash(origin, key).hex()}+{raw}"


def signed_note(origin: str, size: int, root: bytes, at: datetime, keys: list[Ed25519PrivateKey]) -> str:
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\ntime {moment}\n"
    stamps = [base64.b64encode(key_hash(origin, key) + key.sign(body.encode())).decode() for key in keys]
    return body + "\n" + "".join(f"— {origin} {stamp}\n" for stamp in stamps)


class Forge:
    """A history that is being written. Everything random comes from `random`, so that a seed tells it again."""

    def __init__(self, path: Path, random: Random) -> None:
        self.path, self.random = path, random
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + SCHEMA)
        for table in verify_audit.TABLES:
            self.db.execute(f"CREATE TABLE {table} ({COLUMNS.get(table, 'id CHAR(32) PRIMARY KEY')})")
        self.origin = f"tsunagu/{self.new_id()}"
        self.at = datetime(2026, 4, 1, tzinfo=UTC)
        self.seq, self.version = (
            0,
            3,
        )  # 1 is what was written before migration 0003, 2 before times were held together
        self.bodies: list[bytes] = []
        self.signing, self.former = self.new_signing_key(), None
        self.vkeys = [vkey(self.origin, self.signing)]
        self.person_keys: dict[str, tuple[str, bytes]] = {}
        self.erased: set[str] = set()
        self.people = [self.new_id() for _ in range(3)]
        self.staff = [self.new_id() for _ in range(3)]
        self.agencies = [self.new_id() for _ in range(2)]
        self.referrals: dict[str, str] = {}
        self.lines: dict[str, str] = {}
        self.kept: list[str] = []
        head = (self.origin, column_time(self.at))
        self.db.execute("INSERT INTO audit_head VALUES (1, 0, ?, 0, ?)", head)

    def close(self) -> None:
        self.db.close()

    def new_id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128)))

    def new_signing_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.random.randbytes(32))

    def key_of(self, person: str) -> tuple[str, bytes]:
        if person not in self.person_keys:
            key_id, key = self.new_id(), self.random.randbytes(32)
            self.person_keys[person] = (key_id, key)
            row = (key_id.replace("-", ""), person.replace("-", ""), "m", self.random.randbytes(60))
            self.db.execute("INSERT INTO subject_key VALUES (?, ?, ?, ?, NULL)", row)
        return self.person_keys[person]

    def record(
        self,
        event: str,
        kind: str | None = None,
        object_id: str | None = None,
        *,
        person: str | None = None,
        details: dict[str, Any] | None = None,
        fact: dict[str, Any] | None = None,
        **more: Any,
    ) -> int:
        """One entry with its details."""
        self.seq += 1
        self.at += timedelta(seconds=self.random.randrange(600), microseconds=self.random.randrange(10**6))
        salt, stored = self.random.randbytes(32), canonical(details or {})
        if person in self.erased:
            details = None
        body = {
            "v": self.version,
            "seq": self.seq,
            "at": self.at.isoformat(timespec="microseconds"),
            "event": event,
            "outcome": "allow",
            "staff": self.random.choice(self.staff),
            "agency": self.agencies[0],
            "role": "staff",
            "object": [kind, object_id],
            "subject": person,
            "categories": [],
            "ground": None,
            "channel": "portal",
            "request": f"{self.random.getrandbits(64):x}",
            "bucket": None,
            "commitment": sha(salt + stored).hex() if details else None,
        } | more
        row: tuple[Any, ...] | None = (self.seq, None, salt, stored) if details else None
        if self.version >= 2:
            body["sealed"] = None
            if details and person:
                key_id, sealed = self.seal(person, self.seq, salt, stored)
                body["sealed"] = sha(sealed).hex()
                row = (self.seq, key_id, None, sealed)
        if fact:
            body["fact"] = fact
        self.append(body)
        if row:
            self.db.execute("INSERT INTO audit_detail VALUES (?, ?, ?, ?)", row)
        return self.seq

    def seal(self, person: str, seq: int, salt: bytes, stored: bytes) -> tuple[str, bytes]:
        key_id, key = self.key_of(person)
        nonce = self.random.randbytes(12)
        return key_id.replace("-", ""), nonce + AESGCM(key).encrypt(nonce, salt + stored, seq.to_bytes(8))

    def append(self, body: dict[str, Any]) -> None:
        stored = canonical(body)
        self.bodies.append(stored)
        ids = [
            one and one.replace("-", "")
            for one in (body["staff"], body["agency"], body["object"][1], body["subject"])
        ]
        row = (body["seq"], column_time(self.at), body["event"], *ids, body["ground"], stored)
        self.db.execute("INSERT INTO audit_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.db.execute("UPDATE audit_head SET seq = ?", (self.seq,))

    # What happens in an office.

    def make(self, table: str, event: str, person: str | None = None, **more: Any) -> str:
        key = self.new_id()
        self.db.execute(f"INSERT INTO {table} (id) VALUES (?)", (key.replace("-", ""),))  # noqa: S608
        self.record(event, table, key, person=person, **more)
        return key

    def read(self) -> None:
        person = self.random.choice([*self.people, None])
        self.record(
            "person:read" if person else "person:listed",
            "person" if person else None,
            person,
            person=person,
            bucket=None if person else "2-5",
            categories=sorted(self.random.sample(["basic", "health", "finances"], 2)) if person else [],
            ground=self.random.choice(["home", "consent", None]),
        )

    def refuse(self) -> None:
        self.record("access:refused", "people.show", self.new_id(), outcome="deny", channel="get")

    def note(self) -> None:
        person = self.random.choice(self.people)
        text = {"text": self.random.choice(WORDS), "minutes": self.random.randrange(60)}
        self.make("progress_note", "note:written", person, details=text, categories=["basic"])

    def refer(self) -> None:
        person, key = self.random.choice(self.people), self.new_id()
        self.db.execute("INSERT INTO referral VALUES (?, 'draft')", (key.replace("-", ""),))
        self.referrals[key] = person
        self.record(
            "referral:drafted", "referral", key, person=person, details={"need": self.random.choice(WORDS)}
        )

    def step(self) -> None:
        if not self.referrals:
            self.refer()
            return
        key = self.random.choice(list(self.referrals))
        event = self.random.choice(list(STEPS))
        self.db.execute("UPDATE referral SET status = ? WHERE id = ?", (STEPS[event], key.replace("-", "")))
        self.record(
            event,
            "referral",
            key,
            person=self.referrals[key],
            ground="consent",
            details={"after": STEPS[event]},
        )

    def tell(self) -> None:
        person, key = self.random.choice(self.people), self.new_id()
        self.lines[key] = person
        told = sorted(self.random.sample(["basic", "health", "finances"], 2))
        ids = [one.replace("-", "") for one in (key, person, *self.agencies)]
        row = (*ids, None, "consent", None, "referral", None, column_time(self.at), None)
        self.db.execute("INSERT INTO disclosure VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.db.executemany("INSERT INTO disclosure_category VALUES (?, ?)", [(ids[0], one) for one in told])
        self.record(
            "disclosure:made",
            "disclosure",
            key,
            person=person,
            categories=told,
            ground="consent",
            channel="referral",
        )

    def end(self) -> None:
        if not self.lines:
            self.tell()
            return
        key, person = self.lines.popitem()
        self.record("disclosure:ended", "disclosure", key, person=person, ground="consent")
        ended = (column_time(self.at), key.replace("-", ""))
        self.db.execute("UPDATE disclosure SET ended_at = ? WHERE id = ?", ended)

    def close_down_and_take_back(self) -> None:
        key = self.make("closure", "closure:changed", details={"reason": self.random.choice(WORDS)})
        self.db.execute("DELETE FROM closure WHERE id = ?", (key.replace("-", ""),))
        self.record("closure:changed", "closure", key, details={"removed": True})

    def erase(self) -> None:
        person = self.random.choice(self.people)
        if person in self.erased:
            return
        key_id, _key = self.key_of(person)
        self.record("person:erased", "person", person, person=person, fact={"key": key_id, "person": person})
        self.erased.add(person)
        gone = (column_time(self.at), key_id.replace("-", ""))
        self.db.execute("UPDATE subject_key SET wrapped = NULL, destroyed_at = ? WHERE id = ?", gone)

    def rekey(self) -> None:
        self.former, self.signing = self.signing, self.new_signing_key()
        self.vkeys.append(vkey(self.origin, self.signing))
        self.record("log:rekeyed", fact={"old": self.vkeys[-2], "new": self.vkeys[-1]})
        for _ in range(self.random.randrange(3)):
            self.random.choice(self.ACTS)(self)
        self.checkpoint()

    def checkpoint(self, *, keep: bool = True) -> str:
        size, root = len(self.bodies), root_of(self.bodies)
        have = self.db.execute("SELECT note FROM audit_checkpoint WHERE size = ?", (size,)).fetchone()
        if have:
            return str(have[0])
        moment = self.at.replace(microsecond=0)
        text = signed_note(
            self.origin, size, root, moment, [key for key in (self.former, self.signing) if key]
        )
        self.former = None
        self.db.execute(
            "INSERT INTO audit_checkpoint VALUES (?, ?, ?, ?, ?)",
            (size, column_time(moment), root.hex(), b"".join(peaks_of(self.bodies)), text),
        )
        self.db.execute(
            "UPDATE audit_head SET checkpoint_size = ?, checkpoint_at = ?", (size, column_time(moment))
        )
        if keep:
            self.kept.append(text)
        return text

    ACTS = (read, read, read, refuse, note, note, refer, step, step, tell, end, close_down_and_take_back)

    def live(self, acts: int, *, checkpoints: float = 0.05) -> None:
        """So many things happen, with a checkpoint now and then."""
        if not self.bodies:
            for table, event, ids in (
                ("agency", "agency:created", self.agencies),
                ("staff", "staff:joined", self.staff),
                ("person", "person:registered", self.people),
            ):
                for key in ids:
                    self.db.execute(f"INSERT INTO {table} (id) VALUES (?)", (key.replace("-", ""),))  # noqa: S608
                    person = key if table == "person" else None
                    self.record(event, table, key, person=person, details={"name": self.random.choice(WORDS)})
        for _ in range(acts):
            self.random.choice(self.ACTS)(self)
            if self.random.random() < checkpoints:
                self.checkpoint()

    def reseal(self) -> None:
        """What migration 0003 does with details about a person that were written before it."""
        digest, count = hashlib.sha256(), 0
        rows = self.db.execute(
            "SELECT d.seq, d.salt, d.details, e.person_id FROM audit_detail d JOIN audit_entry e USING (seq) "
            "WHERE e.person_id IS NOT NULL ORDER BY seq"
        ).fetchall()
        for seq, salt, stored, person in rows:
            key_id, sealed = self.seal(str(UUID(person)), seq, salt, stored)
            digest.update(f"{seq} {sha(sealed).hex()}\n".encode())
            count += 1
            self.db.execute(
                "UPDATE audit_detail SET key_id = ?, salt = NULL, details = ? WHERE seq = ?",
                (key_id, sealed, seq),
            )
        self.version = max(self.version, 2)
        self.record("log:resealed", fact={"last": self.seq, "count": count, "digest": digest.hexdigest()})

    def jump(self, back: timedelta, *, is_declared: bool = True, fact: dict[str, Any] | None = None) -> int:
        """The clock goes back by at least ten minutes less than this; the next entry says so, or does not."""
        said = {"before": self.at.isoformat(timespec="microseconds"), "last": self.seq}
        self.at -= back
        if not is_declared:
            return self.record("person:listed")
        self.version = 3  # who can declare a jump writes this
        seq = self.record("log:clock", "audit_head", details={"reason": "時計"}, fact=said | (fact or {}))
        self.checkpoint()
        return seq

    # A backup, and what happens when it is put back.

    STATE = ("at", "seq", "bodies", "person_keys", "erased", "referrals", "lines")

    def backup(self) -> dict[str, Any]:
        copy = sqlite3.connect(":memory:")
        self.db.backup(copy)
        return {"db": copy, **{name: deepcopy(getattr(self, name)) for name in self.STATE}}

    def restore(self, backup: dict[str, Any]) -> None:
        """Two people declare that everything since the backup is lost."""
        kept, at = max(self.kept, key=lambda text: int(text.split("\n")[1])).split("\n"), self.at
        backup["db"].backup(self.db)
        for name in self.STATE:
            setattr(self, name, deepcopy(backup[name]))
        self.at = at  # time goes on
        # Both histories agree up to the newest kept checkpoint that fits.
        fitting = [
            int(text.split("\n")[1])
            for text in self.kept
            if root_of(self.bodies[: int(text.split("\n")[1])]) == base64.b64decode(text.split("\n")[2])
            and int(text.split("\n")[1]) <= len(self.bodies)
        ]
        size = max(fitting, default=0)
        fact = {"size": size, "root": root_of(self.bodies[:size]).hex(), "kept_size": int(kept[1])}
        self.record("log:restoring")
        two = {"proposed_by": self.staff[0], "agreed_by": self.staff[1]}
        self.record("log:restored", fact=fact | {"kept_root": kept[2]} | two)
        self.checkpoint()

    def bundle(self, path: Path, seqs: list[int] | None = None, **manifest: Any) -> None:
        """An export of the whole log, or of some entries, against a checkpoint made now."""
        note = self.checkpoint()
        wanted = seqs or range(1, len(self.bodies) + 1)
        lines = []
        for seq in wanted:
            line: dict[str, Any] = {"seq": seq, "body": self.bodies[seq - 1].decode()}
            if seqs:
                line["proof"] = [one.hex() for one in path_of(seq - 1, self.bodies)]
            lines.append(json.dumps(line, ensure_ascii=False))
        said = {
            "origin": self.origin,
            "vkey": self.vkeys[-1],
            "size": len(self.bodies),
            "entries": len(lines),
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("manifest.json", json.dumps(said | {"complete": not seqs} | manifest))
            file.writestr("checkpoint.txt", note)
            file.writestr("entries.jsonl", "".join(f"{line}\n" for line in lines))


def peaks_of(bodies: list[bytes]) -> list[bytes]:
    """The roots of the perfect subtrees, the largest first."""
    found, at = [], 0
    for bit in reversed(range(len(bodies).bit_length())):
        if len(bodies) >> bit & 1:
            found.append(root_of(bodies[at : at + (1 << bit)]))
            at += 1 << bit
    return found
