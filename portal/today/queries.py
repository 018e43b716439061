"""What needs somebody today: counts by what they ask for, what is overdue or due within seven days, who is away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Select, and_, bindparam, func, or_, select, union
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Absence, Staff
from portal.accounts.queries import does_casework
from portal.agencies.models import Agency
from portal.agencies.queries import opening_days_by_agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import queries as cases
from portal.cases.models import Case
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
from portal.today.whose import Whose, concerns
from portal.wall import predicates

MOST = 100
DAYS = 7
LONGEST = 30
MOST_LATE = 15
MOST_UNTAKEN = 10


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
    CASES = "cases"


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
# The open referrals that nobody looks after.
NOBODYS = Filter(unassigned=True, statuses=OPEN)


class Due(Labelled):
    OPEN_BY = "open_by", N_("届いたつなぎを開く")
    ANSWER_BY = "answer_by", N_("回答する")
    ANSWER_FROM = "answer_from", N_("回答が届く予定")
    SIT_IN = "sit_in", N_("同席")
    FIRST_MEETING = "first_meeting", N_("初回の面談")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A date that has passed or comes within days. `open_days_left` counts the recipient's open days, below zero
    when overdue; None for an appointment. `worker` looks after it on the reader's side, unless away.
    """

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
    worker: str
    away_until: date | None
    is_overdue: bool

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
class Untaken:
    """An open referral that nobody of the reader's agency looks after."""

    id: UUID
    number: str
    kind: ReferralKind
    status: ReferralStatus
    label: str
    is_anonymous: bool
    counterpart: str
    is_sent: bool


@dataclass(frozen=True, slots=True)
class Away:
    """A colleague who is away today, and how many open referrals are theirs."""

    staff_id: UUID
    name: str
    until: date
    count: int


@dataclass(frozen=True, slots=True)
class Today:
    """`counts` are of one's own work, or of the whole agency's; `nobodys` and `untaken` only beside one's own."""

    counts: dict[Need, int]
    nobodys: dict[Need, int]
    deadlines: list[Deadline]
    untaken: list[Untaken]
    away: list[Away]
    for_meeting: list[ForMeeting]

    @property
    def is_quiet(self) -> bool:
        asked = {need: n for need, n in self.counts.items() if need is not Need.CASES}
        return not any((*asked.values(), *self.nobodys.values(), self.untaken))


def look(actor: Actor, whose: Whose) -> Today:
    """What needs the actor, or all of their agency, now; the people it names are logged.

    Raises:
        NotAllowed: the actor does no casework.
    """
    require(actor, Permission.CASEWORK)
    session, now = db.read(), clock.now()
    is_own = whose is Whose.MINE
    counted = counts(session, actor, now, whose)
    found = Today(
        counts=counted[0],
        nobodys=counted[1],
        deadlines=deadlines(session, actor, now, whose),
        untaken=untaken(session, actor, now) if is_own else [],
        away=away(session, actor, now),
        for_meeting=for_meeting(session, actor) if actor.role is Role.COORDINATOR else [],
    )
    named = {one.referral_id for one in found.deadlines if one.label}
    named |= {one.id for one in found.untaken if one.label}
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


def lists(staff_id: UUID, whose: Whose) -> tuple[dict[Need, Filter], dict[Need, Filter]]:
    """What is counted: one's own lists and those of nobody, or the agency's."""
    if whose is Whose.AGENCY:
        return LISTS, {}
    mine = {need: replace(one, worker_id=staff_id) for need, one in LISTS.items()}
    nobodys = {need: replace(one, unassigned=True) for need, one in LISTS.items()}
    del nobodys[Need.DRAFTS]  # a draft has its author
    return mine, nobodys


