"""The ledger of who was told what, on which basis, until when; and the recipients' confirmations of stops."""

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
    """The legal basis of telling (提供根拠)."""

    CONSENT = "consent", N_("本人の同意")
    COUNCIL = "council", N_("支援会議")
    EMERGENCY = "emergency", N_("緊急")
    ANONYMOUS = "anonymous", N_("匿名（個人を特定しない）")


# Told to one member of staff alone: a sworn member of a 支援会議, or whoever opened a record in an emergency.
PERSONAL = (Basis.COUNCIL, Basis.EMERGENCY)


class Channel(Labelled):
    """How it was told."""

    REFERRAL = "referral", N_("つなぎ")
    TRANSFER = "transfer", N_("移管")
    MESSAGE = "message", N_("連絡")
    PACKET = "packet", N_("会議資料")
    PRINT = "print", N_("印刷")
    EMERGENCY = "emergency", N_("緊急閲覧")
    RENEWAL = "renewal", N_("同意の更新による継続")


class Disclosure(Identified, Audited, Base):
    """One agency's knowing (情報提供): the permission to read and the ledger's line are the same row.

    `source_id` is the record that told (a referral, an agenda item); `ends_at` is the instant the basis was to
    end when told.
    Only `ended_at` is ever set later: the telling ended early, and the line stays.
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
    to_staff_id: Mapped[UUID | None]  # of `PERSONAL` bases: whom it was told, and none of his colleagues
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
    """A recipient's word that it has stopped using what it was told (停止確認)."""

    __tablename__ = "stop_confirmation"
    __table_args__ = (UniqueConstraint("disclosure_id"),)

    disclosure_id: Mapped[UUID] = mapped_column(ForeignKey("disclosure.id"))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    confirmed_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    note: Mapped[str] = mapped_column(default="")
