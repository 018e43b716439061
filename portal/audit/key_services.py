"""Changing the two keys that lie outside the database."""

from __future__ import annotations

from sqlalchemy import select, update

from portal.audit import checkpoints, jumps, log_integrity, notes
from portal.audit import services as audit
from portal.audit import vault as audit_vault
from portal.audit.events import AuditEvent
from portal.audit.models import SubjectKey
from portal.audit.notes import Halted
from portal.audit.vault import vault
from portal.core.db import db

AT_ONCE = 500


def change_signing_key() -> tuple[str, str]:
    """Replace the signing key, log it, and sign with both keys; returns the public keys, old and new.

    Called again after an interruption, it goes on with the pair of keys in the folder: no key is lost, and
    the new key signs nothing alone before the log names it as the successor.
    signed by the new one alone before the log says whose successor it is.

    Raises:
        Halted: the log contradicts its kept checkpoints.
    """
    folder = vault.folder
    if folder is None:
        raise RuntimeError("KEY_DIR is not set")
    with db.transaction() as session:
        head = checkpoints.head_of(session)  # from here on no other process signs
        jumps.require_right(session)
        if found := log_integrity.present(session):
            raise Halted(found.reason)
        vault.reload()
        if vault.ring.former is None:
            audit_vault.change_signing(folder)
            vault.reload()
        former = vault.ring.former
        if former is None:
            raise RuntimeError("former.pem has vanished from KEY_DIR")
        old = notes.vkey(head.origin, former.public_key())
        new = notes.vkey(head.origin, vault.ring.signing.public_key())
        audit.record(
            AuditEvent.LOG_REKEYED,
            ("audit_head", None),
            actor=None,
            channel="command",
            fact={"old": old, "new": new},
        )
        checkpoints.make(session)
    return old, new


def change_master_key() -> int:
    """Add a master key and wrap the key of everybody who is not erased with it; returns how many there were.

    Works in portions, so that others can go on; after an interruption every key can still be opened.

    Raises:
        Halted: the log contradicts its kept checkpoints.
    """
    folder = vault.folder
    if folder is None:
        raise RuntimeError("KEY_DIR is not set")
    with db.transaction() as session:
        if found := log_integrity.present(session):
            raise Halted(found.reason)
    audit_vault.add_master(folder)
    vault.reload()
    count = 0
    while wrapped := wrap_some(vault.ring.master_id):
        count += wrapped
    return count


def wrap_some(master_id: str) -> int:
    """Wrap the keys of some people with this master key that are still wrapped with another one."""
    with db.transaction() as session:
        connection = session.connection()
        rows = connection.execute(
            select(SubjectKey.id, SubjectKey.master_id, SubjectKey.wrapped)
            .where(SubjectKey.wrapped.is_not(None), SubjectKey.master_id != master_id)
            .limit(AT_ONCE)
            .with_for_update()
        ).all()
        for row in rows:
            name, wrapped = vault.wrap(row.id, vault.unwrap(row.id, row.master_id, row.wrapped or b""))
            connection.execute(
                update(SubjectKey)
                .where(SubjectKey.id == row.id, SubjectKey.wrapped.is_not(None))
                .values(master_id=name, wrapped=wrapped)
            )
        return len(rows)
