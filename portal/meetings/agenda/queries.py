"""A meeting and its agenda as one reader may see them: ItemView and MeetingView are the only shapes of them on a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from sqlalchemy import (
    CTE,
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    null,
    or_,
    select,
)
from sqlalchemy.orm import Session, aliased

from portal.agencies.models import Agency
from portal.consents.models import Consent, ConsentCategory, ConsentRecipient
from portal.core import clock
from portal.core.db import among, db
from portal.core.policy import Actor, Permission, can
from portal.disclosures import person_header
from portal.disclosures.models import Basis
from portal.disclosures.person_header import PersonSummary
from portal.disclosures.queries import consents_visible_to
from portal.meetings import item_visibility
from portal.meetings.agenda import reasons
from portal.meetings.agenda.models import AgendaItem, ItemCategory
from portal.meetings.issues.models import LocalIssue
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import queries
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import (
    BASIS_OF,
    COMING,
    HELD,
    OPENED,
    ItemKind,
    MeetingKind,
    MeetingStatus,
    Source,
)
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals.models import Referral
from portal.referrals.states import ReferralKind, ReferralStatus
from portal.wall import meetings as rules
from portal.wall import predicates


@dataclass(frozen=True, slots=True)
class MeetingView:
    """A meeting as a member of the table sees it. `members` are the agencies by id; the convener is among them."""

    id: UUID
    series_id: UUID | None
    slot: date | None
    convener_id: UUID
    convener_name: str
    kind: MeetingKind
    name: str
    starts_at: datetime
    minutes: int
    place: str
    link: str
    presenter_agency_id: UUID
    status: MeetingStatus
    announced_at: datetime | None
    begun_at: datetime | None
    closed_at: datetime | None
    approved_at: datetime | None
    cancelled_why: str
    version: int
    is_named: bool  # the reader stands on the roster
    has_agreed: bool
    members: Mapping[UUID, str]

    @property
    def basis(self) -> Basis:
        return BASIS_OF[self.kind]

    @property
    def is_today(self) -> bool:
        return clock.japan_date(self.starts_at) == clock.today()

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def is_coming(self) -> bool:
        return self.status in COMING

    @property
    def is_open(self) -> bool:
        """Whether its packet may be opened."""
        return self.status in OPENED

    @property
    def is_held(self) -> bool:
        return self.status in HELD

    @property
    def needs_confidentiality(self) -> bool:
        """Of a 支援会議, nothing is shown before the reader has acknowledged the duty of secrecy."""
        return self.kind is MeetingKind.STATUTORY and not self.has_agreed

    def is_arranged_by(self, actor: Actor) -> bool:
        return can(actor, Permission.MEETING_ARRANGE, self)


@dataclass(frozen=True, slots=True)
class ReferralGlance:
    """The referral of an item, for its two sides."""

    id: UUID
    number: str
    kind: ReferralKind
    status: ReferralStatus
    from_name: str
    to_name: str
    need: str  # what is asked (お願いしたいこと); empty to a side that may read it no more


@dataclass(frozen=True, slots=True)
class FormerMinutes:
    """The meeting whose minutes an item asks to approve, for whoever sat at its table."""

    id: UUID
    kind: MeetingKind
    starts_at: datetime
    status: MeetingStatus


@dataclass(frozen=True, slots=True)
class ItemView:
    """An agenda item in one reader's eyes.

    `is_hidden`: a closed item (非公開の議題), shown to whoever arranges the agenda with its presenter and
    minutes only; everything below `version` is then empty. `is_readable`: its words and minutes may be read.
    `person_summary` is the person where the reader may name them. `number` is the same for every reader; None
    before the meeting is announced. `waits`: the work brought it after that, and it is not taken in yet.
    `revision` counts the changes to it since the announcement.
    """

    id: UUID
    number: int | None
    is_hidden: bool
    presenter_agency_id: UUID
    presenter_name: str
    minutes: int
    position: int
    version: int
    kind: ItemKind | None = None
    source: Source | None = None
    reason_on: date | None = None
    reason_count: int = 0
    is_readable: bool = False
    is_own: bool = False
    brought_by_id: UUID | None = None
    brought_by_name: str = ""
    shared: bool = False
    categories: Sequence[Category] = ()
    title: str = ""
    text: str = ""
    has_person: bool = False
    person_summary: PersonSummary | None = None
    referral: ReferralGlance | None = None
    issue_id: UUID | None = None
    issue_text: str = ""
    outcome_id: UUID | None = None
    promised: str = ""
    further: Sequence[tuple[Source, date | None, int]] = ()
    former: FormerMinutes | None = None
    removed_why: str = ""
    postponed_why: str = ""
    stands: bool = True
    waits: bool = False
    revision: int = 0
    revised_at: datetime | None = None
    minutes_text: str = ""

    @property
    def mark(self) -> str:
        """The number as it stands before the item; empty while it has none."""
        return "" if self.number is None else f"{self.number}."

    @property
    def label(self) -> str:
        """Name or pseudonym; empty where nobody is meant or the name may not be seen."""
        return self.person_summary.label if self.person_summary else ""

    @property
    def person_id(self) -> UUID | None:
        return self.person_summary.id if self.person_summary else None


# A meeting and its agenda as one reader may see them, in six statements however long the agenda is.


@cache
def meeting_statement() -> Select[*tuple[Any, ...]]:
    on_roster = (
        select(Attendance.id)
        .where(Attendance.meeting_id == Meeting.id, Attendance.staff_id == predicates.READER.staff_id)
        .exists()
    )
    return (
        select(
            *Meeting.__table__.columns,
            Agency.name.label("convener_name"),
            on_roster.label("is_named"),
            queries.has_agreed(predicates.READER).label("has_agreed"),
        )
        .join(Agency, Agency.id == Meeting.convener_id)
        .where(Meeting.id == bindparam("meeting_id"), queries.is_invited(predicates.READER))
    )


MEMBERS = (
    select(Agency.id, Agency.name)
    .join(MeetingMember, MeetingMember.agency_id == Agency.id)
    .where(MeetingMember.meeting_id == bindparam("meeting_id"))
    .order_by(Agency.name)
)


def load_meeting(session: Session, actor: Actor, meeting_id: UUID, now: datetime) -> MeetingView:
    """The meeting, which everyone at the table may know of.

    Raises:
        NoResultFound: none to which this reader's agency is invited.
    """
    row = session.execute(meeting_statement(), predicates.bound(actor, now, meeting_id=meeting_id)).one()
    members = {m.id: m.name for m in session.execute(MEMBERS, {"meeting_id": meeting_id})}
    return MeetingView(
        **{name: getattr(row, name) for name in MeetingView.__slots__ if name != "members"}, members=members
    )


def shown(condition: ColumnElement[bool], column: Any, name: str) -> ColumnElement[Any]:
    return case((condition, column), else_=null()).label(name)


def sights() -> CTE:
    """What the reader sees of each item of the meeting, computed once."""
    reader, now = predicates.READER, predicates.NOW
    return (
        select(
            AgendaItem.id,
            item_visibility.present(reader, now).label("present"),
            item_visibility.readable(reader, now).label("readable"),
            item_visibility.named(reader, now, Person).label("named"),
            and_(queries.may_enter(reader), item_visibility.is_referral_party(reader)).label("party"),
        )
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .outerjoin(Person, Person.id == AgendaItem.person_id)
        .where(AgendaItem.meeting_id == bindparam("meeting_id"))
        .cte("sight")
        .prefix_with("MATERIALIZED")
    )


# Of each item, also of one that is closed to whoever arranges the agenda.
ALWAYS = (
    AgendaItem.id,
    AgendaItem.number,
    AgendaItem.position,
    AgendaItem.version,
    AgendaItem.minutes,
    AgendaItem.presenter_agency_id,
    AgendaItem.removed_at,
    AgendaItem.postponed_at,
    AgendaItem.waiting_since,
)


@cache
def items_statement() -> Select[*tuple[Any, ...]]:
    """Every item, without the columns that this reader may not see, which the database leaves out."""
    sight = sights()
    present, readable, named, party = sight.c.present, sight.c.readable, sight.c.named, sight.c.party
    presenter, bringer, sender, recipient = (aliased(Agency) for _ in range(4))
    former = aliased(Meeting)
    item = AgendaItem
    return (
        select(
            *ALWAYS,
            presenter.name.label("presenter_name"),
            present.label("is_present"),
            readable.label("is_readable"),
            shown(present, item.kind, "kind"),
            shown(present, item.source, "source"),
            shown(present, item.reason_on, "reason_on"),
            shown(present, item.reason_count, "reason_count"),
            shown(present, item.revision, "revision"),
            shown(present, item.revised_at, "revised_at"),
            shown(present, item.brought_by_id, "brought_by_id"),
            shown(present, bringer.name, "brought_by_name"),
            shown(present, item.shared, "shared"),
            shown(present, item.issue_id, "issue_id"),
            shown(present, LocalIssue.text, "issue_text"),
            shown(present, item.outcome_id, "outcome_id"),
            shown(present, item.person_id.is_not(None), "has_person"),
            shown(readable, item.title, "title"),
            shown(readable, item.text, "text"),
            shown(readable, item.minutes_text, "minutes_text"),
            shown(readable, item.removed_why, "removed_why"),
            shown(readable, item.postponed_why, "postponed_why"),
            shown(readable, MeetingOutcome.text, "promised"),
            shown(named, item.person_id, "person_id"),
            shown(party, Referral.id, "referral_id"),
            shown(party, Referral.number, "referral_number"),
            shown(party, Referral.kind, "referral_kind"),
            shown(party, Referral.status, "referral_status"),
            shown(present, former.id, "former_id"),
            shown(present, former.kind, "former_kind"),
            shown(present, former.starts_at, "former_starts_at"),
            shown(present, former.status, "former_status"),
            shown(and_(party, readable), Referral.need, "need"),
            shown(party, sender.name, "from_name"),
            shown(party, recipient.name, "to_name"),
        )
        .select_from(item)
        .join(sight, sight.c.id == item.id)
        .join(presenter, presenter.id == item.presenter_agency_id)
        .join(bringer, bringer.id == item.brought_by_id)
        .outerjoin(Referral, Referral.id == item.referral_id)
        .outerjoin(sender, sender.id == Referral.from_agency_id)
        .outerjoin(recipient, recipient.id == Referral.to_agency_id)
        .outerjoin(LocalIssue, LocalIssue.id == item.issue_id)
        .outerjoin(MeetingOutcome, MeetingOutcome.id == item.outcome_id)
        .outerjoin(
            former,
            and_(
                item.source == Source.MINUTES,
                former.id == item.subject_id,
                predicates.for_caseworker(rules.AT_TABLE.format("m.id"), predicates.READER, m=former),
            ),
        )
        .where(
            present,
            or_(and_(item.removed_at.is_(None), item.postponed_at.is_(None)), bindparam("with_fallen")),
        )
        .order_by(item.position, item.id)
    )


@cache
def categories_statement() -> Select[*tuple[Any, ...]]:
    return (
        select(ItemCategory.item_id, ItemCategory.category)
        .select_from(ItemCategory)
        .join(AgendaItem, AgendaItem.id == ItemCategory.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            AgendaItem.meeting_id == bindparam("meeting_id"),
            item_visibility.present(predicates.READER, predicates.NOW),
        )
    )


@cache
def closed_statement() -> Select[*tuple[Any, ...]]:
    """Place, number and length of items: nothing of what they are about."""
    item = AgendaItem
    return (
        select(
            *ALWAYS,
            Agency.name.label("presenter_name"),
            false().label("is_present"),
            null().label("person_id"),
        )
        .join(Agency, Agency.id == item.presenter_agency_id)
        .where(
            item.meeting_id == bindparam("meeting_id"),
            or_(and_(item.removed_at.is_(None), item.postponed_at.is_(None)), bindparam("with_fallen")),
        )
        .order_by(item.position, item.id)
    )


def with_closed(
    rows: Sequence[Row[*tuple[Any, ...]]], values: dict[str, Any]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows with the places of closed items among them, for whoever arranges the agenda."""
    known = {row.id: row for row in rows}
    return [known.get(row.id, row) for row in db.unrestricted().execute(closed_statement(), values)]


