"""What will be disclosed and what stays, for the page on which the sender checks a referral."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.consents.models import Consent
from portal.core import clock
from portal.core.errors import Invalid, PortalError
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.disclosures.models import Basis
from portal.disclosures.people import BasicView, InformationView, PersonView, Withheld
from portal.people.categories import FILED, Category
from portal.referrals import drafts, queries
from portal.referrals.drafts import Recipient, check_anonymous_draft, check_tellable, standing_consent
from portal.referrals.models import Referral
from portal.referrals.reading import ReferralView
from portal.referrals.services import ACKNOWLEDGE_DAYS, RESPOND_DAYS
from portal.referrals.states import ReferralStatus


@dataclass(frozen=True, slots=True)
class Twin:
    """Another referral of the same person to the same agency that is still open."""

    id: UUID
    number: str
    status: ReferralStatus
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Preview:
    """`told` is the person as the recipient will see them, None if asked anonymously; `kept` stays here.

    `problem` is why it cannot be sent as it stands.
    """

    told: PersonView | None
    kept: Mapping[Category, InformationView | BasicView | None]
    recipient: Recipient
    acknowledge_by: date | None
    respond_by: date | None
    consent_until: date | None
    days_left: int | None
    twins: Sequence[Twin]
    problem: PortalError | None


def as_told(person: PersonView, categories: Sequence[Category]) -> PersonView:
    """The person as seen by an agency to which these categories and nothing else are disclosed."""
    basic: BasicView | Withheld = Withheld.NOT_TOLD
    if Category.BASIC in categories and isinstance(person.basic, BasicView):
        hidden: dict[str, Any] = {}
        if person.protected_address:
            hidden = {"address": Withheld.PROTECTED, "telephone": Withheld.PROTECTED}
        basic = replace(person.basic, **hidden)
    return replace(
        person,
        is_home=False,
        number="",
        basic=basic,
        information={c: person.information[c] if c in categories else Withheld.NOT_TOLD for c in FILED},
    )


def kept_back(
    person: PersonView, categories: Sequence[Category]
) -> dict[Category, InformationView | BasicView | None]:
    """What the sender sees of the person and does not disclose."""
    seen: dict[Category, Any] = {Category.BASIC: person.basic, **person.information}
    return {c: seen[c] for c in Category if c not in categories and not isinstance(seen[c], Withheld)}


def look_ahead(session: Session, actor: Actor, view: ReferralView, now: datetime) -> Preview:
    """The effect of sending this draft, by the rules that sending itself applies."""
    recipient = drafts.recipients(session, actor, only=view.to_agency_id)[0]
    draft = session.scalars(select(Referral).where(Referral.id == view.id)).one()
    consent, problem = basis_of(session, actor, draft, view)
    if not recipient.is_active:
        problem = Invalid(N_("この機関は現在利用を停止しています。別の機関を選んでください。"), field="to")
    if recipient.never_opens:
        problem = Invalid(
            N_("この機関は1年以上休業の予定です。別の機関を選ぶか、電話で確認してください。"), field="to"
        )
    told = None if view.is_anonymous or not view.person else as_told(view.person, view.categories)
    return Preview(
        told=told,
        kept=kept_back(view.person, view.categories) if view.person else {},
        recipient=recipient,
        acknowledge_by=recipient.deadline(ACKNOWLEDGE_DAYS),
        respond_by=recipient.deadline(RESPOND_DAYS),
        consent_until=consent.valid_until if consent else None,
        days_left=(consent.valid_until - clock.japan_date(now)).days if consent else None,
        twins=[
            Twin(row.id, row.number, row.status, row.sent_at)
            for row in session.scalars(queries.open_twins(actor, draft.person_id, view.to_agency_id))
        ],
        problem=problem,
    )


def basis_of(
    session: Session, actor: Actor, draft: Referral, view: ReferralView
) -> tuple[Consent | None, PortalError | None]:
    """The consent it will rest on, if any, or the problem with its basis."""
    categories = set(view.categories)
    try:
        if view.basis is not Basis.CONSENT:
            check_anonymous_draft(session, actor, draft)
            return None, None
        check_tellable(session, actor, draft, categories)
        consent = standing_consent(session, draft, categories)
    except PortalError as error:
        return None, error
    return consent, None
