"""Names as auditors see them: opened one at a time with a reason, and who opened which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, false, func, select, true, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, Lack
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, require
from portal.core.text import is_blank
from portal.disclosures.person_header import label_of
from portal.emergency.search import is_called
from portal.inspections.models import NameOpening
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.names import LIKE_ESCAPE, like_pattern, search_key


@dataclass(frozen=True, slots=True)
class OpenName:
    """One person's name, and until when this auditor sees it."""

    label: str
    is_pseudonym: bool
    until: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """An opened name. `reason` is for auditors alone; `person_id` leads to a page that only they may see."""

    id: UUID
    at: datetime
    staff_name: str
    agency_name: str
    number: str
    person_id: UUID
    reason: str
    ends_at: datetime


def live(actor: Actor, person_id: UUID, now: datetime) -> Select[datetime | None]:
    """Until when this auditor has opened the person's name; None if it is not open."""
    return select(func.max(NameOpening.ends_at)).where(
        NameOpening.person_id == person_id, NameOpening.staff_id == actor.staff_id, NameOpening.ends_at > now
    )


def is_open_to(actor: Actor, person_id: Any, now: datetime) -> ColumnElement[bool]:
    """This auditor sees the name of this person now."""
    return exists().where(
        NameOpening.person_id == person_id, NameOpening.staff_id == actor.staff_id, NameOpening.ends_at > now
    )


def heading(session: Session, actor: Actor, person_id: UUID, now: datetime) -> tuple[str, OpenName | None]:
    """The person's number, and the name where this auditor has opened it: it is not even loaded otherwise.

    Raises:
        NoResultFound: there is no such person.
    """
    row = session.execute(
        select(
            Person.number,
            Person.is_identified,
            live(actor, person_id, now).scalar_subquery().label("until"),
        ).where(Person.id == person_id)
    ).one()
    if row.until is None or actor.role is not Role.AUDITOR:
        return row.number, None
    named = session.execute(
        select(Person.family, Person.given, Person.pseudonym).where(Person.id == person_id)
    ).one()
    return row.number, OpenName(label_of(named), not row.is_identified, row.until)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """All openings for an auditor; for an administrator those of people whose record the agency kept then."""
    if actor.role is Role.AUDITOR:
        return true()
    if actor.agency_id is None or not (actor.role is Role.AGENCY_ADMIN or actor.administers):
        return false()
    return NameOpening.home_agency_id == actor.agency_id


def openings(
    session: Session, actor: Actor, *, after: tuple[datetime, UUID] | None, size: int
) -> list[Opening]:
    """One page of who opened which name, the newest first."""
    home = aliased(Agency)
    statement: Select[*tuple[Any, ...]] = (
        select(NameOpening, Staff.name.label("staff_name"), home.name.label("agency_name"))
        .join(Staff, Staff.id == NameOpening.staff_id)
        .join(home, home.id == NameOpening.home_agency_id)
        .where(visible_to(actor))
        .order_by(NameOpening.created_at.desc(), NameOpening.id.desc())
        .limit(size)
    )
    if after:
        statement = statement.where(tuple_(NameOpening.created_at, NameOpening.id) < tuple_(*after))
    return [opening_of(row, actor) for row in session.execute(statement)]


def opening_of(row: Any, actor: Actor) -> Opening:
    one: NameOpening = row.NameOpening
    return Opening(
        id=one.id,
        at=one.created_at,
        staff_name=row.staff_name,
        agency_name=row.agency_name,
        number=one.number,
        person_id=one.person_id,
        reason=one.reason if actor.role is Role.AUDITOR else "",
        ends_at=one.ends_at,
    )


# Opening one person's name for one auditor until the day ends in Japan; why is on record.

LONGEST_REASON = 500


def open_name(actor: Actor, person_id: UUID, reason: str, *, idempotency_key: str | None = None) -> bool:
    """Show this person's name to this auditor until today is over in Japan; False if it is open already.

    Raises:
        NotAllowed: the actor is no auditor.
        NoResultFound: there is no such person.
        Invalid: no reason, or one too long.
        Conflict: the person's record has been erased.
    """
    check_reason(actor, reason, person_id)
    with db.transaction() as session:
        # Locked, so that two forms sent at once make one opening.
        person = session.scalars(select(Person).where(Person.id == person_id).with_for_update()).one()
        if person.erased_at is not None:
            raise Conflict(
                N_("この相談者の記録は消去されています。表示できる氏名はありません。"),
                lack=Lack.ERASED,
                about=("person", person_id),
                person_id=person_id,
            )
        made = new_id()
        if is_open(session, actor, person_id) or claim(actor, idempotency_key, made):
            return False
        write_opening(session, actor, person, reason, made)
        return True


