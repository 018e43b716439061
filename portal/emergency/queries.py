"""Uses of emergency access as those concerned may read them, those that are open now, and what waits for whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, exists, false, func, null, or_, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.core import clock
from portal.core.policy import Actor, Permission, Role, can
from portal.disclosures.person_header import label_columns, label_of
from portal.emergency.models import Emergency, EmergencyAccess, EmergencyNotice, Finding
from portal.emergency.states import WAITS, State, state_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class AccessView:
    """One use. `label` and `number` are empty where this reader may not see them, the texts where `has_words` is not."""

    id: UUID
    version: int
    person_id: UUID
    label: str
    number: str
    home_agency_id: UUID
    home_name: str
    agency_id: UUID
    agency_name: str
    staff_id: UUID
    staff_name: str
    reason: Emergency
    categories: tuple[Category, ...]
    needs_second: bool
    second_name: str
    approved_at: datetime | None
    declined_at: datetime | None
    asked_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    state: State
    review_by: date | None
    is_overdue: bool
    reviewed_at: datetime | None
    reviewer_name: str
    finding: Finding | None
    has_words: bool
    text: str
    declined_why: str
    review_text: str
    notice_id: UUID | None  # to this reader's agency, or to the auditors, of which nobody has taken note
    noted_at: datetime | None
    noted_name: str

    @property
    def over_at(self) -> datetime | None:
        return self.ended_at or self.ends_at

    @property
    def is_to_review(self) -> bool:
        return self.state is State.OVER and self.finding is None


def is_mine(actor: Actor) -> ColumnElement[bool]:
    if not can(actor, Permission.EMERGENCY_USE):
        return false()
    return and_(EmergencyAccess.staff_id == actor.staff_id, EmergencyAccess.agency_id == actor.agency_id)


def is_seconded_by(actor: Actor) -> ColumnElement[bool]:
    """Whether the reader may agree, as in `policy`: for the asker's or the home agency, not the asker."""
    if not is_second(actor):
        return false()
    here = or_(
        EmergencyAccess.agency_id == actor.agency_id, EmergencyAccess.home_agency_id == actor.agency_id
    )
    return and_(here, EmergencyAccess.staff_id != actor.staff_id)


def is_reviewed_by(actor: Actor) -> ColumnElement[bool]:
    """Whether the reader may review it, as in `policy`."""
    if actor.role is Role.AUDITOR:
        return EmergencyAccess.starts_at.is_not(None)
    if not is_reviewer(actor):
        return false()
    return and_(
        EmergencyAccess.agency_id == actor.agency_id,
        EmergencyAccess.staff_id != actor.staff_id,
        EmergencyAccess.starts_at.is_not(None),
    )


def was_told_to(actor: Actor) -> ColumnElement[bool]:
    """Its record was opened: everybody at the agency that kept it then may know of the use."""
    if not can(actor, Permission.CASEWORK):
        return false()
    return and_(EmergencyAccess.home_agency_id == actor.agency_id, EmergencyAccess.starts_at.is_not(None))


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Uses that this reader may know of; never of a person the reader is excluded from."""
    return and_(
        ~predicates.is_excluded(actor, EmergencyAccess.person_id),
        or_(is_mine(actor), is_seconded_by(actor), is_reviewed_by(actor), was_told_to(actor)),
    )


def reads_words(actor: Actor) -> ColumnElement[bool]:
    """Whether the texts show at once. Auditors and administrators open them by an act of their own."""
    return or_(is_mine(actor), is_seconded_by(actor), was_told_to(actor))


def is_for_office(actor: Actor) -> ColumnElement[bool]:
    """The notice is for this reader's agency, or for the auditors and the reader is one."""
    if actor.role is Role.AUDITOR:
        return EmergencyNotice.agency_id.is_(None)
    if not can(actor, Permission.CASEWORK):
        return false()
    return EmergencyNotice.agency_id == actor.agency_id


class Box(StrEnum):
    """The lists: one's own uses, requests to agree to, notices, uses to review and reviewed ones."""

    MINE = "mine"
    REQUESTS = "requests"
    NOTICES = "notices"
    TO_REVIEW = "open"
    REVIEWED = "done"


def is_second(actor: Actor) -> bool:
    return can(actor, Permission.EMERGENCY_USE) and (actor.role is Role.COORDINATOR or actor.administers)


def is_reviewer(actor: Actor) -> bool:
    looks_after = actor.role in {Role.COORDINATOR, Role.AGENCY_ADMIN} or actor.administers
    return actor.role is Role.AUDITOR or (actor.agency_id is not None and looks_after)