def load_items(
    session: Session,
    actor: Actor,
    meeting_id: UUID,
    now: datetime,
    *,
    with_hidden: bool = False,
    with_fallen: bool = False,
    with_information: bool = False,
) -> list[ItemView]:
    """The agenda in this reader's eyes, in its order.

    `with_hidden`: closed items too, for whoever arranges the agenda. `with_fallen`: removed and postponed
    ones too. `with_information`: the filed texts that may be seen of each person, too.
    """
    values = predicates.bound(actor, now, meeting_id=meeting_id, with_fallen=with_fallen)
    rows: Sequence[Row[*tuple[Any, ...]]] = session.execute(items_statement(), values).all()
    if with_hidden:
        rows = with_closed(rows, values)
    people = person_header.summaries(
        session,
        actor,
        [row.person_id for row in rows if row.person_id],
        now,
        with_information=with_information,
    )
    told: dict[UUID, list[Category]] = {}
    for item_id, category in session.execute(categories_statement(), values):
        told.setdefault(item_id, []).append(category)
    further = reasons.load(session, values)
    return [view_of(row, actor, people, told, further.get(row.id, ())) for row in rows]


def view_of(
    row: Any,
    actor: Actor,
    people: dict[UUID, PersonSummary],
    told: dict[UUID, list[Category]],
    further: Sequence[Any],
) -> ItemView:
    always = {
        "id": row.id,
        "number": row.number,
        "presenter_agency_id": row.presenter_agency_id,
        "presenter_name": row.presenter_name,
        "minutes": row.minutes,
        "position": row.position,
        "version": row.version,
        "stands": row.removed_at is None and row.postponed_at is None,
        "waits": row.waiting_since is not None,
    }
    if not row.is_present:
        return ItemView(is_hidden=True, **always)
    referral = None
    if row.referral_id:
        referral = ReferralGlance(
            row.referral_id,
            row.referral_number,
            row.referral_kind,
            row.referral_status,
            row.from_name,
            row.to_name,
            row.need or "",
        )
    former = None
    if row.former_id:
        former = FormerMinutes(row.former_id, row.former_kind, row.former_starts_at, row.former_status)
    return ItemView(
        is_hidden=False,
        **always,
        kind=row.kind,
        source=row.source,
        reason_on=row.reason_on,
        reason_count=row.reason_count,
        revision=row.revision or 0,
        revised_at=row.revised_at,
        is_readable=row.is_readable,
        is_own=row.brought_by_id == actor.agency_id,
        brought_by_id=row.brought_by_id,
        brought_by_name=row.brought_by_name,
        shared=row.shared,
        categories=sorted(told.get(row.id, ()), key=list(Category).index),
        title=row.title or "",
        text=row.text or "",
        has_person=row.has_person,
        person_summary=people.get(row.person_id) if row.person_id else None,
        referral=referral,
        issue_id=row.issue_id,
        issue_text=row.issue_text or "",
        outcome_id=row.outcome_id,
        further=[(one.source, one.reason_on, one.reason_count) for one in further],
        promised="\n".join(filter(None, [row.promised, *(one.promised for one in further)])),
        former=former,
        removed_why=row.removed_why or "",
        postponed_why=row.postponed_why or "",
        minutes_text=row.minutes_text or "",
    )


