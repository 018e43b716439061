"""What one reader sees of an agenda item at one moment. Every page, packet, minute and promise asks here.

An item about a person is for the agency that brought it and for those with a ground of their own: the two sides
of its referral, the agency that keeps the record once the item is shared, and whoever the item itself told on a
basis that lives. Knowing the person from elsewhere opens no item. Statements select from AgendaItem and Meeting.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, exists, or_
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from portal.disclosures import wall
from portal.disclosures.models import Basis, Disclosure
from portal.disclosures.queries import lives_for
from portal.exclusions import queries as exclusions
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.schedule.models import Meeting
from portal.meetings.schedule.queries import may_enter
from portal.meetings.states import MeetingKind
from portal.people.categories import Category
from portal.people.models import Person
from portal.policy import Actor
from portal.referrals.models import Referral


def is_shut_out(reader: Actor) -> ColumnElement[bool]:
    """Of the affairs of the person it is about (利益相反): to him the item is closed, whatever else would open it."""
    return exclusions.is_excluded(reader, AgendaItem.person_id)


def is_own(reader: Actor) -> ColumnElement[bool]:
    """Brought by the reader's agency: its own words and its own work."""
    return AgendaItem.brought_by_id == reader.agency_id


def is_home(reader: Actor) -> ColumnElement[bool]:
    keeper = aliased(Person)
    return (
        exists()
        .where(keeper.id == AgendaItem.person_id, keeper.home_agency_id == reader.agency_id)
        .correlate(AgendaItem)
    )


def is_told(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """The item itself told this reader, on a basis that lives."""
    line = aliased(Disclosure)
    return (
        exists()
        .where(
            line.source_id == AgendaItem.id,
            line.person_id == AgendaItem.person_id,
            wall.tells(line, reader, Category.BASIC, now),
        )
        .correlate(AgendaItem)
    )


def is_party(reader: Actor) -> ColumnElement[bool]:
    """One of the two sides of the item's referral; a draft has one side only."""
    asked = aliased(Referral)
    received = and_(asked.to_agency_id == reader.agency_id, asked.sent_at.is_not(None))
    one_of_two = (
        exists()
        .where(asked.id == AgendaItem.referral_id, or_(asked.from_agency_id == reader.agency_id, received))
        .correlate(AgendaItem)
    )
    return and_(~is_shut_out(reader), one_of_two)


def is_live_party(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """A side of the referral that may still read what it told."""
    asked = aliased(Referral)
    live = and_(
        asked.to_agency_id == reader.agency_id,
        asked.sent_at.is_not(None),
        lives_for(asked.id, asked.to_agency_id, now),
    )
    return (
        exists()
        .where(asked.id == AgendaItem.referral_id, or_(asked.from_agency_id == reader.agency_id, live))
        .correlate(AgendaItem)
    )


def names_nobody() -> ColumnElement[bool]:
    """Open to the whole table: nobody is meant, or nobody can tell who."""
    return or_(AgendaItem.person_id.is_(None), Meeting.kind == MeetingKind.CASE_STUDY)


def present(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """The reader may know that this item is on the agenda."""
    grounds = or_(
        names_nobody(),
        is_own(reader),
        and_(AgendaItem.shared, is_home(reader)),
        is_party(reader),
        is_told(reader, now),
    )
    return and_(may_enter(reader), ~is_shut_out(reader), grounds)


def readable(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """The reader may read its words and its minutes: a side of a stopped referral knows only that it stands there."""
    grounds = or_(
        names_nobody(),
        is_own(reader),
        and_(AgendaItem.shared, is_home(reader)),
        is_live_party(reader, now),
        is_told(reader, now),
    )
    return and_(may_enter(reader), ~is_shut_out(reader), grounds)


def named(reader: Actor, now: datetime, person: type[Person] = Person) -> ColumnElement[bool]:
    """The name of its person may stand beside it. `person` is joined to the item.

    What is spoken of anonymously, in a 事例検討会 or by a referral, names nobody but to those who asked.
    """
    asked = aliased(Referral)
    asked_by_name = (
        exists()
        .where(
            asked.id == AgendaItem.referral_id,
            or_(asked.basis != Basis.ANONYMOUS, asked.from_agency_id == reader.agency_id),
        )
        .correlate(AgendaItem)
    )
    return and_(
        present(reader, now),
        or_(Meeting.kind != MeetingKind.CASE_STUDY, is_own(reader)),
        or_(AgendaItem.referral_id.is_(None), asked_by_name),
        wall.sees(reader, Category.BASIC, now, person),
    )
