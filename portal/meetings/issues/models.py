"""Local issues (地域課題) that meetings take up."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.meetings.states import IssueStatus


class LocalIssue(Identified, Versioned, Audited, Base):
    """A local issue (地域課題): what no agency could offer. Names no person, so those at the table may read it.

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
