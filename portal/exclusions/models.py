"""Exclusions: who may not see whose affairs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified
from portal.core.labels import N_, Labelled


class Conflict(Labelled):
    """Why somebody must not see the person's affairs."""

    RELATIVE = "relative", N_("親族")
    NEIGHBOUR = "neighbour", N_("近隣・知人")
    FORMER_SUPPORT = "business", N_("仕事上・金銭上の関係")
    DISPUTE = "dispute", N_("苦情・もめごとの相手方")
    OTHER = "other", N_("その他")


class Exclusion(Identified, Audited, Base):
    """This member of staff sees nothing of this person: an exclusion beats every other rule.

    Only `lifted_at`, `lifted_by_id` and `lifted_why` are ever set later.
    """

    __tablename__ = "exclusion"
    __table_args__ = (Index(None, "person_id", "staff_id"), Index(None, "staff_id", "lifted_at"))

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # where that member of staff works
    made_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    conflict: Mapped[Conflict]
    reason: Mapped[str] = mapped_column(default="")
    lifted_at: Mapped[datetime | None]
    lifted_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    lifted_why: Mapped[str] = mapped_column(default="")
