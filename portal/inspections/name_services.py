"""Opening one person's name for one auditor until the day ends in Japan; why is on record."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Conflict, Invalid, Lack
from portal.inspections import name_queries
from portal.inspections.models import NameOpening
from portal.once import claim
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, require
from portal.text import is_blank
from portal.words import N_

LONGEST_REASON = 500


def open_name(actor: Actor, person_id: UUID, reason: str, *, idempotency_key: str | None = None) -> bool:
    """Let this auditor see this person's name until today is over in Japan; False when he sees it already.

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
        if session.scalar(name_queries.live(actor, person_id, now)):
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
    """What is said to who wants to see a name and does not say why; it leaves a trace, for a name was asked for."""
    return Invalid(
        N_("氏名を表示する理由を入力してください。"),
        field="reason",
        lack=Lack.REASON,
        about=("person", person_id),
        person_id=person_id,
        categories=[Category.BASIC],
    )


def read_openings(
    actor: Actor, *, after: tuple[datetime, UUID] | None, size: int
) -> list[name_queries.Opening]:
    """One page of who opened which name; itself logged.

    Raises:
        NotAllowed: neither an auditor nor one who looks after an agency.
    """
    require(actor, Permission.OPENINGS_LIST)
    found = name_queries.openings(db.read(), actor, after=after, size=size)
    audit.record_reading(
        AuditEvent.AUDIT_READ,
        ("name_opening", None),
        actor=actor,
        count=len({one.person_id for one in found}),
    )
    return found
