"""Finding an item in order to change it, and writing down what was changed. Used by `agenda_services` alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import keep_only
from portal.errors import Conflict, NotAllowed
from portal.meetings import eyes, queries, services
from portal.meetings.agenda_checks import ItemFacts
from portal.meetings.agenda_models import AgendaItem, ItemCategory
from portal.meetings.models import Meeting
from portal.people.categories import Category
from portal.policy import Actor, Permission, can, require
from portal.words import N_

TOO_LATE = N_("会議が始まったあとは、議題を変えられません。")


def held(session: Session, actor: Actor, item_id: UUID) -> tuple[Meeting, AgendaItem]:
    """The meeting, held until the transaction ends, and its item, which this actor may know of.

    Raises:
        NoResultFound: none on an agenda that he may see; closed items are known to who arranges the agenda.
        Conflict: the meeting has begun.
    """
    meeting_id = session.scalars(select(AgendaItem.meeting_id).where(AgendaItem.id == item_id)).one()
    meeting = services.locked(session, actor, meeting_id)
    require(actor, Permission.MEETING_ATTEND)
    known = queries.may_enter(actor) if arranges(actor, meeting) else eyes.present(actor, clock.now())
    statement = (
        select(AgendaItem)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(AgendaItem.id == item_id, known)
        .execution_options(populate_existing=True)
    )
    item = session.scalars(statement).one()
    if not meeting.is_coming:
        raise Conflict(TOO_LATE)
    return meeting, item


def arranges(actor: Actor, meeting: Meeting) -> bool:
    return can(actor, Permission.MEETING_ARRANGE, meeting)


def require_own(session: Session, actor: Actor, item: AgendaItem) -> None:
    """Raise unless his agency brought it; to who is shut out of its person's affairs it is closed like any other's."""
    closed = select(AgendaItem.id).where(AgendaItem.id == item.id, eyes.is_shut_out(actor))
    if item.brought_by_id != actor.agency_id or session.scalar(closed):
        raise NotAllowed(N_("ほかの機関が出した議題は変えられません。出した機関に頼んでください。"))


def note_step(actor: Actor, meeting: Meeting) -> None:
    """The meeting's own version moved with its agenda."""
    audit.record(AuditEvent.ITEM_CHANGED, meeting, actor=actor)


def write_categories(session: Session, item: AgendaItem, categories: Collection[Category]) -> None:
    keep_only(session, ItemCategory, "category", categories, item_id=item.id)


def changed(
    actor: Actor,
    meeting: Meeting,
    item: AgendaItem,
    *,
    version: int | None = None,
    event: AuditEvent = AuditEvent.ITEM_CHANGED,
    categories: Collection[Category] = (),
    **values: Any,
) -> None:
    """Set these values by hand, and write down what really changed."""
    item.advance(version)
    changes = item.apply(**values, is_touched=True)
    meeting.advance(None)
    ground = meeting.basis if item.person_id else None
    audit.record(
        event,
        item,
        actor=actor,
        person_id=item.person_id,
        categories=categories,
        ground=ground,
        changes=changes,
    )
    note_step(actor, meeting)


def told_by(session: Session, item: AgendaItem) -> frozenset[Category]:
    return frozenset(session.scalars(select(ItemCategory.category).where(ItemCategory.item_id == item.id)))


def facts_of(item: AgendaItem, categories: frozenset[Category]) -> ItemFacts:
    return ItemFacts(
        kind=item.kind,
        title=item.title,
        text=item.text,
        minutes=item.minutes,
        presenter_agency_id=item.presenter_agency_id,
        person_id=item.person_id,
        referral_id=item.referral_id,
        issue_id=item.issue_id,
        categories=categories,
    )
