"""Seal the details of entries about a person with that person's key, open them, and destroy the key."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.orm import Session

from portal.audit.keys import Keyring, load
from portal.audit.models import SubjectKey
from portal.db import new_id

NONCE = 12
SALT = 32
KEY_OF = select(SubjectKey.id, SubjectKey.master_id, SubjectKey.wrapped)
# Unwrapped keys of the people who were written about last; a destroyed one is dropped, and asked for anew elsewhere
# because the row is read each time.
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
        """The key as it lies in the database, and the id of the master key that opens it."""
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
        """This person's key, made at first need; none once it was destroyed."""
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
    """The salt and the details."""
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
    """Destroy this person's key, whose id is returned: what the log keeps about him can never be read again."""
    connection = session.connection()
    row = connection.execute(KEY_OF.where(SubjectKey.person_id == person_id)).first()
    # Who had none gets one that is destroyed at once, so that no later entry makes him one.
    key_id: UUID = row.id if row else vault.make(connection, person_id)[0]
    connection.execute(
        update(SubjectKey).where(SubjectKey.id == key_id).values(wrapped=None, destroyed_at=at)
    )
    vault.reload()
    return key_id


vault = Vault()
