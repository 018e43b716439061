"""What stands in the way of erasing somebody, in words that tell nothing of what other agencies do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.people.models import Person
from portal.retention import sources
from portal.retention.kinds import LIFTED, Block, Cut, Reason
from portal.retention.models import ErasureGround
from portal.retention.sources import Source
from portal.settings import queries as settings


def cut_at(session: Session, now: datetime) -> Cut:
    return Cut.at(now, settings.values(session))


def of_people(
    session: Session, people: Collection[UUID], now: datetime, ground: ErasureGround
) -> Mapping[UUID, list[Block]]:
    """For each of these people what stands in the way, open work first, then what is over last."""
    found: dict[UUID, list[Block]] = {person_id: [] for person_id in people}
    cut = cut_at(session, now)
    homes = homes_of(session, people)
    for source in sources.everything(cut):
        for row in session.execute(source.of(people, holding=True)):
            if block := block_of(source, row, homes[row.person_id], cut, ground):
                found[row.person_id].append(block)
    return {person_id: merged(blocks) for person_id, blocks in found.items()}


def homes_of(session: Session, people: Collection[UUID]) -> dict[UUID, UUID]:
    rows = session.execute(select(Person.id, Person.home_agency_id).where(Person.id.in_(people)))
    return {row.id: row.home_agency_id for row in rows}


def is_own(row: Any, home: UUID) -> bool:
    return (row.owner is None and row.partner is None) or home in {row.owner, row.partner}


def day_of(value: date | datetime) -> date:
    return clock.japan_date(value) if isinstance(value, datetime) else value


def lapse_of(row: Any) -> date:
    """When it ended: a consent by its last day, unless it was taken back or renewed before."""
    last = getattr(row, "valid_until", None)
    days = [day_of(value) for value in (row.ended, last) if value is not None]
    return min(days)


def block_of(source: Source, row: Any, home: UUID, cut: Cut, ground: ErasureGround) -> Block | None:
    """None when the ground lifts it. What is another agency's shows as such, without its number."""
    if row.is_open:
        reason, until = source.open, None
    else:
        reason, until = source.period, cut.due(source.kind, lapse_of(row)) if source.kind else None
    if reason is None:
        return None
    if not is_own(row, home):
        return Block(Reason.ELSEWHERE, "", until)
    return None if reason in LIFTED[ground] else Block(reason, row.number, until)


ORDER = {reason: rank for rank, reason in enumerate(Reason)}


def merged(blocks: Iterable[Block]) -> list[Block]:
    """One for each reason (and number of open work), with the last day of several."""
    by_key: dict[tuple[Reason, str], Block] = {}
    for block in blocks:
        key = (block.reason, block.number if block.until is None else "")
        known = by_key.get(key)
        number = block.number if block.until is None else ""
        until = later(known, block) if known else block.until
        by_key[key] = Block(block.reason, number, until)
    return sorted(by_key.values(), key=lambda one: (ORDER[one.reason], one.number))


def later(known: Block, block: Block) -> date | None:
    """Nobody can say when, as long as one of them is open."""
    return None if known.until is None or block.until is None else max(known.until, block.until)


def due_days(session: Session, people: Collection[UUID], now: datetime) -> Mapping[UUID, date]:
    """For each of these people the day on which the last of his periods is over, open work aside."""
    cut = cut_at(session, now)
    days: dict[UUID, date] = {}
    for source in sources.everything(cut):
        if source.kind is None:
            continue
        for row in session.execute(source.of(people, holding=False)):
            if not row.is_open:
                due = cut.due(source.kind, lapse_of(row))
                days[row.person_id] = max(days.get(row.person_id, due), due)
    return days
