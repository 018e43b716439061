"""Which agencies at a table would hear of a person, and by what: asked before a matter is brought there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from portal.consents.models import Consent, ConsentCategory, ConsentRecipient
from portal.disclosures import wall
from portal.disclosures.queries import consents_visible_to
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor
from portal.referrals.models import Referral


def hearers(
    session: Session, members: Collection[UUID], person_id: UUID, referral_id: UUID | None, now: datetime
) -> set[UUID]:
    """Those members who know already, or whom a consent lets be told."""
    home = session.scalar(select(Person.home_agency_id).where(Person.id == person_id))
    sides: set[UUID | None] = {home}
    if referral_id:
        asked = session.execute(
            select(Referral.from_agency_id, Referral.to_agency_id).where(
                Referral.id == referral_id, Referral.sent_at.is_not(None)
            )
        ).one_or_none()
        sides |= set(asked or ())
    return {member for member in members if member in sides} | covered(session, members, person_id, now)


def covered(session: Session, members: Collection[UUID], person_id: UUID, now: datetime) -> set[UUID]:
    """Those members whom a consent of this person that lives names for basic information."""
    statement = living(members, person_id, now)
    return set(session.scalars(statement))


def covered_as_seen(
    session: Session, actor: Actor, members: Collection[UUID], person_id: UUID, now: datetime
) -> set[UUID]:
    """The same, by those consents alone that this actor may see himself."""
    seen = consents_visible_to(actor).with_only_columns(Consent.id).order_by(None)
    return set(session.scalars(living(members, person_id, now).where(Consent.id.in_(seen))))


def living(members: Collection[UUID], person_id: UUID, now: datetime) -> Select[UUID]:
    named = aliased(ConsentRecipient)  # the rule asks ConsentRecipient itself once more
    return (
        select(named.agency_id)
        .join(Consent, Consent.id == named.consent_id)
        .join(ConsentCategory, ConsentCategory.consent_id == Consent.id)
        .where(
            Consent.person_id == person_id,
            named.agency_id.in_(sorted(members)),
            ConsentCategory.category == Category.BASIC,
            wall.consent_lives(Consent, named.agency_id, now),
        )
        .distinct()
    )
