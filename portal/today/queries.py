"""What needs an agency today: counts by what they ask for, and the dates of the coming seven days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Select, and_, bindparam, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from portal.agencies.models import Agency
from portal.agencies.queries import opening_days_by_agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import UTCDateTime, among, db
from portal.core.labels import N_, Labelled
from portal.core.policy import Actor, Permission, Role, require
from portal.disclosures import consents
from portal.disclosures.consents import Show
from portal.disclosures.models import Basis
from portal.disclosures.person_header import label_columns, label_of
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals import queries
from portal.referrals.models import FollowUp, FollowUpKind, Referral
from portal.referrals.queries import Box, Filter
from portal.referrals.states import OPEN, ReferralKind, ReferralStatus
from portal.wall import predicates

MOST = 100
DAYS = 7
LONGEST = 30


class Need(StrEnum):
    """What is counted; the page has a word and an address for each need."""

    NEW = "new"
    UNANSWERED = "unanswered"
    OVERDUE = "overdue"
    NEWS = "news"
    OUT_OVERDUE = "out_overdue"
    UNATTENDED = "unattended"
    DRAFTS = "drafts"
    STOPPED = "stopped"
    LAPSING = "lapsing"
    FOLLOW_UPS = "follow_ups"


DRAFT = frozenset({ReferralStatus.DRAFT})
# Each count is the count of the list that its card opens: the same filter makes both.
LISTS: dict[Need, Filter] = {
    Need.NEW: Filter(box=Box.IN, unopened=True),
    Need.UNANSWERED: Filter(box=Box.IN, unanswered=True),
    Need.OVERDUE: Filter(box=Box.IN, overdue=True),
    Need.NEWS: Filter(news=True),
    Need.OUT_OVERDUE: Filter(box=Box.OUT, overdue=True),
    Need.UNATTENDED: Filter(unattended=True),
    Need.DRAFTS: Filter(box=Box.OUT, statuses=DRAFT),
    Need.STOPPED: Filter(stopped=True),
}


class Due(Labelled):
    OPEN_BY = "open_by", N_("届いたつなぎを開く")
    ANSWER_BY = "answer_by", N_("回答する")
    ANSWER_FROM = "answer_from", N_("回答が届く予定")
    SIT_IN = "sit_in", N_("同席")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A date of the coming days. `open_days_left` counts the recipient's open days; None for an appointment."""

    due: Due
    day: date
    at: datetime | None
    place: str
    open_days_left: int | None
    referral_id: UUID
    number: str
    label: str
    is_anonymous: bool
    counterpart: str

    @property
    def clock_time(self) -> str:
        """The time of an appointment, as clocks in Japan show it."""
        return f"{clock.in_japan(self.at):%H:%M}" if self.at else ""

    @property
    def order(self) -> tuple[date, bool, str]:
        return self.day, self.at is not None, self.number


@dataclass(frozen=True, slots=True)
class ForMeeting:
    """Something noted for the next meeting."""

    referral_id: UUID
    number: str
    text: str


@dataclass(frozen=True, slots=True)
class Today:
    counts: dict[Need, int]
    deadlines: list[Deadline]
    for_meeting: list[ForMeeting]

    @property
    def is_quiet(self) -> bool:
        return not any(self.counts.values())


def look(actor: Actor) -> Today:
    """What needs the actor's agency now; the people it names are logged.

    Raises:
        NotAllowed: the actor does no casework.
    """
    require(actor, Permission.CASEWORK)
    session, now = db.read(), clock.now()
    found = Today(
        counts=counts(session, actor, now),
        deadlines=deadlines(session, actor, now),
        for_meeting=for_meeting(session, actor) if actor.role is Role.COORDINATOR else [],
    )
    named = {deadline.referral_id for deadline in found.deadlines if deadline.label}
    shown = named | {one.referral_id for one in found.for_meeting}  # their text is about somebody, too
    if shown:
        audit.record_reading(
            AuditEvent.REFERRALS_LISTED,
            ("today", None),
            actor=actor,
            categories=[Category.BASIC] if named else [],
            count=len(shown),
        )
    return found


def counts(session: Session, actor: Actor, now: datetime) -> dict[Need, int]:
    """The number of each need, counting no further than `MOST`."""
    values = queries.values_for(actor, now, Filter(statuses=DRAFT), size=MOST)
    found = dict(zip(LISTS, session.execute(counting(), values).one(), strict=True))
    found[Need.LAPSING] = consents.count(session, actor, Show.IN_30_DAYS, now, most=MOST)
    values = predicates.bound(actor, now, size=MOST)
    found[Need.FOLLOW_UPS] = session.execute(undone(), values).scalar_one()
    return {need: found[need] for need in Need}


@cache
def counting() -> Select[*tuple[Any, ...]]:
    """The counts of all lists in one statement; the one list of certain statuses is that of the drafts."""
    lists = LISTS.items()
    return select(*(queries.counting(one.shape()).scalar_subquery().label(need) for need, one in lists))


