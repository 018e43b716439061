"""Consents and withdrawals. Rows are appended, never changed: a renewal is a new consent."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.clock import now
from portal.core.db import Base, Identified
from portal.core.labels import N_, Labelled
from portal.people.categories import Category


class ConsentMethod(Labelled):
    WRITTEN = "written", N_("書面")
    ORAL = "oral", N_("口頭（立会人あり）")
    ELECTRONIC = "electronic", N_("電子")


class Consent(Identified, Audited, Base):
    """One yes (同意): to these agencies, these categories, from a day through the end of another in Japan.

    `given_by_relation` is empty when the person gave it; else what the representative is to the person.
    """

    __tablename__ = "consent"
    __table_args__ = (
        Index(None, "person_id", "valid_until"),
        Index(None, "replaces_id"),
        Index(None, "agency_id", "valid_until"),
        CheckConstraint("valid_from <= valid_until", name="order"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # that recorded it
    recorded_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    given_by_name: Mapped[str] = mapped_column(default="")
    given_by_relation: Mapped[str] = mapped_column(default="")
    method: Mapped[ConsentMethod]
    witness: Mapped[str] = mapped_column(default="")
    form_version: Mapped[str] = mapped_column(default="")
    kept_at: Mapped[str] = mapped_column(default="")  # where the signed paper lies
    purpose: Mapped[str]
    valid_from: Mapped[date]
    valid_until: Mapped[date]
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent.id"))


class ConsentRecipient(Base):
    __tablename__ = "consent_recipient"

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consent.id"), primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), primary_key=True, index=True)


class ConsentCategory(Base):
    __tablename__ = "consent_category"

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consent.id"), primary_key=True)
    category: Mapped[Category] = mapped_column(primary_key=True)


class Withdrawal(Identified, Audited, Base):
    """The person takes a consent back: for one recipient, or for all when `recipient_id` is empty."""

    __tablename__ = "withdrawal"
    __table_args__ = (Index(None, "consent_id"),)

    consent_id: Mapped[UUID] = mapped_column(ForeignKey("consent.id"))
    recipient_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # that recorded it
    recorded_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    withdrawn_at: Mapped[datetime] = mapped_column(default=now)
    reason: Mapped[str] = mapped_column(default="")
