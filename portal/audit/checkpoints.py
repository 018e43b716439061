"""Make checkpoints, keep them outside the data directory, and refuse to go on from a log that they contradict."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, event, insert, select, update
from sqlalchemy.orm import Session, scoped_session

from portal import clock
from portal.audit import notes
from portal.audit.events import AuditEvent
from portal.audit.keys import create, forget_former
from portal.audit.models import AuditCheckpoint, AuditEntry, AuditHead
from portal.audit.notes import BadNote, Head
from portal.audit.tree import Growing
from portal.audit.vault import vault
from portal.errors import PortalError
from portal.words import N_

log = logging.getLogger(__name__)

EVERY = 1000
HOURLY = timedelta(hours=1)
# What may still be written into a log that is not trusted: who comes and goes, and what two people say about it.
WHILE_HALTED = frozenset(
    {
        AuditEvent.SESSION_STARTED,
        AuditEvent.SESSION_ENDED,
        AuditEvent.SIGN_IN_FAILED,
        AuditEvent.ACCESS_REFUSED,
        AuditEvent.RESTORE_PROPOSED,
        AuditEvent.RESTORE_DECLARED,
    }
)


class Halted(PortalError):
    """The log does not go on from the last checkpoint kept outside."""

    status = 503
    title = N_("書き込みを停止しています")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How the log disagrees with what was kept: `kept` is the newest kept checkpoint, `agreed` the newest that fits."""

    reason: str
    kept: Head | None
    agreed: int


