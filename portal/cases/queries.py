"""Queries of cases: an agency sees its own and no other's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Row, Select, and_, bindparam, false, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts import queries as accounts
from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.cases.models import Case, CaseGoal, CaseMilestone, ProgressNote
from portal.core import clock
from portal.core.ordering import Key, Sort, behind, in_order, place
from portal.core.policy import Actor, Permission, can
from portal.core.text import LIKE_ESCAPE, LONGEST_QUERY, like_pattern
from portal.disclosures.people import spellings
from portal.disclosures.person_header import label_columns
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.names import search_key
from portal.wall import predicates


class Show(StrEnum):
    """The tabs of the list, as they stand in its address."""

    OPEN = "open"
    MINE = "mine"
    CLOSED = "closed"


def visible_to(actor: Actor) -> ColumnElement[bool]:
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    return and_(Case.agency_id == actor.agency_id, ~predicates.is_excluded(actor, Case.person_id))


def listing(actor: Actor) -> Select[Case]:
    return select(Case).where(visible_to(actor)).order_by(Case.opened_on.desc(), Case.id.desc())


def of_person(actor: Actor, person_id: UUID) -> Select[Case]:
    return listing(actor).where(Case.person_id == person_id)


def goals_of(case_id: UUID) -> Select[CaseGoal]:
    return select(CaseGoal).where(CaseGoal.case_id == case_id).order_by(CaseGoal.id)


def milestones_of(case_id: UUID) -> Select[*tuple[Any, ...]]:
    """The milestones of a case, the latest day first, including those struck out."""
    return (
        select(
            CaseMilestone.id,
            CaseMilestone.what,
            CaseMilestone.happened_on,
            CaseMilestone.for_employment,
            CaseMilestone.text,
            CaseMilestone.struck_at,
            Agency.name.label("helper_name"),
            Staff.name.label("noted_by"),
        )
        .join(Staff, Staff.id == CaseMilestone.noted_by_id)
        .outerjoin(Agency, Agency.id == CaseMilestone.helper_agency_id)
        .where(CaseMilestone.case_id == case_id)
        .order_by(CaseMilestone.happened_on.desc(), CaseMilestone.id.desc())
    )


def notes_of(case_id: UUID) -> Select[ProgressNote]:
    statement = select(ProgressNote).where(ProgressNote.case_id == case_id)
    return statement.order_by(ProgressNote.held_on.desc(), ProgressNote.id.desc())


def is_carried_over(opened_on: date, closed_on: date | None, today: date) -> bool:
    """継続: opened before this fiscal year began, and worked on in it."""
    begins = clock.fiscal_year_bounds(clock.fiscal_year(today))[0]
    return opened_on < begins and (closed_on is None or closed_on >= begins)


def columns() -> Select[*tuple[Any, ...]]:
    """The reader's cases as lists show them, with the name where the wall allows it."""
    worker = aliased(Staff)
    return (
        select(
            Case.id,
            Case.number,
            Case.person_id,
            Case.opened_on,
            Case.closed_on,
            Case.outcome,
            worker.name.label("worker_name"),
            predicates.is_staff_excluded(Case.worker_id, Case.person_id).label("worker_is_excluded"),
            last_note_on().label("last_note_on"),
            *label_columns(predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person)),
        )
        .outerjoin(Person, Person.id == Case.person_id)
        .outerjoin(worker, worker.id == Case.worker_id)
        .where(visible_to(predicates.READER))
        .order_by(Case.opened_on.desc(), Case.id.desc())
    )


# The orders of the list. Not by name: one that the reader may not see would stand in the place it has among the others.
NEWEST, BY_NUMBER, BY_NOTE = Sort("opened", is_descending=True), Sort("number"), Sort("note")


def last_note_on() -> Any:
    """The day of the latest note on the case; NULL when there is none."""
    return select(func.max(ProgressNote.held_on)).where(ProgressNote.case_id == Case.id).scalar_subquery()


def sort_key(sort: Sort) -> Any:
    """What is compared; where nothing has been noted yet, that is the longest ago."""
    if sort.column == BY_NOTE.column:
        return func.coalesce(last_note_on(), literal(date.min, Date()), type_=Date())
    return Case.number if sort.column == BY_NUMBER.column else Case.opened_on


