"""Local issues (地域課題): who may read them, where they were discussed, and which refusals may show one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Row, Select, Uuid, and_, bindparam, exists, false, or_, select, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.core.db import UTCDateTime, among
from portal.core.policy import Actor, Permission, can
from portal.meetings import item_visibility
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.agenda.queries import shown
from portal.meetings.issues.models import LocalIssue
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import HELD, OPENED, IssueStatus
from portal.referrals.models import FollowUp, Referral
from portal.referrals.queries import is_excluded
from portal.referrals.states import ReferralStatus, Refusal
from portal.wall import predicates

# Refusals that show a lack in the city rather than something about this person.
LACKING = (Refusal.NO_CAPACITY, Refusal.NOT_ELIGIBLE)


@dataclass(frozen=True, slots=True)
class Discussed:
    """A meeting that took an issue up, at whose table the reader sits."""

    meeting_id: UUID
    name: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class IssueView:
    """A local issue as one reader may see it; the referral it grew from shows to its own agency alone."""

    id: UUID
    version: int
    created_at: datetime
    agency_id: UUID
    agency_name: str
    raised_by: str
    text: str
    status: IssueStatus
    result: str
    refusal: Refusal | None
    referral_id: UUID | None
    referral_number: str
    is_own: bool
    may_conclude: bool
    discussed: Sequence[Discussed] = ()

    def may_be_reworded_by(self, actor: Actor) -> bool:
        return can(actor, Permission.ISSUE_EDIT, self)

    def may_be_changed_by(self, actor: Actor) -> bool:
        """Whether the actor may change it: the agency that raised it, or the coordinator of a convener."""
        return self.may_be_reworded_by(actor) or (
            self.may_conclude and can(actor, Permission.MEETING_CONVENE)
        )


def on_agenda(reader: Actor, now: datetime, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether it stands on an agenda that the reader may know of, as an item that is not removed."""
    return (
        exists()
        .where(
            AgendaItem.issue_id == LocalIssue.id,
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
            Meeting.id == AgendaItem.meeting_id,
            item_visibility.present(reader, now),
            *more,
        )
        .correlate(LocalIssue)
    )


def visible_to(actor: Actor, now: datetime) -> ColumnElement[bool]:
    """Issues of one's own agency, and those on the agenda of an announced or held meeting one sits at."""
    if actor.agency_id is None or not can(actor, Permission.CASEWORK):
        return false()
    opened = among(Meeting.status, OPENED)
    return or_(LocalIssue.agency_id == actor.agency_id, on_agenda(actor, now, opened))


def was_discussed_here(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """A meeting that the reader's agency convened has taken it up."""
    return on_agenda(reader, now, among(Meeting.status, HELD), Meeting.convener_id == reader.agency_id)


def columns() -> Select[*tuple[Any, ...]]:
    reader, now = predicates.READER, predicates.NOW
    own = LocalIssue.agency_id == reader.agency_id
    return (
        select(
            LocalIssue.id,
            LocalIssue.version,
            LocalIssue.created_at,
            LocalIssue.agency_id,
            LocalIssue.code,
            LocalIssue.text,
            LocalIssue.status,
            LocalIssue.result,
            Agency.name.label("agency_name"),
            own.label("is_own"),
            was_discussed_here(reader, now).label("may_conclude"),
            shown(own, Staff.name, "raised_by"),
            shown(and_(own, ~is_excluded(reader)), Referral.id, "referral_id"),
            shown(and_(own, ~is_excluded(reader)), Referral.number, "referral_number"),
        )
        .select_from(LocalIssue)
        .join(Agency, Agency.id == LocalIssue.agency_id)
        .join(Staff, Staff.id == LocalIssue.raised_by_id)
        .outerjoin(FollowUp, FollowUp.id == LocalIssue.follow_up_id)
        .outerjoin(Referral, Referral.id == FollowUp.referral_id)
        .where(visible_to(reader, now))
    )


@cache
def one_statement() -> Select[*tuple[Any, ...]]:
    return columns().where(LocalIssue.id == bindparam("issue_id"))


@cache
def list_statement(*, of_status: bool, is_first: bool) -> Select[*tuple[Any, ...]]:
    statement = columns()
    if of_status:
        statement = statement.where(LocalIssue.status == bindparam("status", type_=LocalIssue.status.type))
    if not is_first:
        last = tuple_(bindparam("after_at", type_=UTCDateTime()), bindparam("after_id", type_=Uuid()))
        statement = statement.where(tuple_(LocalIssue.created_at, LocalIssue.id) < last)
    newest = (LocalIssue.created_at.desc(), LocalIssue.id.desc())
    return statement.order_by(*newest).limit(bindparam("size", type_=Integer()))


@cache
def discussed_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(AgendaItem.issue_id, Meeting.id, Meeting.name, Meeting.starts_at)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            AgendaItem.issue_id.in_(bindparam("issue_ids", expanding=True)),
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
            among(Meeting.status, HELD),
            item_visibility.present(predicates.READER, predicates.NOW),
        )
        .order_by(Meeting.starts_at, Meeting.id)
    )


