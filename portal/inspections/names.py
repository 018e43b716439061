"""Names as auditors see them: opened one at a time with a reason, and who opened which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, false, func, select, true, tuple_
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
from portal.inspections.models import NameOpening
from portal.people.categories import Category
from portal.people.models import Person


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
    require(actor, Permission.AUDIT_READ)
    if is_blank(reason):
        raise unreasoned(person_id)
    if len(reason) > LONGEST_REASON:
        raise Invalid(N_("500文字以内で入力してください。"), field="reason")
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
        now = clock.now()
        if session.scalar(live(actor, person_id, now)):
            return False
        opening = NameOpening(
            id=new_id(),
            staff_id=actor.staff_id,
            person_id=person_id,
            home_agency_id=person.home_agency_id,
            number=person.number,
            reason=reason,
            ends_at=clock.end_of_day(clock.japan_date(now)),
        )
        if claim(actor, idempotency_key, opening.id):
            return False
        session.add(opening)
        audit.record(
            AuditEvent.NAME_OPENED,
            opening,
            actor=actor,
            person_id=person_id,
            categories=[Category.BASIC],
            reason=reason,
        )
        return True


def unreasoned(person_id: UUID) -> Invalid:
    """The error when no reason is given; it is logged, as a name was asked for."""
    return Invalid(
        N_("氏名を表示する理由を入力してください。"),
        field="reason",
        lack=Lack.REASON,
        about=("person", person_id),
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
