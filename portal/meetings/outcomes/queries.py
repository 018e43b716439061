"""Outcomes in one reader's eyes, and promises (対応事項): which are kept, and which a reader may know of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
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
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.calendar import OpeningDays
from portal.agencies.models import Agency
from portal.agencies.queries import opening_days_by_agency
from portal.core import clock
from portal.core.db import among
from portal.core.policy import Actor, Permission, can
from portal.disclosures.models import Disclosure
from portal.disclosures.person_header import label_of
from portal.meetings import item_visibility
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.queries import shown
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.schedule import queries
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import HELD, OutcomeKind
from portal.people.models import Person
from portal.referrals.models import Referral, ReferralEvent
from portal.referrals.states import ReferralAction, ReferralStatus
from portal.wall import predicates


def is_promise(outcome: type[MeetingOutcome] = MeetingOutcome) -> ColumnElement[bool]:
    return and_(outcome.kind == OutcomeKind.ACTION, outcome.struck_at.is_(None))


def step_was_done(outcome: type[MeetingOutcome] = MeetingOutcome) -> ColumnElement[bool]:
    """The step of a referral that was promised has happened since."""
    return (
        exists()
        .where(
            ReferralEvent.referral_id == outcome.referral_id,
            ReferralEvent.what == outcome.referral_step,
            ReferralEvent.created_at >= outcome.created_at,
        )
        .correlate(outcome)
    )


def referral_was_sent(outcome: type[MeetingOutcome] = MeetingOutcome) -> ColumnElement[bool]:
    """The referral that was promised, of the item's person to an agency, has been sent since."""
    item, asked = aliased(AgendaItem), aliased(Referral)
    return (
        exists()
        .where(
            item.id == outcome.item_id,
            asked.person_id == item.person_id,
            asked.from_agency_id == outcome.owner_agency_id,
            asked.to_agency_id == outcome.to_agency_id,
            asked.sent_at >= outcome.created_at,
            asked.status != ReferralStatus.ENTERED_IN_ERROR,
        )
        .correlate(outcome)
    )


def is_done(outcome: type[MeetingOutcome] = MeetingOutcome) -> ColumnElement[bool]:
    """The promise is kept: somebody said so, or the work itself shows it."""
    return or_(outcome.done_at.is_not(None), step_was_done(outcome), referral_was_sent(outcome))


def was_told(reader: Actor) -> ColumnElement[bool]:
    """The item was once disclosed to this reader, whatever has become of the basis."""
    line = aliased(Disclosure)
    told = (
        exists().where(line.source_id == AgendaItem.id, predicates.is_for(line, reader)).correlate(AgendaItem)
    )
    return and_(queries.may_enter(reader), ~item_visibility.is_excluded(reader), told)


