"""Whether the log continues the checkpoints kept outside; where it does not, only reading is possible."""

from __future__ import annotations

import base64
import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import checkpoints, jumps, notes
from portal.audit.checkpoint_store import keeping
from portal.audit.checkpoints import head_of, newest, public_keys, roots
from portal.audit.events import AuditEvent
from portal.audit.models import AuditCheckpoint, AuditEntry, AuditHead, SubjectKey
from portal.audit.notes import PUT_BACK, RESTORED, BadNote, Contradiction, Halted, Head
from portal.audit.vault import vault
from portal.core.labels import N_

# What may be written into a log that is not trusted: sign-ins, sign-outs, and the declarations about it.
WHILE_HALTED = frozenset(
    {
        AuditEvent.SESSION_STARTED,
        AuditEvent.SESSION_ENDED,
        AuditEvent.SIGN_IN_FAILED,
        AuditEvent.ACCESS_REFUSED,
        AuditEvent.RESTORE_PROPOSED,
        AuditEvent.RESTORE_DECLARED,
        AuditEvent.CLOCK_DECLARED,
    }
)
# So many entries at the end are counted anew when a process starts: half a second. `verify_audit.py` counts them all.
RECOUNTED = 100_000


class Watch:
    """What this process knows of the log's soundness: looked at before its first entry, and again while there is a
    contradiction, when the database is another one, and when it has gone back behind what this process saw."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.origin = ""  # of the log that was looked at
        self.mark: tuple[object, ...] = ()
        self.contradiction: Contradiction | None = None

    def is_to_look(self) -> bool:
        """Whether a page must check the log before it is shown."""
        return keeping.folder is not None and (not self.origin or self.contradiction is not None)

    def is_at_ease(self, origin: str, checkpoint_size: int) -> bool:
        return self.contradiction is None and self.origin == origin and keeping.seen <= checkpoint_size

    def look(self, session: Session, origin: str, size: int) -> Contradiction | None:
        """Check now; the finding stays the same while neither log nor folder has changed."""
        mark = mark_of(session, origin)
        settled = self.contradiction is not None and self.contradiction.can_be_declared
        if not settled or self.mark != mark:
            vault.reload()
            self.contradiction = contradiction(session, origin, size)
            self.origin, self.mark = origin, mark_of(session, origin)
            keeping.seen = max(keeping.sizes(origin)[:1], default=0) if self.contradiction is None else 0
        return self.contradiction


watch = Watch()


def mark_of(session: Session, origin: str) -> tuple[object, ...]:
    """A value that changes whenever the finding may: with the log, the folder, the key or a checkpoint."""
    last = session.execute(select(AuditHead.checkpoint_size, AuditHead.checkpoint_at)).one()
    sizes = keeping.sizes(origin)
    return (origin, *last, len(sizes), sizes[:1], *stamps())


def stamps() -> list[object]:
    """The times at which the key files were written."""
    files = [vault.folder / name for name in ("signing.pem", "master.key")] if vault.folder else []
    return [path.stat().st_mtime_ns if path.exists() else None for path in files]


def present(session: Session) -> Contradiction | None:
    """The present contradiction between the log and its kept checkpoints, for pages; None if none."""
    if keeping.folder is None:
        return None
    head = session.execute(select(AuditHead.seq, AuditHead.origin, AuditHead.checkpoint_size)).one()
    if watch.is_at_ease(head.origin, head.checkpoint_size):
        return None
    return watch.look(session, head.origin, head_of(session).seq)


def require(
    session: Session,
    what: AuditEvent,
    *,
    is_reading: bool,
    origin: str,
    size: int,
    checkpoint_size: int,
    is_due: bool,
) -> bool:
    """Whether checkpoints may be made. `size` is the log without the entry that is about to be written.

    Raises:
        Halted: the log contradicts its kept checkpoints, and this is an act.
    """
    if keeping.folder is None:
        return True
    if watch.is_at_ease(origin, checkpoint_size) and not (is_due and fell_behind(origin, checkpoint_size)):
        return True
    if watch.look(session, origin, size) is None:
        return True
    if not is_reading and what not in WHILE_HALTED:
        raise Halted(
            N_(
                "監査記録の照合に失敗したため、閲覧だけができます。システム管理者と監査が確認するまでお待ちください。"
            )
        )
    return False


def fell_behind(origin: str, checkpoint_size: int) -> bool:
    """Whether a kept checkpoint is larger than the database knows of: the database was exchanged."""
    if any(size > checkpoint_size for size in keeping.sizes(origin)[:1]):
        watch.forget()
        return True
    return False


def contradiction(session: Session, origin: str, size: int) -> Contradiction | None:
    """The contradiction between the log and the newest kept checkpoint; None when the log continues it."""
    if found := lost_master(session):
        return found
    sizes = keeping.sizes(origin)
    if not sizes:
        return nothing_kept(session, origin, size)
    if finish_restore(session, origin, sizes):
        sizes = keeping.sizes(origin)
    text = keeping.note(origin, sizes[0])
    last = head_in(text)
    if last is None or last.origin != origin or last.size != sizes[0]:
        reason = N_("保管してある最新の改ざん確認用の控えが読めません。")
        return Contradiction(reason, RESTORED, None, agreed(session, origin, sizes))
    if last.size > size:
        reason = N_("記録が、保管してある改ざん確認用の控えより短くなっていました。")
        return Contradiction(reason, RESTORED, last, agreed(session, origin, sizes))
    made = made_since(session, last.size)
    counted = recount(session, {last.size, *(one.size for one in made)}, size)
    if counted.get(last.size) != last.root:
        reason = N_("記録が、保管してある改ざん確認用の控えと一致しません。")
        return Contradiction(reason, RESTORED, last, agreed(session, origin, sizes))
    if not is_signed(text):
        reason = N_("改ざん確認用の控えの署名鍵が、これまでのものと違います。")
        return Contradiction(
            reason,
            N_(
                "鍵の保管場所（KEY_DIR）に、控えておいた鍵を戻してください。鍵を失くして"
                "戻せないときは、二人で確認すると新しい鍵で再開します。新しい公開鍵を、改ざん確認用の控えを保管している人に渡してください。"
            ),
            last,
            last.size,
        )
    if any(counted.get(one.size) != bytes.fromhex(one.root) or not is_signed(one.note) for one in made):
        reason = N_("データベースの中の改ざん確認用の控えが、記録と一致しません。")
        return Contradiction(reason, RESTORED, last, last.size)
    for one in made:  # made by a process that was stopped before it could keep them
        keeping.keep(Head(origin, one.size, bytes.fromhex(one.root), one.at), one.note)
    return None


def lost_master(session: Session) -> Contradiction | None:
    """The contradiction that some person's key cannot be opened with any master key; None when all can."""
    missing = select(SubjectKey.id).where(
        SubjectKey.wrapped.is_not(None), SubjectKey.master_id.not_in(list(vault.ring.masters))
    )
    if session.scalar(missing.limit(1)) is None:
        return None
    return Contradiction(N_("相談者の記録を開く鍵（master.key）が見つかりません。"), PUT_BACK, None, 0, False)


