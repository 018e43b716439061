"""What is still being shown when somebody's ground for it ends is asked for anew: after the end nothing is told."""

from __future__ import annotations

from sqlalchemy import bindparam, literal, select
from sqlalchemy.orm import Session

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry, AuditHead
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.labels import N_

# After each of these somebody may see less than before. Too many cost a page made twice, one too few a broken promise.
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
# For the first question of a request, which asks this too: it was then no longer than when the page was read.
LENGTH_THEN = LENGTH.scalar_subquery().label("log_length")
ENDED = (
    select(literal(1))
    .where(AuditEntry.seq > bindparam("seen"), AuditEntry.event.in_([one.value for one in ENDINGS]))
    .limit(1)
)


class StaleRead(Conflict):
    """Somebody's ground ended between the reading and its entry; nothing of what was read may be shown."""


def seen() -> int | None:
    """How long the log was when what is about to be shown was read; none when nothing is being read.

    Within an act nothing is asked: it has checked under its own locks, and may have ended something itself.
    """
    if db.session.registry.has() and db.session().info.get("in_transaction"):
        return None
    if (noted := db.log_length.get()) is not None:
        return noted
    reading = [one for one in (db.read, db.unrestricted) if one.registry.has() and one().in_transaction()]
    lengths = [one.scalar(LENGTH) for one in reading]
    return min((length for length in lengths if length is not None), default=None)


def check(session: Session, before: int | None, seq: int) -> None:
    """Within the transaction that holds the log's head; `seq` is the number of the reading's own entry.

    Raises:
        StaleRead: somebody may see less now than when the log was `before` entries long.
    """
    if before is not None and seq - 1 > before and session.scalar(ENDED, {"seen": before}):
        raise StaleRead(
            N_("表示している間に、同意の撤回などで、見られる範囲が変わりました。もう一度開いてください。")
        )
