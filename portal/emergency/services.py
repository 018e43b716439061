"""Asking for emergency access, opening it, giving it back; the second person's word, and the review afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, Staff
from portal.accounts.queries import CASEWORKERS
from portal.accounts.signing_in import OwnPassword, confirm
from portal.agencies.calendar import CalendarProblem
from portal.agencies.models import Agency
from portal.agencies.queries import opening_days
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.configuration import queries as settings
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, Lack, NotAllowed
from portal.core.idempotency import claim, made_by
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis, Channel
from portal.emergency import queries
from portal.emergency import search as searching
from portal.emergency.models import Emergency, EmergencyAccess, EmergencyNotice, Finding
from portal.emergency.queries import AccessView, Box
from portal.emergency.search import Wanted
from portal.emergency.states import LASTS, WAITS, State, state_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates

LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: the person (by what was typed to find them), why, and which categories."""

    wanted: Wanted
    person_id: UUID
    reason: Emergency
    text: str
    categories: frozenset[Category]

    @property
    def opened(self) -> list[Category]:
        """The categories to open: basic information always, as nobody can recognise the person without it."""
        return [c for c in Category if c is Category.BASIC or c in self.categories]


def ask(actor: Actor, wish: Wish, own: OwnPassword, *, idempotency_key: str | None = None) -> UUID:
    """Open the record for an hour, or, where a second person is needed, ask for it; returns the access's id.

    Raises:
        Invalid: something is missing, or the password is wrong.
        TooSoon: too many wrong passwords.
        NoResultFound: nobody fits what was typed, or nobody whom this member may be shown.
    """
    require(actor, Permission.EMERGENCY_USE)
    check(wish)
    confirm(actor, own)
    return file(actor, wish, idempotency_key=idempotency_key)


def check(wish: Wish) -> None:
    if not wish.text.strip():
        raise Invalid(N_("だれから何を聞き、なぜ同意を待てないかを書いてください。"), field="text")
    if len(wish.text) > LONGEST_TEXT:
        raise Invalid(N_("2000文字以内で入力してください。"), field="text")
    if not wish.categories:
        raise Invalid(N_("必要な区分を一つ以上選んでください。"), field="categories")


def file(actor: Actor, wish: Wish, *, idempotency_key: str | None = None) -> UUID:
    """`ask`, of somebody whose password was confirmed (or whose act a scenario replays)."""
    require(actor, Permission.EMERGENCY_USE)
    check(wish)
    assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
    with db.transaction() as session:
        searching.hold_member(session, actor.staff_id)
        if earlier := made_by(session, actor, idempotency_key):
            return earlier
        found = searching.fitting(wish.wanted).where(Person.id == wish.person_id)
        person = session.scalars(found.with_for_update(of=Person)).one()
        fits = {match.person_id: match for match in searching.matches(session, actor, wish.wanted)}
        if person.id not in fits:
            raise NoResultFound
        if fits[person.id].sees_all:
            raise Conflict(N_("この人の情報は、すでに見られます。緊急閲覧は要りません。"))
        now = clock.now()
        if running := already(session, actor, wish, now):
            claim(actor, idempotency_key, running)
            return running
        access = EmergencyAccess(
            id=new_id(),
            created_at=now,
            person_id=person.id,
            home_agency_id=person.home_agency_id,
            agency_id=actor.agency_id,
            staff_id=actor.staff_id,
            reason=wish.reason,
            text=wish.text,
            categories=[category.value for category in wish.opened],
            needs_second=person.protected_address or not may_alone(session, actor, now),
        )
        claim(actor, idempotency_key, access.id)
        session.add(access)
        audit.record(
            AuditEvent.EMERGENCY_ASKED,
            access,
            actor=actor,
            person_id=person.id,
            categories=wish.opened,
            ground=Basis.EMERGENCY,
            reason=wish.reason,
            text=wish.text,
            consent_cannot_be_had=True,
            second_person=access.needs_second,
        )
        if not access.needs_second:
            open_record(session, actor, access)
        return access.id