def check_reason(actor: Actor, reason: str, person_id: UUID | None) -> None:
    require(actor, Permission.AUDIT_READ)
    if is_blank(reason):
        raise unreasoned(person_id)
    if len(reason) > LONGEST_REASON:
        raise Invalid(N_("500文字以内で入力してください。"), field="reason")


def is_open(session: Session, actor: Actor, person_id: UUID) -> bool:
    return session.scalar(live(actor, person_id, clock.now())) is not None


def write_opening(session: Session, actor: Actor, person: Person, reason: str, made: UUID) -> None:
    opening = NameOpening(
        id=made,
        staff_id=actor.staff_id,
        person_id=person.id,
        home_agency_id=person.home_agency_id,
        number=person.number,
        reason=reason,
        ends_at=clock.end_of_day(clock.today()),
    )
    session.add(opening)
    audit.record(
        AuditEvent.NAME_OPENED,
        opening,
        actor=actor,
        person_id=person.id,
        categories=[Category.BASIC],
        reason=reason,
    )


# From a name to numbers: a citizen who complains knows no number. Whoever is found has their name opened.

MOST_NAMESAKES = 5


def search(
    actor: Actor, name: str, reason: str, *, birth: date | None = None, idempotency_key: str | None = None
) -> list[UUID]:
    """Find the people with this whole name or furigana, and open the names of those found, for this reason.

    Any width, kana or character form will do. What was typed is kept nowhere; that a name was looked for
    is logged with the reason, also when nobody is found.

    Raises:
        NotAllowed: the actor is no auditor.
        Invalid: no reason, or one too long; or so many namesakes that the birth date is needed.
    """
    check_reason(actor, reason, None)
    with db.transaction() as session:
        found = [row.id for row in session.execute(namesakes(name, birth)) if is_called(row, name)]
        is_new = not claim(actor, idempotency_key, new_id())
        too_many = len(found) > MOST_NAMESAKES
        if is_new:
            audit.record(
                AuditEvent.NAME_SEARCHED, ("name_opening", None), actor=actor, count=len(found), reason=reason
            )
        if not too_many:
            people = select(Person).where(Person.id.in_(found)).order_by(Person.id).with_for_update()
            for person in session.scalars(people).all():
                if not is_open(session, actor, person.id):
                    write_opening(session, actor, person, reason, new_id())
    if too_many:
        raise Invalid(
            N_("同じ氏名の相談者が多いため、生年月日も入力してください。氏名はまだ表示していません。"),
            field="birth",
        )
    return found


def namesakes(name: str, birth: date | None) -> Select[*tuple[Any, ...]]:
    """People whose key holds the name, for `is_called` to choose among; signs alone find nobody."""
    key = search_key(name)
    statement = select(Person.id, Person.family, Person.given, Person.family_kana, Person.given_kana).where(
        Person.search_key.like(like_pattern(key), escape=LIKE_ESCAPE) if key else false()
    )
    if birth is not None:
        statement = statement.where(Person.birth == birth)
    return statement.where(Person.erased_at.is_(None)).order_by(Person.id)


def unreasoned(person_id: UUID | None) -> Invalid:
    """The error when no reason is given; it is logged, as a name was asked for."""
    return Invalid(
        N_("氏名を表示する理由を入力してください。"),
        field="reason",
        lack=Lack.REASON,
        about=("person", person_id) if person_id else None,
        person_id=person_id,
        categories=[Category.BASIC],
    )


def read_openings(actor: Actor, *, after: tuple[datetime, UUID] | None, size: int) -> list[Opening]:
    """One page of who opened which name; itself logged.

    Raises:
        NotAllowed: neither an auditor nor one who looks after an agency.
    """
    require(actor, Permission.OPENINGS_LIST)
    found = openings(db.read(), actor, after=after, size=size)
    audit.record_reading(
        AuditEvent.AUDIT_READ,
        ("name_opening", None),
        actor=actor,
        count=len({one.person_id for one in found}),
    )
    return found
