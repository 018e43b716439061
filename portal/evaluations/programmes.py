"""The programmes (就労準備支援) whose years are evaluated, and which of them a reader means."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal.agencies.models import Agency, AgencyKind
from portal.policy import Actor


def programmes(session: Session) -> Sequence[Agency]:
    """Those at work, the longest known first."""
    running = select(Agency).where(Agency.kind == AgencyKind.EMPLOYMENT_PREPARATION, Agency.is_active)
    return session.scalars(running.order_by(Agency.id)).all()


def chosen(session: Session, actor: Actor, agency_id: UUID | None) -> Agency:
    """The one asked for; else the reader's own, if it is one; else the first.

    Raises:
        NoResultFound: there is none, or what was asked for is none.
    """
    running = {agency.id: agency for agency in programmes(session)}
    wanted = agency_id or (actor.agency_id if actor.agency_id in running else next(iter(running), None))
    if wanted is None or wanted not in running:
        raise NoResultFound
    return running[wanted]


def is_inside(actor: Actor, programme_id: UUID) -> bool:
    """Whether the reader works in that programme."""
    return actor.agency_id == programme_id
