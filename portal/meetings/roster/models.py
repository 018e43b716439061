"""The roster: who is named for a meeting, who came, and who comes to every meeting of a series."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified


class Attendance(Identified, Audited, Base):
    """Who is named for a meeting (名簿) and whether they came. A guest without an account has a name instead.

    `secrecy_at` is the moment they acknowledged the duty of secrecy of a 支援会議; `on_paper` says how.
    """

    __tablename__ = "attendance"
    __table_args__ = (
        UniqueConstraint("meeting_id", "staff_id"),
        Index(None, "staff_id"),
        CheckConstraint("(staff_id IS NULL) = (guest_name <> '')", name="staff_or_guest"),
    )

    meeting_id: Mapped[UUID] = mapped_column(ForeignKey("meeting.id"))
    agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    guest_name: Mapped[str] = mapped_column(default="")
    guest_from: Mapped[str] = mapped_column(default="")
    was_there: Mapped[bool] = mapped_column(default=False)
    secrecy_at: Mapped[datetime | None]
    on_paper: Mapped[bool] = mapped_column(default=False)


class RegularMember(Base):
    """A caseworker whom an agency of the series sends to every meeting: each new roster begins with them."""

    __tablename__ = "meeting_series_regular"

    series_id: Mapped[UUID] = mapped_column(ForeignKey("meeting_series.id"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True, index=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