def already(session: Session, actor: Actor, wish: Wish, now: datetime) -> UUID | None:
    """What this member has open of this person, or has asked for and waits for, if it covers this wish."""
    mine = select(EmergencyAccess).where(
        EmergencyAccess.staff_id == actor.staff_id,
        EmergencyAccess.person_id == wish.person_id,
        EmergencyAccess.agency_id == actor.agency_id,
        EmergencyAccess.declined_at.is_(None),
        EmergencyAccess.ended_at.is_(None),
        EmergencyAccess.created_at > now - WAITS - LASTS,
    )
    for access in session.scalars(mine):
        waits = access.starts_at is None and now < access.created_at + WAITS
        lives = access.ends_at is not None and now < access.ends_at
        if (waits or lives) and {category.value for category in wish.opened} <= set(access.categories):
            return access.id
    return None


def may_alone(session: Session, actor: Actor, now: datetime) -> bool:
    """Whether this use needs no second person yet; locks the member's row."""
    used = select(func.count()).where(
        EmergencyAccess.staff_id == actor.staff_id,
        EmergencyAccess.starts_at >= clock.start_of_day(clock.japan_date(now)),
    )
    allowed = settings.value(session, "emergency.alone_per_day")
    return session.execute(used).scalar_one() < allowed


def open_record(session: Session, actor: Actor, access: EmergencyAccess) -> None:
    """Begin the hour: write the disclosure, the day of the review, and the notices to those concerned."""
    now = clock.now()
    access.starts_at, access.ends_at = now, now + LASTS
    access.review_by = review_day(session, access.agency_id, clock.japan_date(now))
    categories = [Category(code) for code in access.categories]
    access.disclosure_id = disclosures.disclose(
        actor,
        person_id=access.person_id,
        to_agency_id=access.agency_id,
        basis=Basis.EMERGENCY,
        categories=categories,
        channel=Channel.EMERGENCY,
        source_id=access.id,
        teller=(access.home_agency_id, access.staff_id),
        to_staff_id=access.staff_id,
        until=access.ends_at,
    )
    audit.record(
        AuditEvent.EMERGENCY_OPENED,
        access,
        actor=actor,
        person_id=access.person_id,
        categories=categories,
        ground=Basis.EMERGENCY,
        member=access.staff_id,
        until=access.ends_at,
    )
    tell_those_concerned(session, actor, access, [access.home_agency_id, None])


def review_day(session: Session, agency_id: UUID, today: date) -> date:
    """The day by which somebody else must review it, in business days of the agency that used it."""
    days = settings.value(session, "emergency.review_days")
    try:
        return opening_days(session, session.get_one(Agency, agency_id)).add_business_days(today, days)
    except CalendarProblem:
        return today + timedelta(days=days)


def tell_those_concerned(
    session: Session, actor: Actor, access: EmergencyAccess, agencies: Collection[UUID | None]
) -> None:
    """Write a notice for each agency, None for the auditors; it shows on their first page until noted."""
    for agency_id in agencies:
        notice = EmergencyNotice(id=new_id(), access_id=access.id, agency_id=agency_id)
        session.add(notice)
        audit.record(
            AuditEvent.EMERGENCY_TOLD,
            notice,
            actor=actor,
            person_id=access.person_id,
            recipient=agency_id,
            access=access.id,
        )


def give_back(actor: Actor, access_id: UUID) -> bool:
    """End it before the hour is over; False when it was over already.

    Raises:
        NoResultFound: it is not this member's.
    """
    require(actor, Permission.EMERGENCY_USE)
    with db.transaction() as session:
        mine = select(EmergencyAccess).where(
            EmergencyAccess.id == access_id,
            EmergencyAccess.staff_id == actor.staff_id,
            EmergencyAccess.starts_at.is_not(None),
        )
        access = session.scalars(mine.with_for_update()).one()
        now = clock.now()
        if access.ended_at is not None or access.ends_at is None or access.ends_at <= now:
            return False
        access.ended_at = now
        access.advance(None)
        disclosures.end(actor, access.id)
        audit.record(
            AuditEvent.EMERGENCY_ENDED,
            access,
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
        )
        return True


# The second person's word before an emergency access begins: agreed to, and the hour begins, or declined.


def approve(actor: Actor, access_id: UUID, own: OwnPassword) -> None:
    """Agree: the hour of the one who asked begins now.

    Raises:
        NoResultFound: no such request that this actor may know of.
        NotAllowed: it is the actor's own request, or the actor is not the one to agree.
        Conflict: it was answered or has lapsed, or the one who asked may not be shown the person any more.
    """
    find(actor, access_id)
    confirm(actor, own)
    agree(actor, access_id)


