"""Registering people, naming them when they agree, keeping what is known of them, and tying families."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.agencies.services import next_number
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.people.categories import Category, Relation
from portal.people.models import FamilyTie, Information, Person
from portal.people.names import is_kana, search_key
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class Basics:
    """Basic information as typed. A name makes the person identified; else the pseudonym is all there is."""

    family: str = ""
    given: str = ""
    family_kana: str = ""
    given_kana: str = ""
    pseudonym: str = ""
    birth: date | None = None
    age_band: str = ""
    sex: str = ""
    address: str = ""
    telephone: str = ""
    household: str = ""
    contact_prohibited: bool = False
    contact_prohibited_reason: str = ""
    protected_address: bool = False


def check(basics: Basics) -> None:
    """Raise `Invalid`, naming the field, unless the basics hold together."""
    named = bool(basics.family or basics.given)
    if named and not (basics.family and basics.given):
        raise Invalid(N_("姓と名の両方を入力してください。"), field="given" if basics.family else "family")
    if not named and not basics.pseudonym:
        raise Invalid(
            N_("氏名を入力してください。氏名がわからないときは仮名を入力してください。"), field="family"
        )
    if named and not (basics.family_kana and basics.given_kana):
        raise Invalid(N_("ふりがなを入力してください。"), field="family_kana")
    for field in ("family_kana", "given_kana"):
        if getattr(basics, field) and not is_kana(getattr(basics, field)):
            raise Invalid(N_("ふりがなは、ひらがなかカタカナで入力してください。"), field=field)
    if basics.birth and basics.birth > clock.today():
        raise Invalid(N_("生年月日に先の日付は入力できません。"), field="birth")
    if basics.contact_prohibited and not basics.contact_prohibited_reason:
        raise Invalid(N_("連絡禁止の理由を入力してください。"), field="contact_prohibited_reason")


def columns_of(basics: Basics) -> dict[str, object]:
    named = bool(basics.family)
    return asdict(basics) | {
        "is_identified": named,
        "pseudonym": "" if named else basics.pseudonym,
        "search_key": search_key(
            basics.family, basics.given, basics.family_kana, basics.given_kana, basics.pseudonym
        ),
    }


def register(actor: Actor, basics: Basics, *, idempotency_key: str | None = None) -> UUID:
    """Begin a record kept by the actor's agency; returns the person's id.

    Raises:
        Invalid: the basics contradict each other.
        NotAllowed: the actor does no casework.
    """
    require(actor, Permission.CASEWORK)
    check(basics)
    person_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, person_id):
            return earlier
        assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
        person = Person(
            id=person_id,
            home_agency_id=actor.agency_id,
            registered_by_id=actor.staff_id,
            number=next_number(session, actor.agency_id, "person"),
            **columns_of(basics),
        )
        session.add(person)
        audit.record(
            AuditEvent.PERSON_REGISTERED,
            person,
            actor=actor,
            person_id=person_id,
            categories=[Category.BASIC],
            ground="home",
            basics=asdict(basics),
        )
    return person_id


def own_person(session: Session, actor: Actor, person_id: UUID) -> Person:
    """The person, locked, for a service that changes the record: only the home agency does.

    Raises:
        NoResultFound: no such person on this agency's own record.
    """
    require(actor, Permission.CASEWORK)
    mine = (Person.home_agency_id == actor.agency_id, ~predicates.is_excluded(actor, Person.id))
    statement = select(Person).where(Person.id == person_id, *mine)
    person = session.scalars(statement.with_for_update()).one()
    require(actor, Permission.PERSON_EDIT, person)
    return person


def require_not_excluded(session: Session, actor: Actor, person_id: UUID) -> None:
    """Raise `NoResultFound` when the actor is excluded from this person's affairs."""
    session.scalars(
        select(Person.id).where(Person.id == person_id, ~predicates.is_excluded(actor, Person.id))
    ).one()


def update_basics(actor: Actor, person_id: UUID, basics: Basics, *, version: int | None = None) -> None:
    """Change basic information. A pseudonymous person is named by `identify`, not here.

    Raises:
        StaleForm: a colleague changed it meanwhile.
    """
    check(basics)
    with db.transaction() as session:
        person = own_person(session, actor, person_id)
        if bool(basics.family) != person.is_identified:
            raise Conflict(
                N_("仮名の人を氏名で登録するには、「本人が同意したので氏名を登録する」から進んでください。")
            )
        if changes := person.apply(**columns_of(basics)):
            person.advance(version)
            audit.record(
                AuditEvent.PERSON_UPDATED,
                person,
                actor=actor,
                person_id=person_id,
                categories=[Category.BASIC],
                ground="home",
                changes=changes,
            )


