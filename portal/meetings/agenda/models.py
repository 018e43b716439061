"""Agenda items, and the categories of information that an item discloses."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.meetings.states import ItemKind, Source
from portal.people.categories import Category


class AgendaItem(Identified, Versioned, Audited, Base):
    """One item (議題). A drafted item has a `source` and its `subject_id`, once in a meeting.

    `brought_by_id` is the agency whose matter it is. Others at the table learn of a person only when it is
    `shared`: the opening of a packet then discloses the categories of `ItemCategory`, on the basis of the
    meeting's kind. `minutes_text` is what was said; `version` guards it and everything else of the item.
    `number` is given once the meeting is announced (`numbers`); from then on `revision` counts the changes to
    the item. What the work brings then is off the agenda (`removed_at`) from `waiting_since` until the convener
    takes it in.
    """

    __tablename__ = "agenda_item"
    __table_args__ = (
        UniqueConstraint("meeting_id", "subject_id"),
        Index(None, "meeting_id", "position"),
        Index(None, "person_id"),
        Index(None, "subject_id"),
        CheckConstraint("minutes >= 0", name="minutes"),
    )

    meeting_id: Mapped[UUID] = mapped_column(ForeignKey("meeting.id"))
    kind: Mapped[ItemKind]
    source: Mapped[Source] = mapped_column(default=Source.HAND)
    subject_id: Mapped[
        UUID | None
    ]  # the referral, promise, consent, goal, item, issue or meeting it is about
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    referral_id: Mapped[UUID | None] = mapped_column(ForeignKey("referral.id"))
    issue_id: Mapped[UUID | None] = mapped_column(ForeignKey("local_issue.id"))
    outcome_id: Mapped[UUID | None]  # the promise that came back; no key: outcomes belong to items
    brought_by_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    shared: Mapped[bool] = mapped_column(default=False)
    shared_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    title: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(default="")
    reason_on: Mapped[date | None]
    reason_count: Mapped[int] = mapped_column(default=0)
    presenter_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    minutes: Mapped[int]
    position: Mapped[int]
    number: Mapped[int | None]
    is_touched: Mapped[bool] = mapped_column(default=False)  # by hand: redrafting leaves it on the agenda
    waiting_since: Mapped[datetime | None]
    revision: Mapped[int | None]
    revised_at: Mapped[datetime | None]
    removed_why: Mapped[str] = mapped_column(default="")
    removed_at: Mapped[datetime | None]
    postponed_why: Mapped[str] = mapped_column(default="")
    postponed_at: Mapped[datetime | None]
    minutes_text: Mapped[str] = mapped_column(default="")

    @property
    def stands(self) -> bool:
        """On the agenda: neither removed nor postponed."""
        return self.removed_at is None and self.postponed_at is None


class ItemReason(Base):
    """A further reason why an item is on the agenda, beyond its own `source`; drafted anew with the item."""

    __tablename__ = "agenda_item_reason"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("agenda_item.id"), primary_key=True)
    source: Mapped[Source] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    reason_on: Mapped[date | None]
    reason_count: Mapped[int] = mapped_column(default=0)


class ItemCategory(Base):
    """A category that a shared item discloses."""

    __tablename__ = "agenda_item_category"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("agenda_item.id"), primary_key=True)
    category: Mapped[Category] = mapped_column(primary_key=True)
