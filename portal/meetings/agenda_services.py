"""What people do to an agenda: add, arrange, put off, take off and share its items."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.disclosures import services as disclosures
from portal.errors import Conflict, Invalid
from portal.meetings import services
from portal.meetings.agenda_checks import ItemFacts, check, check_place, person_of
from portal.meetings.agenda_holding import (
    TOO_LATE,
    changed,
    facts_of,
    held,
    note_step,
    require_own,
    told_by,
    write_categories,
)
from portal.meetings.agenda_models import AgendaItem
from portal.meetings.drafting_services import GAP
from portal.meetings.states import Source
from portal.once import claim
from portal.people.categories import Category
from portal.policy import Actor, Permission, require
from portal.words import N_

__all__ = ["ItemFacts"]


def add_item(actor: Actor, meeting_id: UUID, facts: ItemFacts, *, idempotency_key: str | None = None) -> UUID:
    """Put a matter of one's own agency on the agenda; returns the item's id.

    Raises:
        NoResultFound: no such meeting, person, referral or issue that this actor may know of.
        Conflict: the meeting has begun.
        Invalid: a field does not fit the others or the kind of the meeting.
    """
    item_id = new_id()
    with db.transaction() as session:
        meeting = services.locked(session, actor, meeting_id)
        require(actor, Permission.MEETING_ATTEND)
        if earlier := claim(actor, idempotency_key, item_id):
            return earlier
        if not meeting.is_coming:
            raise Conflict(TOO_LATE)
        person_id = person_of(session, actor, facts)
        check(session, actor, meeting, facts, person_id)
        assert actor.agency_id is not None  # at the table  # noqa: S101
        shared = facts.shared and person_id is not None
        item = AgendaItem(
            id=item_id,
            meeting_id=meeting.id,
            kind=facts.kind,
            source=Source.HAND,
            person_id=person_id,
            referral_id=facts.referral_id,
            issue_id=facts.issue_id,
            brought_by_id=actor.agency_id,
            shared=shared,
            shared_by_id=actor.staff_id if shared else None,
            title=facts.title,
            text=facts.text,
            presenter_agency_id=facts.presenter_agency_id,
            minutes=facts.minutes,
            position=last_position(session, meeting.id) + GAP,
            is_touched=True,
        )
        session.add(item)
        session.flush()
        write_categories(session, item, facts.categories if shared else frozenset())
        meeting.advance(None)
        audit.record(
            AuditEvent.ITEM_ADDED,
            item,
            actor=actor,
            person_id=person_id,
            categories=facts.categories if shared else (),
            ground=meeting.basis if person_id else None,
            title=facts.title,
            text=facts.text,
        )
        note_step(actor, meeting)
    return item_id


def last_position(session: Session, meeting_id: UUID) -> int:
    rows = select(AgendaItem.position).where(AgendaItem.meeting_id == meeting_id)
    return session.scalar(rows.order_by(AgendaItem.position.desc()).limit(1)) or 0


def edit_item(actor: Actor, item_id: UUID, facts: ItemFacts, *, version: int | None = None) -> None:
    """Change the words of one's own item, and what it tells; whom it is about stays.

    Raises:
        NotAllowed: another agency brought it.
        StaleForm: somebody changed it meanwhile.
    """
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_own(session, actor, item)
        kind = facts.kind if item.source is Source.HAND else item.kind
        facts = replace(
            facts, kind=kind, person_id=item.person_id, referral_id=item.referral_id, issue_id=item.issue_id
        )
        check(session, actor, meeting, facts, item.person_id, is_new=item.source is Source.HAND)
        shared = facts.shared and item.person_id is not None
        told = facts.categories if shared else frozenset()
        if item.shared and (not shared or told_by(session, item) - told):
            disclosures.end(actor, item.id)  # the next opening of a packet tells what is left
        write_categories(session, item, told)
        changed(
            actor,
            meeting,
            item,
            version=version,
            categories=told,
            kind=kind,
            title=facts.title,
            text=facts.text,
            minutes=facts.minutes,
            presenter_agency_id=facts.presenter_agency_id,
            shared=shared,
            shared_by_id=actor.staff_id if shared else None,
        )


def arrange_item(
    actor: Actor, item_id: UUID, *, minutes: int, presenter_agency_id: UUID, version: int | None = None
) -> None:
    """How long, and who presents it: for who arranges the agenda, of closed items too."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        if item.brought_by_id != actor.agency_id:
            require(actor, Permission.MEETING_ARRANGE, meeting)
        check_place(session, meeting, minutes, presenter_agency_id)
        changed(
            actor, meeting, item, version=version, minutes=minutes, presenter_agency_id=presenter_agency_id
        )


