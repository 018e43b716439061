"""What taking a consent back, or renewing it without somebody, will stop: said before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.disclosures import queries as disclosure_queries
from portal.policy import Actor
from portal.referrals import queries
from portal.referrals.models import Referral
from portal.referrals.states import OPEN


@dataclass(frozen=True, slots=True)
class OpenReferral:
    """An open referral, of this reader's agency, that rests on the consent."""

    id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class Stop:
    """What stops for one recipient that was told: it is asked to confirm, and these referrals stand still."""

    agency_id: UUID
    name: str
    referrals: tuple[OpenReferral, ...]


def stops(session: Session, actor: Actor, consent_id: UUID, now: datetime) -> list[Stop]:
    """What lives on this consent now, by recipient, in the order of their names."""
    live = [line for line in disclosure_queries.told_on(session, actor, consent_id, now) if line.is_alive]
    sources = {line.source_id for line in live if line.source_id}
    found = session.execute(
        select(Referral.id, Referral.number, Referral.to_agency_id)
        .where(queries.visible_to(actor), Referral.id.in_(sources), Referral.status.in_(sorted(OPEN)))
        .order_by(Referral.number)
    ).all()
    told = {line.to_agency_id: line.to_name for line in live}
    return [
        Stop(
            agency_id,
            name,
            tuple(OpenReferral(r.id, r.number) for r in found if r.to_agency_id == agency_id),
        )
        for agency_id, name in sorted(told.items(), key=lambda one: one[1])
    ]
