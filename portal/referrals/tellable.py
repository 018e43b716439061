"""Whether a draft may be sent as it stands: on which consent, and whether the sender may tell what it would tell."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.consents import services as consents
from portal.consents.models import Consent
from portal.disclosures.services import known_categories
from portal.errors import Conflict, Lack, NoBasis
from portal.people.categories import Category
from portal.people.models import Information, Person
from portal.policy import Actor
from portal.referrals.models import Referral
from portal.referrals.states import ReferralKind
from portal.words import N_


def standing_consent(session: Session, referral: Referral, categories: set[Category]) -> Consent:
    """The consent a draft can be sent on now: the one it was written on or, if that has ended, another.

    Raises:
        NoBasis: none covers this recipient and these categories.
    """
    wanted: dict[str, Any] = {
        "person_id": referral.person_id,
        "recipient_id": referral.to_agency_id,
        "categories": categories,
    }
    try:
        return consents.cover(session, **wanted, consent_id=referral.consent_id)
    except NoBasis:
        pass
    try:
        return consents.cover(session, **wanted)
    except NoBasis as error:
        error.about = ("referral", referral.id)
        raise


def check_tellable(session: Session, actor: Actor, referral: Referral, categories: set[Category]) -> None:
    """Raise unless the sender may see all it is about to tell, and a transfer leaves nothing behind."""
    about: dict[str, Any] = {"about": ("referral", referral.id), "person_id": referral.person_id}
    unknown = categories - known_categories(session, actor, referral.person_id)
    if unknown:
        raise NoBasis(
            N_("「%(category)s」は自分の機関に提供されていないため、ほかの機関へ提供できません。"),
            field="categories",
            lack=Lack.UNTOLD,
            categories=unknown,
            **about,
            category=min(unknown, key=list(Category).index),
        )
    if referral.kind is ReferralKind.TRANSFER:
        person = session.scalars(select(Person).where(Person.id == referral.person_id)).one()
        if person.home_agency_id != actor.agency_id:
            raise Conflict(
                N_("移管できるのは、記録を所管している機関だけです。"), lack=Lack.NOT_KEPT, **about
            )
        filed = session.scalars(
            select(Information.category).where(
                Information.person_id == referral.person_id, Information.text != ""
            )
        )
        if missing := set(filed) - categories:
            raise NoBasis(
                N_("移管では記録全体が移ります。「%(category)s」にも同意が必要です。"),
                field="categories",
                lack=Lack.CATEGORY,
                categories=missing,
                **about,
                category=min(missing, key=list(Category).index),
            )