def agree(actor: Actor, access_id: UUID) -> None:
    """`approve`, of somebody whose password was confirmed (or whose act a scenario replays)."""
    with db.transaction() as session:
        access = held(session, actor, access_id)
        person = session.scalars(
            select(Person).where(Person.id == access.person_id).with_for_update(of=Person)
        ).one()
        check_asker(session, access, person)
        access.home_agency_id = person.home_agency_id
        access.approved_by_id, access.approved_at = actor.staff_id, clock.now()
        access.advance(None)
        audit.record(
            AuditEvent.EMERGENCY_APPROVED,
            access,
            actor=actor,
            person_id=access.person_id,
            categories=[Category(code) for code in access.categories],
            ground=Basis.EMERGENCY,
        )
        open_record(session, actor, access)


def decline(actor: Actor, access_id: UUID, why: str, own: OwnPassword) -> None:
    """Say no, and why: the one who asked reads it.

    Raises:
        Invalid: no reason is given, or the password is wrong.
        Conflict: it was answered already, or has lapsed.
    """
    if not why.strip():
        raise Invalid(N_("理由を入力してください。申請した人に伝わります。"), field="why")
    find(actor, access_id)
    confirm(actor, own)
    turn_down(actor, access_id, why)


def turn_down(actor: Actor, access_id: UUID, why: str) -> None:
    """`decline`, of somebody whose password was confirmed."""
    with db.transaction() as session:
        access = held(session, actor, access_id)
        access.approved_by_id, access.declined_at = actor.staff_id, clock.now()
        access.declined_why = why
        access.advance(None)
        audit.record(
            AuditEvent.EMERGENCY_DECLINED,
            access,
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
            why=why,
        )


def find(actor: Actor, access_id: UUID) -> None:
    """Refuse before the password is asked for when the actor may not answer this request."""
    with db.transaction() as session:
        held(session, actor, access_id)


def held(session: Session, actor: Actor, access_id: UUID) -> EmergencyAccess:
    """The request, locked until the transaction ends, still waiting for an answer of this actor."""
    wanted = select(EmergencyAccess).where(EmergencyAccess.id == access_id, queries.visible_to(actor))
    options = {"populate_existing": True}
    access = session.scalars(wanted.with_for_update(of=EmergencyAccess), execution_options=options).one()
    require(actor, Permission.EMERGENCY_SECOND, access)
    state = standing(access, clock.now())
    if state is not State.PENDING:
        raise Conflict(
            N_("この申請は、すでに「%(state)s」になっています。最新の内容を確認してください。"), state=state
        )
    return access


def standing(access: EmergencyAccess, now: datetime) -> State:
    return state_of(
        created_at=access.created_at,
        declined_at=access.declined_at,
        starts_at=access.starts_at,
        ends_at=access.ends_at,
        ended_at=access.ended_at,
        now=now,
    )


def check_asker(session: Session, access: EmergencyAccess, person: Person) -> None:
    """Raise unless the asker still does casework there and is not excluded from this person's affairs."""
    works = (
        select(Membership.id)
        .join(Staff, Staff.id == Membership.staff_id)
        .where(
            Membership.staff_id == access.staff_id,
            Membership.agency_id == access.agency_id,
            Membership.role.in_(CASEWORKERS),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
        )
    )
    excluded = session.scalar(select(predicates.is_staff_excluded(access.staff_id, access.person_id)))
    if session.scalar(works) is None or excluded:
        raise Conflict(
            N_("申請した人は、いまはこの人の情報を見られない立場です。承認できません。"),
            lack=Lack.EXCLUDED if excluded else Lack.PERMISSION,
            about=("emergency_access", access.id),
            person_id=access.person_id,
        )
    if person.home_agency_id == access.agency_id:
        raise Conflict(N_("この人の記録は、申請した人の機関に移りました。緊急閲覧は要りません。"))


# After an emergency access: taking note of it, reading why, and judging it by a second person.


@dataclass(frozen=True, slots=True)
class Words:
    """What was typed about one use by the asker, by who declined and by who reviewed it."""

    text: str
    declined_why: str
    review_text: str


