"""Drafting a referral: its choices, what it will ask and disclose, and whether it may be sent as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.accounts.models import Staff
from portal.agencies.calendar import NeverOpen, OpeningDays
from portal.agencies.models import Agency, Room, Service
from portal.agencies.queries import availability_on, opening_days_by_agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.codes import Domain
from portal.consents import services as consents
from portal.consents.models import Consent, ConsentCategory
from portal.core import clock
from portal.core.db import db, keep_only, new_id
from portal.core.errors import Conflict, Invalid, Lack, NoBasis
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures import consents as disclosure_consents
from portal.disclosures.models import Basis
from portal.disclosures.services import known_categories, present_person
from portal.people.categories import Category
from portal.people.models import Information, Person
from portal.people.names import search_key
from portal.referrals import queries
from portal.referrals.models import Referral, ReferralCategory, ReferralEvent, ReferralGoal, TimelineEvent
from portal.referrals.states import ENDED, ReferralKind, ReferralStatus
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a member of staff wants to send. Without `consent_id` the best consent that covers it is taken."""

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
    """Raise if anybody could tell who it is: by a filed category, or a name, address or telephone typed."""
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
    """The same check at sending: the person may have been named since the draft was written."""
    goals = [goal.text for goal in session.scalars(queries.goals_of(referral.id))]
    words = [referral.need, referral.appointment_place, *goals]
    require_nameless(session, actor, referral.person_id, " ".join(words), field="need")


def require_nameless(session: Session, actor: Actor, person_id: UUID, words: str, *, field: str) -> None:
    """Raise `Invalid` when the words hold the person's name, address, telephone or date of birth.

    Only what the actor may see is compared: else an actor who may not could find it out by guessing.
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
    """The consent the referral will rest on; None while a draft waits for the person's consent."""
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
    """Write the proposal's words, categories and goals to the draft."""
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
                what=TimelineEvent.DRAFTED,
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
        referral = queries.locked(session, actor, referral_id)
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


# What one chooses from when drafting a referral: agencies with their room, and consents that stand.


@dataclass(frozen=True, slots=True)
class Offer:
    """A service of an agency (支援メニュー), as one line of a choice."""

    id: UUID
    name: str
    for_whom: str
    room: Room
    room_as_of: date


@dataclass(frozen=True, slots=True)
class Recipient:
    """An agency to send to: whether it is open today and, if not, when again (`None`: not within a year)."""

    id: UUID
    name: str
    telephone: str
    is_active: bool
    is_open_today: bool
    next_open: date | None
    offers: tuple[Offer, ...]
    days: OpeningDays

    @property
    def never_opens(self) -> bool:
        return not self.is_open_today and self.next_open is None

    @property
    def is_full(self) -> bool:
        """Whether it has services, and none of them has room."""
        return bool(self.offers) and all(offer.room is Room.FULL for offer in self.offers)

    def offer(self, service_id: UUID | None) -> Offer | None:
        return next((offer for offer in self.offers if offer.id == service_id), None)

    def deadline(self, days: int) -> date | None:
        """The last of this many business days from today; None when the agency never opens."""
        try:
            return self.days.add_business_days(clock.today(), days)
        except NeverOpen:
            return None


@dataclass(frozen=True, slots=True)
class Cover:
    """A consent that stands: recipients, categories, and its last day."""

    id: UUID
    recipients: tuple[str, ...]
    categories: tuple[Category, ...]
    valid_until: date
    days_left: int


def recipients(session: Session, actor: Actor, *, only: UUID | None = None) -> list[Recipient]:
    """The agencies that the actor's own may send to, by name; three statements for all of them."""
    statement = select(Agency).where(Agency.id != actor.agency_id).order_by(Agency.name, Agency.id)
    statement = statement.where(Agency.id == only) if only else statement.where(Agency.is_active)
    agencies = session.scalars(statement).all()
    services = select(Service).where(Service.is_active).order_by(Service.created_at, Service.id)
    offers: dict[UUID, list[Offer]] = defaultdict(list)
    for s in session.scalars(services.where(Service.agency_id == only) if only else services):
        offers[s.agency_id].append(Offer(s.id, s.name, s.for_whom, s.room, s.room_as_of))
    days = opening_days_by_agency(session, agencies)
    return [recipient_of(agency, days[agency.id], tuple(offers[agency.id])) for agency in agencies]


def recipient_of(agency: Agency, days: OpeningDays, offers: tuple[Offer, ...]) -> Recipient:
    today = availability_on(days, agency, None, clock.today())
    return Recipient(
        id=agency.id,
        name=agency.name,
        telephone=agency.telephone,
        is_active=agency.is_active,
        is_open_today=not today.closed_today,
        next_open=today.next_open_day,
        offers=offers,
        days=days,
    )


def covers(session: Session, actor: Actor, person_id: UUID, now: datetime) -> list[Cover]:
    """The consents of this person that stand and that this reader may see, the longest first."""
    rows = [
        r for r in disclosure_consents.of_person(session, actor, person_id, now) if r.stands and r.recipients
    ]
    told: dict[UUID, set[Category]] = {}
    statement = select(ConsentCategory.consent_id, ConsentCategory.category)
    for consent_id, category in session.execute(
        statement.where(ConsentCategory.consent_id.in_([row.id for row in rows]))
    ):
        told.setdefault(consent_id, set()).add(category)
    return [
        Cover(
            id=row.id,
            recipients=row.recipients,
            categories=tuple(c for c in Category if c in told.get(row.id, set())),
            valid_until=row.valid_until,
            days_left=row.days_left,
        )
        for row in rows
    ]


def colleagues(session: Session, agency_id: UUID, person_id: UUID | None) -> Sequence[Any]:
    """The staff of this agency, by name, who may look after a referral.

    Without those excluded from the person's affairs, if this reader may know whom it is about.
    """
    everybody = accounts.colleagues(agency_id, clock.today())
    return session.execute(everybody.where(~predicates.is_staff_excluded(Staff.id, person_id))).all()


# Whether a draft may be sent as it stands: on which consent, and whether the sender may disclose all of it.


def standing_consent(session: Session, referral: Referral, categories: set[Category]) -> Consent:
    """The consent on which a draft can be sent now: its own or, if that has ended, another.

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
    """Raise unless the sender may see all it is about to disclose, and a transfer leaves nothing behind."""
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


# A draft that waits for the consent it needs: what the consent must name.


@dataclass(frozen=True, slots=True)
class WaitingDraft:
    id: UUID
    to_agency_id: UUID
    categories: list[str]


def waiting_draft(
    session: Session, actor: Actor, person_id: UUID, referral_id: UUID | None
) -> WaitingDraft | None:
    """This draft of the reader's agency, if it is one and about this person."""
    row = session.scalars(
        queries.visible(actor).where(
            Referral.id == referral_id,
            Referral.person_id == person_id,
            Referral.status == ReferralStatus.DRAFT,
            Referral.basis == Basis.CONSENT,
        )
    ).one_or_none()
    if row is None:
        return None
    told = select(ReferralCategory.category).where(ReferralCategory.referral_id == row.id)
    return WaitingDraft(row.id, row.to_agency_id, [one.value for one in session.scalars(told)])
