"""Checkpoints for the outside: what pages show of them, downloads, and making one now."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import log_integrity, notes
from portal.audit import services as audit
from portal.audit.checkpoint_store import keeping
from portal.audit.events import AuditEvent
from portal.audit.models import AuditCheckpoint, AuditHead
from portal.audit.vault import vault
from portal.core.db import db
from portal.core.policy import Actor, Permission, require

MOST = 20_000


@dataclass(frozen=True, slots=True)
class Slip:
    """One checkpoint (改ざん確認用の控え)."""

    size: int
    at: datetime
    root: str
    note: str

    @property
    def root_groups(self) -> list[str]:
        """The root as people read it to one another: groups of eight characters."""
        return [self.root[at : at + 8] for at in range(0, len(self.root), 8)]


@dataclass(frozen=True, slots=True)
class Slips:
    """The content of the page of checkpoints. `problem` says that the portal could not keep the last one."""

    origin: str
    entries: int
    vkey: str
    newest: Slip | None
    recent: tuple[Slip, ...]
    is_kept_outside: bool
    problem: str


def newest_slip(session: Session) -> Slip | None:
    row = session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1))
    return slip_of(row) if row else None


def slip_of(row: AuditCheckpoint) -> Slip:
    return Slip(row.size, row.at, row.root, row.note)


def show(actor: Actor) -> Slips:
    """The newest checkpoints and the public key; the reading is logged first, so they cover it soon.

    Raises:
        NotAllowed: not for this role.
    """
    require(actor, Permission.CHECKPOINT_READ)
    audit.record_reading(AuditEvent.CHECKPOINT_READ, ("audit_checkpoint", None), actor=actor)
    session = db.read()
    head = session.execute(select(AuditHead.origin, AuditHead.seq)).one()
    rows = session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(25)).all()
    slips = tuple(slip_of(row) for row in rows)
    return Slips(
        origin=head.origin,
        entries=head.seq,
        vkey=vkey_of(head.origin),
        newest=slips[0] if slips else None,
        recent=slips,
        is_kept_outside=keeping.folder is not None,
        problem=keeping.problem,
    )


def vkey_of(origin: str) -> str:
    vault.reload()  # another process may have changed the key
    return notes.vkey(origin, vault.ring.signing.public_key())


def take_key(actor: Actor) -> str:
    """The file of the public key."""
    require(actor, Permission.CHECKPOINT_READ)
    audit.record_reading(AuditEvent.CHECKPOINT_READ, ("audit_checkpoint", None), actor=actor, taken="key")
    return vkey_of(db.read.scalars(select(AuditHead.origin)).one()) + "\n"


def take(actor: Actor, size: int) -> str:
    """One checkpoint's note.

    Raises:
        NoResultFound: there is no checkpoint of this size.
    """
    require(actor, Permission.CHECKPOINT_READ)
    note = db.read.scalars(select(AuditCheckpoint.note).where(AuditCheckpoint.size == size)).one()
    audit.record_reading(AuditEvent.CHECKPOINT_READ, ("audit_checkpoint", None), actor=actor, taken=size)
    return note


def take_all(actor: Actor, after: int = 0) -> bytes:
    """A zip with the notes larger than `after`, the oldest first, and the public key."""
    require(actor, Permission.CHECKPOINT_READ)
    audit.record_reading(
        AuditEvent.CHECKPOINT_READ, ("audit_checkpoint", None), actor=actor, taken="all", after=after
    )
    session = db.read()
    rows = session.execute(
        select(AuditCheckpoint.size, AuditCheckpoint.note)
        .where(AuditCheckpoint.size > after)
        .order_by(AuditCheckpoint.size)
        .limit(MOST)
    ).all()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tsunagu.vkey", vkey_of(session.scalars(select(AuditHead.origin)).one()) + "\n")
        for size, note in rows:
            archive.writestr(f"{size:012}.txt", note)
    return packed.getvalue()


def make_now(actor: Actor) -> None:
    """Sign the log as it stands, this act included.

    Raises:
        Halted: the log contradicts what was kept.
    """
    require(actor, Permission.CHECKPOINT_READ)
    with db.transaction() as session:
        audit.record(AuditEvent.CHECKPOINT_READ, ("audit_checkpoint", None), actor=actor, made=True)
        log_integrity.make_checkpoint(session)
