"""Recording a consent, and taking one back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents import queries
from portal.consents.models import Consent, ConsentCategory, ConsentMethod, ConsentRecipient, Withdrawal
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, Lack, NoBasis, NotOffered
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.people.categories import Category
from portal.people.models import Person


@dataclass(frozen=True, slots=True)
class ConsentTerms:
    """What the person agreed to, and how. `given_by_relation` is empty when the person gave it."""

    recipients: frozenset[UUID]
    categories: frozenset[Category]
    valid_from: date
    valid_until: date
    method: ConsentMethod
    purpose: str
    given_by_name: str = ""
    given_by_relation: str = ""
    witness: str = ""
    form_version: str = ""
    kept_at: str = ""


def lock_person(session: Session, person_id: UUID) -> Person:
    """The person, locked until the transaction ends, so that a disclosure and a withdrawal never overlap."""
    return session.scalars(select(Person).where(Person.id == person_id).with_for_update()).one()


def check(terms: ConsentTerms, *, agency_id: UUID | None) -> None:
    """Raise `Invalid`, naming the field, unless the terms hold together."""
    if not terms.recipients:
        raise Invalid(N_("提供先の機関を選んでください。"), field="recipients")
    if agency_id in terms.recipients:
        raise Invalid(N_("自分の機関は提供先に含められません。"), field="recipients")
    if not terms.categories:
        raise Invalid(N_("提供する情報の区分を選んでください。"), field="categories")
    if terms.valid_from > clock.today():
        raise Invalid(N_("同意日に先の日付は入力できません。"), field="valid_from")
    if terms.valid_until < terms.valid_from:
        raise Invalid(N_("終了日は同意日以後の日付にしてください。"), field="valid_until")
    if terms.valid_until < clock.today():
        raise Invalid(N_("終了日がすでに過ぎています。今日以後の日付にしてください。"), field="valid_until")
    if terms.method is ConsentMethod.ORAL and not terms.witness:
        raise Invalid(N_("口頭の同意には立会人の氏名が必要です。"), field="witness")
    if terms.given_by_relation and not terms.given_by_name:
        raise Invalid(N_("代理の方の氏名を入力してください。"), field="given_by_name")
    if not terms.purpose:
        raise Invalid(N_("利用目的を入力してください。"), field="purpose")


def record(
    actor: Actor,
    person: Person,
    terms: ConsentTerms,
    *,
    replaces: UUID | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Append a consent of a person whom the caller has found through the wall; returns its id.

    Raises:
        Invalid: the terms contradict each other or the calendar.
        NotAllowed: the actor does no casework.
    """
    require(actor, Permission.CONSENT_RECORD)
    check(terms, agency_id=actor.agency_id)
    consent_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, consent_id):
            return earlier
        if not person.is_identified:
            raise Conflict(
                N_("仮名のままでは本人の同意を記録できません。本人の同意を得て氏名を登録してください。")
            )
        known = session.scalars(select(Agency.id).where(Agency.id.in_(terms.recipients))).all()
        if len(known) != len(terms.recipients):
            raise NotOffered(
                N_("提供先の機関を選び直してください。"), field="recipients", person_id=person.id
            )
        consent = Consent(
            id=consent_id,
            person_id=person.id,
            agency_id=actor.agency_id,
            recorded_by_id=actor.staff_id,
            given_by_name=terms.given_by_name,
            given_by_relation=terms.given_by_relation,
            method=terms.method,
            witness=terms.witness,
            form_version=terms.form_version,
            kept_at=terms.kept_at,
            purpose=terms.purpose,
            valid_from=terms.valid_from,
            valid_until=terms.valid_until,
            replaces_id=replaces,
        )
        session.add(consent)
        session.flush()
        session.add_all(ConsentRecipient(consent_id=consent_id, agency_id=a) for a in terms.recipients)
        session.add_all(ConsentCategory(consent_id=consent_id, category=c) for c in terms.categories)
        audit.record(
            AuditEvent.CONSENT_RECORDED,
            consent,
            actor=actor,
            person_id=person.id,
            categories=terms.categories,
            ground="consent",
            recipients=terms.recipients,
            valid_until=terms.valid_until,
            method=terms.method,
            witness=terms.witness,
            replaces=replaces,
        )
    return consent_id


def withdraw(
    actor: Actor,
    consent_id: UUID,
    *,
    recipients: Collection[UUID] = (),
    reason: str = "",
    idempotency_key: str | None = None,
) -> None:
    """Take a consent back, for these recipients or, when none is named, for all. It acts at once.

    The caller has found the consent through the wall.

    Raises:
        Conflict: it was withdrawn already, or renewed: then the newer one is in force.
        Invalid: a named recipient is not one of this consent.
    """
    require(actor, Permission.CONSENT_WITHDRAW)
    with db.transaction() as session:
        consent = session.scalars(select(Consent).where(Consent.id == consent_id)).one()
        lock_person(session, consent.person_id)
        if claim(actor, idempotency_key, consent_id):
            return
        if session.scalar(select(Consent.id).where(Consent.replaces_id == consent_id)):
            raise Conflict(N_("この同意は更新されています。更新後の同意を開いて撤回してください。"))
        named = set(session.scalars(queries.recipients_of(consent_id)))
        if set(recipients) - named:
            raise NotOffered(
                N_("この同意に含まれていない機関です。"),
                field="recipients",
                about=("consent", consent_id),
                person_id=consent.person_id,
            )
        done = {w.recipient_id for w in session.scalars(queries.withdrawals_of(consent_id))}
        if None in done or (recipients and set(recipients) <= done):
            raise Conflict(N_("この同意はすでに撤回されています。"))
        whole = not recipients or set(recipients) | done >= named
        for recipient_id in [None] if whole else sorted(set(recipients) - done):
            row = Withdrawal(
                consent_id=consent_id,
                recipient_id=recipient_id,
                agency_id=actor.agency_id,
                recorded_by_id=actor.staff_id,
                withdrawn_at=clock.now(),
                reason=reason,
            )
            session.add(row)
            audit.record(
                AuditEvent.CONSENT_WITHDRAWN,
                row,
                actor=actor,
                person_id=consent.person_id,
                ground="consent",
                consent=consent_id,
                recipient=recipient_id,
                reason=reason,
            )


def cover(
    session: Session,
    *,
    person_id: UUID,
    recipient_id: UUID,
    categories: Collection[Category],
    consent_id: UUID | None = None,
) -> Consent:
    """The live consent that covers the disclosure of these categories to this recipient.

    Raises:
        NoBasis: there is none; the message says what is missing and the field where to mend it.
    """
    found = [
        c
        for c in session.scalars(queries.covering(person_id, recipient_id, clock.today()))
        if consent_id in {None, c.id}
    ]
    if not found:
        raise NoBasis(
            N_("この機関への提供について、有効な本人の同意がありません。同意を記録してから送ってください。"),
            field="to",
            lack=queries.what_lacks(session, person_id, recipient_id),
            person_id=person_id,
            categories=categories,
        )
    missing: set[Category] = set(categories)
    for consent in found:
        missing = set(categories) - set(session.scalars(queries.categories_of(consent.id)))
        if not missing:
            return consent
    raise NoBasis(
        N_("「%(category)s」は同意に含まれていません。区分を外すか、同意を取り直してください。"),
        field="categories",
        lack=Lack.CATEGORY,
        person_id=person_id,
        categories=missing,
        category=min(missing, key=list(Category).index),
    )
