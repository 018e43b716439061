"""Drafting an agenda from the work: remade until the meeting is announced; what comes later waits to be taken in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.agencies.models import Agency
from portal.agencies.queries import opening_days_by_agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import among, db, keep_only, new_id
from portal.core.policy import Actor, Permission, require
from portal.disclosures import services as disclosures
from portal.meetings.agenda.models import AgendaItem, ItemCategory, ItemReason
from portal.meetings.agenda.sources import ALWAYS, SOURCES, everything, standing_elsewhere
from portal.meetings.schedule import queries, services
from portal.meetings.schedule.models import Meeting
from portal.meetings.schedule.queries import members_of
from portal.meetings.states import HELD, ItemKind, MeetingKind, MeetingStatus, Source
from portal.referrals.models import Referral

WINDOW = timedelta(days=14)  # what is new to a meeting without a predecessor
LAPSING_WITHIN = timedelta(days=30)
GOALS_WITHIN = timedelta(days=7)
# More of one kind than any meeting gets through; the oldest work comes first, the rest next time.
MOST = 40


@dataclass(frozen=True, slots=True)
class Setting:
    """`since` is when the agenda of the last meeting of the series was frozen; `previous_id` is that meeting."""

    meeting_id: UUID
    series_id: UUID | None
    convener_id: UUID
    kind: MeetingKind
    members: tuple[UUID, ...]
    day: date
    starts_at: datetime
    since: datetime
    previous_id: UUID | None
    now: datetime

    def values(self) -> dict[str, Any]:
        """The parameters of the statements of `sources`."""
        today = clock.japan_date(self.now)
        return {
            "meeting_id": self.meeting_id,
            "series_id": self.series_id,
            "convener_id": self.convener_id,
            "from_today": clock.start_of_day(today),
            "members": list(self.members),
            "late_day": self.late_day,
            "starts_at": self.starts_at,
            "since": self.since,
            "since_day": clock.japan_date(self.since),
            "previous_id": self.previous_id,
            "now": self.now,
            "today": today,
            "lapse_day": (self.day if self.is_near else today) + LAPSING_WITHIN,
            "goal_day": self.day + GOALS_WITHIN,
            "most": MOST,
        }

    @property
    def late_day(self) -> date:
        """The day on which lateness is judged, today at the latest: an early draft calls nobody late."""
        return min(self.day, clock.japan_date(self.now))

    @property
    def is_near(self) -> bool:
        """Whether the meeting is so near that its own day counts; for a later one, today counts."""
        return self.starts_at - self.now < WINDOW


def of(session: Session, meeting: Meeting, now: datetime) -> Setting:
    """The setting of this meeting."""
    previous = None
    if meeting.series_id:
        earlier = (
            select(Meeting.id, Meeting.starts_at, Meeting.announced_at)
            .where(
                Meeting.series_id == meeting.series_id,
                Meeting.starts_at < meeting.starts_at,
                among(Meeting.status, HELD),
                Meeting.id != meeting.id,
            )
            .order_by(Meeting.starts_at.desc())
            .limit(1)
        )
        previous = session.execute(earlier).one_or_none()
    return Setting(
        meeting_id=meeting.id,
        series_id=meeting.series_id,
        convener_id=meeting.convener_id,
        kind=meeting.kind,
        members=tuple(sorted(session.scalars(members_of(meeting.id)))),
        day=clock.japan_date(meeting.starts_at),
        starts_at=meeting.starts_at,
        since=min(previous.starts_at, previous.announced_at or previous.starts_at)
        if previous
        else min(now, meeting.starts_at) - WINDOW,
        previous_id=previous.id if previous else None,
        now=now,
    )


# Between two positions, so that an item can be put in between without moving all that follow.
GAP = 1000
TASKS = frozenset({ItemKind.PLAN_CHECK, ItemKind.END_EVALUATION, ItemKind.REPORT_AFTERWARDS})
USUAL_MINUTES = {ItemKind.CASE: 15}
MINUTES_EACH = 5
RANK = {source: rank for rank, source in enumerate(SOURCES)}


@dataclass(frozen=True, slots=True)
class Found:
    """What the work puts on the agenda: why, which agency brings it, and whom or what it is about.

    `holder_id` is the agency whose words the item will be: of a promise, who brought the item it was made on.
    `further` are more reasons for the same matter.
    """

    source: Source
    kind: ItemKind
    subject_id: UUID
    brought_by_id: UUID
    holder_id: UUID
    person_id: UUID | None
    referral_id: UUID | None
    issue_id: UUID | None
    outcome_id: UUID | None
    copied_id: UUID | None
    reason_on: date | None
    reason_count: int
    further: tuple[Found, ...] = ()

    @property
    def reasons(self) -> tuple[Found, ...]:
        return (self, *self.further)

    @property
    def item_kind(self) -> ItemKind:
        """A task of the council comes before what else is said of the person."""
        return next((one.kind for one in self.reasons if one.kind in TASKS), self.kind)

    def with_reason(self, one: Found) -> Found:
        """With one more reason; both sides of a referral may have noted the same."""
        same = any(each.source is one.source and each.subject_id == one.subject_id for each in self.reasons)
        return self if same else replace(self, further=(*self.further, one))

    def joins(self, one: Found) -> bool:
        """Whether this is a further reason for the matter of `one`: of the same referral, or of the same person.

        A matter of another agency, or of another referral, tells its readers something else and stands apart.
        """
        if self.referral_id and self.referral_id == one.referral_id:
            return True
        same_person = self.person_id is not None and self.person_id == one.person_id
        return same_person and self.referral_id is None and self.holder_id == one.holder_id


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that bring the agenda in step with the work; `reasons` are the further ones of items that stay."""

    new: Sequence[Found]
    changed: Sequence[tuple[AgendaItem, dict[str, Any]]]
    reasons: Sequence[tuple[AgendaItem, Sequence[Found]]]
    stale: Sequence[AgendaItem]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.reasons or self.stale)


