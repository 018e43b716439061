"""The keys outside the database, and the sealing of details about a person with that person's key."""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.orm import Session

from portal.audit.models import SubjectKey
from portal.core.db import new_id


@dataclass(frozen=True, slots=True)
class Keyring:
    """What lies in `KEY_DIR`. `masters` by id; new keys are wrapped by `master_id`. `former` signs beside `signing`
    until the first checkpoint after a change of keys is made."""

    signing: Ed25519PrivateKey
    former: Ed25519PrivateKey | None
    master_id: str
    masters: dict[str, bytes]


def load(folder: Path) -> Keyring:
    """The keys of this installation, made on the first call.

    Raises:
        RuntimeError: a key file that is no key file.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    create(folder / "signing.pem", pem(Ed25519PrivateKey.generate()))
    create(folder / "master.key", master_line())
    former = folder / "former.pem"
    lines = (folder / "master.key").read_text().split()
    masters = {}
    for line in lines:
        name, _, key = line.partition(":")
        masters[name] = bytes.fromhex(key)
    if not masters or any(len(key) != 32 for key in masters.values()):
        raise RuntimeError(f"{folder / 'master.key'}: one line for each key, as id:64 hex digits")
    return Keyring(
        signing=read_pem(folder / "signing.pem"),
        former=read_pem(former) if former.exists() else None,
        master_id=list(masters)[-1],
        masters=masters,
    )


def change_signing(folder: Path) -> None:
    """Add a new signing key; the present one becomes the former."""
    fresh = folder / "signing.pem.new"
    with suppress(FileNotFoundError):
        fresh.unlink()
    create(fresh, pem(Ed25519PrivateKey.generate()))
    (folder / "signing.pem").replace(folder / "former.pem")
    fresh.replace(folder / "signing.pem")


def forget_former(folder: Path) -> None:
    with suppress(FileNotFoundError):
        (folder / "former.pem").unlink()


def add_master(folder: Path) -> None:
    """Add a master key, which wraps all keys from now on."""
    path = folder / "master.key"
    fresh = folder / "master.key.new"
    with suppress(FileNotFoundError):
        fresh.unlink()
    create(fresh, path.read_bytes() + master_line())
    fresh.replace(path)


def master_line() -> bytes:
    return f"{secrets.token_hex(4)}:{secrets.token_hex(32)}\n".encode()


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_pem(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise RuntimeError(f"{path}: not an Ed25519 key")
    return key


def create(path: Path, content: bytes) -> None:
    """Write a file for the owner only, completely or not at all; an existing file is left alone."""
    if path.exists():
        return
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except FileExistsError:
        pass  # a second process was quicker: its file stays
    except OSError:
        if path.exists():
            return
        beside.replace(path)  # a network share without hard links
    finally:
        beside.unlink(missing_ok=True)


# Seal the details of entries about a person with that person's key, open them, and destroy the key.

NONCE = 12
SALT = 32
KEY_OF = select(SubjectKey.id, SubjectKey.master_id, SubjectKey.wrapped)
# Unwrapped keys of the people written about last. A destroyed key is dropped here, and found missing by other
# processes because the row is read each time.
REMEMBERED = 500


class Erased(LookupError):
    """The key of these details was destroyed with the person."""


class Vault:
    """The keyring of this installation, read from its folder when it is first needed."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._ring: Keyring | None = None
        self._open: OrderedDict[bytes, bytes] = OrderedDict()

    def bind(self, folder: Path) -> None:
        self.folder = folder
        self.reload()

    def reload(self) -> None:
        self._ring = None
        self._open.clear()

    @property
    def ring(self) -> Keyring:
        if self._ring is None:
            if self.folder is None:
                raise RuntimeError("KEY_DIR is not set")
            self._ring = load(self.folder)
        return self._ring

    def wrap(self, key_id: UUID, key: bytes) -> tuple[str, bytes]:
        """The wrapped key as the database stores it, and the id of the master key that opens it."""
        nonce = secrets.token_bytes(NONCE)
        master = self.ring.master_id
        return master, nonce + AESGCM(self.ring.masters[master]).encrypt(nonce, key, key_id.bytes)

    def unwrap(self, key_id: UUID, master_id: str, wrapped: bytes) -> bytes:
        """Raises RuntimeError: the master key that wrapped it is not in KEY_DIR."""
        if (key := self._open.get(wrapped)) is not None:
            return key
        if master_id not in self.ring.masters:
            self._ring = None  # another process may have added it
        if master_id not in self.ring.masters:
            raise RuntimeError(f"the master key {master_id} is missing in KEY_DIR: put it back")
        key = AESGCM(self.ring.masters[master_id]).decrypt(wrapped[:NONCE], wrapped[NONCE:], key_id.bytes)
        self._open[wrapped] = key
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)
        return key

    def key_for(self, connection: Connection, person_id: UUID) -> tuple[UUID, bytes] | None:
        """This person's key, made when first needed; None once it was destroyed."""
        row = connection.execute(KEY_OF.where(SubjectKey.person_id == person_id)).first()
        if row is None:
            return self.make(connection, person_id)
        return (row.id, self.unwrap(row.id, row.master_id, row.wrapped)) if row.wrapped else None

    def make(self, connection: Connection, person_id: UUID) -> tuple[UUID, bytes]:
        key_id, key = new_id(), secrets.token_bytes(32)
        master_id, wrapped = self.wrap(key_id, key)
        connection.execute(
            insert(SubjectKey).values(id=key_id, person_id=person_id, master_id=master_id, wrapped=wrapped)
        )
        return key_id, key


def seal(key: bytes, seq: int, salt: bytes, details: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, salt + details, seq.to_bytes(8))


def unseal(key: bytes, seq: int, stored: bytes) -> tuple[bytes, bytes]:
    """The salt and the details that were sealed with this key."""
    plain = AESGCM(key).decrypt(stored[:NONCE], stored[NONCE:], seq.to_bytes(8))
    return plain[:SALT], plain[SALT:]


def open_details(
    session: Session | Connection, seq: int, key_id: UUID | None, salt: bytes | None, stored: bytes
) -> tuple[bytes, bytes]:
    """The salt and the canonical JSON of an entry's details.

    Raises:
        Erased: the person's key was destroyed.
    """
    if key_id is None:
        return salt or b"", stored
    row = session.execute(KEY_OF.where(SubjectKey.id == key_id)).one()
    if row.wrapped is None:
        raise Erased(str(key_id))
    return unseal(vault.unwrap(key_id, row.master_id, row.wrapped), seq, stored)


def destroy(session: Session, person_id: UUID, at: datetime) -> UUID:
    """Destroy this person's key and return its id: the log's details about them can never be read again."""
    connection = session.connection()
    row = connection.execute(KEY_OF.where(SubjectKey.person_id == person_id)).first()
    # Without a key, one is made and destroyed at once, so that no later entry makes another.
    key_id: UUID = row.id if row else vault.make(connection, person_id)[0]
    connection.execute(
        update(SubjectKey).where(SubjectKey.id == key_id).values(wrapped=None, destroyed_at=at)
    )
    vault.reload()
    return key_id


vault = Vault()
