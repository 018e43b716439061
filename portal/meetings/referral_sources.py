"""Which referrals belong on an agenda: the statements of `sources` that are about referrals between two members."""

from __future__ import annotations

from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Date, Integer, Select, Uuid, bindparam, exists, literal, null, select

from portal.db import UTCDateTime, among
from portal.disclosures import wall
from portal.meetings.agenda_models import AgendaItem
from portal.meetings.models import Meeting
from portal.meetings.states import HELD, ItemKind, MeetingKind
from portal.policy import Actor, Role
from portal.referrals.models import FollowUp, FollowUpKind, Referral
from portal.referrals.queries import is_stopped, is_unattended
from portal.referrals.states import OPEN, ReferralStatus

Columns = Select[*tuple[Any, ...]]

MEMBERS = bindparam("members", expanding=True, type_=Uuid())
SERIES = bindparam("series_id", type_=Uuid())
SINCE = bindparam("since", type_=UTCDateTime())
STARTS = bindparam("starts_at", type_=UTCDateTime())
NOBODY, NOTHING = null().cast(Uuid()), null().cast(Date())
# Whoever asked, in the place of the reader: what one agency is shown of its own is asked for all of them.
EACH_SENDER = Actor(
    cast(UUID, None), cast(UUID, None), "", Role.STAFF, cast(UUID, Referral.from_agency_id), ""
)
HELD_ONES = among(Meeting.status, HELD)


def found(**columns: Any) -> list[Any]:
    """The columns that every source yields; what is not given is nothing. `reason_on` is a day or an instant."""
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


@cache
def overdue() -> Columns:
    return of_referral(reason_on=Referral.sent_at).where(
        Referral.status == ReferralStatus.REQUESTED, Referral.respond_by < bindparam("late_day", type_=Date())
    )


@cache
def refused() -> Columns:
    return of_referral().where(is_unattended(EACH_SENDER))


@cache
def stopped() -> Columns:
    return of_referral().where(is_stopped(wall.NOW))


@cache
def new_referrals() -> Columns:
    return of_referral(reason_on=Referral.sent_at).where(
        Referral.sent_at >= SINCE, among(Referral.status, OPEN)
    )


@cache
def noted() -> Columns:
    """Kept for the next meeting (次の会議で話す), and not spoken of at one since."""
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
        among(Referral.status, [ReferralStatus.COMPLETED, ReferralStatus.FAILED]), Referral.ended_at >= SINCE
    )
