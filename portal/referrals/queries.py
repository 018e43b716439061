"""Queries of referrals. A list is one statement: keys first, by index, then the columns of those rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Date,
    Integer,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.accounts.queries import does_casework
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.consents import queries as consents
from portal.core import clock
from portal.core.db import UTCDateTime, among, db
from portal.core.errors import Lack
from portal.core.ordering import Key, Sort, behind, in_order, place
from portal.core.policy import Actor, Permission, can
from portal.core.text import LIKE_ESCAPE, like_pattern
from portal.disclosures import queries as disclosure_queries
from portal.disclosures.models import Basis, Disclosure
from portal.disclosures.people import spellings
from portal.disclosures.queries import lives_for, to_confirm
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.names import search_key
from portal.referrals.models import (
    FollowUp,
    Referral,
    ReferralGoal,
    ReferralNews,
    ReferralReading,
)
from portal.referrals.states import ENDED, OPEN, ReferralKind
from portal.referrals.states import ReferralStatus as S
from portal.wall import predicates

# What nobody opened for so long has lists of its own: deadlines, stops, and what was refused.
NEWS_FOR = timedelta(days=90)
# A place may come free, or a question remain: so long both sides go on writing after a refusal.
AFTER_REFUSAL = timedelta(days=30)


class Box(StrEnum):
    IN = "in"
    OUT = "out"
    ALL = "all"


class Stage(StrEnum):
    """Whether a list shows what is still worked on, drafts included, what has ended, or both."""

    OPEN = "open"
    ENDED = "ended"
    ALL = "all"


class Column(StrEnum):
    """What a list may be sorted by: only what both sides of a referral see of it, so that no order tells a name."""

    AT = "at"
    NUMBER = "number"
    STATUS = "status"
    BY = "by"


NEWEST = Sort(Column.AT, is_descending=True)


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of a list. `q` finds a number, or a name among those whose name the reader may see.

    `unopened`, `unanswered` and `overdue` are what is awaited of the recipient: nothing, once the basis has ended.
    `worker_id` narrows to the work of one member of staff on the reader's side (担当), `unassigned` to that of nobody.
    """

    box: Box = Box.ALL
    stage: Stage = Stage.ALL
    statuses: frozenset[S] = frozenset()
    kind: ReferralKind | None = None
    agency_id: UUID | None = None  # the other side's
    since: date | None = None
    until: date | None = None
    overdue: bool = False
    unopened: bool = False
    unanswered: bool = False
    news: bool = False
    stopped: bool = False
    unattended: bool = False
    q: str = ""
    person_id: UUID | None = None
    worker_id: UUID | None = None
    unassigned: bool = False

    def shape(self) -> Filter:
        """The filter without its values: filters of one shape share one statement."""
        return replace(
            self,
            statuses=frozenset({S.DRAFT} if self.statuses else ()),
            kind=ReferralKind.REFERRAL if self.kind else None,
            agency_id=UUID(int=0) if self.agency_id else None,
            since=date.min if self.since else None,
            until=date.min if self.until else None,
            q="q" if self.q else "",
            person_id=UUID(int=0) if self.person_id else None,
            worker_id=UUID(int=0) if self.worker_id else None,
        )

    def values(self) -> dict[str, Any]:
        """The parameters of the statement of this shape."""
        return {
            "statuses": sorted(self.statuses),
            "kind": self.kind,
            "other_agency": self.agency_id,
            "since": self.since and clock.start_of_day(self.since),
            "before": self.until and clock.end_of_day(self.until),
            "numbers": sorted(spellings(self.q)),
            # A query without a name, e.g. only punctuation, matches nothing rather than everything.
            "pattern": like_pattern(search_key(self.q)) if search_key(self.q) else "",
            "person_id": self.person_id,
            "worker_id": self.worker_id,
        }


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """`Permission.REFERRAL_READ` as SQL. A test compares the two."""
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    return and_(
        ~is_excluded(actor),
        or_(
            Referral.from_agency_id == actor.agency_id,
            and_(Referral.to_agency_id == actor.agency_id, Referral.sent_at.is_not(None)),
        ),
    )


def is_excluded(actor: Actor) -> ColumnElement[bool]:
    """The reader is excluded from the affairs of the person it is about, whether it names them or not."""
    return predicates.is_excluded(actor, Referral.person_id)


