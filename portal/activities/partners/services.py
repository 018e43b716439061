"""Keeping partners (協力先): adding and changing one, ending it and taking that back; signing and striking agreements."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.activities.kinds import Offer
from portal.activities.models import Agreement, Partner
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require


@dataclass(frozen=True, slots=True)
class PartnerFacts:
    """What is known of a partner, as typed."""

    name: str
    offers: frozenset[Offer] = frozenset()
    about: str = ""
    contact_name: str = ""
    telephone: str = ""
    email: str = ""
    address: str = ""

    def columns(self) -> dict[str, Any]:
        return asdict(self) | {"offers": [one.value for one in Offer if one in self.offers]}


def kept_by(session: Session, actor: Actor, partner_id: UUID) -> Partner:
    """The partner, locked, for the agency that keeps it.

    Raises:
        NoResultFound: there is none.
        NotAllowed: another agency keeps it.
    """
    require(actor, Permission.CASEWORK)
    statement = select(Partner).where(Partner.id == partner_id).with_for_update()
    partner = session.scalars(statement, execution_options={"populate_existing": True}).one()
    require(actor, Permission.PARTNER_EDIT, partner)
    return partner


def check(session: Session, facts: PartnerFacts, partner_id: UUID | None = None) -> None:
    """Raise `Invalid` unless it has a name that no other partner has."""
    if not facts.name:
        raise Invalid(N_("協力先の名前を入力してください。"), field="name")
    same = select(Partner.id).where(Partner.name == facts.name, Partner.id != partner_id)
    if session.scalars(same.limit(1)).first() is not None:
        raise Invalid(
            N_("同じ名前の協力先がすでに登録されています。支店などは、区別できる名前にしてください。"),
            field="name",
        )


def add(
    actor: Actor,
    facts: PartnerFacts,
    *,
    added_on: date | None = None,
    signed_on: date | None = None,
    valid_until: date | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Add a partner, with its first agreement when one was signed; returns the partner's id.

    Raises:
        Invalid: no name, a name that is taken, a day to come, or an agreement that ends before it begins.
    """
    require(actor, Permission.CASEWORK)
    partner_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, partner_id):
            return earlier
        check(session, facts)
        added_on = added_on or clock.today()
        if added_on > clock.today():
            raise Invalid(N_("今日より後の日付は入力できません。日付を確かめてください。"), field="added_on")
        if valid_until and not signed_on:
            raise Invalid(N_("協定を結んだ日を入力してください。"), field="signed_on")
        assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
        partner = Partner(id=partner_id, agency_id=actor.agency_id, added_on=added_on, **facts.columns())
        session.add(partner)
        audit.record(AuditEvent.PARTNER_ADDED, partner, actor=actor, added_on=added_on, **facts.columns())
        if signed_on:
            add_agreement(session, actor, partner, signed_on, valid_until, new_id())
    return partner_id


def change(actor: Actor, partner_id: UUID, facts: PartnerFacts, *, version: int | None = None) -> None:
    """Correct what is known of it.

    Raises:
        NotAllowed: another agency keeps it.
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        partner = kept_by(session, actor, partner_id)
        partner.advance(version)
        check(session, facts, partner_id)
        changes = partner.apply(**facts.columns())
        audit.record(AuditEvent.PARTNER_CHANGED, partner, actor=actor, changes=changes)


def end(actor: Actor, partner_id: UUID, ended_on: date | None = None, *, version: int | None = None) -> None:
    """Mark that the partner takes nobody any more; its past activities stay.

    Raises:
        Conflict: it has ended already.
        Invalid: the day lies before it was added, or in the future.
    """
    ended_on = ended_on or clock.today()
    with db.transaction() as session:
        partner = kept_by(session, actor, partner_id)
        partner.advance(version)
        if partner.ended_on is not None:
            raise Conflict(N_("この協力先は、すでに受け入れを終えています。"))
        if not partner.added_on <= ended_on <= clock.today():
            raise Invalid(
                N_("受け入れを終えた日は、登録日から今日までの日付にしてください。"), field="ended_on"
            )
        changes = partner.apply(ended_on=ended_on)
        audit.record(AuditEvent.PARTNER_CHANGED, partner, actor=actor, changes=changes)


def take_up_again(actor: Actor, partner_id: UUID, *, version: int | None = None) -> None:
    """Undo the end of a partner.

    Raises:
        Conflict: it has not ended.
    """
    with db.transaction() as session:
        partner = kept_by(session, actor, partner_id)
        partner.advance(version)
        if partner.ended_on is None:
            raise Conflict(N_("この協力先は、いまも受け入れを続けています。"))
        changes = partner.apply(ended_on=None)
        audit.record(AuditEvent.PARTNER_CHANGED, partner, actor=actor, changes=changes)


def sign(
    actor: Actor,
    partner_id: UUID,
    signed_on: date,
    valid_until: date | None = None,
    *,
    idempotency_key: str | None = None,
) -> UUID:
    """Add an agreement, the first or a renewal; `valid_until` is its last day. Returns its id.

    Raises:
        NotAllowed: another agency keeps the partner.
        Invalid: it was signed in the future, or ends before it begins.
    """
    agreement_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, agreement_id):
            return earlier
        partner = kept_by(session, actor, partner_id)
        add_agreement(session, actor, partner, signed_on, valid_until, agreement_id)
    return agreement_id


def add_agreement(
    session: Session,
    actor: Actor,
    partner: Partner,
    signed_on: date,
    valid_until: date | None,
    agreement_id: UUID,
) -> None:
    if signed_on > clock.today():
        raise Invalid(N_("今日より後の日付は入力できません。日付を確かめてください。"), field="signed_on")
    if valid_until and valid_until < signed_on:
        raise Invalid(N_("有効期限は、協定を結んだ日以後の日付にしてください。"), field="valid_until")
    agreement = Agreement(
        id=agreement_id,
        partner_id=partner.id,
        agency_id=partner.agency_id,
        signed_on=signed_on,
        valid_until=valid_until,
    )
    session.add(agreement)
    audit.record(
        AuditEvent.AGREEMENT_SIGNED,
        agreement,
        actor=actor,
        partner=partner.id,
        signed_on=signed_on,
        valid_until=valid_until,
    )


def strike_agreement(actor: Actor, partner_id: UUID, agreement_id: UUID) -> None:
    """Strike out an agreement that was entered by mistake: it counts nowhere.

    Raises:
        NoResultFound: none with this partner.
        NotAllowed: another agency keeps the partner.
        Conflict: it is struck out already.
    """
    with db.transaction() as session:
        partner = kept_by(session, actor, partner_id)
        statement = select(Agreement).where(Agreement.id == agreement_id, Agreement.partner_id == partner.id)
        options = {"populate_existing": True}
        agreement = session.scalars(statement.with_for_update(), execution_options=options).one()
        if agreement.struck_at is not None:
            raise Conflict(N_("この協定はすでに取り消されています。"))
        agreement.struck_at = clock.now()
        audit.record(AuditEvent.AGREEMENT_STRUCK, agreement, actor=actor, partner=partner.id)
