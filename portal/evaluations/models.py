"""A programme's yearly evaluation: areas, texts with their history, closings and later additions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.core.labels import N_, Labelled


class Part(Labelled):
    """A part of an area's row in the yearly table."""

    PLAN = "plan", N_("取組計画")
    RESULT = "result", N_("実績")
    FINDING = "finding", N_("評価")
    OPEN = "open", N_("課題")


class EvaluationArea(Identified, Versioned, Audited, Base):
    """An area (項目) as this programme has it; without a row the area is as the program came with it.

    `kinds` are the activities that count for it unless their record says otherwise, `measures` its figures.
    """

    __tablename__ = "evaluation_area"
    __table_args__ = (UniqueConstraint("agency_id", "code"),)

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    code: Mapped[str]
    name: Mapped[str]
    position: Mapped[int]
    kinds: Mapped[list[str]] = mapped_column(JSON, default=list)
    measures: Mapped[list[str]] = mapped_column(JSON, default=list)
    retired_from: Mapped[int | None]  # the first fiscal year without it


class EvaluationText(Identified, Audited, Base):
    """One version of a text; the newest is the text, the others its history."""

    __tablename__ = "evaluation_text"
    __table_args__ = (Index(None, "agency_id", "year", "area", "part", "id"),)

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    year: Mapped[int]
    area: Mapped[str]
    part: Mapped[Part]
    text: Mapped[str]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))


class EvaluationClosing(Identified, Audited, Base):
    """A year that was closed (確定): its figures and texts as they stood, and the log's checkpoint that covers them.

    `frozen` is canonical: `digest` is the SHA-256 (hex) of its canonical JSON, and stands in the log's entry.
    """

    __tablename__ = "evaluation_closing"
    __table_args__ = (
        Index(None, "agency_id", "year", "id"),
        Index(
            "uq_evaluation_closing_standing",
            "agency_id",
            "year",
            unique=True,
            sqlite_where=text("reopened_at IS NULL"),
            postgresql_where=text("reopened_at IS NULL"),
        ),
    )

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    year: Mapped[int]
    as_of: Mapped[date]
    frozen: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str]
    closed_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    checkpoint_size: Mapped[int] = mapped_column(BigInteger)
    reopened_at: Mapped[datetime | None]
    reopened_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    reopened_why: Mapped[str] = mapped_column(default="")


class EvaluationAddendum(Identified, Audited, Base):
    """An addition to a closed year (追記); the closed texts and figures stay as they are."""

    __tablename__ = "evaluation_addendum"
    __table_args__ = (Index(None, "agency_id", "year", "id"),)

    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    year: Mapped[int]
    text: Mapped[str]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
