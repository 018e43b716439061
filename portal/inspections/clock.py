"""Declaring that the server's clock jumped: one entry, which stands for one step back; and what was declared."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import sessions, signing_in
from portal.accounts.attempts import Device
from portal.accounts.models import Staff
from portal.accounts.sessions import Limits
from portal.accounts.signing_in import Entrance
from portal.audit import checkpoints, jumps, log_integrity
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.jumps import Step
from portal.audit.models import AuditDetail, AuditEntry
from portal.audit.vault import open_details
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Invalid
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require

log = logging.getLogger(__name__)

LONGEST_REASON = 2000
MOST = 100
# How long auditors are shown a jump above their list of entries.
NEWS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Jump:
    """A declared jump: back from the time of entry `seq` - 1 to that of entry `seq`, which declares it."""

    seq: int
    before: datetime
    at: datetime
    name: str
    reason: str


def look(actor: Actor) -> tuple[Step | None, list[Jump]]:
    """How far the clock is behind, if it is, and the jumps that were declared.

    Not logged: while the clock is behind nothing can be, and this is the page that ends it.

    Raises:
        NotAllowed: not the system administrator.
    """
    require(actor, Permission.CLOCK_DECLARE)
    with db.transaction(keep_reader=True) as session:
        return jumps.present(session), declared(session)


def told(actor: Actor, *, only_news: bool = False) -> list[Jump]:
    """The declared jumps, for readers of checkpoints; `only_news` are those of the last weeks."""
    require(actor, Permission.CHECKPOINT_READ)
    with db.transaction(keep_reader=True) as session:
        found = declared(session)
    return [one for one in found if not only_news or abs(clock.now() - one.at) < NEWS]


def declared(session: Session) -> list[Jump]:
    """All declared jumps, the newest first."""
    rows = session.execute(
        select(AuditEntry.seq, AuditEntry.at, AuditEntry.body, Staff.name, AuditDetail)
        .join(AuditDetail, AuditDetail.seq == AuditEntry.seq)
        .join(Staff, Staff.id == AuditEntry.staff_id)
        .where(AuditEntry.event == AuditEvent.CLOCK_DECLARED.value)
        .order_by(AuditEntry.seq.desc())
        .limit(MOST)
    )
    return [jump_of(session, row) for row in rows]


def jump_of(session: Session, row: Any) -> Jump:
    detail = row.AuditDetail
    _salt, stored = open_details(session, row.seq, detail.key_id, detail.salt, detail.details)
    before = datetime.fromisoformat(json.loads(row.body)["fact"]["before"])
    return Jump(row.seq, before, row.at, row.name, json.loads(stored)["reason"])


def declare(actor: Actor, session_id: UUID, reason: str, *, limits: Limits) -> None:
    """Declare the step from the last entry to now; from then on writing and reading go on.

    Raises:
        NotAllowed: not the system administrator.
        Invalid: no reason is given.
        Conflict: the clock is not behind (any more).
    """
    require(actor, Permission.CLOCK_DECLARE)
    with db.transaction() as session:
        write(session, actor, reason)
        sessions.put_right(session, actor, session_id, limits=limits)


def write(session: Session, actor: Actor, reason: str) -> None:
    """Write the entry and a checkpoint that signs it, from which the age of the next is counted."""
    if not reason.strip():
        raise Invalid(N_("時計がどうずれていたか、どう直したかを入力してください。"), field="reason")
    if len(reason) > LONGEST_REASON:
        raise Invalid(N_("2000文字以内で入力してください。"), field="reason")
    step = jumps.present(session)
    if step is None:
        raise Conflict(N_("サーバーの時計は、最後の記録より前の時刻を指していません。申告は必要ありません。"))
    audit.record(
        AuditEvent.CLOCK_DECLARED,
        ("audit_head", None),
        actor=actor,
        fact={"before": step.before, "last": step.seq},
        reason=reason,
    )
    jumps.watch.forget()
    if log_integrity.present(session) is None:
        checkpoints.make(session)


def declare_at_the_door(
    email: str,
    password: str,
    reason: str,
    *,
    secret: str,
    device: Device,
    limits: Limits,
    user_agent: str = "",
) -> Entrance:
    """The same for somebody who cannot sign in: a session could not be logged before the jump is declared.

    A failure is counted like any other, but only the server's own log can mention it.

    Raises:
        Invalid: address and password do not fit together, or are no system administrator's; or no reason is given.
        Conflict: the clock is not behind (any more).
        TooSoon, TooMany: as when signing in.
    """

    def first(session: Session, actor: Actor) -> None:
        if not can(actor, Permission.CLOCK_DECLARE):
            raise Invalid(signing_in.WRONG)
        write(session, actor, reason)
        sessions.put_right(session, actor, None, limits=limits)

    try:
        return signing_in.sign_in(
            email,
            password,
            secret=secret,
            device=device,
            limits=limits,
            user_agent=user_agent,
            first=first,
        )
    except Invalid:
        log.warning("somebody failed to declare a jump of the clock")
        raise
