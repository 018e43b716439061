"""A second verifier, written from the text of docs/audit-log.md and RFC 9162 alone: slow, recursive, and easy to read.

It shares no code with `verify_audit.py` nor with the portal, and takes its Ed25519 from `cryptography`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split(n: int) -> int:
    """The largest power of two below n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root_of(d: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1."""
    if not d:
        return sha(b"")
    if len(d) == 1:
        return sha(b"\x00" + d[0])
    k = split(len(d))
    return sha(b"\x01" + root_of(d[:k]) + root_of(d[k:]))


def path_of(m: int, d: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(d) <= 1:
        return []
    k = split(len(d))
    if m < k:
        return [*path_of(m, d[:k]), root_of(d[k:])]
    return [*path_of(m - k, d[k:]), root_of(d[:k])]


def root_from_path(m: int, n: int, body: bytes, path: list[bytes]) -> bytes:
    """The same recursion read backwards: what root this path leads to. Raises ValueError: too short or too long."""
    if n == 1:
        if path:
            raise ValueError("too long")
        return sha(b"\x00" + body)
    if not path:
        raise ValueError("too short")
    k, beside = split(n), path[-1]
    if m < k:
        return sha(b"\x01" + root_from_path(m, k, body, path[:-1]) + beside)
    return sha(b"\x01" + beside + root_from_path(m - k, n - k, body, path[:-1]))


def moment(said: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(said["at"])


class Bad(Exception):
    """Something is not as it was written."""


def check(condition: object, what: str) -> None:
    if not condition:
        raise Bad(what)


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    at: datetime
    text: str
    stamps: list[tuple[str, bytes]]

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        body, _, signatures = text.partition("\n\n")
        origin, size, root, moment = body.split("\n")
        at = datetime.strptime(moment, "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        stamps = [
            (line.split(" ")[1], base64.b64decode(line.split(" ")[2])) for line in signatures.splitlines()
        ]
        return cls(origin, int(size), base64.b64decode(root), at, body + "\n", stamps)

    def signers(self, vkeys: set[str]) -> set[str]:
        return {vkey for vkey in vkeys if self.is_signed_by(vkey)}

    def is_signed_by(self, vkey: str) -> bool:
        origin, hashed, encoded = vkey.split("+", 2)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
        for name, stamp in self.stamps:
            if name == origin == self.origin and stamp[:4].hex() == hashed:
                try:
                    key.verify(stamp[4:], self.text.encode())
                    return True
                except InvalidSignature:
                    check(False, "signature")
        return False


class Reference:
    """The log of a SQLite file, all in memory."""

    def __init__(self, path: Path) -> None:
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        self.head = db.execute("SELECT * FROM audit_head").fetchone()
        self.entries = db.execute("SELECT * FROM audit_entry ORDER BY seq").fetchall()
        self.details = {row["seq"]: row for row in db.execute("SELECT * FROM audit_detail")}
        self.checkpoints = db.execute("SELECT * FROM audit_checkpoint ORDER BY size").fetchall()
        self.person_keys = {row["id"]: row for row in db.execute("SELECT * FROM subject_key")}
        db.close()
        self.bodies = [bytes(row["body"]) for row in self.entries]
        self.said: list[dict[str, Any]] = []

    def verdict(self, vkeys: Sequence[str], kept: Sequence[str]) -> str:
        """`sound`, or the first thing that is wrong."""
        try:
            self.check_entries()
            self.check_details()
            self.check_checkpoints(set(vkeys), [Checkpoint.read(text) for text in kept])
            self.check_person_keys()
        except Bad as bad:
            return str(bad)
        return "sound"

    def check_entries(self) -> None:
        check([row["seq"] for row in self.entries] == list(range(1, len(self.entries) + 1)), "dense")
        check(self.head["seq"] == len(self.entries), "head")
        for row, body in zip(self.entries, self.bodies, strict=True):
            try:
                said = json.loads(body)
                again = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            except ValueError as error:
                raise Bad("json") from error
            check(again == body, "canonical")
            check(said["seq"] == row["seq"], "seq")
            at = datetime.strptime(row["at"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
            check(at.isoformat(timespec="microseconds") == said["at"], "at")
            repeated = {
                "event": said["event"],
                "ground": said["ground"],
                "staff_id": said["staff"],
                "agency_id": said["agency"],
                "object_id": said["object"][1],
                "person_id": said["subject"],
            }
            for name, value in repeated.items():
                plain = value.replace("-", "") if value and name.endswith("_id") else value
                check(row[name] == plain, name)
            self.said.append(said)
        self.check_steps()

    def check_steps(self) -> None:
        """Version 3: no time is more than five minutes before that of the entry before, unless declared just there."""
        before: dict[str, Any] = {}
        for said in self.said:
            back = before and moment(before) - moment(said) > timedelta(minutes=5)
            if said["event"] == "log:clock":
                fits = said["fact"] == {"before": before.get("at"), "last": before.get("seq")}
                check(back and fits and said["v"] == 3 and said["outcome"] == "allow", "clock")
            elif said["v"] == 3:
                check(not back, "clock")
            before = said

    def facts(self, event: str) -> list[dict[str, Any]]:
        return [said for said in self.said if said["event"] == event]

    def check_details(self) -> None:
        committed = {said["seq"] for said in self.said if said["commitment"]}
        check(committed == self.details.keys(), "details")
        resealed = self.facts("log:resealed")
        until = resealed[0]["fact"]["last"] if resealed else 0
        lines = []
        for seq, row in sorted(self.details.items()):
            said, stored = self.said[seq - 1], bytes(row["details"])
            if row["key_id"] is None:
                check(said.get("sealed") is None, "unsealed")
                check(sha(bytes(row["salt"]) + stored).hex() == said["commitment"], "commitment")
                continue
            check(row["salt"] is None, "salt")
            check(row["key_id"] in self.person_keys, "key")
            check(
                self.person_keys[row["key_id"]]["person_id"] == said["subject"].replace("-", ""), "whose key"
            )
            if seq <= until:
                lines.append(f"{seq} {sha(stored).hex()}\n")
            else:
                check(said["sealed"] == sha(stored).hex(), "sealed")
        if resealed:
            check(resealed[0]["fact"]["count"] == len(lines), "resealed")
            check(resealed[0]["fact"]["digest"] == sha("".join(lines).encode()).hex(), "resealed")

    def agrees(self, one: Checkpoint) -> bool:
        return one.size <= len(self.bodies) and root_of(self.bodies[: one.size]) == one.root

    def check_checkpoints(self, vkeys: set[str], kept: list[Checkpoint]) -> None:
        own = []
        for row in self.checkpoints:
            one = Checkpoint.read(row["note"])
            at = datetime.strptime(row["at"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
            check((row["size"], row["root"], at) == (one.size, one.root.hex(), one.at), "checkpoint")
            own.append(one)
        every = vkeys | {
            said["fact"][which] for said in self.facts("log:rekeyed") for which in ("old", "new")
        }
        trusted = set(vkeys)
        for _round in self.facts("log:rekeyed"):
            for said in self.facts("log:rekeyed"):
                covering = [one for one in (*own, *kept) if one.size >= said["seq"] and self.agrees(one)]
                if any(one.signers(every) & trusted for one in covering):
                    trusted |= {said["fact"]["old"], said["fact"]["new"]}
        for one in (*own, *kept):
            check(one.origin == self.head["origin"], "origin")
            check(one.signers(every) & trusted, "signer")
        for one in own:
            check(self.agrees(one), "root")
        newest = max((one.size for one in own), default=-1)
        for said in self.facts("log:restored"):
            check(newest >= said["seq"], "restore")
        for one in kept:
            check(one.size <= newest if self.agrees(one) else self.is_lost(one), "kept")

    def is_lost(self, one: Checkpoint) -> bool:
        for said in self.facts("log:restored"):
            fact, at = said["fact"], datetime.fromisoformat(said["at"])
            is_end = one.size == fact["kept_size"]
            latest = max(at, datetime.fromisoformat(fact.get("kept_at", said["at"])))
            if fact["size"] < one.size <= fact["kept_size"] and one.at <= latest:
                return not is_end or base64.b64decode(fact["kept_root"]) == one.root
        return False

    def check_person_keys(self) -> None:
        erased = {said["fact"]["key"].replace("-", "") for said in self.facts("person:erased")}
        destroyed = {key for key, row in self.person_keys.items() if row["wrapped"] is None}
        check(erased == destroyed, "erased")

    def is_stale(self, max_age: timedelta) -> bool:
        if not self.entries:
            return False
        fitting = [
            one for one in (Checkpoint.read(row["note"]) for row in self.checkpoints) if self.agrees(one)
        ]
        if not fitting:
            return True
        newest = max(fitting, key=lambda one: one.size)
        anew = max([0, *(said["seq"] - 1 for said in self.facts("log:clock"))])
        last = max(moment(said) for said in self.said[anew:])
        return len(self.entries) - newest.size >= 2000 or last - newest.at > max_age