def has_box(actor: Actor, box: Box) -> bool:
    """Whether the list means anything to this reader's role."""
    if box is Box.MINE:
        return can(actor, Permission.EMERGENCY_USE)
    if box is Box.REQUESTS:
        return is_second(actor)
    if box is Box.NOTICES:
        return can(actor, Permission.CASEWORK) or actor.role is Role.AUDITOR
    return is_reviewer(actor)


def in_box(actor: Actor, box: Box, now: datetime) -> ColumnElement[bool]:
    waits = and_(
        EmergencyAccess.starts_at.is_(None),
        EmergencyAccess.declined_at.is_(None),
        EmergencyAccess.created_at > now - WAITS,
    )
    told = exists().where(EmergencyNotice.access_id == EmergencyAccess.id, is_for_office(actor))
    told = told.correlate(EmergencyAccess)  # `whole` joins the notices, too
    is_over = or_(EmergencyAccess.ended_at.is_not(None), EmergencyAccess.ends_at <= now)
    return {
        Box.MINE: is_mine(actor),
        Box.REQUESTS: and_(is_seconded_by(actor), waits),
        Box.NOTICES: told,
        Box.TO_REVIEW: and_(is_reviewed_by(actor), is_over, EmergencyAccess.finding.is_(None)),
        Box.REVIEWED: and_(is_reviewed_by(actor), EmergencyAccess.finding.is_not(None)),
    }[box]


def listing(
    session: Session, actor: Actor, box: Box, now: datetime, *, behind: UUID | None = None, size: int = 25
) -> list[AccessView]:
    """One page of a list, the newest first; of what is to be reviewed what has waited longest.

    `behind` is the last of the page before it.
    """
    oldest_first, key = box is Box.TO_REVIEW, EmergencyAccess.id
    statement = whole(actor, now).where(in_box(actor, box, now)).limit(size)
    statement = statement.order_by(key if oldest_first else key.desc())
    if behind is not None:
        statement = statement.where(key > behind if oldest_first else key < behind)
    return [view_of(row, now) for row in session.execute(statement)]


def load(session: Session, actor: Actor, access_id: UUID, now: datetime) -> AccessView:
    """One use.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    return view_of(session.execute(whole(actor, now).where(EmergencyAccess.id == access_id)).one(), now)


def whole(actor: Actor, now: datetime) -> Select[*tuple[Any, ...]]:
    home, here = aliased(Agency), aliased(Agency)
    asker, second, reviewer, noter = (aliased(Staff) for _ in range(4))
    numbered = or_(
        Person.home_agency_id == actor.agency_id if can(actor, Permission.CASEWORK) else false(),
        Person.id.is_not(None) if actor.role is Role.AUDITOR else false(),
    )
    words = reads_words(actor)
    newer = aliased(EmergencyNotice)
    # Notified again after the review: the last notice counts.
    is_last = ~exists().where(
        newer.access_id == EmergencyNotice.access_id,
        newer.agency_id.is_not_distinct_from(EmergencyNotice.agency_id),
        newer.id > EmergencyNotice.id,
    )
    notice = and_(EmergencyNotice.access_id == EmergencyAccess.id, is_for_office(actor), is_last)
    return (
        select(
            EmergencyAccess,
            home.name.label("home_name"),
            here.name.label("agency_name"),
            asker.name.label("staff_name"),
            second.name.label("second_name"),
            reviewer.name.label("reviewer_name"),
            words.label("has_words"),
            case((numbered, Person.number), else_=null()).label("number"),
            EmergencyNotice.id.label("notice_id"),
            EmergencyNotice.noted_at,
            noter.name.label("noted_name"),
            *label_columns(predicates.sees(actor, Category.BASIC, now, Person)),
        )
        .join(home, home.id == EmergencyAccess.home_agency_id)
        .join(here, here.id == EmergencyAccess.agency_id)
        .join(asker, asker.id == EmergencyAccess.staff_id)
        .outerjoin(second, second.id == EmergencyAccess.approved_by_id)
        .outerjoin(reviewer, reviewer.id == EmergencyAccess.reviewed_by_id)
        .outerjoin(Person, Person.id == EmergencyAccess.person_id)
        .outerjoin(EmergencyNotice, notice)
        .outerjoin(noter, noter.id == EmergencyNotice.noted_by_id)
        .where(visible_to(actor))
    )


def view_of(row: Any, now: datetime) -> AccessView:
    one: EmergencyAccess = row.EmergencyAccess
    state = state_of(
        created_at=one.created_at,
        declined_at=one.declined_at,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        ended_at=one.ended_at,
        now=now,
    )
    told = set(one.categories)
    late = one.review_by is not None and one.finding is None and one.review_by < clock.japan_date(now)
    return AccessView(
        id=one.id,
        version=one.version,
        person_id=one.person_id,
        label=label_of(row),
        number=row.number or "",
        home_agency_id=one.home_agency_id,
        home_name=row.home_name,
        agency_id=one.agency_id,
        agency_name=row.agency_name,
        staff_id=one.staff_id,
        staff_name=row.staff_name,
        reason=one.reason,
        categories=tuple(category for category in Category if category.value in told),
        needs_second=one.needs_second,
        second_name=row.second_name or "",
        approved_at=one.approved_at,
        declined_at=one.declined_at,
        asked_at=one.created_at,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        ended_at=one.ended_at,
        state=state,
        review_by=one.review_by,
        is_overdue=late,
        reviewed_at=one.reviewed_at,
        reviewer_name=row.reviewer_name or "",
        finding=one.finding,
        has_words=row.has_words,
        text=one.text if row.has_words else "",
        declined_why=one.declined_why if row.has_words else "",
        review_text=one.review_text if row.has_words else "",
        notice_id=row.notice_id if row.notice_id and row.noted_at is None else None,
        noted_at=row.noted_at,
        noted_name=row.noted_name or "",
    )


# Asked by every page: what this member has open now; on the first page also what waits for them.

MOST = 99


@dataclass(frozen=True, slots=True)
class LiveAccess:
    """What this member has open; whose it is stands on the person's page, where the reading is logged."""

    id: UUID
    person_id: UUID
    home_name: str
    reason: Emergency
    starts_at: datetime
    ends_at: datetime
    minutes_left: int

    @property
    def until(self) -> str:
        """The end of the access, as clocks in Japan show it."""
        return f"{clock.in_japan(self.ends_at):%H:%M}"


