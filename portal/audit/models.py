"""The append-only log: entries without names, their details kept apart, and the head that numbers them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, new_id


class Audited:
    """Marks a model whose every change must be explained by an audit entry in the same transaction."""


class AuditHead(Base):
    """The one row that is locked while an entry is added, so that the numbers have no gaps."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    origin: Mapped[str]  # names this log in its checkpoints, made once for each database
    checkpoint_size: Mapped[int] = mapped_column(BigInteger, default=0)
    checkpoint_at: Mapped[datetime]


class AuditEntry(Base):
    """One act, reading or refusal. `body` is the record; the columns beside it repeat parts of it to search by."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index(None, "object_id", "seq"),
        Index(None, "person_id", "seq"),
        Index(None, "agency_id", "seq"),
        Index(None, "event", "seq"),
        Index(None, "staff_id", "at"),
        Index(None, "at"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    event: Mapped[str]
    staff_id: Mapped[UUID | None]
    agency_id: Mapped[UUID | None]
    object_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    ground: Mapped[str | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)


class AuditDetail(Base):
    """The content of an entry's commitment: may hold names and text, so it is never part of the log itself.

    About a person it is sealed with that person's key, and then `salt` is empty: `docs/audit-log.md`.
    """

    __tablename__ = "audit_detail"

    seq: Mapped[int] = mapped_column(ForeignKey("audit_entry.seq"), primary_key=True, autoincrement=False)
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("subject_key.id"))
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    details: Mapped[bytes] = mapped_column(LargeBinary)


class SubjectKey(Base):
    """The key of one person's details, wrapped by the master key outside the database; destroyed with the person."""

    __tablename__ = "subject_key"
    __table_args__ = (UniqueConstraint("person_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID]
    master_id: Mapped[str]
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    destroyed_at: Mapped[datetime | None]


class AuditCheckpoint(Base):
    """The signed root of the first `size` entries, and what is needed to go on from there."""

    __tablename__ = "audit_checkpoint"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    root: Mapped[str]
    peaks: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str]


class RecordSalt(Base):
    """The salt of one bound record's digests in the log; it is replaced once its person is erased."""

    __tablename__ = "record_salt"

    kind: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