def counts(
    session: Session, actor: Actor, now: datetime, whose: Whose
) -> tuple[dict[Need, int], dict[Need, int]]:
    """The number of each need, counting no further than `MOST`; then the same of what nobody looks after."""
    own, nobodys = lists(actor.staff_id, whose)
    values = queries.values_for(actor, now, Filter(statuses=DRAFT, worker_id=actor.staff_id), size=MOST)
    numbers = list(session.execute(counting(whose), values).one())
    found = dict(zip((*own, Need.FOLLOW_UPS, Need.CASES), numbers, strict=False))
    found[Need.LAPSING] = consents.count(session, actor, Show.IN_30_DAYS, now, most=MOST)
    return {need: found[need] for need in Need}, dict(zip(nobodys, numbers[len(own) + 2 :], strict=True))


@cache
def counting(whose: Whose) -> Select[*tuple[Any, ...]]:
    """The counts of all lists in one statement; the one list of certain statuses is that of the drafts."""
    own, nobodys = lists(UUID(int=0), whose)
    return select(
        *(queries.counting(one.shape()).scalar_subquery() for one in own.values()),
        few(queries.follow_ups(predicates.READER).where(FollowUp.done_at.is_(None)), FollowUp.id),
        few(select(Case).where(is_own_case(), Case.closed_on.is_(None)), Case.id),
        *(queries.counting(one.shape()).scalar_subquery() for one in nobodys.values()),
    )


def is_own_case() -> ColumnElement[bool]:
    return and_(cases.visible_to(predicates.READER), Case.worker_id == predicates.READER.staff_id)


def few(rows: Select[Any], key: Any) -> ColumnElement[int]:
    """The number of these rows, counting no further than `size`."""
    counted = rows.order_by(None).with_only_columns(key).limit(bindparam("size", type_=Integer())).subquery()
    return select(func.count()).select_from(counted).scalar_subquery()


def is_late(box: Box) -> ColumnElement[bool]:
    """An answer is overdue; for the recipient also what nobody has opened in time."""
    today = predicates.day_of(predicates.NOW)
    answer = Referral.respond_by < today
    if box is Box.OUT:
        return answer
    return or_(answer, and_(Referral.received_at.is_(None), Referral.acknowledge_by < today))


@cache
def dated(whose: Whose) -> Select[*tuple[Any, ...]]:
    """What is overdue, and everything due from today to `last`, on both sides."""
    reader, now = predicates.READER, predicates.NOW
    today, last = predicates.day_of(now), bindparam("last", type_=Date())
    asked = and_(
        queries.is_awaited(now),
        or_(Referral.acknowledge_by.between(today, last), Referral.respond_by.between(today, last)),
    )
    sits_in = and_(
        among(Referral.status, OPEN),
        Referral.appointment_at.between(now, bindparam("last_at", type_=UTCDateTime())),
    )
    parts = []
    for box in (Box.IN, Box.OUT):
        mine = [concerns(queries.worker_of(box))] if whose is Whose.MINE else []
        order = (Referral.respond_by, Referral.id)
        # What is long overdue leaves room for what comes.
        for wanted, most in (
            (and_(queries.is_awaited(now), is_late(box)), MOST_LATE),
            (or_(asked, sits_in), MOST),
        ):
            part = select(Referral.id).where(*queries.side(box), *mine, wanted).order_by(*order).limit(most)
            parts.append(select(part.subquery()))
    chosen = union(*parts).subquery()
    sender, recipient = aliased(Agency), aliased(Agency, name="recipient")
    worker, absence = aliased(Staff), aliased(Absence)
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
            worker.name.label("worker_name"),
            absence.until.label("away_until"),
            *label_columns(named),
        )
        .join(chosen, chosen.c.id == Referral.id)
        .outerjoin(Person, Person.id == Referral.person_id)
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .outerjoin(
            worker,
            and_(worker.id == queries.own_worker(reader), does_casework(worker.id, reader.agency_id)),
        )
        .outerjoin(
            absence,
            and_(absence.staff_id == worker.id, absence.starts_on <= today, absence.until >= today),
        )
        .order_by(Referral.respond_by, Referral.id)
    )


