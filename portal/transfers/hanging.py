"""What is open about a person when their record is handed over, and what becomes of each thing: decision 035.

The page before sending, the page before accepting and the act itself ask here. On the reader's session a page
gets what its reader may see, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, or_, select
from sqlalchemy.orm import Session, aliased

from portal.agencies.models import Agency
from portal.core.db import among
from portal.core.labels import N_, Labelled
from portal.disclosures.models import Basis
from portal.disclosures.queries import lives_for
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.outcomes.models import MeetingOutcome
from portal.meetings.outcomes.queries import is_done, is_promise
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule.models import Meeting, MeetingMember
from portal.meetings.states import COMING, HELD, ItemKind, MeetingKind
from portal.referrals.models import FollowUp, FollowUpKind, Referral
from portal.referrals.reading import ReferralView
from portal.referrals.states import OPEN, ReferralKind, ReferralStatus


class Fate(Labelled):
    MOVES = "moves", N_("移る")
    ENDS = "ends", N_("終わる")
    STAYS = "stays", N_("残る")


@dataclass(frozen=True, slots=True)
class OpenReferral:
    """Another referral of the person that the former record holder sent, drafted or received."""

    id: UUID
    number: str
    kind: ReferralKind
    status: ReferralStatus
    other_name: str
    is_received: bool
    fate: Fate


@dataclass(frozen=True, slots=True)
class OpenPromise:
    """A promise (対応事項) of the former record holder about the person."""

    id: UUID
    meeting_id: UUID
    meeting_name: str
    meeting_at: datetime
    due_on: date
    fate: Fate


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An item about the person that the former record holder brought, and that is still to be discussed."""

    id: UUID
    meeting_id: UUID
    meeting_name: str
    meeting_at: datetime
    kind: ItemKind
    presenter_agency_id: UUID
    fate: Fate


@dataclass(frozen=True, slots=True)
class OpenFollowUp:
    """A note to speak of a referral at the next meeting."""

    id: UUID
    referral_id: UUID
    number: str
    fate: Fate = Fate.ENDS


@dataclass(frozen=True, slots=True)
class Hanging:
    referrals: Sequence[OpenReferral] = ()
    promises: Sequence[OpenPromise] = ()
    items: Sequence[OpenItem] = ()
    follow_ups: Sequence[OpenFollowUp] = ()

    def __bool__(self) -> bool:
        return bool(self.referrals or self.promises or self.items or self.follow_ups)


def find(session: Session, transfer: Referral | ReferralView, now: datetime) -> Hanging:
    """What hangs on the person of this transfer at the agency that hands over."""
    if transfer.person_id is None:
        return Hanging()
    referrals = [referral_of(row, transfer) for row in session.execute(referrals_of(transfer, now))]
    fates = {one.id: one.fate for one in referrals}
    return Hanging(
        referrals=referrals,
        promises=[promise_of(row, transfer, fates) for row in session.execute(promises_of(transfer))],
        items=[
            item_of(row, fates | {transfer.id: Fate.MOVES}) for row in session.execute(items_of(transfer))
        ],
        follow_ups=[OpenFollowUp(*row) for row in session.execute(follow_ups_of(transfer))],
    )


def referrals_of(transfer: Any, now: datetime) -> Select[*tuple[Any, ...]]:
    other = aliased(Agency)
    former = transfer.from_agency_id
    sent = and_(Referral.from_agency_id == former, among(Referral.status, OPEN | {ReferralStatus.DRAFT}))
    received = and_(Referral.to_agency_id == former, among(Referral.status, OPEN))
    return (
        select(
            *(Referral.id, Referral.number, Referral.kind, Referral.status, Referral.basis),
            *(Referral.from_agency_id, Referral.to_agency_id),
            other.name.label("other_name"),
            lives_for(Referral.id, Referral.to_agency_id, now).label("is_live"),
        )
        .join(other, other.id == case((received, Referral.from_agency_id), else_=Referral.to_agency_id))
        .where(Referral.person_id == transfer.person_id, Referral.id != transfer.id, or_(sent, received))
        .order_by(Referral.id)
    )


def referral_of(row: Any, transfer: Any) -> OpenReferral:
    is_received = row.from_agency_id != transfer.from_agency_id
    return OpenReferral(
        id=row.id,
        number=row.number,
        kind=row.kind,
        status=row.status,
        other_name=row.other_name,
        is_received=is_received,
        fate=Fate.STAYS if is_received else fate_of_sent(row, transfer.to_agency_id),
    )


def fate_of_sent(row: Any, new_holder: UUID) -> Fate:
    """What becomes of an open referral that the former record holder sent."""
    if row.basis is Basis.ANONYMOUS and row.status is not ReferralStatus.DRAFT:
        # A new sender on the day of the transfer would tell the recipient whom it was about.
        return Fate.STAYS
    goes_on = row.status is not ReferralStatus.DRAFT and row.is_live and row.kind is not ReferralKind.TRANSFER
    return Fate.MOVES if goes_on and row.to_agency_id != new_holder else Fate.ENDS


