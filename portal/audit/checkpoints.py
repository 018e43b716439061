"""Make checkpoints of the log, and keep each one outside the data directory once it is committed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, event, insert, select, update
from sqlalchemy.orm import Session, scoped_session

from portal.audit import notes
from portal.audit.checkpoint_store import keeping
from portal.audit.events import AuditEvent
from portal.audit.models import AuditCheckpoint, AuditEntry, AuditHead
from portal.audit.notes import Head
from portal.audit.tree import EMPTY, Growing
from portal.audit.vault import forget_former, vault
from portal.core import clock

EVERY = 1000
HOURLY = timedelta(hours=1)


def install(session: scoped_session[Session], folder: Path | None, *, is_strict: bool) -> None:
    """Keep each checkpoint once the transaction that made it is committed."""
    keeping.bind(folder, is_strict=is_strict)
    if not event.contains(session, "after_commit", keep_made):
        event.listen(session, "after_commit", keep_made)
        event.listen(session, "after_rollback", forget_made)


def keep_made(session: Session) -> None:
    lost = session.info.pop("lost_branch", None)
    if lost:
        keeping.lay_aside(*lost)
    for head, note in session.info.pop("checkpoints", ()):
        keeping.keep(head, note)
        keeping.seen = head.size
    if session.info.pop("key_changed", False) and vault.folder:
        forget_former(vault.folder)  # both keys have signed that one follows the other
        vault.reload()


def forget_made(session: Session) -> None:
    for name in ("lost_branch", "checkpoints", "key_changed"):
        session.info.pop(name, None)


def is_due(seq: int, size: int, now: datetime, made_at: datetime) -> bool:
    """Whether a checkpoint is due: at the first entry, every 1,000 entries, and every hour with an entry.

    A replayed past has no hours. A checkpoint dated by a clock that was ahead does not delay the next one.
    """
    return size == 0 or seq - size >= EVERY or (abs(now - made_at) >= HOURLY and not clock.is_replaying())


def newest(session: Session) -> AuditCheckpoint | None:
    return session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1))


def head_of(session: Session) -> Row[int, str]:
    """Size and origin of the log, locked when the database can lock a row."""
    head = session.execute(select(AuditHead.seq, AuditHead.origin).with_for_update()).first()
    if head is None:  # not `one`: the page of a broken log is no "not found"
        raise RuntimeError("the audit log has lost its head row: nothing can be logged, so nothing is done")
    return head


def bodies(session: Session, after: int, last: int) -> Iterator[bytes]:
    return iter(
        session.scalars(
            select(AuditEntry.body)
            .where(AuditEntry.seq > after, AuditEntry.seq <= last)
            .order_by(AuditEntry.seq)
            .execution_options(yield_per=EVERY)
        )
    )


def grow(session: Session, last: AuditCheckpoint | None, size: int) -> Growing:
    """The Merkle tree of the first `size` entries, continued from the checkpoint `last`."""
    tree = Growing(last.size, last.peaks) if last else Growing()
    for body in bodies(session, tree.size, size):
        tree.append(body)
    return tree


def roots(
    session: Session, sizes: Collection[int], *, base: AuditCheckpoint | None = None
) -> dict[int, bytes]:
    """The roots of the first n entries for each of these n, in one pass; a size beyond the log has none.

    `base` is a checkpoint whose peaks are trusted, so that a long log need not be counted from its start.

    Raises:
        ValueError: the peaks of `base` are not those of a tree of its size.
    """
    wanted = set(sizes)
    tree = Growing(base.size, base.peaks) if base else Growing()
    found = {tree.size: tree.root()} if tree.size in wanted else {}
    for body in bodies(session, tree.size, max(wanted, default=0)):
        tree.append(body)
        if tree.size in wanted:
            found[tree.size] = tree.root()
    if 0 in wanted:
        found[0] = EMPTY
    return found


def make(session: Session) -> str:
    """Sign the log as it stands, in the transaction that holds its head; returns the checkpoint's note."""
    head = head_of(session)
    last = newest(session)
    if last is not None and last.size == head.seq:
        return last.note
    tree = grow(session, last, head.seq)
    if tree.size != head.seq:
        raise RuntimeError("the audit log has a gap: no checkpoint is signed")
    vault.reload()  # another process may have changed the key
    signed = Head(head.origin, tree.size, tree.root(), clock.now().replace(microsecond=0))
    keys = [key for key in (vault.ring.former, vault.ring.signing) if key]
    note = notes.sign(signed, keys)
    connection = session.connection()
    connection.execute(
        insert(AuditCheckpoint).values(
            size=signed.size, at=signed.at, root=signed.root.hex(), peaks=tree.peaks, note=note
        )
    )
    connection.execute(
        update(AuditHead)
        .where(AuditHead.id == 1)
        .values(checkpoint_size=signed.size, checkpoint_at=signed.at)
    )
    session.info.setdefault("checkpoints", []).append((signed, note))
    if vault.ring.former and is_change_logged(session, last.size if last else 0):
        session.info["key_changed"] = True
    return note


def is_change_logged(session: Session, after: int) -> bool:
    """Whether the log says since that checkpoint that the signing key was changed."""
    wanted = select(AuditEntry.seq).where(
        AuditEntry.event == AuditEvent.LOG_REKEYED.value, AuditEntry.seq > after
    )
    return session.scalar(wanted.limit(1)) is not None


def public_keys() -> list[Ed25519PublicKey]:
    keys = [vault.ring.signing, vault.ring.former]
    return [key.public_key() for key in keys if key]
