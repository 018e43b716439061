"""Uses of emergency access, with the second person's word before or after."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.core.labels import N_, Labelled


class Emergency(Labelled):
    """Why it could not wait for consent (人の生命、身体又は財産の保護のために必要がある場合)."""

    LIFE = "life", N_("生命の危険（自殺のおそれを含む）")
    BODY = "body", N_("身体の危険・急病")
    ABUSE = "abuse", N_("虐待・暴力のおそれ")
    MISSING = "missing", N_("行方不明・安否不明")
    DISASTER = "disaster", N_("災害")
    PROPERTY = "property", N_("財産の保護")


class Finding(Labelled):
    """What the second person found afterwards."""

    JUSTIFIED = "justified", N_("適切")
    JUSTIFIED_WITH_NOTE = "with_note", N_("適切（改善点あり）")
    NOT_JUSTIFIED = "not_justified", N_("不適切")


class EmergencyAccess(Identified, Versioned, Audited, Base):
    """One request. Where a second person is needed it waits until `approved_at`; it is open from `starts_at`
    to `ends_at` or `ended_at`, and is to be reviewed by `review_by`."""

    __tablename__ = "emergency_access"
    __table_args__ = (
        Index(None, "staff_id", "created_at"),
        Index(None, "agency_id", "created_at"),
        Index(None, "home_agency_id", "created_at"),
        Index(None, "person_id"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    home_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))  # at that time: it is notified
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    reason: Mapped[Emergency]
    text: Mapped[str]
    categories: Mapped[list[str]] = mapped_column(JSON)  # asked for; the disclosure has what was opened
    needs_second: Mapped[bool]
    approved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    approved_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]  # by the second person, who stands in `approved_by_id`
    declined_why: Mapped[str] = mapped_column(default="")
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]  # given back early
    disclosure_id: Mapped[UUID | None] = mapped_column(ForeignKey("disclosure.id"))
    review_by: Mapped[date | None]
    reviewed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    reviewed_at: Mapped[datetime | None]
    finding: Mapped[Finding | None]
    review_text: Mapped[str] = mapped_column(default="")


class EmergencyNotice(Identified, Audited, Base):
    """An agency was notified at once, and who there took note; `agency_id` is empty for the auditors."""

    __tablename__ = "emergency_notice"
    __table_args__ = (Index(None, "agency_id", "noted_at"), Index(None, "access_id"))

    access_id: Mapped[UUID] = mapped_column(ForeignKey("emergency_access.id"))
    agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    noted_at: Mapped[datetime | None]
    noted_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