def deadlines(session: Session, actor: Actor, now: datetime, whose: Whose) -> list[Deadline]:
    """What is overdue, the oldest first, and the dates of the coming seven days."""
    today = clock.japan_date(now)
    last = today + timedelta(days=DAYS)
    values = predicates.bound(actor, now, last=last, last_at=clock.end_of_day(last))
    rows = session.execute(dated(whose), values).all()
    calendars = opening_days_by_agency(session, {row.recipient.id: row.recipient for row in rows}.values())
    found = []
    for row in rows:
        is_mine = row.from_agency_id == actor.agency_id
        for due, day in dates_of(row, is_mine=is_mine):
            is_visit = due in {Due.SIT_IN, Due.FIRST_MEETING}
            if day > last or (is_visit and day < today):
                continue
            found.append(
                Deadline(
                    due=due,
                    day=day,
                    at=row.appointment_at if is_visit else None,
                    place=row.appointment_place if is_visit else "",
                    open_days_left=(
                        None if is_visit else calendars[row.recipient.id].business_days_between(today, day)
                    ),
                    referral_id=row.id,
                    number=row.number,
                    label=label_of(row),
                    is_anonymous=row.basis is Basis.ANONYMOUS,
                    counterpart=row.recipient.name if is_mine else row.from_name,
                    worker=row.worker_name or "",
                    away_until=row.away_until,
                    is_overdue=day < today,
                )
            )
    late = sorted((one for one in found if one.is_overdue), key=lambda one: one.order)[:MOST_LATE]
    ahead = sorted((one for one in found if not one.is_overdue), key=lambda one: one.order)[:LONGEST]
    return [*late, *ahead]


def dates_of(row: Any, *, is_mine: bool) -> list[tuple[Due, date]]:
    """The due dates of a referral: opening, answer, and appointment. Nobody is asked for what has stopped."""
    found = []
    if row.is_awaited and is_mine:
        found.append((Due.ANSWER_FROM, row.respond_by))
    elif row.is_awaited:
        unopened = row.received_at is None
        found.append((Due.OPEN_BY, row.acknowledge_by) if unopened else (Due.ANSWER_BY, row.respond_by))
    if row.appointment_at:
        sits_in = row.kind is ReferralKind.JOINT_INTERVIEW
        found.append((Due.SIT_IN if sits_in else Due.FIRST_MEETING, clock.japan_date(row.appointment_at)))
    return found


def untaken(session: Session, actor: Actor, now: datetime) -> list[Untaken]:
    """The newest open referrals that nobody looks after."""
    rows = queries.rows(session, actor, NOBODYS, now, size=MOST_UNTAKEN)
    return [
        Untaken(
            id=row.id,
            number=row.number,
            kind=row.kind,
            status=row.status,
            label=label_of(row),
            is_anonymous=row.basis is Basis.ANONYMOUS,
            counterpart=row.to_name if row.from_agency_id == actor.agency_id else row.from_name,
            is_sent=row.from_agency_id == actor.agency_id,
        )
        for row in rows
    ]


@cache
def away_today() -> Select[*tuple[Any, ...]]:
    """The colleagues who are away today; of each the open referrals, as the list of that worker counts them."""
    reader, today = predicates.READER, predicates.day_of(predicates.NOW)
    theirs = [
        select(func.count(Referral.id))
        .where(*queries.side(box), among(Referral.status, OPEN), queries.worker_of(box) == Absence.staff_id)
        .correlate(Absence)
        .scalar_subquery()
        for box in (Box.IN, Box.OUT)
    ]
    return (
        select(Staff.id, Staff.name, Absence.until, (theirs[0] + theirs[1]).label("count"))
        .join(Absence, Absence.staff_id == Staff.id)
        .where(
            Absence.starts_on <= today,
            Absence.until >= today,
            does_casework(Staff.id, reader.agency_id),
            Staff.id != reader.staff_id,
        )
        .order_by(Staff.name, Staff.id)
    )


def away(session: Session, actor: Actor, now: datetime) -> list[Away]:
    rows = session.execute(away_today(), predicates.bound(actor, now))
    return [Away(row.id, row.name, row.until, row[3]) for row in rows]


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