class Keeping:
    """The folder outside the data directory, and what its checkpoints say about the present database.

    Bound once for each process; `contradiction` is looked up before the first entry is written, and again as
    long as there is one.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.is_strict = True
        self.is_checked = False
        self.contradiction: Contradiction | None = None

    def bind(self, folder: Path | None, *, is_strict: bool) -> None:
        self.folder, self.is_strict = folder, is_strict
        self.is_checked, self.contradiction = False, None

    def place(self, origin: str) -> Path | None:
        return self.folder and self.folder / origin.rpartition("/")[2]

    def notes(self, origin: str) -> list[str]:
        """The kept checkpoints of this log, the newest first."""
        place = self.place(origin)
        if place is None or not place.is_dir():
            return []
        return [path.read_text() for path in sorted(place.glob("[0-9]*.txt"), reverse=True)]

    def keep(self, head: Head, note: str) -> None:
        place = self.place(head.origin)
        if place is None:
            return
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            create(place / f"{head.size:012}.txt", note.encode())
        except OSError:
            # The act is done and logged; the next checkpoint is tried again, and `verify_audit.py` calls a gap stale.
            log.exception("a checkpoint could not be kept outside the data directory")

    def lay_aside(self, origin: str, above: int) -> None:
        """Put the checkpoints of a lost branch into a folder of their own: two people declared a restore."""
        place = self.place(origin)
        if place is None or not place.is_dir():
            return
        aside = place / f"lost-{clock.now():%Y%m%dT%H%M%S}"
        for path in place.glob("[0-9]*.txt"):
            if int(path.stem) > above:
                aside.mkdir(mode=0o700, exist_ok=True)
                path.replace(aside / path.name)


keeping = Keeping()


def install(session: scoped_session[Session], folder: Path | None, *, is_strict: bool) -> None:
    """Keep each checkpoint once the transaction that made it is committed."""
    keeping.bind(folder, is_strict=is_strict)
    if not event.contains(session, "after_commit", keep_made):
        event.listen(session, "after_commit", keep_made)
        event.listen(session, "after_rollback", forget_made)


def keep_made(session: Session) -> None:
    made = session.info.pop("checkpoints", ())
    for head, note in made:
        keeping.keep(head, note)
    if made and vault.ring.former and vault.folder:
        forget_former(vault.folder)  # both keys have signed: the change is on record
        vault.reload()


def forget_made(session: Session) -> None:
    session.info.pop("checkpoints", None)


def is_due(seq: int, size: int, now: datetime, made_at: datetime) -> bool:
    """At the first entry, every 1,000, and every hour in which something is written; a replayed past has no hours."""
    return size == 0 or seq - size >= EVERY or (now - made_at >= HOURLY and not clock.is_replaying())


def newest(session: Session) -> AuditCheckpoint | None:
    return session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1))


def head_of(session: Session) -> Row[int, str]:
    """Size and origin of the log, locked when the database can lock a row."""
    head = session.execute(select(AuditHead.seq, AuditHead.origin).with_for_update()).first()
    if head is None:  # not `one`: the page of a broken log is no "not found"
        raise RuntimeError("the audit log has lost its head row: nothing can be logged, so nothing is done")
    return head


def grow(session: Session, last: AuditCheckpoint | None, size: int) -> Growing:
    """The tree of the first `size` entries, from the checkpoint `last` on."""
    tree = Growing(last.size, last.peaks) if last else Growing()
    bodies = (
        select(AuditEntry.body)
        .where(AuditEntry.seq > tree.size, AuditEntry.seq <= size)
        .order_by(AuditEntry.seq)
        .execution_options(yield_per=EVERY)
    )
    for body in session.scalars(bodies):
        tree.append(body)
    return tree


def make(session: Session) -> str:
    """Sign the log as it stands, within the transaction that holds its head; the note of that checkpoint."""
    head = head_of(session)
    last = newest(session)
    if last is not None and last.size == head.seq:
        return last.note
    tree = grow(session, last, head.seq)
    if tree.size != head.seq:
        raise RuntimeError("the audit log has a gap: no checkpoint is signed")
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
    return note


def public_keys() -> list[Ed25519PublicKey]:
    keys = [vault.ring.signing, vault.ring.former]
    return [key.public_key() for key in keys if key]


def require_sound(session: Session, what: AuditEvent, *, is_reading: bool) -> None:
    """Raises Halted: the log contradicts its kept checkpoints, and this is an act."""
    if keeping.is_checked and keeping.contradiction is None:
        return
    keeping.contradiction = contradiction(session)
    keeping.is_checked = True
    if keeping.contradiction and not is_reading and what not in WHILE_HALTED:
        raise Halted(
            N_(
                "記録の照合に失敗したため、閲覧だけができます。システム管理者が復元を確認するまでお待ちください。"
            )
        )


def contradiction(session: Session) -> Contradiction | None:
    """Whether the present log goes on from the newest checkpoint kept outside; none when it does."""
    if keeping.folder is None:
        return None
    head = head_of(session)
    kept = keeping.notes(head.origin)
    if not kept:
        return missing(session, head.seq)
    try:
        last = notes.parse(kept[0].partition("\n\n")[0] + "\n")
    except BadNote:
        return Contradiction(N_("保管してある照合票が読めません。"), None, agreed(session, kept))
    if fits(session, last):
        return None
    reason = (
        N_("記録が、保管してある照合票より短くなっています。")
        if last.size > head.seq
        else N_("記録が、保管してある照合票と一致しません。")
    )
    return Contradiction(reason, last, agreed(session, kept))


def missing(session: Session, size: int) -> Contradiction | None:
    """Nothing is kept of this log: right for a new one, suspicious for one that has made checkpoints."""
    if not keeping.is_strict:
        return None
    if size == 0 and newest(session) is None:
        return None
    return Contradiction(N_("このデータベースの照合票が、保管場所にありません。"), None, 0)


def agreed(session: Session, kept: Sequence[str]) -> int:
    """The size up to which the log and what was kept say the same; 0 when nothing fits."""
    for note in kept:
        try:
            head = notes.parse(note.partition("\n\n")[0] + "\n")
        except BadNote:
            continue
        if fits(session, head):
            return head.size
    return 0


def fits(session: Session, head: Head) -> bool:
    """The log's first `head.size` entries have this root, counted anew from the checkpoint before."""
    before = session.scalar(
        select(AuditCheckpoint)
        .where(AuditCheckpoint.size < head.size)
        .order_by(AuditCheckpoint.size.desc())
        .limit(1)
    )
    try:
        tree = grow(session, before, head.size)
    except ValueError:  # the checkpoint before has been tampered with
        return False
    return tree.size == head.size and tree.root() == head.root
