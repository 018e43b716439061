"""Records for tests, made by the services that make them in an office; override what the test is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from portal.accounts.models import Membership, Staff
from portal.accounts.passwords import hashing
from portal.agencies.models import Agency, AgencyKind, Room, Service
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import services as cases
from portal.cases.codes import Method, Outcome, Score
from portal.consents.models import ConsentMethod
from portal.consents.services import ConsentTerms
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.people import services as people
from portal.people.categories import Category
from portal.people.services import Basics
from portal.referrals import drafts
from portal.referrals import queries as referral_queries
from portal.referrals.drafts import Proposal
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, ReferralKind, ReferralStatus, Refusal
from portal.transfers import services as transfers
from tests.browsers import PASSWORD

serial = count(1)
KANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ"
A, S = ReferralAction, ReferralStatus

# How a referral comes to where the test wants it.
PATHS: dict[ReferralStatus, tuple[ReferralAction, ...]] = {
    S.DRAFT: (),
    S.REQUESTED: (A.SEND,),
    S.ACCEPTED: (A.SEND, A.ACCEPT),
    S.REJECTED: (A.SEND, A.REJECT),
    S.IN_PROGRESS: (A.SEND, A.ACCEPT, A.START),
    S.ON_HOLD: (A.SEND, A.ACCEPT, A.START, A.HOLD),
    S.COMPLETED: (A.SEND, A.ACCEPT, A.START, A.COMPLETE),
    S.FAILED: (A.SEND, A.ACCEPT, A.START, A.FAIL),
    S.CANCELLED: (A.SEND, A.CANCEL),
    S.ENTERED_IN_ERROR: (A.SEND, A.CORRECT),
}
BY_SENDER = {A.SEND, A.CANCEL, A.CORRECT}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff whose password is `PASSWORD`."""

    actor: Actor
    email: str

    @property
    def staff_id(self) -> UUID:
        return self.actor.staff_id

    @property
    def agency_id(self) -> UUID | None:
        return self.actor.agency_id


@cache
def password_hash() -> str:
    return hashing.hash(PASSWORD)