@cache
def running() -> Select[*tuple[Any, ...]]:
    reader = predicates.READER
    return (
        select(
            EmergencyAccess.id,
            EmergencyAccess.person_id,
            Agency.name.label("home_name"),
            EmergencyAccess.reason,
            EmergencyAccess.starts_at,
            EmergencyAccess.ends_at,
        )
        .join(Agency, Agency.id == EmergencyAccess.home_agency_id)
        .where(
            EmergencyAccess.staff_id == reader.staff_id,
            EmergencyAccess.agency_id == reader.agency_id,
            EmergencyAccess.starts_at <= predicates.NOW,
            EmergencyAccess.ends_at > predicates.NOW,
            EmergencyAccess.ended_at.is_(None),
            ~predicates.is_excluded(reader, EmergencyAccess.person_id),
        )
        .order_by(EmergencyAccess.ends_at, EmergencyAccess.id)
    )


def live(session: Session, actor: Actor) -> list[LiveAccess]:
    """What this member has open at this moment, the one that ends first on top."""
    if not can(actor, Permission.EMERGENCY_USE):
        return []
    now = clock.now()
    return [
        LiveAccess(
            row.id,
            row.person_id,
            row.home_name,
            row.reason,
            row.starts_at,
            row.ends_at,
            minutes_left=max(1, math.ceil((row.ends_at - now).total_seconds() / 60)),
        )
        for row in session.execute(running(), predicates.bound(actor, now))
    ]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for this reader: to agree to, to take note of, to review (and of that what is late)."""

    requests: int = 0
    notices: int = 0
    findings: int = 0
    reviews: int = 0
    overdue: int = 0

    @property
    def is_quiet(self) -> bool:
        return not (self.requests or self.notices or self.reviews)


def waiting(session: Session, actor: Actor) -> Waiting:
    """The counts of what waits, in one statement, each no further than `MOST`."""
    if actor.role is Role.SYSTEM_ADMIN:
        return Waiting()
    now = clock.now()
    unnoted = exists().where(
        EmergencyNotice.access_id == EmergencyAccess.id,
        is_for_office(actor),
        EmergencyNotice.noted_at.is_(None),
    )
    to_review = in_box(actor, Box.TO_REVIEW, now)
    late = EmergencyAccess.review_by < clock.japan_date(now)
    not_justified = EmergencyAccess.finding == Finding.NOT_JUSTIFIED

    def count(*tests: ColumnElement[bool]) -> Any:
        rows = select(EmergencyAccess.id).where(visible_to(actor), *tests).limit(MOST).subquery()
        return select(func.count()).select_from(rows).scalar_subquery()

    counts = (
        count(in_box(actor, Box.REQUESTS, now)),
        count(unnoted),
        count(and_(unnoted, not_justified)),
        count(to_review),
        count(and_(to_review, late)),
    )
    return Waiting(*session.execute(select(*counts)).one())


def reasons(session: Session, line_ids: Sequence[UUID]) -> dict[UUID, Emergency]:
    """The reason for which each of these disclosures was opened."""
    if not line_ids:
        return {}
    wanted = select(EmergencyAccess.disclosure_id, EmergencyAccess.reason).where(
        EmergencyAccess.disclosure_id.in_(line_ids)
    )
    return {row.disclosure_id: row.reason for row in session.execute(wanted)}