def identify(
    actor: Actor, person_id: UUID, basics: Basics, *, agreed: str, version: int | None = None
) -> None:
    """Put a name to a pseudonymous person who agreed to it; `agreed` says when and how.

    Raises:
        Conflict: the person has a name already.
        Invalid: how they agreed is not said.
    """
    check(basics)
    if not basics.family:
        raise Invalid(N_("氏名を入力してください。"), field="family")
    if not agreed:
        raise Invalid(N_("本人がいつ、どのように同意したかを入力してください。"), field="agreed")
    with db.transaction() as session:
        person = own_person(session, actor, person_id)
        if person.is_identified:
            raise Conflict(N_("この人はすでに氏名で登録されています。"))
        changes = person.apply(**columns_of(basics))
        person.advance(version)
        audit.record(
            AuditEvent.PERSON_IDENTIFIED,
            person,
            actor=actor,
            person_id=person_id,
            categories=[Category.BASIC],
            ground="consent",
            agreed=agreed,
            changes=changes,
        )


def move_home(session: Session, actor: Actor, person: Person) -> None:
    """Take over a person's record on an accepted transfer; it gets a number of the new home agency."""
    assert actor.agency_id is not None  # an answer comes from an agency  # noqa: S101
    changes = person.apply(
        home_agency_id=actor.agency_id, number=next_number(session, actor.agency_id, "person")
    )
    person.advance(None)
    audit.record(
        AuditEvent.PERSON_MOVED, person, actor=actor, person_id=person.id, ground="consent", changes=changes
    )


def update_information(
    actor: Actor,
    person_id: UUID,
    category: Category,
    *,
    text: str,
    fields: dict[str, str] | None = None,
    version: int | None = None,
) -> None:
    """Write what is known in one category; `version` 0 means that nothing was there when the form was shown.

    Raises:
        Invalid: basic information is not kept as text.
        StaleForm: a colleague changed it meanwhile.
    """
    if category is Category.BASIC:
        raise Invalid(N_("基本情報は、基本情報の画面で変更してください。"), field="category")
    with db.transaction() as session:
        own_person(session, actor, person_id)
        row = session.scalars(
            select(Information).where(Information.person_id == person_id, Information.category == category)
        ).one_or_none()
        if row is None:
            row = Information(person_id=person_id, category=category, version=0, fields={}, text="")
            session.add(row)
        changes = row.apply(text=text, **({} if fields is None else {"fields": fields}))
        if changes or row.version == 0:
            row.advance(version)
            audit.record(
                AuditEvent.INFORMATION_UPDATED,
                row,
                actor=actor,
                person_id=person_id,
                categories=[category],
                ground="home",
                changes=changes,
            )


def tie_family(
    actor: Actor,
    person_id: UUID,
    relative_id: UUID,
    relation: Relation,
    *,
    idempotency_key: str | None = None,
) -> UUID:
    """Record that `relative` is the `relation` of `person`; both are on this agency's own record.

    Raises:
        Conflict: the two are tied already, from either side.
        NoResultFound: one of them is not on this agency's own record.
    """
    tie_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, tie_id):
            return earlier
        if person_id == relative_id:
            raise Invalid(N_("本人を家族として登録することはできません。"), field="relative")
        for one in sorted((person_id, relative_id)):
            own_person(session, actor, one)
        pair = (person_id, relative_id)
        if session.scalar(
            select(FamilyTie.id).where(FamilyTie.person_id.in_(pair), FamilyTie.relative_id.in_(pair))
        ):
            raise Conflict(N_("この二人の家族関係はすでに登録されています。"))
        tie = FamilyTie(id=tie_id, person_id=person_id, relative_id=relative_id, relation=relation)
        session.add(tie)
        audit.record(
            AuditEvent.FAMILY_TIED,
            tie,
            actor=actor,
            person_id=person_id,
            relative=relative_id,
            relation=relation,
        )
    return tie_id


def untie_family(actor: Actor, tie_id: UUID) -> None:
    """Undo a tie that was entered wrongly; either side may be on this agency's own record."""
    with db.transaction() as session:
        tie = session.scalars(select(FamilyTie).where(FamilyTie.id == tie_id)).one()
        ends = (tie.person_id, tie.relative_id)
        # A reader excluded from one of the two knows of no tie between them.
        for end in ends:
            require_not_excluded(session, actor, end)
        own = select(Person.id).where(Person.id.in_(ends), Person.home_agency_id == actor.agency_id)
        own_person(session, actor, session.scalars(own.order_by(Person.id).limit(1)).one())
        audit.record(
            AuditEvent.FAMILY_UNTIED, tie, actor=actor, person_id=tie.person_id, relative=tie.relative_id
        )
        session.delete(tie)


# Relatives registered before the person: a parent is registered, the child has not agreed to anything.


def register_relative(
    actor: Actor, person_id: UUID, basics: Basics, relation: Relation, *, idempotency_key: str | None = None
) -> UUID:
    """Register someone who is the `relation` of a person of one's own record, and tie the two, or neither.

    Raises:
        Invalid: the basics contradict each other.
        NoResultFound: the person is not on this agency's own record.
    """
    with db.transaction() as session:
        own_person(session, actor, person_id)
        relative_id = register(actor, basics, idempotency_key=idempotency_key)
        tied = (FamilyTie.person_id == person_id, FamilyTie.relative_id == relative_id)
        if session.scalar(select(FamilyTie.id).where(*tied)) is None:
            tie_family(actor, person_id, relative_id, relation)
    return relative_id