def page(
    session: Session,
    actor: Actor,
    status: IssueStatus | None,
    now: datetime,
    *,
    after: tuple[datetime, UUID] | None = None,
    size: int = 25,
) -> list[IssueView]:
    """The newest first, one more than `size` when there are more."""
    values = predicates.bound(actor, now, size=size + 1, status=status)
    if after:
        values |= {"after_at": after[0], "after_id": after[1]}
    statement = list_statement(of_status=status is not None, is_first=after is None)
    return views(session, actor, session.execute(statement, values).all(), now)


def load(session: Session, actor: Actor, issue_id: UUID, now: datetime) -> IssueView:
    """One issue.

    Raises:
        NoResultFound: none that this reader may know of.
    """
    row = session.execute(one_statement(), predicates.bound(actor, now, issue_id=issue_id)).one()
    return views(session, actor, [row], now)[0]


def views(
    session: Session, actor: Actor, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime
) -> list[IssueView]:
    if not rows:
        return []
    values = predicates.bound(actor, now, issue_ids=[row.id for row in rows])
    meetings: dict[UUID, list[Discussed]] = {}
    for issue_id, *meeting in session.execute(discussed_statement(), values):
        meetings.setdefault(issue_id, []).append(Discussed(*meeting))
    return [view_of(row, meetings.get(row.id, [])) for row in rows]


def view_of(row: Any, discussed: list[Discussed]) -> IssueView:
    found: dict[str, Any] = {name: getattr(row, name) for name in AS_READ}
    return IssueView(
        **found,
        raised_by=row.raised_by or "",
        referral_number=row.referral_number or "",
        refusal=Refusal(row.code) if row.code else None,
        discussed=discussed,
    )


WORKED_OUT = frozenset({"raised_by", "referral_number", "refusal", "discussed"})
AS_READ = tuple(name for name in IssueView.__slots__ if name not in WORKED_OUT)


@cache
def lacking_statement() -> Select[*tuple[Any, ...]]:
    """One's own referrals refused for what is lacking, of which nothing has been noted yet."""
    recipient = aliased(Agency)
    noted = exists().where(
        FollowUp.referral_id == Referral.id, FollowUp.agency_id == predicates.READER.agency_id
    )
    return (
        select(
            Referral.id,
            Referral.number,
            Referral.refusal,
            Referral.answered_at,
            recipient.name.label("to_name"),
        )
        .join(recipient, recipient.id == Referral.to_agency_id)
        .where(
            and_(
                Referral.from_agency_id == predicates.READER.agency_id,
                Referral.status == ReferralStatus.REJECTED,
            ),
            among(Referral.refusal, LACKING),
            ~is_excluded(predicates.READER),
            ~noted.correlate(Referral),
        )
        .order_by(Referral.listed_at.desc(), Referral.id.desc())
        .limit(bindparam("size", type_=Integer()))
    )


def lacking(session: Session, actor: Actor, now: datetime, *, size: int = 10) -> Sequence[Row[Any]]:
    return session.execute(lacking_statement(), predicates.bound(actor, now, size=size)).all()
