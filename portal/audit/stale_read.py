"""Repeats a reading when a basis ends before the page is shown: after its end nothing may be disclosed."""

from __future__ import annotations

from sqlalchemy import bindparam, literal, select
from sqlalchemy.orm import Session

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry, AuditHead
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.labels import N_

# After each of these somebody may see less than before. One too many costs a repeated page, one too few
# discloses what has ended.
ENDINGS = (
    AuditEvent.CONSENT_WITHDRAWN,
    AuditEvent.CONSENT_RECORDED,  # one that takes the place of another may be narrower
    AuditEvent.DISCLOSURE_ENDED,
    AuditEvent.EXCLUSION_MADE,
    AuditEvent.EMERGENCY_ENDED,
    AuditEvent.PERSON_MOVED,
    AuditEvent.PERSON_UPDATED,  # an address may be protected now
    AuditEvent.PERSON_ERASED,
    AuditEvent.ROSTER_CHANGED,
    AuditEvent.ITEM_CHANGED,
    AuditEvent.ITEM_SHARED,
    AuditEvent.MEETING_CANCELLED,
    AuditEvent.MINUTES_APPROVED,
    AuditEvent.STAFF_UPDATED,
    AuditEvent.STAFF_DISABLED,
)
LENGTH = select(AuditHead.seq)
# Part of the first question of a request: the log was then no longer than when the page was read.
LENGTH_THEN = LENGTH.scalar_subquery().label("log_length")
ENDED = (
    select(literal(1))
    .where(AuditEntry.seq > bindparam("seen"), AuditEntry.event.in_([one.value for one in ENDINGS]))
    .limit(1)
)


class StaleRead(Conflict):
    """A basis ended between the reading and its audit entry; nothing of what was read may be shown."""


def seen() -> int | None:
    """The length of the log when the page was read; None when nothing is being read.

    Within an act there is no check: it has checked under its own locks, and may have ended something itself.
    """
    if db.session.registry.has() and db.session().info.get("in_transaction"):
        return None
    if (noted := db.log_length.get()) is not None:
        return noted
    reading = [one for one in (db.read, db.unrestricted) if one.registry.has() and one().in_transaction()]
    lengths = [one.scalar(LENGTH) for one in reading]
    return min((length for length in lengths if length is not None), default=None)


def check(session: Session, before: int | None, seq: int) -> None:
    """Check in the transaction that holds the log's head; `seq` is the number of the reading's own entry.

    Raises:
        StaleRead: somebody may see less now than when the log was `before` entries long.
    """
    if before is not None and seq - 1 > before and session.scalar(ENDED, {"seen": before}):
        raise StaleRead(
            N_("表示している間に、同意の撤回などで、見られる範囲が変わりました。もう一度開いてください。")
        )
