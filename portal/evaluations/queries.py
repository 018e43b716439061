"""Queries of the texts of a year, its closings and later additions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Staff
from portal.evaluations.models import EvaluationAddendum, EvaluationClosing, EvaluationText, Part

Texts = dict[tuple[int, str, Part], str]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a text: who wrote it, and when."""

    id: UUID
    text: str
    at: datetime
    author: str


def texts_of_years(session: Session, programme_id: UUID, years: Collection[int]) -> Texts:
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


# How closings of a year and what was added afterwards are read.


@dataclass(frozen=True, slots=True)
class Closing:
    """A closing as pages show it."""

    id: UUID
    year: int
    as_of: date
    frozen: dict[str, Any]
    digest: str
    checkpoint_size: int
    at: datetime
    closed_by: str
    reopened_at: datetime | None
    reopened_by: str | None
    reopened_why: str

    @property
    def digest_groups(self) -> list[str]:
        """The digest in groups of characters, to be compared by eye."""
        return [self.digest[at : at + 8] for at in range(0, len(self.digest), 8)]


@dataclass(frozen=True, slots=True)
class Addition:
    text: str
    at: datetime
    author: str


def closings(programme_id: UUID) -> Select[*tuple[Any, ...]]:
    reopener = aliased(Staff)
    return (
        select(
            EvaluationClosing.id,
            EvaluationClosing.year,
            EvaluationClosing.as_of,
            EvaluationClosing.frozen,
            EvaluationClosing.digest,
            EvaluationClosing.checkpoint_size,
            EvaluationClosing.created_at,
            Staff.name,
            EvaluationClosing.reopened_at,
            reopener.name,
            EvaluationClosing.reopened_why,
        )
        .join(Staff, Staff.id == EvaluationClosing.closed_by_id)
        .outerjoin(reopener, reopener.id == EvaluationClosing.reopened_by_id)
        .where(EvaluationClosing.agency_id == programme_id)
        .order_by(EvaluationClosing.id.desc())
    )


def standing(session: Session, programme_id: UUID, year: int) -> EvaluationClosing | None:
    """The closing in force, if the year is closed."""
    return session.scalars(
        select(EvaluationClosing).where(
            EvaluationClosing.agency_id == programme_id,
            EvaluationClosing.year == year,
            EvaluationClosing.reopened_at.is_(None),
        )
    ).one_or_none()


def closings_of_years(session: Session, programme_id: UUID, years: Collection[int]) -> list[Closing]:
    """All closings of these years, the newest first, including reopened ones."""
    found = session.execute(closings(programme_id).where(EvaluationClosing.year.in_(years)))
    return [Closing(*row) for row in found]


def closed_years(session: Session, programme_id: UUID) -> set[int]:
    return set(
        session.scalars(
            select(EvaluationClosing.year).where(
                EvaluationClosing.agency_id == programme_id, EvaluationClosing.reopened_at.is_(None)
            )
        )
    )


def additions(session: Session, programme_id: UUID, year: int) -> Sequence[Addition]:
    """The additions to a closed year, in order."""
    statement = (
        select(EvaluationAddendum.text, EvaluationAddendum.created_at, Staff.name)
        .join(Staff, Staff.id == EvaluationAddendum.author_id)
        .where(EvaluationAddendum.agency_id == programme_id, EvaluationAddendum.year == year)
        .order_by(EvaluationAddendum.id)
    )
    return [Addition(*row) for row in session.execute(statement)]