def move_item(actor: Actor, item_id: UUID, *, up: bool) -> None:
    """Change places with the item before or behind; at the end of the agenda nothing happens."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require(actor, Permission.MEETING_ARRANGE, meeting)
        order = list(
            session.scalars(
                select(AgendaItem)
                .where(
                    AgendaItem.meeting_id == meeting.id,
                    AgendaItem.removed_at.is_(None),
                    AgendaItem.postponed_at.is_(None),
                )
                .order_by(AgendaItem.position, AgendaItem.id)
            )
        )
        if item not in order:
            raise Conflict(N_("この議題は、いまは議題の一覧にありません。"))
        here = order.index(item)
        there = here - 1 if up else here + 1
        if not 0 <= there < len(order):
            return
        order[here], order[there] = order[there], order[here]
        for place, one in enumerate(order, 1):
            if one.apply(position=place * GAP):
                one.advance(None)
                audit.record(AuditEvent.ITEM_CHANGED, one, actor=actor, person_id=one.person_id, moved=True)
        meeting.advance(None)
        note_step(actor, meeting)


def fall(actor: Actor, item_id: UUID, why: str, *, postpone: bool) -> None:
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        if item.brought_by_id != actor.agency_id:
            require(actor, Permission.MEETING_ARRANGE, meeting)
        if not why:
            raise Invalid(N_("理由を入力してください。"), field="why")
        if not item.stands:
            raise Conflict(N_("この議題は、いまは議題の一覧にありません。"))
        disclosures.end(actor, item.id)
        if postpone:
            changed(actor, meeting, item, postponed_why=why, postponed_at=clock.now())
        else:
            changed(actor, meeting, item, removed_why=why, removed_at=clock.now())


def remove_item(actor: Actor, item_id: UUID, why: str) -> None:
    """Take it off this agenda, with a reason; the work does not put it on again."""
    fall(actor, item_id, why, postpone=False)


def postpone_item(actor: Actor, item_id: UUID, why: str) -> None:
    """Put it off, with a reason: it comes back at the next meeting of the series."""
    fall(actor, item_id, why, postpone=True)


def restore_item(actor: Actor, item_id: UUID) -> None:
    """Put it back where it was."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        if item.brought_by_id != actor.agency_id:
            require(actor, Permission.MEETING_ARRANGE, meeting)
        changed(actor, meeting, item, removed_why="", removed_at=None, postponed_why="", postponed_at=None)


def share_item(actor: Actor, item_id: UUID, categories: Collection[Category]) -> None:
    """Let the others at the table be told these categories, as far as the basis of the meeting reaches."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_own(session, actor, item)
        if item.person_id is None:
            raise Conflict(N_("相談者のいない議題は、はじめから全員に見えます。"))
        facts = facts_of(item, frozenset(categories))
        check(session, actor, meeting, facts, item.person_id, is_new=False)
        if told_by(session, item) - set(categories):
            disclosures.end(actor, item.id)
        write_categories(session, item, categories)
        changed(
            actor,
            meeting,
            item,
            event=AuditEvent.ITEM_SHARED,
            categories=categories,
            shared=True,
            shared_by_id=actor.staff_id,
        )


def unshare_item(actor: Actor, item_id: UUID) -> None:
    """Take it back: what it told ends at once."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_own(session, actor, item)
        disclosures.end(actor, item.id)
        write_categories(session, item, ())
        changed(actor, meeting, item, event=AuditEvent.ITEM_SHARED, shared=False, shared_by_id=None)