def usual_minutes(kind: ItemKind) -> int:
    return USUAL_MINUTES.get(kind, MINUTES_EACH)


def refresh(actor: Actor, meeting_id: UUID) -> None:
    """Bring the agenda in step with the work; writes nothing when it is, or once the meeting has begun.

    After the announcement what stands on it stays as it is, and what is new waits for the convener.

    Raises:
        NoResultFound: no meeting to which this actor's agency is invited.
    """
    require(actor, Permission.MEETING_ATTEND)
    meeting = db.read.scalars(queries.visible(actor).where(Meeting.id == meeting_id)).one()
    if not meeting.is_coming or not plan(db.unrestricted(), meeting):
        return
    with db.transaction() as session:
        meeting = services.locked(session, actor, meeting_id)
        if not meeting.is_coming or not (todo := plan(session, meeting)):
            return
        for item in todo.stale:
            take_off(session, actor, item)
        for item, values in todo.changed:
            changes = item.apply(**values)
            item.advance(None)
            audit.record(
                AuditEvent.ITEM_DRAFTED, item, actor=actor, person_id=item.person_id, changes=changes
            )
        for item, further in todo.reasons:
            write_reasons(session, item, further)
            item.advance(None)
            audit.record(AuditEvent.ITEM_DRAFTED, item, actor=actor, person_id=item.person_id)
        for found in todo.new:
            put_on(session, actor, meeting, found)
        meeting.advance(None)
        audit.record(
            AuditEvent.ITEM_DRAFTED,
            meeting,
            actor=actor,
            new=len(todo.new),
            changed=len(todo.changed),
            gone=len(todo.stale),
        )


def plan(session: Session, meeting: Meeting) -> Plan:
    place = of(session, meeting, clock.now())
    wanted = gather(session, place)
    items = session.scalars(select(AgendaItem).where(AgendaItem.meeting_id == meeting.id)).all()
    by_hand = {i.referral_id for i in items if i.source is Source.HAND and i.referral_id and i.stands}
    present: dict[UUID | None, AgendaItem] = {
        item.subject_id: item for item in items if item.source is not Source.HAND and item.subject_id
    }
    is_frozen = meeting.status is not MeetingStatus.DRAFT
    frozen = {item.id for item in present.values() if is_frozen and item.waiting_since is None}
    stays = frozen | {item.id for item in present.values() if item.is_touched}
    standing = reasons_of(session, meeting.id)
    for item in [item for item in present.values() if item.id in frozen]:
        # What is one of its further reasons is on the frozen agenda already.
        present |= {subject_id: item for _, subject_id, _, _ in standing.get(item.id, ())}
    pairs = [(one, match(one, present, stays)) for one in wanted]
    kept = {pair[0].id for _one, pair in pairs if pair} | stays
    matched = [pair for _one, pair in pairs if pair and pair[0].id not in frozen]
    return Plan(
        new=[one for one, pair in pairs if pair is None and one.referral_id not in by_hand],
        changed=[(item, values) for item, found in matched if (values := differing(item, found))],
        reasons=[
            (item, found.further)
            for item, found in matched
            if {reason_key(one) for one in found.further} != standing.get(item.id, set())
        ],
        stale=[item for item in present.values() if item.id not in kept],
    )


