"""Erasures: proposed by one person, agreed by another, then done for good."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.core.labels import N_, Labelled


class ErasureGround(Labelled):
    """Why a person's record is erased."""

    PERIOD_OVER = "period_over", N_("保存期間の満了")
    REQUESTED = "requested", N_("本人の申出")
    UNLAWFUL = "unlawful", N_("誤って取得した記録")


class Erasure(Identified, Versioned, Audited, Base):
    """One erasure of one person's record. `done_at` is set last, when the person's key has been destroyed."""

    __tablename__ = "erasure"
    __table_args__ = (Index(None, "person_id"), Index(None, "agency_id", "done_at"))

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # the home agency that erases
    ground: Mapped[ErasureGround]
    reason: Mapped[str] = mapped_column(default="")
    proposed_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    agreed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    agreed_at: Mapped[datetime | None]
    dropped_at: Mapped[datetime | None]  # the proposal was taken back or refused
    dropped_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    done_at: Mapped[datetime | None]

    @property
    def staff_id(self) -> UUID:
        """The member of staff whose proposal it is, as the policy asks for it."""
        return self.proposed_by_id

    @property
    def is_open(self) -> bool:
        return self.dropped_at is None and self.done_at is None
