"""Acts on an agenda: adding, arranging, postponing, removing and sharing its items."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, keep_only, new_id
from portal.core.errors import Conflict, Invalid, Lack, NotAllowed, NotOffered
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.meetings import item_visibility
from portal.meetings.agenda import numbers, queries
from portal.meetings.agenda.drafting import GAP
from portal.meetings.agenda.models import AgendaItem, ItemCategory
from portal.meetings.issues.models import LocalIssue
from portal.meetings.schedule import queries as schedule_queries
from portal.meetings.schedule import services
from portal.meetings.schedule.models import Meeting
from portal.meetings.states import ItemKind, MeetingKind, MeetingStatus, Source
from portal.people.categories import Category
from portal.referrals import queries as referrals
from portal.referrals.drafts import require_nameless
from portal.referrals.models import Referral

# Kinds that are only drafted; nobody types them.
BY_THEMSELVES = frozenset({ItemKind.MINUTES, ItemKind.ACTION, ItemKind.ACTIVITIES})
LONGEST = 480
ANONYMOUS_STAYS = N_("匿名の依頼の議題は、ほかの機関に共有できません。")
BASIC_FIRST = N_("共有するときは、基本情報を含めてください。")


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """An item as it is typed. `categories` are disclosed to the others at the table when `shared`."""

    kind: ItemKind
    title: str
    text: str
    minutes: int
    presenter_agency_id: UUID
    person_id: UUID | None = None
    referral_id: UUID | None = None
    issue_id: UUID | None = None
    categories: frozenset[Category] = frozenset()
    shared: bool = True


def person_of(session: Session, actor: Actor, facts: ItemFacts) -> UUID | None:
    """The person the item is about; of a referral, its person, even if the actor may not name them."""
    if facts.issue_id:
        session.scalars(
            select(LocalIssue).where(LocalIssue.id == facts.issue_id, LocalIssue.agency_id == actor.agency_id)
        ).one()
    if facts.referral_id:
        referral = session.scalars(referrals.visible(actor).where(Referral.id == facts.referral_id)).one()
        return referral.person_id
    if facts.person_id:
        disclosures.present_person(session, actor, facts.person_id)
    return facts.person_id


def check(
    session: Session,
    actor: Actor,
    meeting: Meeting,
    facts: ItemFacts,
    person_id: UUID | None,
    *,
    is_new: bool = True,
) -> None:
    """Raise `Invalid`, naming the field, unless the item holds together and fits this kind of meeting.

    A drafted item (`is_new` is false) may be of any kind and needs no title.
    """
    if is_new and facts.kind in BY_THEMSELVES:
        raise Invalid(N_("議題の種類を選び直してください。"), field="kind")
    if is_new and not facts.title and person_id is None and facts.issue_id is None:
        raise Invalid(N_("議題名を入力してください。"), field="title")
    check_place(session, meeting, facts.minutes, facts.presenter_agency_id)
    if person_id is None:
        return
    if facts.kind is ItemKind.LOCAL_ISSUE:
        raise Invalid(
            N_("地域課題には、相談者を結びつけられません。人がわからない形で書いてください。"), field="kind"
        )
    if meeting.basis is Basis.ANONYMOUS:
        check_nameless(session, actor, person_id, facts.title, facts.text)
        if facts.categories - {Category.BASIC}:
            raise Invalid(
                N_("事例検討会では、情報の区分は共有できません。"),
                field="categories",
                lack=Lack.ANONYMOUS,
                person_id=person_id,
                categories=facts.categories,
            )
        return
    if facts.shared:
        check_sharing(session, actor, person_id, facts.referral_id, facts.categories)
        if meeting.kind is MeetingKind.COORDINATION:
            check_covered(session, actor, meeting, person_id, facts.referral_id)


def check_place(session: Session, meeting: Meeting, minutes: int, presenter_agency_id: UUID) -> None:
    if not 0 <= minutes <= LONGEST:
        raise Invalid(N_("時間は分で、0 から 480 までの数字を入力してください。"), field="minutes")
    if presenter_agency_id not in session.scalars(schedule_queries.members_of(meeting.id)).all():
        raise NotOffered(
            N_("説明する機関は、参加機関から選んでください。"),
            field="presenter",
            about=("agency", presenter_agency_id),
        )


def check_nameless(session: Session, actor: Actor, person_id: UUID, title: str, text: str) -> None:
    """Raise `Invalid` when the words of a 事例検討会 name the person."""
    require_nameless(session, actor, person_id, title, field="title")
    require_nameless(session, actor, person_id, text, field="text")


def check_sharing(
    session: Session,
    actor: Actor,
    person_id: UUID,
    referral_id: UUID | None,
    categories: Collection[Category],
) -> None:
    asked = select(Referral.basis).where(Referral.id == referral_id)
    if referral_id and session.scalar(asked) is Basis.ANONYMOUS:
        raise Invalid(
            ANONYMOUS_STAYS,
            field="shared",
            lack=Lack.ANONYMOUS,
            about=("referral", referral_id),
            person_id=person_id,
        )
    if Category.BASIC not in categories:
        raise Invalid(BASIC_FIRST, field="categories")
    unknown = set(categories) - disclosures.known_categories(session, actor, person_id)
    if unknown:
        raise Invalid(
            N_("「%(category)s」は自分の機関に提供されていないため、ほかの機関へ提供できません。"),
            field="categories",
            lack=Lack.UNTOLD,
            person_id=person_id,
            categories=unknown,
            category=min(unknown, key=list(Category).index),
        )


def check_covered(
    session: Session, actor: Actor, meeting: Meeting, person_id: UUID, referral_id: UUID | None
) -> None:
    """Raise `Invalid` unless another member may learn of the person: a 支援調整会議 rests on consent."""
    members = set(session.scalars(schedule_queries.members_of(meeting.id))) - {actor.agency_id}
    if not queries.eligible_agencies(session, members, person_id, referral_id, clock.now()):
        raise Invalid(
            N_("参加機関のどこにも、本人の同意がありません。同意を記録してから、議題に加えてください。"),
            field="shared",
            lack=Lack.CONSENT,
            person_id=person_id,
            categories=[Category.BASIC],
        )


# Finding an item in order to change it, and logging what was changed. Used only by the acts below.

TOO_LATE = N_("会議が始まったあとは、議題を変えられません。")


def held(session: Session, actor: Actor, item_id: UUID) -> tuple[Meeting, AgendaItem]:
    """The meeting, locked until the transaction ends, and its item, which this actor may know of.

    Raises:
        NoResultFound: none that the actor may know of; whoever arranges the agenda knows of closed items.
        Conflict: the meeting has begun, and this is no item that waits for whoever arranges the agenda.
    """
    meeting_id = session.scalars(select(AgendaItem.meeting_id).where(AgendaItem.id == item_id)).one()
    meeting = services.locked(session, actor, meeting_id)
    require(actor, Permission.MEETING_ATTEND)
    known = (
        schedule_queries.may_enter(actor)
        if arranges(actor, meeting)
        else item_visibility.present(actor, clock.now())
    )
    statement = (
        select(AgendaItem)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(AgendaItem.id == item_id, known)
        .execution_options(populate_existing=True)
    )
    item = session.scalars(statement).one()
    if not (meeting.is_coming or (item.waiting_since is not None and may_add(actor, meeting))):
        raise Conflict(TOO_LATE)
    return meeting, item


def may_add(actor: Actor, meeting: Meeting) -> bool:
    """Before it begins everyone at the table adds items; in session, whoever arranges the agenda."""
    return meeting.is_coming or (meeting.status is MeetingStatus.IN_SESSION and arranges(actor, meeting))


def arranges(actor: Actor, meeting: Meeting) -> bool:
    return can(actor, Permission.MEETING_ARRANGE, meeting)


def require_own(session: Session, actor: Actor, item: AgendaItem) -> None:
    """Raise unless the actor's agency brought it; to excluded actors it is closed like any other's."""
    closed = select(AgendaItem.id).where(AgendaItem.id == item.id, item_visibility.is_excluded(actor))
    if item.brought_by_id != actor.agency_id or session.scalar(closed):
        raise NotAllowed(N_("ほかの機関が出した議題は変えられません。出した機関に頼んでください。"))


def note_step(actor: Actor, meeting: Meeting) -> None:
    """Log that the version of the meeting moved with its agenda."""
    audit.record(AuditEvent.ITEM_CHANGED, meeting, actor=actor)


def write_categories(session: Session, item: AgendaItem, categories: Collection[Category]) -> None:
    keep_only(session, ItemCategory, "category", categories, item_id=item.id)


def changed(
    actor: Actor,
    meeting: Meeting,
    item: AgendaItem,
    *,
    version: int | None = None,
    event: AuditEvent = AuditEvent.ITEM_CHANGED,
    categories: Collection[Category] = (),
    **values: Any,
) -> None:
    """Set these values by hand, and log what really changed. After the announcement it is a revision."""
    item.advance(version)
    stood = item.stands
    changes = item.apply(**values, is_touched=True)
    if stood or item.stands:
        revise(meeting, item)
    meeting.advance(None)
    basis = meeting.basis if item.person_id else None
    audit.record(
        event,
        item,
        actor=actor,
        person_id=item.person_id,
        categories=categories,
        ground=basis,
        changes=changes,
    )
    note_step(actor, meeting)


def revise(meeting: Meeting, item: AgendaItem) -> None:
    """Count one change since the announcement: packets then say 改訂."""
    if meeting.status is not MeetingStatus.DRAFT:
        item.apply(revision=(item.revision or 0) + 1, revised_at=clock.now())


def told_by(session: Session, item: AgendaItem) -> frozenset[Category]:
    return frozenset(session.scalars(select(ItemCategory.category).where(ItemCategory.item_id == item.id)))


def facts_of(item: AgendaItem, categories: frozenset[Category]) -> ItemFacts:
    return ItemFacts(
        kind=item.kind,
        title=item.title,
        text=item.text,
        minutes=item.minutes,
        presenter_agency_id=item.presenter_agency_id,
        person_id=item.person_id,
        referral_id=item.referral_id,
        issue_id=item.issue_id,
        categories=categories,
    )


def add_item(actor: Actor, meeting_id: UUID, facts: ItemFacts, *, idempotency_key: str | None = None) -> UUID:
    """Put a matter of one's own agency on the agenda, in session too as its convener; returns the item's id.

    Raises:
        NoResultFound: no such meeting, person, referral or issue that this actor may know of.
        Conflict: the meeting has begun, or, for its convener, has ended.
        Invalid: a field does not fit the others or the kind of the meeting.
    """
    item_id = new_id()
    with db.transaction() as session:
        meeting = services.locked(session, actor, meeting_id)
        require(actor, Permission.MEETING_ATTEND)
        if earlier := claim(actor, idempotency_key, item_id):
            return earlier
        if not may_add(actor, meeting):
            raise Conflict(TOO_LATE)
        person_id = person_of(session, actor, facts)
        check(session, actor, meeting, facts, person_id)
        assert actor.agency_id is not None  # at the table  # noqa: S101
        shared = facts.shared and person_id is not None
        item = AgendaItem(
            id=item_id,
            meeting_id=meeting.id,
            kind=facts.kind,
            source=Source.HAND,
            person_id=person_id,
            referral_id=facts.referral_id,
            issue_id=facts.issue_id,
            brought_by_id=actor.agency_id,
            shared=shared,
            shared_by_id=actor.staff_id if shared else None,
            title=facts.title,
            text=facts.text,
            presenter_agency_id=facts.presenter_agency_id,
            minutes=facts.minutes,
            position=last_position(session, meeting.id) + GAP,
            is_touched=True,
        )
        revise(meeting, item)
        session.add(item)
        session.flush()
        write_categories(session, item, facts.categories if shared else frozenset())
        meeting.advance(None)
        audit.record(
            AuditEvent.ITEM_ADDED,
            item,
            actor=actor,
            person_id=person_id,
            categories=facts.categories if shared else (),
            ground=meeting.basis if person_id else None,
            title=facts.title,
            text=facts.text,
        )
        numbers.give(session, actor, meeting)
        note_step(actor, meeting)
    return item_id


def last_position(session: Session, meeting_id: UUID) -> int:
    rows = select(AgendaItem.position).where(AgendaItem.meeting_id == meeting_id)
    return session.scalar(rows.order_by(AgendaItem.position.desc()).limit(1)) or 0


def edit_item(actor: Actor, item_id: UUID, facts: ItemFacts, *, version: int | None = None) -> None:
    """Change the words of one's own item, and what it discloses; whom it is about stays.

    Raises:
        NotAllowed: another agency brought it.
        StaleForm: somebody changed it meanwhile.
    """
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_own(session, actor, item)
        kind = facts.kind if item.source is Source.HAND else item.kind
        facts = replace(
            facts, kind=kind, person_id=item.person_id, referral_id=item.referral_id, issue_id=item.issue_id
        )
        check(session, actor, meeting, facts, item.person_id, is_new=item.source is Source.HAND)
        shared = facts.shared and item.person_id is not None
        told = facts.categories if shared else frozenset()
        if item.shared and (not shared or told_by(session, item) - told):
            disclosures.end(actor, item.id)  # the next opening of a packet discloses what is left
        write_categories(session, item, told)
        changed(
            actor,
            meeting,
            item,
            version=version,
            categories=told,
            kind=kind,
            title=facts.title,
            text=facts.text,
            minutes=facts.minutes,
            presenter_agency_id=facts.presenter_agency_id,
            shared=shared,
            shared_by_id=actor.staff_id if shared else None,
        )


def arrange_item(
    actor: Actor, item_id: UUID, *, minutes: int, presenter_agency_id: UUID, version: int | None = None
) -> None:
    """Set length and presenter, as whoever arranges the agenda, of closed items too."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        if item.brought_by_id != actor.agency_id:
            require(actor, Permission.MEETING_ARRANGE, meeting)
        check_place(session, meeting, minutes, presenter_agency_id)
        changed(
            actor, meeting, item, version=version, minutes=minutes, presenter_agency_id=presenter_agency_id
        )