def nothing_kept(session: Session, origin: str, size: int) -> Contradiction | None:
    """The contradiction of a log with nothing kept; None if it has no checkpoint yet and can keep one."""
    last = newest(session)
    if keeping.is_strict and keeping.holds_others(origin):
        reason = N_("保管してある改ざん確認用の控えは、別のデータベースのものです。")
        return Contradiction(reason, RESTORED, None, 0)
    if keeping.is_strict and not keeping.is_writable(origin):
        reason = N_("改ざん確認用の控えの保管場所（CHECKPOINT_DIR）に書き込めません。")
        remedy = N_("保管場所を用意し、書き込めるようにしてください。書き込めると自動で再開します。")
        return Contradiction(reason, remedy, None, 0, False)
    if keeping.is_strict and last is not None:
        reason = N_("このデータベースの改ざん確認用の控えが、保管場所（CHECKPOINT_DIR）にありません。")
        remedy = N_(
            "保管場所が正しいか確かめてください。失くして戻せないときは、二人で確認すると再開できます。"
        )
        return Contradiction(reason, remedy, None, 0)
    return None


def head_in(note: str) -> Head | None:
    try:
        return notes.parse(note.partition("\n\n")[0] + "\n")
    except BadNote:
        return None


def is_signed(note: str) -> bool:
    try:
        notes.read(note, public_keys())
    except BadNote:
        return False
    return True


def made_since(session: Session, size: int) -> list[AuditCheckpoint]:
    return list(
        session.scalars(
            select(AuditCheckpoint).where(AuditCheckpoint.size > size).order_by(AuditCheckpoint.size)
        )
    )


def recount(session: Session, sizes: set[int], size: int) -> dict[int, bytes]:
    """The roots at these sizes; a long log is counted from an earlier checkpoint onwards."""
    least = min(size - RECOUNTED, *sizes)
    base = session.scalar(
        select(AuditCheckpoint)
        .where(AuditCheckpoint.size <= least)
        .order_by(AuditCheckpoint.size.desc())
        .limit(1)
    )
    try:
        return roots(session, sizes, base=base)
    except ValueError:  # the checkpoint before has been tampered with
        return {}


def agreed(session: Session, origin: str, sizes: list[int]) -> int:
    """The size up to which the log and the kept checkpoints agree; 0 when they never do."""
    counted = roots(session, sizes)
    for size in sizes:
        head = head_in(keeping.note(origin, size)) if size in counted else None
        if head and head.origin == origin and head.size == size and head.root == counted[size]:
            return size
    return 0


def finish_restore(session: Session, origin: str, sizes: list[int]) -> bool:
    """Set the lost branch aside if the process stopped after two people declared the restore; True when done.

    The log's declaration counts only when a signed checkpoint covers it.
    """
    last = newest(session)
    wanted = select(AuditEntry).where(AuditEntry.event == AuditEvent.RESTORE_DECLARED.value)
    entry = session.scalar(wanted.order_by(AuditEntry.seq.desc()).limit(1))
    if entry is None or last is None or last.size < entry.seq or not is_signed(last.note):
        return False
    fact: dict[str, Any] = json.loads(entry.body)["fact"]
    kept = head_in(keeping.note(origin, fact["kept_size"])) if fact["kept_size"] in sizes else None
    if kept is None or base64.b64encode(kept.root).decode() != fact["kept_root"]:
        return False
    if kept.size <= fact["size"] or roots(session, {last.size}) != {last.size: bytes.fromhex(last.root)}:
        return False
    keeping.lay_aside(origin, fact["size"])
    keeping.keep(Head(origin, last.size, bytes.fromhex(last.root), last.at), last.note)
    return True


def make_checkpoint(session: Session) -> str:
    """Sign the log as it stands, on request.

    Raises:
        Halted: it contradicts what was kept.
        ClockBehind: the checkpoint would be older than what it covers.
    """
    jumps.require_right(session)
    if found := present(session):
        raise Halted(found.reason)
    return checkpoints.make(session)
