"""The append-only log: entries without names, their details kept apart, and the head that numbers them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base


class Audited:
    """Marks a model whose every change must be explained by an audit entry in the same transaction."""


class AuditHead(Base):
    """One row, locked while an entry is added, so that the numbers have no gaps."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)


class AuditEntry(Base):
    """One act, reading or refusal. `body` is the record; the columns beside it repeat parts of it to search by."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "object_id", "seq"), Index(None, "person_id", "seq"))

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    event: Mapped[str]
    staff_id: Mapped[UUID | None]
    agency_id: Mapped[UUID | None]
    object_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)


class AuditDetail(Base):
    """What an entry's commitment stands for: may hold names and text, so it is never part of the log."""

    __tablename__ = "audit_detail"

    seq: Mapped[int] = mapped_column(ForeignKey("audit_entry.seq"), primary_key=True, autoincrement=False)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    details: Mapped[bytes] = mapped_column(LargeBinary)
