"""Statements that find what belongs on an agenda, over the work of all members at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Date,
    Integer,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased
from sqlalchemy.types import TypeEngine

from portal.activities.models import Activity
from portal.cases.models import Case, CaseGoal
from portal.consents.models import Consent, ConsentRecipient
from portal.consents.queries import stands
from portal.core.db import UTCDateTime, among
from portal.core.policy import Actor, Role
from portal.meetings.agenda.models import AgendaItem, ItemReason
from portal.meetings.issues.models import LocalIssue
from portal.meetings.outcomes import queries as outcome_queries
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import (
    COMING,
    HELD,
    IssueStatus,
    ItemKind,
    MeetingKind,
    MeetingStatus,
    OutcomeKind,
    Source,
)
from portal.people.categories import Category
from portal.people.models import Person
from portal.referrals.models import FollowUp, FollowUpKind, Referral
from portal.referrals.queries import is_awaited, is_stopped, is_unattended
from portal.referrals.states import OPEN, WORKING, ReferralKind, ReferralStatus
from portal.wall import predicates

Columns = Select[*tuple[Any, ...]]

MEMBERS = bindparam("members", expanding=True, type_=Uuid())
SERIES = bindparam("series_id", type_=Uuid())
SINCE = bindparam("since", type_=UTCDateTime())
STARTS = bindparam("starts_at", type_=UTCDateTime())
NOBODY, NOTHING = null().cast(Uuid()), null().cast(Date())


def each(agency_id: Any) -> Actor:
    """Stands for the reader: what one agency is shown of its own work is queried for all agencies."""
    return Actor(cast(UUID, None), cast(UUID, None), "", Role.STAFF, cast(UUID, agency_id), "")


EACH_SENDER, EACH_RECORDER = each(Referral.from_agency_id), each(Consent.agency_id)
# A transfer once accepted: the record is the recipient's, and its sender may not name the person any more.
IS_HANDED_OVER = and_(Referral.kind == ReferralKind.TRANSFER, among(Referral.status, WORKING))
HELD_ONES = among(Meeting.status, HELD)


def found(**columns: Any) -> list[Any]:
    """The columns that every source yields; missing ones are NULL. `reason_on` is a day or an instant."""
    every: dict[str, Any] = {
        "subject_id": NOBODY,
        "brought_by_id": NOBODY,
        "person_id": NOBODY,
        "referral_id": NOBODY,
        "issue_id": NOBODY,
        "outcome_id": NOBODY,
        "copied_id": NOBODY,  # the earlier item whose words and sharing come along
        "reason_on": NOTHING,
        "reason_count": literal(0, Integer()),
    }
    return [column.label(name) for name, column in (every | columns).items()]


def of_referral(brought_by: Any = Referral.from_agency_id, **columns: Any) -> Columns:
    """A referral between two members, the oldest first."""
    return (
        select(
            *found(
                subject_id=Referral.id,
                brought_by_id=brought_by,
                person_id=Referral.person_id,
                referral_id=Referral.id,
                **columns,
            )
        )
        .where(
            Referral.from_agency_id.in_(MEMBERS),
            Referral.to_agency_id.in_(MEMBERS),
            Referral.sent_at.is_not(None),
        )
        .order_by(Referral.listed_at, Referral.id)
    )


def stood_last_time(*tests: ColumnElement[bool]) -> ColumnElement[bool]:
    """The referral was taken in at the last meeting of the series, after its agenda had been frozen."""
    return (
        exists()
        .where(
            AgendaItem.meeting_id == bindparam("previous_id", type_=Uuid()),
            AgendaItem.referral_id == Referral.id,
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
            *tests,
        )
        .correlate(Referral)
    )


@cache
def overdue() -> Columns:
    return of_referral(reason_on=Referral.sent_at).where(
        is_awaited(predicates.NOW), Referral.respond_by < bindparam("late_day", type_=Date())
    )


@cache
def refused() -> Columns:
    return of_referral().where(is_unattended(EACH_SENDER))


@cache
def stopped() -> Columns:
    return of_referral().where(is_stopped(predicates.NOW), ~IS_HANDED_OVER)


@cache
def new_referrals() -> Columns:
    matter_of = case((IS_HANDED_OVER, Referral.to_agency_id), else_=Referral.from_agency_id)
    return of_referral(matter_of, reason_on=Referral.sent_at).where(
        Referral.sent_at >= SINCE, among(Referral.status, OPEN), ~stood_last_time()
    )


@cache
def noted() -> Columns:
    """Referrals kept for the next meeting (次の会議で話す), and not discussed since."""
    spoken_of = (
        exists()
        .where(
            AgendaItem.referral_id == Referral.id,
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
            AgendaItem.meeting_id == Meeting.id,
            Meeting.starts_at >= FollowUp.created_at,
            HELD_ONES,
        )
        .correlate(Referral, FollowUp)
    )
    return (
        of_referral(FollowUp.agency_id)
        .join(FollowUp, FollowUp.referral_id == Referral.id)
        .where(
            FollowUp.agency_id.in_(MEMBERS),
            FollowUp.kind == FollowUpKind.MEETING,
            FollowUp.done_at.is_(None),
            ~spoken_of,
        )
        # Both sides may have noted the same referral: it is the matter of who noted it first.
        .order_by(FollowUp.id)
    )


@cache
def afterwards() -> Columns:
    """Support begun since the last meeting for somebody whose plan the council has never seen."""
    checked = (
        exists()
        .where(
            AgendaItem.person_id == Referral.person_id,
            among(AgendaItem.kind, [ItemKind.PLAN_CHECK, ItemKind.ROLES]),
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
            AgendaItem.meeting_id == Meeting.id,
            Meeting.series_id == SERIES,
            Meeting.kind == MeetingKind.COORDINATION,
            HELD_ONES,
        )
        .correlate(Referral)
    )
    return of_referral(Referral.to_agency_id, reason_on=Referral.first_contact_on).where(
        Referral.status == ReferralStatus.IN_PROGRESS,
        Referral.first_contact_on >= bindparam("since_day", type_=Date()),
        ~checked,
    )


@cache
def ended() -> Columns:
    return of_referral(Referral.to_agency_id, reason_on=Referral.ended_at).where(
        among(Referral.status, [ReferralStatus.COMPLETED, ReferralStatus.FAILED]),
        Referral.ended_at >= SINCE,
        ~stood_last_time(AgendaItem.source == Source.ENDED),
    )


# Statements that find what belongs on an agenda, over the work of all members at once.
#
# There is no wall here: they yield ids, days and counts, never a name or a text, and only between two agencies of
# the table. What each reader sees of what they find, `item_visibility` decides.


@cache
def minutes() -> Columns:
    """Minutes of the series that are not approved yet."""
    return (
        select(
            *found(
                subject_id=Meeting.id,
                brought_by_id=Meeting.convener_id,
                reason_on=Meeting.starts_at,
            )
        )
        .where(
            Meeting.series_id == SERIES, Meeting.starts_at < STARTS, Meeting.status == MeetingStatus.MINUTED
        )
        .order_by(Meeting.starts_at)
    )


@cache
def carried() -> Columns:
    """Items that the last meeting of the series put off. Promises and minutes come back by themselves."""
    return (
        select(
            *found(
                subject_id=AgendaItem.id,
                brought_by_id=AgendaItem.brought_by_id,
                person_id=AgendaItem.person_id,
                referral_id=AgendaItem.referral_id,
                issue_id=AgendaItem.issue_id,
                copied_id=AgendaItem.id,
                reason_count=AgendaItem.reason_count,
            ),
            AgendaItem.source.label("former_source"),
            AgendaItem.subject_id.label("former_subject_id"),
            AgendaItem.brought_by_id.label("former_brought_by_id"),
        )
        .where(
            AgendaItem.meeting_id == bindparam("previous_id", type_=Uuid()),
            AgendaItem.postponed_at.is_not(None),
            AgendaItem.removed_at.is_(None),
            ~among(AgendaItem.source, [Source.MINUTES, Source.ACTION]),
            AgendaItem.brought_by_id.in_(MEMBERS),
        )
        .order_by(AgendaItem.position, AgendaItem.id)
    )


@cache
def actions() -> Columns:
    """Open promises of earlier meetings of the series; how many meetings have been held since."""
    later = aliased(Meeting)
    times = (
        select(func.count())
        .select_from(later)
        .where(
            later.series_id == SERIES,
            later.starts_at > Meeting.starts_at,
            later.starts_at < STARTS,
            among(later.status, HELD),
        )
        .correlate(Meeting)
        .scalar_subquery()
    )
    return (
        select(
            *found(
                subject_id=MeetingOutcome.id,
                brought_by_id=MeetingOutcome.owner_agency_id,
                person_id=AgendaItem.person_id,
                referral_id=AgendaItem.referral_id,
                outcome_id=MeetingOutcome.id,
                copied_id=AgendaItem.id,
                reason_on=MeetingOutcome.due_on,
                reason_count=times + 1,
            ),
            AgendaItem.brought_by_id.label("former_brought_by_id"),
        )
        .select_from(MeetingOutcome)
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            Meeting.series_id == SERIES,
            Meeting.starts_at < STARTS,
            HELD_ONES,
            MeetingOutcome.kind == OutcomeKind.ACTION,
            MeetingOutcome.struck_at.is_(None),
            MeetingOutcome.owner_agency_id.in_(MEMBERS),
            ~outcome_queries.is_done(),
        )
        .order_by(MeetingOutcome.due_on, MeetingOutcome.id)
    )


@cache
def lapsing() -> Columns:
    """Consents that end soon and cover an agency at the table."""
    named = exists().where(ConsentRecipient.consent_id == Consent.id, ConsentRecipient.agency_id.in_(MEMBERS))
    today = predicates.day_of(predicates.NOW)
    # Whoever recorded it may have handed the record over since.
    knows = predicates.agency_sees(EACH_RECORDER, Category.BASIC, predicates.NOW, Person)
    matter_of = case((knows, Consent.agency_id), else_=Person.home_agency_id)
    return (
        select(
            *found(
                subject_id=Consent.id,
                brought_by_id=matter_of,
                person_id=Consent.person_id,
                reason_on=Consent.valid_until,
            )
        )
        .join(Person, Person.id == Consent.person_id)
        .where(
            Consent.agency_id.in_(MEMBERS),
            matter_of.in_(MEMBERS),
            Consent.valid_until <= bindparam("lapse_day", type_=Date()),
            stands(today),
            named,
        )
        .order_by(Consent.valid_until, Consent.id)
    )


@cache
def goals() -> Columns:
    """Open cases with a goal to review, once each, by the earliest day."""
    return (
        select(
            *found(
                subject_id=Case.id,
                brought_by_id=Case.agency_id,
                person_id=Case.person_id,
                reason_on=func.min(CaseGoal.review_on),
            )
        )
        .join(CaseGoal, CaseGoal.case_id == Case.id)
        .where(
            Case.agency_id.in_(MEMBERS),
            Case.closed_on.is_(None),
            CaseGoal.score.is_(None),
            CaseGoal.review_on <= bindparam("goal_day", type_=Date()),
        )
        .group_by(Case.id, Case.agency_id, Case.person_id)
        .order_by(func.min(CaseGoal.review_on), Case.id)
    )


@cache
def local_issues() -> Columns:
    """Open local issues that no meeting has taken up yet."""
    taken_up = (
        exists()
        .where(
            AgendaItem.issue_id == LocalIssue.id,
            AgendaItem.removed_at.is_(None),
            AgendaItem.postponed_at.is_(None),
            AgendaItem.meeting_id == Meeting.id,
            HELD_ONES,
        )
        .correlate(LocalIssue)
    )
    return (
        select(*found(subject_id=LocalIssue.id, brought_by_id=LocalIssue.agency_id, issue_id=LocalIssue.id))
        .where(LocalIssue.agency_id.in_(MEMBERS), LocalIssue.status == IssueStatus.OPEN, ~taken_up)
        .order_by(LocalIssue.id)
    )


@cache
def activities() -> Columns:
    """The agencies that held activities since the last meeting: one report of each, and no figures."""
    return (
        select(*found(subject_id=Activity.agency_id, brought_by_id=Activity.agency_id))
        .where(
            Activity.agency_id.in_(MEMBERS),
            Activity.held_on >= bindparam("since_day", type_=Date()),
            Activity.held_on <= bindparam("today", type_=Date()),
            Activity.not_held_why == "",
            Activity.struck_at.is_(None),
        )
        .group_by(Activity.agency_id)
        .order_by(Activity.agency_id)
    )


# In the order of precedence, which is that of the agenda: of one referral, the first that names it wins.
SOURCES: dict[Source, tuple[ItemKind, Callable[[], Columns]]] = {
    Source.MINUTES: (ItemKind.MINUTES, minutes),
    Source.CARRIED: (ItemKind.INFORMATION, carried),  # keeps the kind it had
    Source.ACTION: (ItemKind.ACTION, actions),
    Source.OVERDUE: (ItemKind.HANDOFF, overdue),
    Source.ENDED: (ItemKind.END_EVALUATION, ended),
    Source.REFUSED: (ItemKind.HANDOFF, refused),
    Source.STOPPED: (ItemKind.HANDOFF, stopped),
    Source.AFTERWARDS: (ItemKind.REPORT_AFTERWARDS, afterwards),
    Source.NEW_REFERRAL: (ItemKind.HANDOFF, new_referrals),
    Source.NOTED: (ItemKind.HANDOFF, noted),
    Source.LAPSING: (ItemKind.CONSENT, lapsing),
    Source.GOALS: (ItemKind.PLAN_CHECK, goals),
    Source.LOCAL_ISSUE: (ItemKind.LOCAL_ISSUE, local_issues),
    Source.ACTIVITIES: (ItemKind.ACTIVITIES, activities),
}
# Only of what comes back: what the item of the earlier meeting was drafted from, and who brought it.
FORMER: dict[str, TypeEngine[Any]] = {
    "former_source": AgendaItem.source.type,
    "former_subject_id": Uuid(),
    "former_brought_by_id": Uuid(),
}
ALWAYS = frozenset({Source.MINUTES, Source.CARRIED, Source.ACTION})
COUNCIL_ONLY = frozenset({Source.GOALS, Source.AFTERWARDS, Source.ENDED})
EVERYTHING = frozenset(SOURCES)
SOURCES_OF = {
    MeetingKind.WEEKLY: EVERYTHING - COUNCIL_ONLY,
    MeetingKind.COORDINATION: EVERYTHING,
    MeetingKind.STATUTORY: ALWAYS,
    MeetingKind.CASE_STUDY: ALWAYS,
    MeetingKind.OTHER: EVERYTHING - COUNCIL_ONLY,
}


@cache
def standing_elsewhere() -> CompoundSelect[Any]:
    """Subjects that stand on another coming agenda of the convener: no matter is drafted for two dates.

    The earlier date goes first. A later one keeps what its guests were told of, or somebody arranged there.
    """
    mine, item = bindparam("meeting_id", type_=Uuid()), AgendaItem
    goes_first = or_(
        Meeting.starts_at < STARTS,
        and_(item.source != Source.HAND, or_(item.is_touched, ~among(Meeting.status, [MeetingStatus.DRAFT]))),
    )
    there = (
        select(item)
        .join(Meeting, Meeting.id == item.meeting_id)
        .where(
            Meeting.convener_id == bindparam("convener_id", type_=Uuid()),
            Meeting.id != mine,
            among(Meeting.status, [*COMING, MeetingStatus.IN_SESSION]),
            Meeting.starts_at >= bindparam("from_today", type_=UTCDateTime()),
            item.removed_at.is_(None),
            item.postponed_at.is_(None),
            goes_first,
        )
    )
    ids = there.with_only_columns(item.id)
    return union_all(
        there.with_only_columns(item.subject_id).where(item.subject_id.is_not(None)),
        there.with_only_columns(item.referral_id).where(item.referral_id.is_not(None)),
        select(ItemReason.subject_id).where(ItemReason.item_id.in_(ids)),
    )


@cache
def statement(source: Source) -> Columns:
    return SOURCES[source][1]().limit(bindparam("most", type_=Integer()))


@cache
def everything(kind: MeetingKind) -> Columns:
    """The results of all sources of a kind of meeting, in one statement and in order; `source` names each.

    `reason_on` is a day and `reason_at` an instant: of each source one of them.
    """
    parts = []
    for rank, source in enumerate(source for source in SOURCES if source in SOURCES_OF[kind]):
        rows = statement(source).subquery().c
        at = isinstance(rows.reason_on.type, UTCDateTime)
        parts.append(
            select(
                literal(rank, Integer()).label("rank"),
                func.row_number().over().label("place"),
                literal(source, AgendaItem.source.type).label("source"),
                *(column for column in rows if column.name not in {"reason_on", *FORMER}),
                (null().cast(Date()) if at else rows.reason_on).label("reason_on"),
                (rows.reason_on if at else null().cast(UTCDateTime())).label("reason_at"),
                *(rows[name] if name in rows else null().cast(of).label(name) for name, of in FORMER.items()),
            )
        )
    both = union_all(*parts).subquery()
    return select(both).order_by(both.c.rank, both.c.place)