@cache
def undone() -> Select[int]:
    """The number of open follow-ups."""
    rows = queries.follow_ups(predicates.READER).where(FollowUp.done_at.is_(None)).order_by(None)
    few = rows.with_only_columns(FollowUp.id).limit(bindparam("size", type_=Integer()))
    return select(func.count()).select_from(few.subquery())


@cache
def due_soon() -> Select[*tuple[Any, ...]]:
    """Everything due from today to `last`, on both sides."""
    reader, now = predicates.READER, predicates.NOW
    today, last = predicates.day_of(now), bindparam("last", type_=Date())
    asked = and_(
        Referral.status == ReferralStatus.REQUESTED,
        or_(Referral.acknowledge_by.between(today, last), Referral.respond_by.between(today, last)),
    )
    sits_in = and_(
        Referral.kind == ReferralKind.JOINT_INTERVIEW,
        Referral.appointment_at.between(now, bindparam("last_at", type_=UTCDateTime())),
    )
    wanted = (among(Referral.status, OPEN), or_(asked, sits_in), ~queries.is_excluded(reader))
    mine = union(
        select(Referral.id).where(Referral.to_agency_id == reader.agency_id, *wanted),
        select(Referral.id).where(Referral.from_agency_id == reader.agency_id, *wanted),
    ).subquery()
    sender, recipient = aliased(Agency), aliased(Agency, name="recipient")
    named = and_(predicates.sees(reader, Category.BASIC, now, Person), queries.may_name(reader))
    return (
        select(
            Referral.id,
            Referral.number,
            Referral.kind,
            Referral.status,
            Referral.basis,
            Referral.received_at,
            Referral.acknowledge_by,
            Referral.respond_by,
            Referral.appointment_at,
            Referral.appointment_place,
            Referral.from_agency_id,
            queries.is_awaited(now).label("is_awaited"),
            sender.name.label("from_name"),
            recipient,
            *label_columns(named),
        )
        .join(mine, mine.c.id == Referral.id)
        .outerjoin(Person, Person.id == Referral.person_id)
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .order_by(Referral.respond_by, Referral.id)
        .limit(MOST)
    )


def deadlines(session: Session, actor: Actor, now: datetime) -> list[Deadline]:
    """The dates of the coming seven days, the nearest first."""
    last = clock.japan_date(now) + timedelta(days=DAYS)
    values = predicates.bound(actor, now, last=last, last_at=clock.end_of_day(last))
    rows = session.execute(due_soon(), values).all()
    calendars = opening_days_by_agency(session, {row.recipient.id: row.recipient for row in rows}.values())
    found = []
    for row in rows:
        is_mine = row.from_agency_id == actor.agency_id
        for due, day in dates_of(row, is_mine=is_mine):
            if clock.japan_date(now) <= day <= last:
                is_visit = due is Due.SIT_IN
                left = calendars[row.recipient.id].business_days_between(clock.japan_date(now), day)
                found.append(
                    Deadline(
                        due=due,
                        day=day,
                        at=row.appointment_at if is_visit else None,
                        place=row.appointment_place if is_visit else "",
                        open_days_left=None if is_visit else left,
                        referral_id=row.id,
                        number=row.number,
                        label=label_of(row),
                        is_anonymous=row.basis is Basis.ANONYMOUS,
                        counterpart=row.recipient.name if is_mine else row.from_name,
                    )
                )
    return sorted(found, key=lambda deadline: deadline.order)[:LONGEST]


def dates_of(row: Any, *, is_mine: bool) -> list[tuple[Due, date]]:
    """The due dates of a referral: opening, answer, and appointment. Nobody is asked for what has stopped."""
    found = []
    if row.is_awaited and is_mine:
        found.append((Due.ANSWER_FROM, row.respond_by))
    elif row.is_awaited:
        unopened = row.received_at is None
        found.append((Due.OPEN_BY, row.acknowledge_by) if unopened else (Due.ANSWER_BY, row.respond_by))
    if row.kind is ReferralKind.JOINT_INTERVIEW and row.appointment_at:
        found.append((Due.SIT_IN, clock.japan_date(row.appointment_at)))
    return found


def for_meeting(session: Session, actor: Actor) -> list[ForMeeting]:
    """What was noted for the next meeting and is not done, the newest first."""
    rows = session.execute(
        queries.follow_ups(actor)
        .where(FollowUp.done_at.is_(None), FollowUp.kind == FollowUpKind.MEETING)
        .join(Referral, Referral.id == FollowUp.referral_id)
        .with_only_columns(FollowUp.referral_id, Referral.number, FollowUp.text)
        .limit(LONGEST)
    )
    return [ForMeeting(row.referral_id, row.number, row.text) for row in rows]
