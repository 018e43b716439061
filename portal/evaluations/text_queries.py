"""How the texts of a year are read: the newest version of each, and who wrote which before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts.models import Staff
from portal.evaluations.models import EvaluationText, Part

Texts = dict[tuple[int, str, Part], str]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a text: who wrote it, and when."""

    id: UUID
    text: str
    at: datetime
    author: str


def of_years(session: Session, programme_id: UUID, years: Collection[int]) -> Texts:
    """The texts as they stand now, by year, area and part; an emptied one is left out."""
    keys = (EvaluationText.year, EvaluationText.area, EvaluationText.part)
    newest = func.row_number().over(partition_by=keys, order_by=EvaluationText.id.desc()).label("place")
    of_years_ = select(*keys, EvaluationText.text, newest).where(
        EvaluationText.agency_id == programme_id, EvaluationText.year.in_(years)
    )
    rows = of_years_.subquery()
    found = session.execute(
        select(rows.c.year, rows.c.area, rows.c.part, rows.c.text).where(rows.c.place == 1)
    )
    return {(row.year, row.area, Part(row.part)): row.text for row in found if row.text}


def versions(session: Session, programme_id: UUID, year: int, area: str, part: Part) -> Sequence[Version]:
    """All versions of one text, the newest first."""
    statement = (
        select(EvaluationText.id, EvaluationText.text, EvaluationText.created_at, Staff.name)
        .join(Staff, Staff.id == EvaluationText.author_id)
        .where(
            EvaluationText.agency_id == programme_id,
            EvaluationText.year == year,
            EvaluationText.area == area,
            EvaluationText.part == part,
        )
        .order_by(EvaluationText.id.desc())
    )
    return [Version(*row) for row in session.execute(statement)]


def earliest_year(session: Session, programme_id: UUID) -> int | None:
    return session.scalar(
        select(func.min(EvaluationText.year)).where(EvaluationText.agency_id == programme_id)
    )
