"""Drafting a referral: what it will ask and tell, before anything is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.models import Agency, Service
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.codes import Domain
from portal.consents import services as consents
from portal.consents.models import Consent
from portal.db import db, keep_only, new_id
from portal.disclosures.models import Basis
from portal.disclosures.services import known_categories, present_person
from portal.errors import Conflict, Invalid, Lack, NoBasis
from portal.once import claim
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.names import search_key
from portal.policy import Actor, Permission, require
from portal.referrals import holding, queries
from portal.referrals.models import Happening, Referral, ReferralCategory, ReferralEvent, ReferralGoal
from portal.referrals.states import ENDED, ReferralKind, ReferralStatus
from portal.words import N_


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a member of staff means to send. Without `consent_id` the best consent that covers it is taken."""

    person_id: UUID
    to_agency_id: UUID
    kind: ReferralKind
    need: str
    basis: Basis = Basis.CONSENT
    categories: frozenset[Category] = frozenset()
    service_id: UUID | None = None
    consent_id: UUID | None = None
    goals: tuple[tuple[Domain, str], ...] = ()
    appointment_at: datetime | None = None
    appointment_place: str = ""
    anonymous_age_band: str = ""
    part_of_id: UUID | None = None


def check(session: Session, actor: Actor, proposal: Proposal) -> None:
    """Raise `Invalid`, naming the field, unless the proposal holds together."""
    recipient = session.get(Agency, proposal.to_agency_id)
    if recipient is None or not recipient.is_active:
        raise Invalid(N_("つなぎ先の機関を選んでください。"), field="to")
    if recipient.id == actor.agency_id:
        raise Invalid(N_("自分の機関へは送れません。"), field="to")
    service = proposal.service_id and session.get(Service, proposal.service_id)
    if proposal.service_id and (not service or service.agency_id != recipient.id or not service.is_active):
        raise Invalid(N_("支援メニューを選び直してください。"), field="service")
    if not proposal.need:
        raise Invalid(N_("つなぐ理由（お願いしたいこと）を入力してください。"), field="need")
    if proposal.kind is ReferralKind.JOINT_INTERVIEW and not (
        proposal.appointment_at and proposal.appointment_place
    ):
        raise Invalid(N_("同席をお願いする日時と場所を入力してください。"), field="appointment_at")
    if proposal.basis in {Basis.COUNCIL, Basis.EMERGENCY}:
        raise Invalid(N_("この根拠では、つなぎを送れません。"), field="basis")
    if proposal.basis is Basis.ANONYMOUS:
        check_anonymous(session, actor, proposal)
    elif Category.BASIC not in proposal.categories:
        raise Invalid(
            N_(
                "基本情報を含めずに紹介することはできません。名前を伝えずに相談するときは、匿名の助言依頼を使ってください。"
            ),
            field="categories",
        )
    if proposal.part_of_id:
        former = session.scalars(queries.visible(actor).where(Referral.id == proposal.part_of_id)).one()
        if former.from_agency_id != actor.agency_id or former.status not in ENDED:
            raise Conflict(N_("元のつなぎがまだ終わっていないため、つなぎ直せません。"))


def check_anonymous(session: Session, actor: Actor, proposal: Proposal) -> None:
    """Nobody may be able to tell who it is: no category of the file, and no name, address or telephone in words."""
    if proposal.kind is not ReferralKind.ADVICE:
        raise Invalid(N_("匿名で送れるのは助言依頼だけです。"), field="basis")
    if proposal.categories:
        raise Invalid(
            N_("匿名の助言依頼では、情報の区分は提供できません。区分の選択を外してください。"),
            field="categories",
        )
    words = [proposal.need, proposal.appointment_place, *(text for _domain, text in proposal.goals)]
    require_nameless(session, actor, proposal.person_id, " ".join(words), field="need")


def check_anonymous_draft(session: Session, actor: Actor, referral: Referral) -> None:
    """The same, once more at sending: the person may have been named since the draft was written."""
    goals = [goal.text for goal in session.scalars(queries.goals_of(referral.id))]
    words = [referral.need, referral.appointment_place, *goals]
    require_nameless(session, actor, referral.person_id, " ".join(words), field="need")