def known_to(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """Promises this reader may know of: of items they may read, and what their agency owes on items it knew.

    Selects from MeetingOutcome, AgendaItem and Meeting.
    """
    owed = and_(
        MeetingOutcome.owner_agency_id == reader.agency_id,
        or_(item_visibility.present(reader, now), was_told(reader)),
    )
    held = among(Meeting.status, HELD)
    return and_(is_promise(), held, or_(item_visibility.readable(reader, now), owed))


# Promises (対応事項) in one reader's eyes: one, and the list of them by agency.


class Show(StrEnum):
    """The filter of a list of promises."""

    ALL = "all"
    MINE = "mine"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class PromiseView:
    """A promise as one reader may see it. An unreadable one shows only that it is owed, to whom and when.

    `days_left` counts open days of the owner, below zero when overdue; `came_back` the meetings since.
    """

    id: UUID
    version: int
    meeting_id: UUID
    meeting_name: str
    meeting_at: datetime
    item_id: UUID
    convener_id: UUID
    owner_agency_id: UUID
    owner_name: str
    is_mine: bool
    due_on: date
    is_overdue: bool
    days_left: int
    came_back: int
    is_readable: bool
    text: str
    label: str
    owner_staff_name: str
    referral_id: UUID | None
    referral_step: ReferralAction | None
    to_agency_id: UUID | None
    to_name: str
    person_id: UUID | None
    is_done: bool
    done_at: datetime | None
    done_by: str
    done_note: str

    @property
    def needs_step(self) -> bool:
        """Whether a step of the work should show it done, so that closing it by hand needs a reason."""
        return self.referral_step is not None or self.to_agency_id is not None

    def may_be_closed_by(self, actor: Actor) -> bool:
        return self.is_mine or can(actor, Permission.MEETING_ARRANGE, self)


def times_came_back(reader: Actor, now: datetime) -> ColumnElement[int]:
    """The number of meetings of the series that the reader has sat at since."""
    later, seat = aliased(Meeting), aliased(MeetingMember)
    return (
        select(func.count())
        .select_from(later)
        .join(seat, and_(seat.meeting_id == later.id, seat.agency_id == reader.agency_id))
        .where(
            later.series_id == Meeting.series_id,
            later.starts_at > Meeting.starts_at,
            later.starts_at <= now,
            among(later.status, HELD),
        )
        .correlate(Meeting)
        .scalar_subquery()
    )


def known() -> Select[*tuple[Any, ...]]:
    """The promises that the reader may know of, each with what they may see of it computed once."""
    reader, now = predicates.READER, predicates.NOW
    to_agency, doer, worker = aliased(Agency), aliased(Staff), aliased(Staff)
    return (
        select(
            *(getattr(MeetingOutcome, name) for name in (*OF_OUTCOME, *HIDEABLE)),
            *(getattr(Person, name) for name in OF_LABEL),
            Meeting.id.label("meeting_id"),
            Meeting.name.label("meeting_name"),
            Meeting.starts_at.label("meeting_at"),
            Meeting.convener_id,
            AgendaItem.person_id,
            to_agency.name.label("to_name"),
            doer.name.label("done_by"),
            worker.name.label("owner_staff_name"),
            item_visibility.readable(reader, now).label("is_readable"),
            item_visibility.named(reader, now, Person).label("is_named"),
            and_(queries.may_enter(reader), item_visibility.is_referral_party(reader)).label(
                "is_referral_party"
            ),
            is_done().label("is_done"),
            times_came_back(reader, now).label("came_back"),
        )
        .select_from(MeetingOutcome)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .outerjoin(Person, Person.id == AgendaItem.person_id)
        .outerjoin(to_agency, to_agency.id == MeetingOutcome.to_agency_id)
        .outerjoin(worker, worker.id == MeetingOutcome.owner_staff_id)
        .outerjoin(doer, doer.id == MeetingOutcome.done_by_id)
        .where(known_to(reader, now))
    )


def in_order(show: Show, day: Any, key: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return (day.desc(), key.desc()) if show is Show.DONE else (day.asc(), key.asc())


def as_seen(known: Select[*tuple[Any, ...]], show: Show = Show.ALL) -> Select[*tuple[Any, ...]]:
    """All columns that a page shows of them; the database leaves out what the reader may not see.

    `known` has a LIMIT, so that no database evaluates a condition again for each column that uses it.
    """
    found = known.subquery("known")
    row = found.c
    readable, named = row.is_readable, row.is_named
    by_owner = or_(readable, row.owner_agency_id == predicates.READER.agency_id)
    seen_by: dict[str, ColumnElement[bool]] = {
        **dict.fromkeys(("text", "referral_step", "to_agency_id", "to_name"), readable),
        **dict.fromkeys(("owner_staff_name", "done_by", "done_note"), by_owner),
        **dict.fromkeys(("person_id", *OF_LABEL), named),
        "referral_id": row.is_referral_party,
    }
    plain = [column for column in row if column.name not in seen_by]
    return (
        select(Agency, *plain, *(shown(test, row[name], name) for name, test in seen_by.items()))
        .join_from(found, Agency, Agency.id == row.owner_agency_id)
        .order_by(*in_order(show, row.due_on, row.id))
    )


OF_OUTCOME = ("id", "version", "due_on", "owner_agency_id", "item_id", "done_at")
HIDEABLE = ("text", "done_note", "referral_id", "referral_step", "to_agency_id")
OF_LABEL = ("family", "given", "pseudonym")


@cache
def one_statement() -> Select[*tuple[Any, ...]]:
    return as_seen(known().where(MeetingOutcome.id == bindparam("outcome_id")).limit(1))


@cache
def list_statement(show: Show, *, of_agency: bool, is_first: bool) -> Select[*tuple[Any, ...]]:
    """The statement for one page: open ones by date, the oldest first; done ones the newest first."""
    statement = known().where(is_done() if show is Show.DONE else ~is_done())
    if show is Show.MINE:
        statement = statement.where(MeetingOutcome.owner_agency_id == predicates.READER.agency_id)
    if of_agency:
        statement = statement.where(MeetingOutcome.owner_agency_id == bindparam("owner_id"))
    key = tuple_(MeetingOutcome.due_on, MeetingOutcome.id)
    last = tuple_(bindparam("after_on", type_=Date()), bindparam("after_id", type_=Uuid()))
    if not is_first:
        statement = statement.where(key < last if show is Show.DONE else key > last)

    order = in_order(show, MeetingOutcome.due_on, MeetingOutcome.id)
    return as_seen(statement.order_by(*order).limit(bindparam("size", type_=Integer())), show)


@cache
def by_agency_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(Agency.id, Agency.name, func.count().label("count"))
        .select_from(MeetingOutcome)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .join(Agency, Agency.id == MeetingOutcome.owner_agency_id)
        .where(known_to(predicates.READER, predicates.NOW), ~is_done())
        .group_by(Agency.id, Agency.name)
        .order_by(Agency.name)
    )


def page(
    session: Session,
    actor: Actor,
    show: Show,
    now: datetime,
    *,
    owner_id: UUID | None = None,
    after: tuple[date, UUID] | None = None,
    size: int = 25,
) -> list[PromiseView]:
    """One page of promises, one more than `size` when there are more."""
    values = predicates.bound(actor, now, size=size + 1, owner_id=owner_id)
    if after:
        values |= {"after_on": after[0], "after_id": after[1]}
    statement = list_statement(show, of_agency=owner_id is not None, is_first=after is None)
    return views(session, actor, session.execute(statement, values).all(), now)


def by_agency(session: Session, actor: Actor, now: datetime) -> Sequence[Row[*tuple[Any, ...]]]:
    """The agencies that owe something this reader may know of, and how many of their promises are open."""
    return session.execute(by_agency_statement(), predicates.bound(actor, now)).all()


def load(session: Session, actor: Actor, outcome_id: UUID, now: datetime) -> PromiseView:
    """One promise.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    row = session.execute(one_statement(), predicates.bound(actor, now, outcome_id=outcome_id)).one()
    return views(session, actor, [row], now)[0]


def views(
    session: Session, actor: Actor, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime
) -> list[PromiseView]:
    """Rows as pages show them, with the days counted by the owner's calendar."""
    if not rows:
        return []
    today = clock.japan_date(now)
    owners = {row.Agency.id: row.Agency for row in rows}
    calendars = opening_days_by_agency(session, owners.values())
    return [view_of(row, actor, today, calendars[row.owner_agency_id]) for row in rows]


def view_of(row: Any, actor: Actor, today: date, calendar: OpeningDays) -> PromiseView:
    found: dict[str, Any] = {name: getattr(row, name) for name in AS_READ}
    found |= {name: getattr(row, name) or "" for name in WORDS}
    return PromiseView(
        **found,
        owner_name=row.Agency.name,
        is_mine=row.owner_agency_id == actor.agency_id,
        is_overdue=not row.is_done and row.due_on < today,
        days_left=calendar.business_days_between(today, row.due_on),
        label=label_of(row),
    )


WORDS = frozenset({"text", "owner_staff_name", "to_name", "done_by", "done_note"})
WORKED_OUT = frozenset({"owner_name", "is_mine", "is_overdue", "days_left", "label"})
AS_READ = tuple(name for name in PromiseView.__slots__ if name not in WORDS | WORKED_OUT)


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """What came of an item. Owners who may no longer read the item see only that they owe it."""

    id: UUID
    item_id: UUID
    version: int
    kind: OutcomeKind
    is_readable: bool
    is_done: bool
    owner_agency_id: UUID | None
    owner_name: str
    due_on: date | None
    text: str
    owner_staff_id: UUID | None
    owner_staff_name: str
    referral_step: ReferralAction | None
    to_agency_id: UUID | None
    to_name: str

    @property
    def is_promise(self) -> bool:
        return self.kind is OutcomeKind.ACTION


def known_outcomes() -> Select[*tuple[Any, ...]]:
    """The outcomes that the reader may know of, each with what they may see of it computed once."""
    reader, now = predicates.READER, predicates.NOW
    readable = item_visibility.readable(reader, now)
    owed = and_(
        MeetingOutcome.owner_agency_id == reader.agency_id,
        or_(item_visibility.present(reader, now), was_told(reader)),
    )
    owner, to_agency, worker = aliased(Agency), aliased(Agency), aliased(Staff)
    return (
        select(
            MeetingOutcome.id,
            MeetingOutcome.item_id,
            MeetingOutcome.version,
            MeetingOutcome.kind,
            MeetingOutcome.owner_agency_id,
            MeetingOutcome.due_on,
            readable.label("is_readable"),
            and_(queries.may_enter(reader), item_visibility.is_referral_party(reader)).label(
                "is_referral_party"
            ),
            is_done().label("is_done"),
            owner.name.label("owner_name"),
            MeetingOutcome.text,
            MeetingOutcome.owner_staff_id,
            worker.name.label("owner_staff_name"),
            MeetingOutcome.referral_step,
            MeetingOutcome.to_agency_id,
            to_agency.name.label("to_name"),
        )
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .outerjoin(owner, owner.id == MeetingOutcome.owner_agency_id)
        .outerjoin(to_agency, to_agency.id == MeetingOutcome.to_agency_id)
        .outerjoin(worker, worker.id == MeetingOutcome.owner_staff_id)
        .where(
            MeetingOutcome.struck_at.is_(None),
            among(Meeting.status, HELD),
            AgendaItem.removed_at.is_(None),
            or_(readable, owed),
        )
    )


@cache
def outcomes_statement(of: str) -> Select[*tuple[Any, ...]]:
    """The statement for outcomes of one meeting, of several items, or for one outcome."""
    narrowed = {
        "meeting": AgendaItem.meeting_id == bindparam("meeting_id"),
        "items": AgendaItem.id.in_(bindparam("items", expanding=True)),
        "one": MeetingOutcome.id == bindparam("outcome_id"),
    }
    # With an OFFSET no database evaluates a condition again for each column that uses it.
    row = known_outcomes().where(narrowed[of]).offset(literal_column("0")).subquery("known").c
    seen_by: dict[str, ColumnElement[bool]] = {
        **dict.fromkeys(OUTCOME_HIDEABLE, row.is_readable),
        "referral_step": and_(row.is_readable, row.is_referral_party),
    }
    plain = [column for column in row if column.name not in seen_by]
    seen = (shown(test, row[name], name) for name, test in seen_by.items())
    return select(*plain, *seen).order_by(row.id)


OUTCOME_HIDEABLE = (
    *("text", "owner_staff_id", "owner_staff_name"),
    *("referral_step", "to_agency_id", "to_name"),
)
OUTCOME_WORDS = frozenset({"text", "owner_name", "owner_staff_name", "to_name"})


def outcome_of(row: Row[*tuple[Any, ...]]) -> OutcomeView:
    found = {name: getattr(row, name) for name in OutcomeView.__slots__}
    return OutcomeView(**found | {name: found[name] or "" for name in OUTCOME_WORDS})


def load_outcomes(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> list[OutcomeView]:
    rows = session.execute(outcomes_statement("meeting"), predicates.bound(actor, now, meeting_id=meeting_id))
    return [outcome_of(row) for row in rows]


def load_outcome(session: Session, actor: Actor, outcome_id: UUID, now: datetime) -> tuple[UUID, OutcomeView]:
    """The meeting's id and the outcome.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    row = session.execute(
        outcomes_statement("one"), predicates.bound(actor, now, outcome_id=outcome_id)
    ).one()
    meeting_id = select(AgendaItem.meeting_id).where(AgendaItem.id == row.item_id)
    return session.scalars(meeting_id).one(), outcome_of(row)