def at_table(agency_id: UUID) -> ColumnElement[bool]:
    """The agency sits at the meeting; of a 支援会議, once one of its staff is bound to secrecy."""
    sworn = exists().where(
        Attendance.meeting_id == Meeting.id,
        Attendance.agency_id == agency_id,
        Attendance.secrecy_at.is_not(None),
    )
    seated = exists().where(MeetingMember.meeting_id == Meeting.id, MeetingMember.agency_id == agency_id)
    return and_(seated, or_(Meeting.kind != MeetingKind.STATUTORY, sworn))


OF_MEETING = (
    Meeting.id.label("meeting_id"),
    Meeting.name.label("meeting_name"),
    Meeting.starts_at.label("meeting_at"),
    Meeting.kind.label("meeting_kind"),
)


def promises_of(transfer: Any) -> Select[*tuple[Any, ...]]:
    new_holder = transfer.to_agency_id
    knows = or_(AgendaItem.shared, AgendaItem.brought_by_id == new_holder)
    return (
        select(
            *(MeetingOutcome.id, MeetingOutcome.due_on),
            *(MeetingOutcome.referral_id, MeetingOutcome.to_agency_id),
            *OF_MEETING,
            AgendaItem.referral_id.label("item_referral_id"),
            at_table(new_holder).label("at_table"),
            knows.label("knows"),
        )
        .join(AgendaItem, AgendaItem.id == MeetingOutcome.item_id)
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            MeetingOutcome.owner_agency_id == transfer.from_agency_id,
            AgendaItem.person_id == transfer.person_id,
            among(Meeting.status, HELD),
            is_promise(),
            ~is_done(),
        )
        .order_by(MeetingOutcome.due_on, MeetingOutcome.id)
    )


def promise_of(row: Any, transfer: Any, fates: dict[UUID, Fate]) -> OpenPromise:
    return OpenPromise(
        id=row.id,
        meeting_id=row.meeting_id,
        meeting_name=row.meeting_name,
        meeting_at=row.meeting_at,
        due_on=row.due_on,
        fate=fate_of_promise(row, transfer, fates),
    )


def fate_of_promise(row: Any, transfer: Any, fates: dict[UUID, Fate]) -> Fate:
    """A promise goes with the record where the new record holder may know of it."""
    if row.meeting_kind is MeetingKind.CASE_STUDY or fates.get(row.referral_id) is Fate.STAYS:
        return Fate.STAYS
    # A step of a referral is taken by its sender; nobody refers a person to themselves.
    is_theirs = row.referral_id is None or fates.get(row.referral_id) is Fate.MOVES
    knows = row.knows or fates.get(row.item_referral_id) is Fate.MOVES
    moves = row.at_table and knows and is_theirs and row.to_agency_id != transfer.to_agency_id
    return Fate.MOVES if moves else Fate.ENDS


def items_of(transfer: Any) -> Select[*tuple[Any, ...]]:
    """Items still to come, and those put off that no later meeting has taken up.

    Those of a 事例検討会 name nobody and stay.
    """
    later = aliased(AgendaItem)
    comes_back = and_(
        AgendaItem.postponed_at.is_not(None), ~exists().where(later.subject_id == AgendaItem.id)
    )
    is_coming = and_(among(Meeting.status, COMING), AgendaItem.postponed_at.is_(None))
    return (
        select(
            *(AgendaItem.id, AgendaItem.kind, AgendaItem.referral_id, AgendaItem.presenter_agency_id),
            *OF_MEETING,
            at_table(transfer.to_agency_id).label("at_table"),
        )
        .join(Meeting, Meeting.id == AgendaItem.meeting_id)
        .where(
            AgendaItem.brought_by_id == transfer.from_agency_id,
            AgendaItem.person_id == transfer.person_id,
            AgendaItem.removed_at.is_(None),
            Meeting.kind != MeetingKind.CASE_STUDY,
            or_(is_coming, comes_back),
        )
        .order_by(Meeting.starts_at, AgendaItem.id)
    )


def item_of(row: Any, fates: dict[UUID, Fate]) -> OpenItem:
    # The item of a referral goes with it: one side of a referral that stays or ends may not name the person.
    moves = row.at_table and (row.referral_id is None or fates.get(row.referral_id) is Fate.MOVES)
    return OpenItem(
        id=row.id,
        meeting_id=row.meeting_id,
        meeting_name=row.meeting_name,
        meeting_at=row.meeting_at,
        kind=row.kind,
        presenter_agency_id=row.presenter_agency_id,
        fate=Fate.MOVES if moves else Fate.ENDS,
    )


def follow_ups_of(transfer: Any) -> Select[*tuple[Any, ...]]:
    """A note for a meeting would come back as an item that its agency may not name; a local issue names nobody."""
    return (
        select(FollowUp.id, Referral.id.label("referral_id"), Referral.number)
        .join(Referral, Referral.id == FollowUp.referral_id)
        .where(
            FollowUp.agency_id == transfer.from_agency_id,
            FollowUp.kind == FollowUpKind.MEETING,
            FollowUp.done_at.is_(None),
            Referral.person_id == transfer.person_id,
        )
        .order_by(FollowUp.id)
    )
