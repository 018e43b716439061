"""Agenda items, what is written and decided on them, and the local issues that meetings take up."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.db import Base, Identified, Versioned
from portal.meetings.states import IssueStatus, ItemKind, OutcomeKind, Source
from portal.people.categories import Category
from portal.referrals.states import ReferralAction


class AgendaItem(Identified, Versioned, Audited, Base):
    """One item (議題). What is drafted from the work has a `source` and its `subject_id`, once in a meeting.

    `brought_by_id` is the agency whose matter it is. Others at the table learn of a person only when it is
    `shared`: then the categories of `ItemCategory` are told, on the basis of the meeting's kind, at the opening
    of each packet. `minutes_text` is what was said; `version` guards it and everything else of the item.
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
    is_touched: Mapped[bool] = mapped_column(default=False)  # by hand: redrafting leaves it on the agenda
    removed_why: Mapped[str] = mapped_column(default="")
    removed_at: Mapped[datetime | None]
    postponed_why: Mapped[str] = mapped_column(default="")
    postponed_at: Mapped[datetime | None]
    minutes_text: Mapped[str] = mapped_column(default="")

    @property
    def stands(self) -> bool:
        """On the agenda: neither removed nor postponed."""
        return self.removed_at is None and self.postponed_at is None


class ItemCategory(Base):
    """A category that a shared item tells."""

    __tablename__ = "agenda_item_category"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("agenda_item.id"), primary_key=True)
    category: Mapped[Category] = mapped_column(primary_key=True)


class MinutesRevision(Identified, Base):
    """Every text ever saved for an item's minutes, also the one that came second: nothing typed is lost."""

    __tablename__ = "minutes_revision"
    __table_args__ = (Index(None, "item_id", "id"),)

    item_id: Mapped[UUID] = mapped_column(ForeignKey("agenda_item.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    text: Mapped[str]
    based_on: Mapped[int]  # the version of the item it was typed on
    is_refused: Mapped[bool] = mapped_column(
        default=False
    )  # somebody had been faster; kept here, not in the minutes


class MeetingOutcome(Identified, Versioned, Audited, Base):
    """What came of an item: information, a decision, or an action somebody promised (宿題).

    An action may be a step of a referral: the step done closes it. Or a new referral of the item's person to
    `to_agency_id`: sending one closes it.
    """

    __tablename__ = "meeting_outcome"
    __table_args__ = (
        Index(None, "item_id"),
        Index(None, "owner_agency_id", "done_at", "due_on"),
        CheckConstraint("kind <> 'action' OR owner_agency_id IS NOT NULL", name="action_has_owner"),
        CheckConstraint("kind <> 'action' OR due_on IS NOT NULL", name="action_is_due"),
    )

    item_id: Mapped[UUID] = mapped_column(ForeignKey("agenda_item.id"))
    kind: Mapped[OutcomeKind]
    text: Mapped[str]
    owner_agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    owner_staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    due_on: Mapped[date | None]
    referral_id: Mapped[UUID | None] = mapped_column(ForeignKey("referral.id"))
    referral_step: Mapped[ReferralAction | None]
    to_agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    noted_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    done_at: Mapped[datetime | None]
    done_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    done_note: Mapped[str] = mapped_column(default="")
    struck_at: Mapped[datetime | None]  # taken out again before the minutes were approved


class Addendum(Identified, Audited, Base):
    """A correction to approved minutes: of one item, or of the whole when `item_id` is empty. Appended only."""

    __tablename__ = "addendum"
    __table_args__ = (Index(None, "meeting_id", "id"),)

    meeting_id: Mapped[UUID] = mapped_column(ForeignKey("meeting.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("agenda_item.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    text: Mapped[str]


class LocalIssue(Identified, Versioned, Audited, Base):
    """What no agency could offer (地域課題). Holds no person, so those at the table may read it.

    `follow_up_id` is the note on a referral it grew from, which stays with the agency that wrote it.
    """

    __tablename__ = "local_issue"
    __table_args__ = (Index(None, "agency_id"), UniqueConstraint("follow_up_id"))

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    raised_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    follow_up_id: Mapped[UUID | None] = mapped_column(ForeignKey("follow_up.id"))
    code: Mapped[str] = mapped_column(default="")  # of the refusal that showed it
    text: Mapped[str]
    status: Mapped[IssueStatus] = mapped_column(default=IssueStatus.OPEN)
    result: Mapped[str] = mapped_column(default="")  # what came of it
