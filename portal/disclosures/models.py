"""The ledger of what was disclosed to whom, on which basis, until when; and the confirmations of stops."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified
from portal.core.labels import N_, Labelled
from portal.people.categories import Category


class Basis(Labelled):
    """The legal basis of a disclosure (提供根拠)."""

    CONSENT = "consent", N_("本人の同意")
    COUNCIL = "council", N_("支援会議")
    EMERGENCY = "emergency", N_("緊急")
    ANONYMOUS = "anonymous", N_("匿名（個人を特定しない）")


# Disclosed to one member of staff: a sworn member of a 支援会議, or whoever opened a record in an emergency.
PERSONAL = (Basis.COUNCIL, Basis.EMERGENCY)


class Channel(Labelled):
    """How it was disclosed."""

    REFERRAL = "referral", N_("つなぎ")
    TRANSFER = "transfer", N_("移管")
    MESSAGE = "message", N_("連絡")
    PACKET = "packet", N_("会議資料")
    PRINT = "print", N_("印刷")
    EMERGENCY = "emergency", N_("緊急閲覧")
    RENEWAL = "renewal", N_("同意の更新による継続")


class Disclosure(Identified, Audited, Base):
    """One disclosure (情報提供): the row is both the permission to read and the entry in the ledger.

    `source_id` is the record that disclosed it (a referral, an agenda item); `ends_at` is when the basis was
    to end, as known at the time of disclosure.
    Only `ended_at` is ever set later: the disclosure ended early, and its row stays.
    """

    __tablename__ = "disclosure"
    __table_args__ = (
        Index(None, "person_id", "to_agency_id"),
        Index(None, "to_agency_id", "person_id"),
        Index(None, "source_id"),
        Index(None, "consent_id"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    from_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    to_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    to_staff_id: Mapped[UUID | None]  # of `PERSONAL` bases: the one recipient, without their colleagues
    made_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    basis: Mapped[Basis]
    consent_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent.id"))
    channel: Mapped[Channel]
    source_id: Mapped[UUID | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]  # none for what cannot identify anybody
    ended_at: Mapped[datetime | None]


class DisclosureCategory(Base):
    __tablename__ = "disclosure_category"

    disclosure_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure.id"), primary_key=True)
    category: Mapped[Category] = mapped_column(primary_key=True)


class StopConfirmation(Identified, Audited, Base):
    """A recipient's confirmation that it has stopped using what was disclosed to it (利用停止の報告)."""

    __tablename__ = "stop_confirmation"
    __table_args__ = (UniqueConstraint("disclosure_id"),)

    disclosure_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    confirmed_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    note: Mapped[str] = mapped_column(default="")