@cache
def paging(show: Show, sort: Sort, *, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The statement for one page of a tab, built once: keys first, so that only shown rows are looked up."""
    closed = Case.closed_on.is_not(None) if show is Show.CLOSED else Case.closed_on.is_(None)
    key = sort_key(sort)
    keys = select(Case.id, key.label("key")).where(visible_to(predicates.READER), closed)
    if show is Show.MINE:
        keys = keys.where(Case.worker_id == predicates.READER.staff_id)
    if not is_first:
        keys = keys.where(behind(key, Case.id, sort))
    size = bindparam("size", type_=Integer())
    chosen = keys.order_by(*in_order(key, Case.id, sort)).limit(size).subquery()
    shown = columns().add_columns(chosen.c.key.label("sort_key")).join(chosen, chosen.c.id == Case.id)
    return shown.order_by(None).order_by(*in_order(chosen.c.key, chosen.c.id, sort))


def page(
    session: Session,
    actor: Actor,
    show: Show,
    now: datetime,
    *,
    sort: Sort = NEWEST,
    after: Key | None = None,
    size: int = 25,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """One page of a tab, after the key `after`; the last column is what it is sorted by."""
    values = predicates.bound(actor, now, reader_staff=actor.staff_id, size=size, **place(after))
    return session.execute(paging(show, sort, is_first=after is None), values).all()


@cache
def searching(*, by_name: bool) -> Select[*tuple[Any, ...]]:
    """The statement of `search`, built once with a name to look for and once without."""
    seen = predicates.sees(predicates.READER, Category.BASIC, predicates.NOW, Person)
    named = and_(Person.search_key.like(bindparam("pattern"), escape=LIKE_ESCAPE), seen)
    numbered = Case.number.in_(bindparam("numbers", expanding=True))
    return (
        columns()
        .where(or_(numbered, named) if by_name else numbered)
        .limit(bindparam("size", type_=Integer()))
    )


def search(
    session: Session, actor: Actor, q: str, now: datetime, *, size: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Cases by their whole number, or by a name as far as this reader may see it; the latest opened first."""
    key = search_key(q[:LONGEST_QUERY])
    values = {"numbers": spellings(q), "pattern": like_pattern(key), "size": size}
    return session.execute(searching(by_name=bool(key)), predicates.bound(actor, now, **values)).all()


@cache
def detailed() -> Select[*tuple[Any, ...]]:
    more = (Case.version, Case.worker_id, Case.source_id, Case.heard_by, Case.closing_text)
    return columns().add_columns(*more).where(Case.id == bindparam("case_id"))


def detail(session: Session, actor: Actor, case_id: UUID, now: datetime) -> Row[*tuple[Any, ...]]:
    """One case of this agency with all that its page shows of it.

    Raises:
        NoResultFound: none that this agency has.
    """
    return session.execute(detailed(), predicates.bound(actor, now, case_id=case_id)).one()


@cache
def about() -> Select[*tuple[Any, ...]]:
    return columns().where(Case.person_id == bindparam("person_id"))


def cases_of_person(
    session: Session, actor: Actor, person_id: UUID, now: datetime
) -> Sequence[Row[*tuple[Any, ...]]]:
    """This agency's cases of one person, the latest opened first."""
    return session.execute(about(), predicates.bound(actor, now, person_id=person_id)).all()


def people_in_open_cases(actor: Actor, person_ids: Collection[UUID]) -> Select[UUID]:
    """The ids of those of these people whom this agency supports now."""
    return select(Case.person_id).where(
        visible_to(actor), Case.closed_on.is_(None), Case.person_id.in_(person_ids)
    )


def note(case_id: UUID, note_id: UUID) -> Select[*tuple[Any, ...]]:
    return notes_page(case_id).where(ProgressNote.id == note_id)


def notes_page(
    case_id: UUID, *, after: tuple[date, UUID] | None = None, size: int = 25
) -> Select[*tuple[Any, ...]]:
    """Columns of the notes of one case, the latest contact first."""
    statement = (
        select(
            ProgressNote.id,
            ProgressNote.created_at,
            ProgressNote.author_id,
            ProgressNote.held_on,
            ProgressNote.method,
            ProgressNote.minutes,
            ProgressNote.category,
            ProgressNote.text,
            ProgressNote.version,
            Staff.name.label("author_name"),
        )
        .join(Staff, Staff.id == ProgressNote.author_id)
        .where(ProgressNote.case_id == case_id)
        .order_by(ProgressNote.held_on.desc(), ProgressNote.id.desc())
        .limit(size)
    )
    if after:
        mark = tuple_(literal(after[0], ProgressNote.held_on.type), literal(after[1], ProgressNote.id.type))
        statement = statement.where(tuple_(ProgressNote.held_on, ProgressNote.id) < mark)
    return statement


def colleagues(actor: Actor, person_id: UUID) -> Select[UUID, str, date | None]:
    """Caseworkers of this agency who are not excluded from this person's affairs, by name."""
    everybody = accounts.colleagues(actor.agency_id, clock.today())
    return everybody.where(~predicates.is_staff_excluded(Staff.id, person_id))
