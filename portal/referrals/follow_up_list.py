"""The list of what an agency keeps in mind after referrals that went badly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, literal, select, tuple_

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.policy import Actor
from portal.referrals.models import FollowUp, Referral
from portal.referrals.queries import is_shut_out


def page(
    actor: Actor, *, done: bool, after: tuple[datetime, UUID] | None = None, size: int = 25
) -> Sequence[Row[*tuple[Any, ...]]]:
    """One's own agency's rows, the newest first, one more than `size` when there are more; logged."""
    statement = (
        select(
            FollowUp.id,
            FollowUp.created_at,
            FollowUp.kind,
            FollowUp.text,
            FollowUp.done_at,
            FollowUp.referral_id,
            Referral.number,
            Referral.kind.label("referral_kind"),
            Referral.status,
            Agency.name.label("to_name"),
            Staff.name.label("noted_by"),
        )
        .join(Referral, Referral.id == FollowUp.referral_id)
        .join(Agency, Agency.id == Referral.to_agency_id)
        .join(Staff, Staff.id == FollowUp.noted_by_id)
        .where(
            FollowUp.agency_id == actor.agency_id,
            ~is_shut_out(actor),
            FollowUp.done_at.is_not(None) if done else FollowUp.done_at.is_(None),
        )
        .order_by(FollowUp.created_at.desc(), FollowUp.id.desc())
        .limit(size + 1)
    )
    if after:
        last = tuple_(literal(after[0], FollowUp.created_at.type), literal(after[1], FollowUp.id.type))
        statement = statement.where(tuple_(FollowUp.created_at, FollowUp.id) < last)
    rows = db.read.execute(statement).all()
    audit.record_reading(
        AuditEvent.REFERRALS_LISTED, ("follow_up", None), actor=actor, count=min(len(rows), size)
    )
    return rows
