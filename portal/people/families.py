"""Families that come before the person himself does: a parent is registered, the child has not agreed to anything."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from portal.db import db
from portal.people import services
from portal.people.categories import Relation
from portal.people.models import FamilyTie
from portal.people.services import Basics
from portal.policy import Actor


def register_relative(
    actor: Actor, person_id: UUID, basics: Basics, relation: Relation, *, idempotency_key: str | None = None
) -> UUID:
    """Register someone who is the `relation` of a person of one's own record, and tie the two, or neither.

    Raises:
        Invalid: the basics contradict each other.
        NoResultFound: the person is not on this agency's own record.
    """
    with db.transaction() as session:
        services.own_person(session, actor, person_id)
        relative_id = services.register(actor, basics, idempotency_key=idempotency_key)
        tied = (FamilyTie.person_id == person_id, FamilyTie.relative_id == relative_id)
        if session.scalar(select(FamilyTie.id).where(*tied)) is None:
            services.tie_family(actor, person_id, relative_id, relation)
    return relative_id