def short_name(n: int) -> str:
    """Three characters at most, as the portal asks; the same again after two thousand agencies."""
    return "見" + KANA[n // len(KANA) % len(KANA)] + KANA[n % len(KANA)]


def make_agency(**values: Any) -> Agency:
    """An agency, open every day of the week unless told otherwise."""
    n = next(serial)
    defaults = {"name": f"見本機関{n}", "short_name": short_name(n), "kind": AgencyKind.OTHER}
    with db.transaction() as session:
        agency = Agency(**defaults | values)
        session.add(agency)
        audit.record(AuditEvent.AGENCY_CREATED, agency, actor=None, channel="command")
    return agency


def make_service(agency: Agency | UUID, **values: Any) -> UUID:
    defaults = {"name": f"見本メニュー{next(serial)}", "room": Room.OPEN, "room_as_of": clock.today()}
    with db.transaction() as session:
        service = Service(agency_id=id_of(agency), **defaults | values)
        session.add(service)
        audit.record(AuditEvent.SERVICE_UPDATED, service, actor=None, channel="command")
    return service.id


def make_member(
    agency: Agency | UUID | None = None, role: Role = Role.STAFF, administers: bool = False, **staff: Any
) -> Member:
    """A member of staff, of a new agency unless one is given; auditors and system administrators of none."""
    n = next(serial)
    if agency is None and role not in {Role.AUDITOR, Role.SYSTEM_ADMIN}:
        agency = make_agency()
    defaults = {"email": f"staff{n}@example.jp", "name": f"職員 {n}", "password_hash": password_hash()}
    with db.transaction() as session:
        home = session.get(Agency, id_of(agency)) if agency else None
        person = Staff(**defaults | staff)
        session.add(person)
        session.flush()
        membership = Membership(
            staff_id=person.id, agency_id=home and home.id, role=role, administers=administers
        )
        session.add(membership)
        audit.record(AuditEvent.STAFF_JOINED, person, actor=None, channel="command")
        audit.record(AuditEvent.STAFF_JOINED, membership, actor=None, channel="command")
    actor = Actor(
        staff_id=person.id,
        membership_id=membership.id,
        name=person.name,
        role=role,
        agency_id=membership.agency_id,
        agency_name=home.name if home else "",
        administers=administers,
    )
    return Member(actor, person.email)


def id_of(agency: Agency | Member | UUID | None) -> UUID:
    """The id of an agency, given as itself, as one of its members, or as the id."""
    found = agency if isinstance(agency, UUID) else agency.id if isinstance(agency, Agency) else None
    found = agency.agency_id if isinstance(agency, Member) else found
    assert found, "this one belongs to no agency"
    return found


def make_person(member: Member, **basics: Any) -> UUID:
    """A person on the record of the member's agency, with a name unless a `pseudonym` is given."""
    named = {"family": "見本", "given": "花子", "family_kana": "みほん", "given_kana": "はなこ"}
    return people.register(member.actor, Basics(**({} if "pseudonym" in basics else named) | basics))


def make_consent(
    member: Member,
    person_id: UUID,
    recipients: Iterable[Agency | Member | UUID],
    categories: Collection[Category | str] = (Category.BASIC,),
    until: date | None = None,
    **terms: Any,
) -> UUID:
    """A written consent, from today for half a year unless told otherwise."""
    today = clock.today()
    given: dict[str, Any] = {
        "valid_from": today,
        "valid_until": until or today + timedelta(days=180),
        "method": ConsentMethod.WRITTEN,
        "purpose": "支援の調整のため",
    }
    whole = ConsentTerms(
        recipients=frozenset(id_of(one) for one in recipients),
        categories=frozenset(Category(one) for one in categories),
        **given | terms,
    )
    return disclosures.record_consent(member.actor, person_id, whole)


def make_referral(
    sender: Member,
    recipient: Member,
    *,
    status: ReferralStatus | str = ReferralStatus.REQUESTED,
    kind: ReferralKind | str = ReferralKind.REFERRAL,
    person_id: UUID | None = None,
    categories: Collection[Category | str] = (Category.BASIC,),
    basis: Basis | str = Basis.CONSENT,
    **proposal: Any,
) -> UUID:
    """A referral that has walked to `status`; the person and the consent are made when they are wanted."""
    kind, basis = ReferralKind(kind), Basis(basis)
    if person_id is None:
        person_id = make_person(sender)
    if basis is Basis.ANONYMOUS:
        categories = ()
    elif "consent_id" not in proposal:
        proposal["consent_id"] = make_consent(sender, person_id, [recipient], categories)
    if kind is ReferralKind.JOINT_INTERVIEW:
        proposal.setdefault("appointment_at", clock.now() + timedelta(days=7))
        proposal.setdefault("appointment_place", "市役所 2階 相談室")
    referral_id = drafts.draft(
        sender.actor,
        Proposal(
            **{
                "person_id": person_id,
                "to_agency_id": id_of(recipient),
                "kind": kind,
                "need": "働く準備を始めたい",
                "basis": basis,
                "categories": frozenset(Category(one) for one in categories),
                **proposal,
            }
        ),
    )
    for action in PATHS[ReferralStatus(status)]:
        step(sender if action in BY_SENDER else recipient, referral_id, action)
    return referral_id


def step(member: Member, referral_id: UUID, action: ReferralAction | str, **answer: Any) -> None:
    """One step of the flow with everything that the step asks for."""
    action = ReferralAction(action)
    wanted: dict[str, Any] = {}
    if action is A.ACCEPT:
        wanted["opens_case"] = True
    if action in {A.REJECT, A.HOLD, A.FAIL, A.CANCEL, A.CORRECT, A.AMEND}:
        wanted["text"] = "見本の理由"
    if action is A.REJECT:
        wanted["refusal"] = Refusal.NO_CAPACITY
    if action is A.START:
        wanted["first_contact_on"] = clock.today()
    if action in {A.COMPLETE, A.AMEND}:
        goals = db.read.scalars(referral_queries.goals_of(referral_id)).all()
        wanted |= {"outcome": Outcome.IMPROVED, "scores": {goal.id: Score.ACHIEVED for goal in goals}}
        db.end()
    transfers.perform(member.actor, action, referral_id, Answer(**wanted | answer))


def make_case(member: Member, person_id: UUID | None = None, **values: Any) -> UUID:
    """An open case of the member's agency."""
    return cases.open_case(member.actor, person_id or make_person(member), **values)


def make_note(member: Member, case_id: UUID | None = None, **values: Any) -> UUID:
    defaults: dict[str, Any] = {
        "method": Method.VISIT,
        "category": Category.LIFE_HISTORY,
        "text": "ドアの前で少し話した。",
    }
    return cases.write_note(member.actor, case_id or make_case(member), **defaults | values)
