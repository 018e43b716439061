"""The packet of one agency before the meeting is announced, as far as whoever arranges the agenda may see it.

What that agency would see is worked out as yes or no (`eyes_statement`); words and names are those that the reader
may see themselves. What only the agency would see stands as a gap of which the reader knows already: on an
item that they see, or an item closed to them that this agency presents. Nothing is disclosed (decision 033).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, select
from sqlalchemy.orm import Session, aliased

from portal.core.db import db
from portal.core.policy import Actor
from portal.meetings import item_visibility
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.queries import ItemView, MeetingView
from portal.meetings.packets import matrix
from portal.meetings.packets.matrix import SEAT, SITTER, TELLER, Why
from portal.meetings.schedule.models import Meeting
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One item of the packet. What the agency alone would see: `is_theirs` the whole of it, else these parts."""

    item: ItemView
    is_theirs: bool = False
    their_name: bool = False
    their_referral: bool = False
    their_words: bool = False
    their_categories: Sequence[Category] = ()


@cache
def eyes_statement() -> Select[*tuple[Any, ...]]:
    """Of each item that the reader knows of: what the agency in this seat may name and read of it."""
    now, subject = predicates.NOW, aliased(Person, name="subject")
    categories = [
        column
        for category in Category
        for column in (
            predicates.agency_sees(SITTER, category, now, subject).label(f"knows_{category}"),
            predicates.agency_sees(TELLER, category, now, subject).label(f"teller_{category}"),
            predicates.sees(predicates.READER, category, now, subject).label(f"mine_{category}"),
            matrix.covers(category, own_only=False).label(f"covers_{category}"),
        )
    ]
    return (
        select(
            AgendaItem.id,
            item_visibility.may_name(SITTER).label("may_name"),
            item_visibility.is_referral_party(SITTER).label("party"),
            *categories,
        )
        .select_from(AgendaItem)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(SEAT, and_(SEAT.meeting_id == Meeting.id, SEAT.agency_id == bindparam("seat_id")))
        .outerjoin(subject, subject.id == AgendaItem.person_id)
        .where(
            AgendaItem.meeting_id == bindparam("meeting_id"),
            item_visibility.present(predicates.READER, now),
        )
    )


def load(
    session: Session, actor: Actor, meeting: MeetingView, agency_id: UUID, now: datetime
) -> list[Glimpse]:
    """The items of this agency's packet, in their order; none of a 支援会議 before the reader's own oath."""
    if meeting.needs_confidentiality:
        return []
    items = agenda_queries.load_items(
        session, actor, meeting.id, now, with_hidden=True, with_information=True
    )
    cells = matrix.cells_of(actor, meeting, matrix.agreed_of(session, meeting), now)
    values = predicates.bound(actor, now, meeting_id=meeting.id, seat_id=agency_id)
    eyes = {row.id: row for row in db.unrestricted().execute(eyes_statement(), values)}
    found: list[Glimpse] = []
    for item in items:
        if item.is_hidden:
            if item.presenter_agency_id == agency_id:
                found.append(Glimpse(item, is_theirs=True))
        elif (cell := cells[item.id][agency_id]).sees:
            found.append(glimpse(item, cell.why, eyes[item.id]))
    return found


def glimpse(item: ItemView, why: Why, eyes: Any) -> Glimpse:
    """The item without what this agency would not see; its gaps are what the reader may not see."""
    readable = why is not Why.STOPPED
    named = bool(eyes.may_name) and would_see(Category.BASIC, why, eyes)
    seen: list[Category] = [
        c for c in item.categories if c is not Category.BASIC and named and would_see(c, why, eyes)
    ]
    summary = item.person_summary
    if summary is not None:
        kept: dict[Category, str] = {c: text for c, text in summary.information.items() if c in seen}
        summary = replace(summary, information=kept) if named else None
    referral = item.referral if eyes.party else None
    if referral and not readable:
        referral = replace(referral, need="")
    both_read = item.is_readable and readable
    return Glimpse(
        replace(
            item,
            person_summary=summary,
            referral=referral,
            is_readable=readable,
            title=item.title if readable else "",
            text=item.text if both_read else "",
            promised=item.promised if both_read else "",
        ),
        their_name=named and item.has_person and item.person_summary is None,
        their_referral=bool(eyes.party) and item.referral is None,
        their_words=readable and not item.is_readable,
        their_categories=[c for c in seen if readable and not (item.label and getattr(eyes, f"mine_{c}"))],
    )


def would_see(category: Category, why: Why, eyes: Any) -> bool:
    """Whether this agency sees the category of the item's person, or would once it opens the packet."""
    if getattr(eyes, f"knows_{category}"):
        return True
    if why is Why.CONSENT and not getattr(eyes, f"covers_{category}"):
        return False
    return why in {Why.CONSENT, Why.COUNCIL} and bool(getattr(eyes, f"teller_{category}"))
