"""Logging refusals: who was denied what, about whom, and what was lacking; never what was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.exc import NoResultFound

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core.db import db
from portal.core.errors import Lack, PortalError

if TYPE_CHECKING:
    from portal.core.policy import Actor


def lack_of(error: BaseException) -> Lack | None:
    """What was lacking; None for a mistake that is no refusal, or an act that came too late."""
    if isinstance(error, PortalError):
        return error.lack
    return Lack.HIDDEN if isinstance(error, NoResultFound) else None


def note(
    error: BaseException, *, actor: Actor, asked: tuple[str | None, UUID | None], channel: str = "portal"
) -> None:
    """Log the refusal in a transaction of its own: the act that it stopped was rolled back.

    `asked` is what was asked for, as a pair (kind, id), when the error itself does not know. The id is logged
    as sent, whether there is such a record or not: a check would take longer for one that exists.
    """
    if (lack := lack_of(error)) is None:
        return
    known = error if isinstance(error, PortalError) else PortalError()
    with db.transaction(keep_reader=True):
        audit.record(
            AuditEvent.ACCESS_REFUSED,
            known.about or asked,
            actor=actor,
            person_id=known.person_id,
            categories=known.categories,
            ground=lack,
            channel=channel,
            allowed=False,
        )
