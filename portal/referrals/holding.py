"""One referral, held for a service that acts on it."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from portal import clock
from portal.consents import queries as consents
from portal.disclosures import wall
from portal.disclosures.models import Basis
from portal.disclosures.queries import lives_for
from portal.errors import Lack
from portal.people.models import Person
from portal.policy import Actor
from portal.referrals.models import Referral
from portal.referrals.queries import visible


@cache
def visible_one() -> Select[Referral]:
    return visible(wall.READER).where(Referral.id == bindparam("referral_id"))


@cache
def live_one() -> Select[UUID]:
    live = lives_for(Referral.id, Referral.to_agency_id, wall.NOW)
    return select(Referral.id).where(Referral.id == bindparam("referral_id"), live)


HOLD_PERSON = select(Person.id).where(Person.id == bindparam("person_id")).with_for_update()


def locked(session: Session, actor: Actor, referral_id: UUID) -> Referral:
    """The referral, held until the transaction ends, with its person held before it.

    Withdrawing a consent holds the person too, so nothing is told after a withdrawal was acknowledged.

    Raises:
        NoResultFound: none that this actor may know of.
    """
    values = wall.bound(actor, clock.now(), referral_id=referral_id)
    person_id = session.scalars(visible_one().with_only_columns(Referral.person_id), values).one()
    session.execute(HOLD_PERSON, {"person_id": person_id})
    options = {"populate_existing": True}
    return session.scalars(visible_one().with_for_update(), values, execution_options=options).one()


def named_to_recipient(referral: Referral) -> UUID | None:
    """Whom it is about, as far as the agency that was asked may know."""
    return None if referral.basis is Basis.ANONYMOUS else referral.person_id


def what_lacks(session: Session, referral: Referral) -> Lack:
    """Why what it told may not be read any longer, for the audit log."""
    if referral.basis is not Basis.CONSENT:
        return Lack.ENDED
    lack = consents.what_lacks(session, referral.person_id, referral.to_agency_id)
    return Lack.ENDED if lack is Lack.CONSENT else lack


def is_live(session: Session, referral: Referral) -> bool:
    """Whether what this referral told may still be read by its recipient."""
    values = {"referral_id": referral.id, "now": clock.now(), "today": clock.today()}
    return session.scalar(live_one(), values) is not None
