"""Checkpoints as C2SP signed notes with Ed25519, and how the log can disagree with what was kept of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.core.errors import PortalError
from portal.core.labels import N_

ED25519 = b"\x01"


class BadNote(ValueError):
    """The note is no checkpoint, or no known key has signed it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The content of a checkpoint: the first `size` entries of this log have this root."""

    origin: str
    size: int
    root: bytes
    at: datetime

    def body(self) -> str:
        moment = self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\ntime {moment}\n"


def public_bytes(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_hash(origin: str, public: bytes) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + ED25519 + public).digest()[:4]


def vkey(origin: str, key: Ed25519PublicKey) -> str:
    """The public key as it is handed out to verifiers."""
    public = public_bytes(key)
    return f"{origin}+{key_hash(origin, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def parse_vkey(text: str) -> tuple[str, Ed25519PublicKey]:
    """Raises BadNote: no key in this form."""
    try:
        origin, hashed, encoded = text.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        if raw[:1] != ED25519 or key_hash(origin, raw[1:]).hex() != hashed:
            raise BadNote("not an Ed25519 vkey")
        return origin, Ed25519PublicKey.from_public_bytes(raw[1:])
    except ValueError as error:
        raise BadNote("not an Ed25519 vkey") from error


def sign(head: Head, keys: Sequence[Ed25519PrivateKey]) -> str:
    body = head.body()
    lines = []
    for key in keys:
        hashed = key_hash(head.origin, public_bytes(key.public_key()))
        stamp = base64.b64encode(hashed + key.sign(body.encode())).decode()
        lines.append(f"— {head.origin} {stamp}\n")
    return body + "\n" + "".join(lines)


def read(note: str, keys: Iterable[Ed25519PublicKey]) -> Head:
    """The content of a note, once one of these keys is found to have signed it.

    Raises:
        BadNote: malformed, or signed by none of them.
    """
    body, _blank, signatures = note.partition("\n\n")
    body += "\n"
    head = parse(body)
    for line in signatures.splitlines():
        try:
            dash, origin, stamp = line.split(" ")
            raw = base64.b64decode(stamp, validate=True)
        except ValueError:
            continue
        for key in keys if dash == "—" and origin == head.origin else ():
            if raw[:4] == key_hash(origin, public_bytes(key)) and is_signed(key, raw[4:], body.encode()):
                return head
    raise BadNote("signed by no known key")


def is_signed(key: Ed25519PublicKey, signature: bytes, body: bytes) -> bool:
    try:
        key.verify(signature, body)
    except InvalidSignature:
        return False
    return True


def parse(body: str) -> Head:
    """Raises BadNote: not the body of a checkpoint of ours."""
    lines = body.split("\n")
    try:
        origin, size, root, moment = (
            lines[0],
            int(lines[1]),
            base64.b64decode(lines[2], validate=True),
            lines[3],
        )
        at = datetime.strptime(moment, "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (ValueError, IndexError) as error:
        raise BadNote("not a checkpoint") from error
    head = Head(origin, size, root, at)
    if head.body() != body or len(root) != 32:
        raise BadNote("not a checkpoint")
    return head


# How the log can disagree with what was kept of it, in words, and the refusal to go on.


class Halted(PortalError):
    """The log does not go on from the last checkpoint kept outside."""

    status = 503
    title = N_("書き込みを停止しています")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How the log disagrees with what was kept.

    `kept` is the newest kept checkpoint that can be read, `agreed` the size up to which both say the same.
    `can_be_declared`: two people may say that a restore brought it about; else a file must be put back first.
    """

    reason: str
    remedy: str
    kept: Head | None
    agreed: int
    can_be_declared: bool = True


RESTORED = N_(
    "バックアップから戻したときは、二人で確認すると再開できます。心当たりがないときは、改ざんの疑いがあります。"
    "サーバーを止めずに、監査とシステム管理者へ連絡してください。"
)
PUT_BACK = N_("鍵の保管場所（KEY_DIR）に、控えておいた鍵を戻してください。戻すと自動で再開します。")