def move_item(actor: Actor, item_id: UUID, *, up: bool) -> None:
    """Swap places with the item before or after; at the end of the agenda nothing happens."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require(actor, Permission.MEETING_ARRANGE, meeting)
        order = list(
            session.scalars(
                select(AgendaItem)
                .where(
                    AgendaItem.meeting_id == meeting.id,
                    AgendaItem.removed_at.is_(None),
                    AgendaItem.postponed_at.is_(None),
                )
                .order_by(AgendaItem.position, AgendaItem.id)
            )
        )
        if item not in order:
            raise Conflict(N_("この議題は、いまは議題の一覧にありません。"))
        here = order.index(item)
        there = here - 1 if up else here + 1
        if not 0 <= there < len(order):
            return
        order[here], order[there] = order[there], order[here]
        for place, one in enumerate(order, 1):
            if one.apply(position=place * GAP):
                one.advance(None)
                audit.record(AuditEvent.ITEM_CHANGED, one, actor=actor, person_id=one.person_id, moved=True)
        meeting.advance(None)
        note_step(actor, meeting)


def fall(actor: Actor, item_id: UUID, why: str, *, postpone: bool) -> None:
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        if item.brought_by_id != actor.agency_id:
            require(actor, Permission.MEETING_ARRANGE, meeting)
        if not why:
            raise Invalid(N_("理由を入力してください。"), field="why")
        if not item.stands:
            raise Conflict(N_("この議題は、いまは議題の一覧にありません。"))
        disclosures.end(actor, item.id)
        if postpone:
            changed(actor, meeting, item, postponed_why=why, postponed_at=clock.now())
        else:
            changed(actor, meeting, item, removed_why=why, removed_at=clock.now())


def remove_item(actor: Actor, item_id: UUID, why: str) -> None:
    """Take an item off this agenda, with a reason; it is not drafted again."""
    fall(actor, item_id, why, postpone=False)


def postpone_item(actor: Actor, item_id: UUID, why: str) -> None:
    """Postpone an item, with a reason: it comes back at the next meeting of the series."""
    fall(actor, item_id, why, postpone=True)


def restore_item(actor: Actor, item_id: UUID) -> bool:
    """Put an item back where it was, or take in one that waits since the announcement; whether it waited."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        waited = item.waiting_since is not None
        if item.brought_by_id != actor.agency_id or waited:
            require(actor, Permission.MEETING_ARRANGE, meeting)
        changed(
            actor,
            meeting,
            item,
            removed_why="",
            removed_at=None,
            postponed_why="",
            postponed_at=None,
            waiting_since=None,
        )
        numbers.give(session, actor, meeting)
    return waited


def share_item(actor: Actor, item_id: UUID, categories: Collection[Category]) -> None:
    """Let the others at the table see these categories, as far as the meeting's basis allows."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_own(session, actor, item)
        if item.person_id is None:
            raise Conflict(N_("相談者のいない議題は、はじめから全員に見えます。"))
        facts = facts_of(item, frozenset(categories))
        check(session, actor, meeting, facts, item.person_id, is_new=False)
        if told_by(session, item) - set(categories):
            disclosures.end(actor, item.id)
        write_categories(session, item, categories)
        changed(
            actor,
            meeting,
            item,
            event=AuditEvent.ITEM_SHARED,
            categories=categories,
            shared=True,
            shared_by_id=actor.staff_id,
        )


def unshare_item(actor: Actor, item_id: UUID) -> None:
    """Stop sharing an item: its disclosures end at once."""
    with db.transaction() as session:
        meeting, item = held(session, actor, item_id)
        require_own(session, actor, item)
        disclosures.end(actor, item.id)
        write_categories(session, item, ())
        changed(actor, meeting, item, event=AuditEvent.ITEM_SHARED, shared=False, shared_by_id=None)
