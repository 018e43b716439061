"""Promises (宿題): which are kept, and which a reader may know of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, exists, or_
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from portal.db import among
from portal.disclosures import wall
from portal.disclosures.models import Disclosure
from portal.meetings import eyes, queries
from portal.meetings.agenda_models import AgendaItem, MeetingOutcome
from portal.meetings.models import Meeting
from portal.meetings.states import HELD, OutcomeKind
from portal.policy import Actor
from portal.referrals.models import Referral, ReferralEvent
from portal.referrals.states import ReferralStatus


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
    """Kept: somebody said so, or the work itself shows it."""
    return or_(outcome.done_at.is_not(None), step_was_done(outcome), referral_was_sent(outcome))


def was_told(reader: Actor) -> ColumnElement[bool]:
    """The item told this reader once, on whatever has become of the basis."""
    line = aliased(Disclosure)
    told = exists().where(line.source_id == AgendaItem.id, wall.is_for(line, reader)).correlate(AgendaItem)
    return and_(queries.may_enter(reader), ~eyes.is_shut_out(reader), told)


def known_to(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """Promises this reader may know of: of items he may read, and what his agency owes on an item it knew.

    Selects from MeetingOutcome, AgendaItem and Meeting.
    """
    owed = and_(
        MeetingOutcome.owner_agency_id == reader.agency_id,
        or_(eyes.present(reader, now), was_told(reader)),
    )
    held = among(Meeting.status, HELD)
    return and_(is_promise(), held, or_(eyes.readable(reader, now), owed))
