"""After a restore from a backup: one person declares it, another one confirms, and the portal writes again."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Staff
from portal.audit import checkpoints, log_integrity
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditDetail, AuditEntry, AuditHead
from portal.audit.notes import Contradiction
from portal.audit.vault import open_details
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require

LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Proposal:
    """A declaration. `fits` while the log and the kept checkpoints disagree as they did then."""

    seq: int
    at: datetime
    staff_id: UUID
    name: str
    reason: str
    fits: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How the log stands to the kept checkpoints, and what one person has declared about it."""

    contradiction: Contradiction | None
    entries: int
    last_at: datetime | None  # of the newest checkpoint in the database
    proposal: Proposal | None


def look(actor: Actor) -> Standing:
    """The present state.

    Raises:
        NotAllowed: neither auditor nor system administrator.
    """
    require(actor, Permission.RESTORE_DECLARE)
    with db.transaction(keep_reader=True) as session:
        found = log_integrity.present(session)
        last = checkpoints.newest(session)
        entries = session.scalars(select(AuditHead.seq)).one()
        proposal = proposed(session, found) if found else None
        return Standing(found, entries, last.at if last else None, proposal)


def proposed(session: Session, found: Contradiction) -> Proposal | None:
    """The newest declaration since the last one that was confirmed."""
    since = select(AuditEntry.seq).where(AuditEntry.event == AuditEvent.RESTORE_DECLARED.value)
    done = session.scalar(since.order_by(AuditEntry.seq.desc()).limit(1)) or 0
    row = session.execute(
        select(AuditEntry.seq, AuditEntry.at, AuditEntry.staff_id, Staff.name, AuditDetail)
        .join(AuditDetail, AuditDetail.seq == AuditEntry.seq)
        .join(Staff, Staff.id == AuditEntry.staff_id)
        .where(AuditEntry.event == AuditEvent.RESTORE_PROPOSED.value, AuditEntry.seq > done)
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    detail = row.AuditDetail
    _salt, stored = open_details(session, row.seq, detail.key_id, detail.salt, detail.details)
    said: dict[str, Any] = json.loads(stored)
    return Proposal(row.seq, row.at, row.staff_id, row.name, said["reason"], said["found"] == found_as(found))


def found_as(found: Contradiction) -> dict[str, Any]:
    """The contradiction as it is declared, so that the second person confirms exactly this."""
    kept = found.kept
    return {
        "agreed": found.agreed,
        "kept_size": kept.size if kept else None,
        "kept_root": kept.root.hex() if kept else None,
        "reason": found.reason,
    }


def require_contradiction(session: Session) -> Contradiction:
    """The present contradiction. Raises Conflict when there is none, or a file must be put back first."""
    found = log_integrity.present(session)
    if found is None:
        raise Conflict(
            N_("監査記録は、保管してある改ざん確認用の控えと一致しています。復元の確認は必要ありません。")
        )
    if not found.can_be_declared:
        raise Conflict(found.remedy)
    return found


def propose(actor: Actor, reason: str) -> None:
    """Declare that the database was restored from a backup, and why; nothing changes until another person confirms.

    Raises:
        Invalid: no reason is given.
        Conflict: there is nothing to declare.
    """
    require(actor, Permission.RESTORE_DECLARE)
    if not reason.strip():
        raise Invalid(N_("いつ、どのバックアップから、なぜ戻したかを入力してください。"), field="reason")
    if len(reason) > LONGEST_REASON:
        raise Invalid(N_("2000文字以内で入力してください。"), field="reason")
    with db.transaction() as session:
        found = require_contradiction(session)
        audit.record(
            AuditEvent.RESTORE_PROPOSED,
            ("audit_head", None),
            actor=actor,
            reason=reason,
            found=found_as(found),
        )


def declare(actor: Actor, seq: int) -> None:
    """Confirm the declaration in entry `seq`, as a second person: writing goes on from here.

    Raises:
        NotAllowed: it is the actor's own declaration.
        Conflict: it has been confirmed, replaced, or no longer says how things stand.
    """
    require(actor, Permission.RESTORE_DECLARE)
    with db.transaction() as session:
        head = checkpoints.head_of(session)
        found = require_contradiction(session)
        proposal = proposed(session, found)
        if proposal is None or proposal.seq != seq or not proposal.fits:
            raise Conflict(N_("申告の内容が、いまの状況と合わなくなりました。もう一度確認してください。"))
        if proposal.staff_id == actor.staff_id:
            raise NotAllowed(
                N_("申告した本人は確認できません。別の監査またはシステム管理者が確認してください。")
            )
        root = checkpoints.roots(session, {found.agreed})[found.agreed]
        kept = found.kept
        now = clock.now()
        # Without a kept checkpoint of this log nothing is known to be lost: the declaration excuses nothing.
        lost = kept if kept and kept.size > found.agreed else None
        audit.record(
            AuditEvent.RESTORE_DECLARED,
            ("audit_head", None),
            actor=actor,
            fact={
                "size": found.agreed,
                "root": root.hex(),
                "kept_size": lost.size if lost else found.agreed,
                "kept_root": base64.b64encode(lost.root if lost else root).decode(),
                "proposed_by": proposal.staff_id,
                "agreed_by": actor.staff_id,
                # Written by a clock that was ahead: lost, although it is dated after this entry.
                **({"kept_at": lost.at} if lost and lost.at > now else {}),
            },
            proposal=proposal.seq,
        )
        session.info["lost_branch"] = (head.origin, found.agreed)
        checkpoints.make(session)
