"""What came of an agenda item."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.meetings.states import OutcomeKind
from portal.referrals.states import ReferralAction


class MeetingOutcome(Identified, Versioned, Audited, Base):
    """What came of an item: information, a decision, or an action somebody promised (対応事項).

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
