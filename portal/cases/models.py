"""Cases, their goals and progress notes. They belong to the agency that does the work, and to no other."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.cases.codes import Domain, HeardBy, Method, Milestone, Outcome, Score
from portal.core.db import Base, Identified, Versioned
from portal.people.categories import Category


class Case(Identified, Versioned, Audited, Base):
    """One agency's support of one person (ケース). An agency has one open case of a person at a time."""

    __tablename__ = "support_case"
    __table_args__ = (
        UniqueConstraint("agency_id", "number"),
        Index(
            "uq_support_case_agency_id_person_id_open",
            "agency_id",
            "person_id",
            unique=True,
            sqlite_where=text("closed_on IS NULL"),
            postgresql_where=text("closed_on IS NULL"),
        ),
        Index(None, "person_id"),
        Index(None, "agency_id", "person_id"),
        Index(None, "agency_id", "opened_on", "id"),
        Index(None, "agency_id", "closed_on"),
        Index(None, "opened_on", "agency_id"),
        Index(None, "outcome", "closed_on"),
        CheckConstraint("closed_on IS NULL OR outcome IS NOT NULL", name="closed_with_outcome"),
    )

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    number: Mapped[str]
    opened_on: Mapped[date]
    opened_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    worker_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    heard_by: Mapped[HeardBy | None]
    source_id: Mapped[UUID | None]  # the referral on whose acceptance it was opened
    closed_on: Mapped[date | None]
    outcome: Mapped[Outcome | None]
    closing_text: Mapped[str] = mapped_column(default="")


class CaseGoal(Identified, Audited, Base):
    __tablename__ = "case_goal"
    __table_args__ = (Index(None, "case_id"),)

    case_id: Mapped[UUID] = mapped_column(ForeignKey("support_case.id"))
    domain: Mapped[Domain]
    text: Mapped[str]
    review_on: Mapped[date | None]  # 評価予定日: when the councils look at it again
    score: Mapped[Score | None]
    scored_at: Mapped[datetime | None]


class ProgressNote(Identified, Versioned, Audited, Base):
    """One contact (経過): when, how, how long in minutes, what about."""

    __tablename__ = "progress_note"
    __table_args__ = (Index(None, "case_id", "held_on", "id"),)

    case_id: Mapped[UUID] = mapped_column(ForeignKey("support_case.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    held_on: Mapped[date]
    method: Mapped[Method]
    minutes: Mapped[int | None]
    category: Mapped[Category]
    text: Mapped[str]


class CaseMilestone(Identified, Audited, Base):
    """A plan, a job or higher earnings (節目), on its day. Struck out when it was a mistake, it counts nowhere.

    `for_employment` marks the plan of somebody who is supported in finding work (就労支援対象者);
    `helper_agency_id` is the agency with whose help it came about, besides one's own.
    """

    __tablename__ = "case_milestone"
    __table_args__ = (Index(None, "case_id"), Index(None, "what", "happened_on"))

    case_id: Mapped[UUID] = mapped_column(ForeignKey("support_case.id"))
    what: Mapped[Milestone]
    happened_on: Mapped[date]
    for_employment: Mapped[bool] = mapped_column(default=False)
    helper_agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    noted_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    text: Mapped[str] = mapped_column(default="")
    struck_at: Mapped[datetime | None]
