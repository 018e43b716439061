"""Samples, findings and opened names. Nothing here is a client's record; texts are the auditor's and the agencies'."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.core.labels import N_, Labelled


class NameOpening(Identified, Audited, Base):
    """An auditor opened one person's name, for a stated reason, for a day.

    `home_agency_id` and `number` are the record's at that time: that agency's administrator sees them, no client.
    """

    __tablename__ = "name_opening"
    __table_args__ = (
        Index(None, "staff_id", "person_id"),
        Index(None, "person_id"),
        Index(None, "home_agency_id", "created_at"),
    )

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    home_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    number: Mapped[str]
    reason: Mapped[str]
    ends_at: Mapped[datetime]


class Sample(Identified, Versioned, Audited, Base):
    """A random choice of referrals that ended or began within a period, to be looked through one by one."""

    __tablename__ = "audit_sample"

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    first: Mapped[date]
    last: Mapped[date]
    wanted: Mapped[int]
    found: Mapped[int]  # how many there were to choose from
    seed: Mapped[str]  # with it the choice can be made again by anybody
    closed_at: Mapped[datetime | None]


class SampleItem(Identified, Versioned, Audited, Base):
    """One referral of a sample and what its checklist says: `{code of the check: ok, not_ok or not_applicable}`."""

    __tablename__ = "audit_sample_item"
    __table_args__ = (Index(None, "sample_id", "position"),)

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("audit_sample.id"))
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("referral.id"))
    position: Mapped[int]
    answers: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    note: Mapped[str] = mapped_column(default="")
    checked_at: Mapped[datetime | None]


class FindingKind(Labelled):
    """How grave a finding is."""

    BREACH = "breach", N_("不適合（是正が必要）")
    WEAKNESS = "weakness", N_("改善が必要")
    REMARK = "remark", N_("参考意見")


class AuditFinding(Identified, Versioned, Audited, Base):
    """What the auditor found with one agency, its answer, and whether that closed it."""

    __tablename__ = "audit_finding"
    __table_args__ = (Index(None, "agency_id", "closed_at"), Index(None, "item_id"))

    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("audit_sample_item.id"))
    referral_id: Mapped[UUID | None] = mapped_column(ForeignKey("referral.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    made_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    kind: Mapped[FindingKind]
    check_code: Mapped[str] = mapped_column(default="")  # of the check that failed
    text: Mapped[str]
    due_on: Mapped[date]
    answer: Mapped[str] = mapped_column(default="")
    answered_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    answered_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    closing: Mapped[str] = mapped_column(default="")
