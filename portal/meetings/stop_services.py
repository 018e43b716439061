"""Confirming that what a packet told is no longer used, the consent being dead (停止確認)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session, aliased

from portal import clock
from portal.agencies.models import Agency
from portal.db import db
from portal.disclosures import services as disclosures
from portal.disclosures import wall
from portal.disclosures.heading import label_columns
from portal.disclosures.models import Disclosure
from portal.disclosures.queries import to_confirm
from portal.errors import Conflict
from portal.exclusions import queries as exclusions
from portal.meetings.agenda_models import AgendaItem
from portal.meetings.models import Meeting
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor, Permission, require
from portal.words import N_

LONGEST = 200


def waiting_lines(reader: Actor, now: datetime) -> Select[Disclosure]:
    """The lines that an agenda item told: also those that a renewal carried on through another channel."""
    return to_confirm(reader, now).join(AgendaItem, AgendaItem.id == Disclosure.source_id)


def count_of(reader: Actor, now: datetime) -> Select[int]:
    """How many there are, counting no further than the page shows."""
    few = waiting_lines(reader, now).with_only_columns(Disclosure.id).order_by(None).limit(LONGEST)
    return select(func.count()).select_from(few.subquery())


def waiting(session: Session, actor: Actor, now: datetime) -> Sequence[Row[*tuple[Any, ...]]]:
    """What is to be confirmed, the oldest first; the name where another ground still shows it."""
    person = aliased(Person)  # not the one that `to_confirm` asks about
    statement = (
        waiting_lines(actor, now)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Agency, Agency.id == Disclosure.from_agency_id)
        .outerjoin(person, person.id == Disclosure.person_id)
        .with_only_columns(
            Disclosure.source_id.label("item_id"),
            Disclosure.starts_at.label("told_at"),
            Disclosure.channel,
            Disclosure.person_id,
            Meeting.id.label("meeting_id"),
            Meeting.name.label("meeting_name"),
            Meeting.starts_at.label("meeting_at"),
            Agency.name.label("from_name"),
            *label_columns(wall.sees(actor, Category.BASIC, now, person), person),
        )
        .limit(LONGEST)
    )
    return session.execute(statement).all()


def confirm(actor: Actor, item_id: UUID, *, note: str = "") -> None:
    """Say that what this item told is used no longer.

    Raises:
        NoResultFound: this item never told this agency anything.
        Conflict: there is nothing to confirm.
    """
    require(actor, Permission.MEETING_ATTEND)
    with db.transaction() as session:
        told = (
            select(AgendaItem.id)
            .join(Disclosure, Disclosure.source_id == AgendaItem.id)
            .where(
                AgendaItem.id == item_id,
                Disclosure.to_agency_id == actor.agency_id,
                ~exclusions.is_excluded(actor, Disclosure.person_id),
            )
            .distinct()
        )
        session.scalars(told).one()
        lines = session.scalars(waiting_lines(actor, clock.now()).where(AgendaItem.id == item_id)).all()
        if not lines:
            raise Conflict(N_("確認が必要な停止はありません。"))
        for line in lines:
            disclosures.confirm_stop(actor, line, note=note)