def match(
    found: Found, present: dict[UUID | None, AgendaItem], stays: Collection[UUID]
) -> tuple[AgendaItem, Found] | None:
    """The item of this matter: the one of its first reason, else one that stays and stands for another reason.

    That one keeps its own reason first.
    """
    if item := present.get(found.subject_id):
        return item, found
    for one in found.further:
        item = present.get(one.subject_id)
        if item is not None and item.id in stays:
            others = tuple(replace(each, further=()) for each in found.reasons if each is not one)
            return item, replace(one, further=others)
    return None


Reason = tuple[Source, UUID, date | None, int]


def reason_key(found: Found) -> Reason:
    return found.source, found.subject_id, found.reason_on, found.reason_count


def reasons_of(session: Session, meeting_id: UUID) -> dict[UUID, set[Reason]]:
    """The further reasons that stand on this agenda, by item."""
    rows = (
        select(ItemReason)
        .join(AgendaItem, AgendaItem.id == ItemReason.item_id)
        .where(AgendaItem.meeting_id == meeting_id)
    )
    standing: dict[UUID, set[Reason]] = {}
    for row in session.scalars(rows):
        reason = (row.source, row.subject_id, row.reason_on, row.reason_count)
        standing.setdefault(row.item_id, set()).add(reason)
    return standing


def write_reasons(session: Session, item: AgendaItem, further: Sequence[Found]) -> None:
    session.execute(delete(ItemReason).where(ItemReason.item_id == item.id))
    session.add_all(
        ItemReason(
            item_id=item.id,
            source=one.source,
            subject_id=one.subject_id,
            reason_on=one.reason_on,
            reason_count=one.reason_count,
        )
        for one in further
    )


def differing(item: AgendaItem, found: Found) -> dict[str, Any]:
    """The values that differ from the work; on an item touched by hand the bringing agency stays."""
    values: dict[str, Any] = {
        "source": found.source,
        "reason_on": found.reason_on,
        "reason_count": found.reason_count,
    }
    if not item.is_touched and found.copied_id is None:
        values |= {
            "kind": found.item_kind,
            "brought_by_id": found.brought_by_id,
            "presenter_agency_id": found.brought_by_id,
        }
    return {name: value for name, value in values.items() if getattr(item, name) != value}


def gather(session: Session, place: Setting) -> list[Found]:
    """Everything that belongs on the agenda, in its order, each matter once with all its reasons."""
    claimed: set[UUID] = set()
    elsewhere = set(session.scalars(standing_elsewhere(), place.values()))
    rows = [
        row
        for row in session.execute(everything(place.kind), place.values())
        if not matters_of(row) & elsewhere
    ]
    found: list[Found] = []
    reasons = with_days_waited(session, place, [found_of(row) for row in rows])
    for one, keys in zip(reasons, map(keys_of, rows), strict=True):
        at = next((i for i, other in enumerate(found) if one.joins(other)), None)
        if at is not None:
            found[at] = found[at].with_reason(one)
        elif not keys & claimed:
            found.append(one)
        claimed |= keys
    return found


def matters_of(row: Any) -> set[UUID]:
    """By what a row is found on another coming agenda. What a series promised or put off itself comes back to it in
    any case, unless that very thing stands there.
    """
    return {row.subject_id} if row.source in ALWAYS else {row.subject_id, row.referral_id}


def keys_of(row: Any) -> set[UUID]:
    """The matters that one item covers."""
    keys = {row.subject_id}
    if row.source is Source.CARRIED:
        keys |= {row.former_subject_id, row.referral_id, row.issue_id} - {None}
    return keys


def found_of(row: Any) -> Found:
    source, count = row.source, row.reason_count
    if source is Source.CARRIED:
        count = count + 1 if row.former_source is Source.CARRIED else 1
    return Found(
        source=source,
        kind=SOURCES[source][0],
        subject_id=row.subject_id,
        brought_by_id=row.brought_by_id,
        holder_id=(row.person_id and row.former_brought_by_id) or row.brought_by_id,
        person_id=row.person_id,
        referral_id=row.referral_id,
        issue_id=row.issue_id,
        outcome_id=row.outcome_id,
        copied_id=row.copied_id,
        reason_on=clock.japan_date(row.reason_at) if row.reason_at else row.reason_on,
        reason_count=count,
    )


