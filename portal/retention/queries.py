"""Proposals of erasure, and what of a person this reader may see beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import Session, aliased

from portal import clock
from portal.accounts.models import Staff
from portal.db import db
from portal.disclosures import wall
from portal.disclosures.heading import label_columns, label_of
from portal.exclusions import queries as exclusions
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, can
from portal.retention.models import Erasure, ErasureGround


@dataclass(frozen=True, slots=True)
class Proposal:
    """One erasure, for those of the agency whose record it is."""

    id: UUID
    version: int
    person_id: UUID
    agency_id: UUID
    staff_id: UUID
    person_number: str
    label: str
    ground: ErasureGround
    reason: str
    proposed_at: datetime
    proposed_by: str
    agreed_by: str
    dropped_at: datetime | None
    dropped_by: str
    done_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.dropped_at is None and self.done_at is None


def is_known(actor: Actor, person: Any) -> ColumnElement[bool]:
    """Not somebody from whose affairs the reader is shut out."""
    return ~exclusions.is_excluded(actor, person)


def names_of(session: Session, actor: Actor, people: Collection[UUID], now: datetime) -> dict[UUID, str]:
    """Names as far as this reader may see them, asked on his own session: an administrator gets none."""
    if not people or not can(actor, Permission.CASEWORK):
        return {}
    named = wall.sees(actor, Category.BASIC, now)
    found = select(Person.id, *label_columns(named)).where(Person.id.in_(people))
    return {row.id: label_of(row) for row in session.execute(found)}


def numbers_of(session: Session, people: Collection[UUID]) -> dict[UUID, str]:
    rows = session.execute(select(Person.id, Person.number).where(Person.id.in_(people)))
    return {row.id: row.number for row in rows}


def proposals_of(session: Session, people: Collection[UUID]) -> dict[UUID, UUID]:
    found = select(Erasure.person_id, Erasure.id).where(
        Erasure.person_id.in_(people), Erasure.done_at.is_(None), Erasure.dropped_at.is_(None)
    )
    return {row.person_id: row.id for row in session.execute(found)}


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Proposals of one's own agency, of people from whose affairs one is not shut out."""
    return and_(Erasure.agency_id == actor.agency_id, is_known(actor, Erasure.person_id))


def proposals() -> Select[*tuple[Any, ...]]:
    proposer, second, dropper = aliased(Staff), aliased(Staff), aliased(Staff)
    return (
        select(
            Erasure,
            proposer.name.label("proposed_by"),
            second.name.label("agreed_by"),
            dropper.name.label("dropped_by"),
        )
        .join(proposer, proposer.id == Erasure.proposed_by_id)
        .outerjoin(second, second.id == Erasure.agreed_by_id)
        .outerjoin(dropper, dropper.id == Erasure.dropped_by_id)
    )


def shown(session: Session, actor: Actor, rows: Sequence[Any], now: datetime) -> list[Proposal]:
    people = {row.Erasure.person_id for row in rows}
    numbers = numbers_of(db.across(), people)
    names = names_of(session, actor, people, now)
    return [
        Proposal(
            id=row.Erasure.id,
            version=row.Erasure.version,
            person_id=row.Erasure.person_id,
            agency_id=row.Erasure.agency_id,
            staff_id=row.Erasure.proposed_by_id,
            person_number=numbers[row.Erasure.person_id],
            label=names.get(row.Erasure.person_id, ""),
            ground=row.Erasure.ground,
            reason=row.Erasure.reason,
            proposed_at=row.Erasure.created_at,
            proposed_by=row.proposed_by,
            agreed_by=row.agreed_by or "",
            dropped_at=row.Erasure.dropped_at,
            dropped_by=row.dropped_by or "",
            done_at=row.Erasure.done_at,
        )
        for row in rows
    ]


def waiting(session: Session, actor: Actor, now: datetime) -> list[Proposal]:
    """Proposals of one's agency that nobody has answered, the oldest first; read on the reader's own session."""
    wanted = proposals().where(visible_to(actor), Erasure.done_at.is_(None), Erasure.dropped_at.is_(None))
    rows = session.execute(wanted.order_by(Erasure.created_at, Erasure.id).limit(100)).all()
    return shown(session, actor, rows, now)


def proposal(session: Session, actor: Actor, erasure_id: UUID, now: datetime) -> Proposal:
    """One of them.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    row = session.execute(proposals().where(visible_to(actor), Erasure.id == erasure_id)).one()
    return shown(session, actor, [row], now)[0]


def erased(session: Session, actor: Actor, *, size: int) -> list[Proposal]:
    """What was erased last."""
    wanted = proposals().where(visible_to(actor), Erasure.done_at.is_not(None))
    rows = session.execute(wanted.order_by(Erasure.done_at.desc(), Erasure.id).limit(size)).all()
    return shown(session, actor, rows, clock.now())