def require_nameless(session: Session, actor: Actor, person_id: UUID, words: str, *, field: str) -> None:
    """Raise `Invalid` when the words hold the person's name, address, telephone or date of birth.

    Only what the actor may see is looked for: else whoever may not could find it out by guessing.
    """
    if Category.BASIC not in known_categories(session, actor, person_id):
        return
    person = session.scalars(select(Person).where(Person.id == person_id)).one()
    folded = search_key(words)
    given_away = [person.family, person.given, person.family_kana, person.given_kana]
    if person.home_agency_id == actor.agency_id or not person.protected_address:
        given_away += [person.address, person.telephone]
    if person.birth:
        born = person.birth
        given_away += [born.isoformat(), clock.era_date(born), clock.era_short(born)]
        given_away += [f"{born.year}年{born.month}月{born.day}日", f"{born.year}/{born.month}/{born.day}"]
    if any(len(key) > 1 and key in folded for key in map(search_key, filter(None, given_away))):
        raise Invalid(
            N_(
                "匿名の依頼に、氏名・住所・電話番号・生年月日のいずれかが含まれています。取り除いてください。"
            ),
            field=field,
            lack=Lack.NAMED,
            person_id=person_id,
        )


def choose_consent(session: Session, proposal: Proposal) -> Consent | None:
    """The consent the referral will rest on, or none yet: a draft may wait for the person's yes."""
    if proposal.basis is not Basis.CONSENT:
        return None
    try:
        return consents.cover(
            session,
            person_id=proposal.person_id,
            recipient_id=proposal.to_agency_id,
            categories=proposal.categories,
            consent_id=proposal.consent_id,
        )
    except NoBasis:
        return None


def write(session: Session, referral: Referral, proposal: Proposal) -> None:
    """Put the proposal's words, categories and goals on the draft."""
    consent = choose_consent(session, proposal)
    referral.apply(
        person_id=proposal.person_id,
        to_agency_id=proposal.to_agency_id,
        service_id=proposal.service_id,
        kind=proposal.kind,
        basis=proposal.basis,
        consent_id=consent.id if consent else None,
        need=proposal.need,
        anonymous_age_band=proposal.anonymous_age_band if proposal.basis is Basis.ANONYMOUS else "",
        appointment_at=proposal.appointment_at,
        appointment_place=proposal.appointment_place,
        part_of_id=proposal.part_of_id,
    )
    session.add(referral)
    session.flush()
    keep_only(session, ReferralCategory, "category", proposal.categories, referral_id=referral.id)


def write_goals(session: Session, actor: Actor, referral: Referral, proposal: Proposal) -> None:
    wanted = [(domain, text) for domain, text in proposal.goals if text]
    kept = {(g.domain, g.text): g for g in session.scalars(queries.goals_of(referral.id))}
    for key, goal in kept.items():
        if key not in wanted:
            audit.record(AuditEvent.REFERRAL_EDITED, goal, actor=actor, person_id=referral.person_id)
            session.delete(goal)
    for domain, text in wanted:
        if (domain, text) not in kept:
            goal = ReferralGoal(referral_id=referral.id, domain=domain, text=text)
            session.add(goal)
            audit.record(AuditEvent.REFERRAL_EDITED, goal, actor=actor, person_id=referral.person_id)


def draft(actor: Actor, proposal: Proposal, *, idempotency_key: str | None = None) -> UUID:
    """Write a draft, which only its own agency sees; returns its id.

    Raises:
        Invalid: the proposal contradicts itself.
        NoResultFound: no such person that this actor may know of.
    """
    require(actor, Permission.CASEWORK)
    referral_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, referral_id):
            return earlier
        present_person(session, actor, proposal.person_id)
        check(session, actor, proposal)
        assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
        referral = Referral(
            id=referral_id,
            from_agency_id=actor.agency_id,
            created_by_id=actor.staff_id,
            status=ReferralStatus.DRAFT,
            listed_at=clock.now(),
            version=1,
        )
        write(session, referral, proposal)
        write_goals(session, actor, referral, proposal)
        session.add(
            ReferralEvent(
                referral_id=referral_id,
                agency_id=actor.agency_id,
                staff_id=actor.staff_id,
                what=Happening.DRAFTED,
            )
        )
        audit.record(
            AuditEvent.REFERRAL_DRAFTED,
            referral,
            actor=actor,
            person_id=proposal.person_id,
            categories=proposal.categories,
            ground=proposal.basis,
            need=proposal.need,
        )
    return referral_id


def edit(actor: Actor, referral_id: UUID, proposal: Proposal, *, version: int | None = None) -> None:
    """Change a draft.

    Raises:
        Conflict: it has been sent already.
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        referral = holding.locked(session, actor, referral_id)
        require(actor, Permission.REFERRAL_SEND, referral)
        if referral.status is not ReferralStatus.DRAFT:
            raise Conflict(N_("送付した後は変更できません。連絡で伝えるか、取り下げて送り直してください。"))
        present_person(session, actor, proposal.person_id)
        check(session, actor, proposal)
        referral.advance(version)
        write(session, referral, proposal)
        write_goals(session, actor, referral, proposal)
        audit.record(
            AuditEvent.REFERRAL_EDITED,
            referral,
            actor=actor,
            person_id=referral.person_id,
            categories=proposal.categories,
            ground=proposal.basis,
            need=proposal.need,
        )