def with_days_waited(session: Session, place: Setting, found: Sequence[Found]) -> list[Found]:
    """The items found, with the recipient's open days that each unanswered referral has waited."""
    late = [one.referral_id for one in found if one.source is Source.OVERDUE]
    if not late:
        return list(found)
    asked: dict[UUID, UUID] = dict(
        session.execute(select(Referral.id, Referral.to_agency_id).where(Referral.id.in_(late))).all()
    )
    recipients = session.scalars(select(Agency).where(Agency.id.in_(set(asked.values())))).all()
    days = opening_days_by_agency(session, recipients)
    return [
        replace(
            one, reason_count=days[asked[one.subject_id]].business_days_between(one.reason_on, place.late_day)
        )
        if one.source is Source.OVERDUE and one.reason_on
        else one
        for one in found
    ]


def take_off(session: Session, actor: Actor, item: AgendaItem) -> None:
    """Remove an untouched item whose cause is gone: its disclosures end, and only the log keeps a trace."""
    disclosures.end(actor, item.id)
    audit.record(AuditEvent.ITEM_DRAFTED, item, actor=actor, person_id=item.person_id, gone=item.source)
    keep_only(session, ItemCategory, "category", (), item_id=item.id)
    write_reasons(session, item, ())
    session.flush()  # no relationship tells the session which of the two goes first
    session.delete(item)


def put_on(session: Session, actor: Actor, meeting: Meeting, found: Found) -> None:
    item = AgendaItem(
        id=new_id(),
        meeting_id=meeting.id,
        kind=found.item_kind,
        source=found.source,
        subject_id=found.subject_id,
        person_id=found.person_id,
        referral_id=found.referral_id,
        issue_id=found.issue_id,
        outcome_id=found.outcome_id,
        brought_by_id=found.brought_by_id,
        presenter_agency_id=found.brought_by_id,
        reason_on=found.reason_on,
        reason_count=found.reason_count,
        minutes=usual_minutes(found.item_kind),
        position=place_for(session, meeting.id, found.source),
    )
    if meeting.status is not MeetingStatus.DRAFT:
        item.removed_at = item.waiting_since = clock.now()
    former = session.get(AgendaItem, found.copied_id) if found.copied_id else None
    if former:
        take_over(item, former)
    session.add(item)
    session.flush()
    write_reasons(session, item, found.further)
    if former:
        copy_categories(session, former.id, item.id)
    audit.record(
        AuditEvent.ITEM_DRAFTED,
        item,
        actor=actor,
        person_id=item.person_id,
        source=item.source,
        kind=item.kind,
    )


def take_over(item: AgendaItem, former: AgendaItem) -> None:
    """Copy how an earlier item was shared. A person's matter stays with the agency that brought it."""
    item.apply(shared=former.shared, shared_by_id=former.shared_by_id)
    if item.person_id or item.source is Source.CARRIED:
        item.apply(brought_by_id=former.brought_by_id)
    if item.source is Source.CARRIED:
        item.apply(
            kind=former.kind,
            title=former.title,
            text=former.text,
            minutes=former.minutes,
            presenter_agency_id=former.presenter_agency_id,
        )


def copy_categories(session: Session, former_id: UUID, item_id: UUID) -> None:
    told = session.scalars(select(ItemCategory.category).where(ItemCategory.item_id == former_id)).all()
    session.add_all(ItemCategory(item_id=item_id, category=category) for category in told)


def place_for(session: Session, meeting_id: UUID, source: Source) -> int:
    """The position behind the last item that comes before this kind; manual items stay where they are."""
    statement = select(AgendaItem.position, AgendaItem.source).where(AgendaItem.meeting_id == meeting_id)
    rows = session.execute(statement.order_by(AgendaItem.position, AgendaItem.id)).all()
    return between([position for position, _ in rows], index_for([s for _, s in rows], source))


def index_for(sources: Iterable[Source], source: Source) -> int:
    """The index in this order of sources at which an item of `source` belongs."""
    index = 0
    for i, other in enumerate(sources):
        if other is not Source.HAND and RANK[other] <= RANK[source]:
            index = i + 1
    return index


def between(positions: Sequence[int], index: int) -> int:
    """A position before the item at `index`; items may share a position, and are then sorted by age."""
    if not positions:
        return GAP
    if index == len(positions):
        return positions[-1] + GAP
    before = positions[index - 1] if index else positions[0] - 2 * GAP
    return (before + positions[index]) // 2
