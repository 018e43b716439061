"""What happened to an account since somebody last signed in to it: told to whoever signs in next.

Counted in the audit log, for the attempts themselves are forgotten at the first success.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts.models import SignInSession
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Before:
    """The sign-in before this one, and how many tries have failed since; none of them is known by name."""

    last_at: datetime | None
    failures: int
    failed_at: datetime | None


def last_sign_in(session: Session, staff_id: UUID) -> datetime | None:
    return session.scalar(
        select(func.max(SignInSession.created_at)).where(SignInSession.staff_id == staff_id)
    )


def failures_since(session: Session, staff_id: UUID, last_at: datetime | None) -> Before:
    """Passwords that were tried and did not fit. One's own, typed once more before an act, says who typed it."""
    failed = select(func.count(), func.max(AuditEntry.at)).where(
        AuditEntry.object_id == staff_id,
        AuditEntry.event == AuditEvent.SIGN_IN_FAILED.value,
        AuditEntry.staff_id.is_(None),
    )
    if last_at is not None:
        failed = failed.where(AuditEntry.at > last_at)
    failures, failed_at = session.execute(failed).one()
    return Before(last_at, failures, failed_at)