# What the page of a meeting says about its agenda as a whole: time taken, the share of reports afterwards.


@dataclass(frozen=True, slots=True)
class Time:
    """Minutes on the agenda against the length of the meeting."""

    taken: int
    whole: int

    @property
    def over(self) -> int:
        return max(0, self.taken - self.whole)


def time_of(meeting: MeetingView, items: Sequence[ItemView]) -> Time:
    return Time(sum(item.minutes for item in items if item.stands), meeting.minutes)


def share_afterwards(session: Session, meeting: MeetingView) -> int | None:
    """事後報告 of all plans of the last six months, in percent; None where there is nothing to count."""
    if meeting.kind is not MeetingKind.COORDINATION or meeting.series_id is None:
        return None
    rows = (
        select(AgendaItem.kind, func.count())
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            Meeting.series_id == meeting.series_id,
            Meeting.kind == MeetingKind.COORDINATION,
            among(Meeting.status, HELD),
            Meeting.starts_at > meeting.starts_at - relativedelta(months=6),
            Meeting.starts_at <= meeting.starts_at,
            among(AgendaItem.kind, [ItemKind.REPORT_AFTERWARDS, ItemKind.PLAN_CHECK]),
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
        )
        .group_by(AgendaItem.kind)
    )
    counted = dict(session.execute(rows).all())
    whole = sum(counted.values())
    return round(100 * counted.get(ItemKind.REPORT_AFTERWARDS, 0) / whole) if whole else None