def visible(actor: Actor) -> Select[Referral]:
    return select(Referral).where(visible_to(actor))


def goals_of(referral_id: UUID) -> Select[ReferralGoal]:
    return select(ReferralGoal).where(ReferralGoal.referral_id == referral_id).order_by(ReferralGoal.id)


def chosen(shape: Filter, box: Box) -> list[ColumnElement[bool]]:
    """The filters by what stands on the referral itself."""
    tests: list[ColumnElement[bool]] = []
    if shape.stage is not Stage.ALL:
        tests.append(among(Referral.status, ENDED if shape.stage is Stage.ENDED else frozenset(S) - ENDED))
    if shape.kind:
        tests.append(Referral.kind == bindparam("kind", type_=Referral.kind.type))
    if shape.agency_id:
        other = Referral.from_agency_id if box is Box.IN else Referral.to_agency_id
        tests.append(other == bindparam("other_agency", type_=other.type))
    if shape.since:
        tests.append(Referral.listed_at >= bindparam("since", type_=Referral.listed_at.type))
    if shape.until:
        tests.append(Referral.listed_at < bindparam("before", type_=Referral.listed_at.type))
    return tests


def narrowed(shape: Filter, box: Box) -> list[ColumnElement[bool]]:
    reader, now = predicates.READER, predicates.NOW
    tests = chosen(shape, box)
    if shape.statuses:
        tests.append(Referral.status.in_(bindparam("statuses", expanding=True)))
    if shape.overdue or shape.unopened or shape.unanswered:
        tests.append(is_awaited(now))
    if shape.overdue:
        tests.append(Referral.respond_by < predicates.day_of(now))
    if shape.unopened:
        tests.append(Referral.received_at.is_(None))
    if shape.news:
        tests.append(Referral.id.in_(news(reader)))
    if shape.worker_id:
        tests.append(worker_of(box) == bindparam("worker_id", type_=Uuid()))
    if shape.unassigned:
        tests.append(~does_casework(worker_of(box), reader.agency_id))
    if shape.stopped:
        # The recipient reports that its use has stopped, and has done all it can; the sender takes the referral back.
        waiting = to_confirm(reader, now).with_only_columns(Disclosure.source_id).order_by(None)
        tests.append(Referral.id.in_(waiting) if box is Box.IN else is_stopped(now))
    if shape.unattended:
        tests.append(is_unattended(reader))
    if shape.person_id:
        # What was asked anonymously is never joined to a person for the agency that was asked.
        mine = may_name(reader)
        tests += [Referral.person_id == bindparam("person_id"), mine]
    if shape.q:
        tests.append(or_(Referral.number.in_(bindparam("numbers", expanding=True)), is_named(reader, now)))
    return tests


def news(reader: Actor) -> Select[UUID]:
    """The referrals of which this reader has not seen the latest; each member of staff has their own news.

    It runs with `news_since`, before which nothing is news (`values_for`).
    """
    seen = exists().where(
        ReferralReading.referral_id == ReferralNews.referral_id,
        ReferralReading.staff_id == reader.staff_id,
        ReferralReading.at >= ReferralNews.at,
    )
    return select(ReferralNews.referral_id).where(
        ReferralNews.agency_id == reader.agency_id,
        ReferralNews.at > bindparam("news_since", type_=UTCDateTime()),
        ~seen,
    )


def worker_of(box: Box) -> ColumnElement[UUID | None]:
    """Who looks after a referral on one side (担当): the sender's is its author until somebody takes it over."""
    if box is Box.IN:
        return Referral.worker_id.expression
    return func.coalesce(Referral.sender_worker_id, Referral.created_by_id)


def own_worker(reader: Actor) -> ColumnElement[UUID | None]:
    """The same on the reader's own side."""
    return case((Referral.from_agency_id == reader.agency_id, worker_of(Box.OUT)), else_=worker_of(Box.IN))


def may_name(reader: Actor) -> ColumnElement[bool]:
    """An anonymous request names the person only to the agency that asks."""
    return or_(Referral.basis != Basis.ANONYMOUS, Referral.from_agency_id == reader.agency_id)