def show(actor: Actor, access_id: UUID) -> AccessView:
    """One use, as this reader may see it; the reading is logged before it is returned.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    view = queries.load(db.read(), actor, access_id, clock.now())
    audit.record_reading(
        AuditEvent.EMERGENCY_READ,
        ("emergency_access", view.id),
        actor=actor,
        person_id=view.person_id,
        categories=[Category.BASIC] if view.label else [],
        ground=Basis.EMERGENCY,
    )
    return view


def open_words(actor: Actor, access_id: UUID) -> Words:
    """The texts for an auditor or an administrator, who see them only when they ask; logged as such.

    Raises:
        NoResultFound: no such use that this reader may know of.
    """
    with db.transaction() as session:
        access = session.scalars(
            select(EmergencyAccess).where(EmergencyAccess.id == access_id, queries.visible_to(actor))
        ).one()
        audit.record(
            AuditEvent.EMERGENCY_READ,
            ("emergency_access", access.id),
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
            is_reading=True,
            words_opened=True,
        )
        return Words(access.text, access.declined_why, access.review_text)


def show_list(actor: Actor, box: Box, *, behind: UUID | None = None, size: int) -> list[AccessView]:
    """One page of a list; that it was read is logged.

    Raises:
        NotAllowed: the list is not for this reader's role.
    """
    if not queries.has_box(actor, box):
        raise NotAllowed(N_("この一覧は、あなたの役割では使いません。"))
    found = queries.listing(db.read(), actor, box, clock.now(), behind=behind, size=size)
    audit.record_reading(
        AuditEvent.EMERGENCY_READ,
        ("emergency_access", None),
        actor=actor,
        categories=[Category.BASIC] if any(one.label for one in found) else [],
        ground=Basis.EMERGENCY,
        count=len({one.person_id for one in found}),
    )
    return found


def note(actor: Actor, notice_id: UUID) -> UUID:
    """Take note for one's agency (or for the auditors); done twice it is the first one's. Returns the access's id.

    Raises:
        NoResultFound: no such notice for this actor's agency.
    """
    with db.transaction() as session:
        wanted = (
            select(EmergencyNotice)
            .join(EmergencyAccess, EmergencyAccess.id == EmergencyNotice.access_id)
            .where(EmergencyNotice.id == notice_id, queries.is_for_office(actor), queries.visible_to(actor))
        )
        notice = session.scalars(wanted.with_for_update(of=EmergencyNotice)).one()
        require(actor, Permission.EMERGENCY_NOTE, notice)
        if notice.noted_at is not None:
            return notice.access_id
        notice.noted_at, notice.noted_by_id = clock.now(), actor.staff_id
        person_id = session.scalars(
            select(EmergencyAccess.person_id).where(EmergencyAccess.id == notice.access_id)
        ).one()
        audit.record(
            AuditEvent.EMERGENCY_NOTED, notice, actor=actor, person_id=person_id, ground=Basis.EMERGENCY
        )
        return notice.access_id


def review(actor: Actor, access_id: UUID, finding: Finding, text: str) -> None:
    """Judge one use when its hour is over. Of an unjustified one the home agency and auditors are notified.

    Raises:
        NoResultFound: no such use that this actor may know of.
        NotAllowed: it is the actor's own use, or the actor is not the one to judge.
        Invalid: nothing is said of why.
        Conflict: it is not over yet, or somebody has judged it.
    """
    if not text.strip():
        raise Invalid(N_("そう判断した理由を入力してください。"), field="text")
    if len(text) > LONGEST_TEXT:
        raise Invalid(N_("2000文字以内で入力してください。"), field="text")
    with db.transaction() as session:
        wanted = select(EmergencyAccess).where(EmergencyAccess.id == access_id, queries.visible_to(actor))
        access = session.scalars(
            wanted.with_for_update(of=EmergencyAccess), execution_options={"populate_existing": True}
        ).one()
        require(actor, Permission.EMERGENCY_REVIEW, access)
        if access.finding is not None:
            raise Conflict(N_("ほかの人が、先に点検を終えました。最新の内容を確認してください。"))
        if standing(access, clock.now()) is not State.OVER:
            raise Conflict(N_("まだ閲覧が終わっていません。終わってから点検してください。"))
        access.finding, access.review_text = finding, text
        access.reviewed_by_id, access.reviewed_at = actor.staff_id, clock.now()
        access.advance(None)
        audit.record(
            AuditEvent.EMERGENCY_REVIEWED,
            access,
            actor=actor,
            person_id=access.person_id,
            ground=Basis.EMERGENCY,
            finding=finding,
            text=text,
        )
        if finding is Finding.NOT_JUSTIFIED:
            tell_those_concerned(session, actor, access, [access.home_agency_id, None])
