"""The texts saved for the minutes of an item, and what was added after they were approved."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified


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


class Addendum(Identified, Audited, Base):
    """A correction to approved minutes: of one item, or of the whole when `item_id` is empty. Appended only."""

    __tablename__ = "addendum"
    __table_args__ = (Index(None, "meeting_id", "id"),)

    meeting_id: Mapped[UUID] = mapped_column(ForeignKey("meeting.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("agenda_item.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    text: Mapped[str]
