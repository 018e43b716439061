"""Staff, the agency and role each has, sessions, and invitations."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.clock import now
from portal.core.db import Base, Identified, Versioned
from portal.core.policy import Role


class Staff(Identified, Versioned, Audited, Base):
    """One person who works here. `email` is stored in lower case."""

    __tablename__ = "staff"
    __table_args__ = (UniqueConstraint("email"),)

    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]
    language: Mapped[str] = mapped_column(default="ja")
    disabled_at: Mapped[datetime | None]
    second_factor: Mapped[str | None]  # which one is asked for after the password; none until it is built


class Membership(Identified, Audited, Base):
    """The agency and role of a member of staff. Moving ends one row and begins another."""

    __tablename__ = "membership"
    __table_args__ = (
        Index(
            "uq_membership_staff_id_current",
            "staff_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(None, "agency_id"),
    )

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    role: Mapped[Role]
    administers: Mapped[bool] = mapped_column(default=False)
    ended_at: Mapped[datetime | None]


class Absence(Base):
    """The days on which a member of staff is away (休み), the last one included. The next one takes its place."""

    __tablename__ = "absence"
    __table_args__ = (CheckConstraint("starts_on <= until", name="days"),)

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    starts_on: Mapped[date]
    until: Mapped[date]


class SignInSession(Identified, Base):
    """A signed-in browser. `token_hash` is the SHA-256 of the random id in its cookie."""

    __tablename__ = "sign_in_session"
    __table_args__ = (UniqueConstraint("token_hash"), Index(None, "staff_id"))

    token_hash: Mapped[str]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    membership_id: Mapped[UUID] = mapped_column(ForeignKey("membership.id"))
    last_seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]  # absolute end; the idle end follows from last_seen_at
    user_agent: Mapped[str] = mapped_column(default="")
    ended_at: Mapped[datetime | None]


class SignInAttempt(Identified, Base):
    """A failed sign-in, by keyed hashes of the account's address and of the device: no names."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (Index(None, "account_hash", "created_at"), Index(None, "device_hash", "created_at"))

    account_hash: Mapped[str]
    device_hash: Mapped[str]


class Invitation(Identified, Audited, Base):
    """A link, good once, by which somebody becomes a member of staff.

    People have no row of their own before they accept, so inviting does not show that an address is known.
    `used_at` without `staff_id`: the address belongs to an account already, and nothing was done.
    """

    __tablename__ = "invitation"
    __table_args__ = (UniqueConstraint("token_hash"), Index(None, "agency_id", "created_at"))

    token_hash: Mapped[str]
    email: Mapped[str]
    name: Mapped[str]
    agency_id: Mapped[UUID | None] = mapped_column(ForeignKey("agency.id"))
    role: Mapped[Role]
    administers: Mapped[bool] = mapped_column(default=False)
    invited_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))  # who it became