def is_named(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """The name matches and the reader may see it: no recipient finds a person asked about anonymously."""
    person = aliased(Person)
    return and_(
        exists().where(
            person.id == Referral.person_id,
            person.search_key.like(bindparam("pattern"), escape=LIKE_ESCAPE),
            predicates.sees(reader, Category.BASIC, now, person),
        ),
        may_name(reader),
    )


def side(box: Box) -> list[ColumnElement[bool]]:
    free = ~is_excluded(predicates.READER)
    if box is Box.OUT:
        return [Referral.from_agency_id == predicates.READER.agency_id, free]
    return [Referral.to_agency_id == predicates.READER.agency_id, Referral.sent_at.is_not(None), free]


# Behind every deadline: where nothing is awaited, there is none to sort by.
NEVER = date(9999, 12, 31)


def sort_key(column: Column) -> Any:
    """What is compared when a list is sorted by this column."""
    match column:
        case Column.NUMBER:
            return Referral.number
        case Column.STATUS:
            rank = {one: place for place, one in enumerate(S)}
            return case(rank, value=Referral.status)
        case Column.BY:
            return case((Referral.status == S.REQUESTED, Referral.respond_by), else_=literal(NEVER, Date()))
        case Column.AT:
            return Referral.listed_at


def keys(shape: Filter, sort: Sort, *, is_first: bool) -> Select[Any]:
    """The keys of one page in their order: each side is read by its own index and never sorted as a whole.

    By state or deadline, which no index holds, each side is.
    """
    key = sort_key(Column(sort.column))
    size = bindparam("size", type_=Integer())
    parts = []
    for box in (Box.IN, Box.OUT) if shape.box is Box.ALL else (shape.box,):
        part = select(key.label("key"), Referral.id).where(*side(box), *narrowed(shape, box))
        if not is_first:
            part = part.where(behind(key, Referral.id, sort))
        parts.append(select(part.order_by(*in_order(key, Referral.id, sort)).limit(size).subquery()))
    both = union_all(*parts).subquery()
    return select(both).order_by(*in_order(both.c.key, both.c.id, sort)).limit(size)


def is_stopped(now: datetime) -> ColumnElement[bool]:
    """The referral is open on a basis that has died: it may only be ended."""
    return and_(
        among(Referral.status, OPEN),
        Referral.basis == Basis.CONSENT,
        ~lives_for(Referral.id, Referral.to_agency_id, now),
    )


def is_awaited(now: datetime) -> ColumnElement[bool]:
    """The recipient is still asked to open and to answer it."""
    return and_(Referral.status == S.REQUESTED, ~is_stopped(now))


@lru_cache(maxsize=500)
def listing(shape: Filter, sort: Sort = NEWEST, *, is_first: bool = True) -> Select[*tuple[Any, ...]]:
    """The rows of one page with all that the list shows; the name only where the wall allows it.

    Built once for each shape and order in use; `rows` runs it.
    """
    reader, now = predicates.READER, predicates.NOW
    page = keys(shape, sort, is_first=is_first).subquery()
    sender, recipient, worker = aliased(Agency), aliased(Agency), aliased(Staff)
    named = and_(predicates.sees(reader, Category.BASIC, now, Person), may_name(reader))
    # Evaluated once per row: the limit, which drops nothing, keeps the planner from repeating it per column.
    shown = (
        select(page.c.id, page.c.key, Referral.person_id, named.label("is_named"))
        .join_from(page, Referral, Referral.id == page.c.id)
        .outerjoin(Person, Person.id == Referral.person_id)
        .limit(bindparam("size", type_=Integer()))
        .subquery()
    )
    by_name, by_pseudonym = (
        and_(shown.c.is_named, Person.is_identified),
        and_(shown.c.is_named, ~Person.is_identified),
    )
    return (
        select(
            Referral.id,
            Referral.number,
            Referral.kind,
            Referral.status,
            Referral.basis,
            Referral.listed_at,
            Referral.respond_by,
            Referral.received_at,
            Referral.from_agency_id,
            sender.name.label("from_name"),
            recipient.name.label("to_name"),
            case((by_name, Person.family), else_=null()).label("family"),
            case((by_name, Person.given), else_=null()).label("given"),
            case((by_pseudonym, Person.pseudonym), else_=null()).label("pseudonym"),
            is_stopped(now).label("is_stopped"),
            worker.name.label("worker_name"),
            shown.c.key.label("sort_key"),
            is_awaited(now).label("is_awaited"),
        )
        .join(shown, shown.c.id == Referral.id)
        .outerjoin(Person, Person.id == Referral.person_id)
        .join(sender, sender.id == Referral.from_agency_id)
        .join(recipient, recipient.id == Referral.to_agency_id)
        .outerjoin(worker, worker.id == own_worker(reader))
        .order_by(*in_order(shown.c.key, shown.c.id, sort))
    )


def values_for(actor: Actor, now: datetime, wanted: Filter, **more: Any) -> dict[str, Any]:
    """The parameters of the statements for a filter, for this reader at this moment."""
    return predicates.bound(actor, now, news_since=now - NEWS_FOR, **wanted.values(), **more)


def rows(
    session: Session,
    actor: Actor,
    wanted: Filter,
    now: datetime,
    *,
    sort: Sort = NEWEST,
    after: Key | None = None,
    size: int = 25,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows of one page of a list, beginning behind the key `after`; the last column is what they are sorted by."""
    values = values_for(actor, now, wanted, **place(after), size=size)
    return session.execute(listing(wanted.shape(), sort, is_first=after is None), values).all()


@lru_cache(maxsize=500)
def counting(shape: Filter) -> Select[int]:
    return select(func.count()).select_from(keys(shape, NEWEST, is_first=True).subquery())


def count(session: Session, actor: Actor, wanted: Filter, now: datetime, *, most: int = 100) -> int:
    """The number of rows of the list, counting no further than `most`, so that it stays fast."""
    values = values_for(actor, now, wanted, size=most)
    return session.execute(counting(wanted.shape()), values).scalar_one()


def open_twins(actor: Actor, person_id: UUID, to_agency_id: UUID) -> Select[Referral]:
    """One's own open referrals of the same person to the same agency: is this one a duplicate?"""
    return select(Referral).where(
        Referral.from_agency_id == actor.agency_id,
        Referral.person_id == person_id,
        Referral.to_agency_id == to_agency_id,
        among(Referral.status, OPEN),
        ~is_excluded(actor),
    )


def is_unattended(actor: Actor) -> ColumnElement[bool]:
    """One's own referrals that ended badly and have no follow-up yet, of people one may still refer."""
    sequel = aliased(Referral)
    knows = predicates.agency_sees(actor, Category.BASIC, predicates.NOW, Person)
    return and_(
        Referral.from_agency_id == actor.agency_id,
        among(Referral.status, [S.REJECTED, S.FAILED]),
        ~exists().where(sequel.part_of_id == Referral.id, sequel.status != S.ENTERED_IN_ERROR),
        ~exists().where(FollowUp.referral_id == Referral.id, FollowUp.agency_id == actor.agency_id),
        exists().where(Person.id == Referral.person_id, knows),
    )


def follow_ups(actor: Actor) -> Select[FollowUp]:
    closed = (
        exists().where(Referral.id == FollowUp.referral_id, is_excluded(actor)).correlate_except(Referral)
    )
    statement = select(FollowUp).where(FollowUp.agency_id == actor.agency_id, ~closed)
    return statement.order_by(FollowUp.done_at.is_not(None), FollowUp.id.desc())


# One referral, held for a service that acts on it.


@cache
def visible_one() -> Select[Referral]:
    return visible(predicates.READER).where(Referral.id == bindparam("referral_id"))


@cache
def live_one() -> Select[UUID]:
    live = lives_for(Referral.id, Referral.to_agency_id, predicates.NOW)
    return select(Referral.id).where(Referral.id == bindparam("referral_id"), live)


HOLD_PERSON = select(Person.id).where(Person.id == bindparam("person_id")).with_for_update()


def locked(session: Session, actor: Actor, referral_id: UUID) -> Referral:
    """The referral, held until the transaction ends, with its person held before it.

    Withdrawing a consent locks the person too, so nothing is disclosed after an acknowledged withdrawal.

    Raises:
        NoResultFound: none that this actor may know of.
    """
    values = predicates.bound(actor, clock.now(), referral_id=referral_id)
    person_id = session.scalars(visible_one().with_only_columns(Referral.person_id), values).one()
    session.execute(HOLD_PERSON, {"person_id": person_id})
    options = {"populate_existing": True}
    return session.scalars(visible_one().with_for_update(), values, execution_options=options).one()


def named_to_recipient(referral: Referral) -> UUID | None:
    """The person it is about, as far as the recipient may know."""
    return None if referral.basis is Basis.ANONYMOUS else referral.person_id


def what_lacks(session: Session, referral: Referral) -> Lack:
    """Why what it disclosed may not be read any longer, for the audit log."""
    if referral.basis is not Basis.CONSENT:
        return Lack.ENDED
    lack = consents.what_lacks(session, referral.person_id, referral.to_agency_id)
    return Lack.ENDED if lack is Lack.CONSENT else lack


@cache
def going_on_one() -> Select[UUID]:
    goes_on = predicates.goes_on(Referral, predicates.NOW)
    return select(Referral.id).where(Referral.id == bindparam("referral_id"), goes_on)


def goes_on(session: Session, referral: Referral) -> bool:
    """Whether, after a refusal, both sides may still write."""
    until = words_until(referral.ended_at)
    values = {"referral_id": referral.id, "now": clock.now(), "today": clock.today()}
    return until is not None and clock.now() <= until and session.scalar(going_on_one(), values) is not None


def words_until(refused_at: datetime | None) -> datetime | None:
    return refused_at and refused_at + AFTER_REFUSAL


def is_live(session: Session, referral: Referral) -> bool:
    """Whether what this referral disclosed may still be read by its recipient."""
    values = {"referral_id": referral.id, "now": clock.now(), "today": clock.today()}
    return session.scalar(live_one(), values) is not None


# The follow-ups that an agency noted after referrals that went badly.


def page(
    actor: Actor, *, done: bool, after: tuple[datetime, UUID] | None = None, size: int = 25
) -> Sequence[Row[*tuple[Any, ...]]]:
    """One's own agency's rows, the newest first, one more than `size` when there are more; logged."""
    statement = (
        select(
            FollowUp.id,
            FollowUp.created_at,
            FollowUp.kind,
            FollowUp.text,
            FollowUp.done_at,
            FollowUp.referral_id,
            Referral.number,
            Referral.kind.label("referral_kind"),
            Referral.status,
            Agency.name.label("to_name"),
            Staff.name.label("noted_by"),
        )
        .join(Referral, Referral.id == FollowUp.referral_id)
        .join(Agency, Agency.id == Referral.to_agency_id)
        .join(Staff, Staff.id == FollowUp.noted_by_id)
        .where(
            FollowUp.agency_id == actor.agency_id,
            ~is_excluded(actor),
            FollowUp.done_at.is_not(None) if done else FollowUp.done_at.is_(None),
        )
        .order_by(FollowUp.created_at.desc(), FollowUp.id.desc())
        .limit(size + 1)
    )
    if after:
        last = tuple_(literal(after[0], FollowUp.created_at.type), literal(after[1], FollowUp.id.type))
        statement = statement.where(tuple_(FollowUp.created_at, FollowUp.id) < last)
    rows = db.read.execute(statement).all()
    audit.record_reading(
        AuditEvent.REFERRALS_LISTED, ("follow_up", None), actor=actor, count=min(len(rows), size)
    )
    return rows


# What the withdrawal of a consent, or a renewal without some recipient, will stop: shown before it is done.


@dataclass(frozen=True, slots=True)
class OpenReferral:
    """An open referral, of this reader's agency, that rests on the consent."""

    id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class Stop:
    """What stops for one recipient: these referrals stand still, and what it opened it reports to have stopped."""

    agency_id: UUID
    name: str
    must_report: bool
    referrals: tuple[OpenReferral, ...]


def stops(session: Session, actor: Actor, consent_id: UUID, now: datetime) -> list[Stop]:
    """The live disclosures on this consent by recipient, in the order of their names."""
    live = [line for line in disclosure_queries.told_on(session, actor, consent_id, now) if line.is_alive]
    sources = {line.source_id for line in live if line.source_id}
    found = session.execute(
        select(Referral.id, Referral.number, Referral.to_agency_id)
        .where(visible_to(actor), Referral.id.in_(sources), Referral.status.in_(sorted(OPEN)))
        .order_by(Referral.number)
    ).all()
    told = {line.to_agency_id: line.to_name for line in live}
    return [
        Stop(
            agency_id,
            name,
            any(not line.is_unopened for line in live if line.to_agency_id == agency_id),
            tuple(OpenReferral(r.id, r.number) for r in found if r.to_agency_id == agency_id),
        )
        for agency_id, name in sorted(told.items(), key=lambda one: one[1])
    ]