# Which agencies at a table may learn of a person, and on which basis: asked before a matter is brought there.


def eligible_agencies(
    session: Session, members: Collection[UUID], person_id: UUID, referral_id: UUID | None, now: datetime
) -> set[UUID]:
    """The members that know of the person already, or that a consent covers."""
    home = session.scalar(select(Person.home_agency_id).where(Person.id == person_id))
    sides: set[UUID | None] = {home}
    if referral_id:
        asked = session.execute(
            select(Referral.from_agency_id, Referral.to_agency_id).where(
                Referral.id == referral_id, Referral.sent_at.is_not(None)
            )
        ).one_or_none()
        sides |= set(asked or ())
    return {member for member in members if member in sides} | covered(session, members, person_id, now)


def covered(session: Session, members: Collection[UUID], person_id: UUID, now: datetime) -> set[UUID]:
    """The members that a live consent of this person covers for basic information."""
    statement = living(members, person_id, now)
    return set(session.scalars(statement))


def covered_as_seen(
    session: Session, actor: Actor, members: Collection[UUID], person_id: UUID, now: datetime
) -> set[UUID]:
    """The same, by those consents alone that this actor may see."""
    seen = consents_visible_to(actor).with_only_columns(Consent.id).order_by(None)
    return set(session.scalars(living(members, person_id, now).where(Consent.id.in_(seen))))


def living(members: Collection[UUID], person_id: UUID, now: datetime) -> Select[UUID]:
    named = aliased(ConsentRecipient)  # the rule asks ConsentRecipient itself once more
    return (
        select(named.agency_id)
        .join(Consent, Consent.id == named.consent_id)
        .join(ConsentCategory, ConsentCategory.consent_id == Consent.id)
        .where(
            Consent.person_id == person_id,
            named.agency_id.in_(sorted(members)),
            ConsentCategory.category == Category.BASIC,
            predicates.consent_lives(Consent, named.agency_id, now),
        )
        .distinct()
    )
