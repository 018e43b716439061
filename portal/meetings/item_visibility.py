"""What one reader sees of an agenda item at one moment. Pages, packets, minutes and promises all ask here.

An item about a person is for the agency that brought it and for readers with a basis of their own: the two
sides of its referral, the record holder once the item is shared, and the readers to whom the item itself was
disclosed on a live basis. The rules are the wall's (`portal/wall/meetings.py`); statements select from
AgendaItem and Meeting.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import and_
from sqlalchemy.sql import ColumnElement

from portal.core.policy import Actor
from portal.meetings.agenda.models import AgendaItem
from portal.meetings.schedule.models import Meeting
from portal.people.categories import Category
from portal.wall import meetings as rules
from portal.wall import predicates
from portal.wall.rules import free, home


def asked(rule: str, reader: Actor, now: datetime | None = None, **rows: Any) -> ColumnElement[bool]:
    """This rule of the item `t`, for caseworkers; nobody else is at a table."""
    return predicates.for_caseworker(f"({rule})", reader, now, t=AgendaItem, **rows)


def is_excluded(reader: Actor) -> ColumnElement[bool]:
    """The reader is excluded from the person's affairs (利益相反): the item is closed to them in any case."""
    return predicates.is_excluded(reader, AgendaItem.person_id)


def is_own(reader: Actor) -> ColumnElement[bool]:
    """Brought by the reader's agency: its own words and its own work."""
    return AgendaItem.brought_by_id == reader.agency_id


def is_home(reader: Actor) -> ColumnElement[bool]:
    """The reader's agency keeps the record of the person it is about."""
    return asked(home("t.person_id"), reader)


def is_told(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """The item was disclosed to this reader, on a live basis."""
    return asked(rules.told("t"), reader, now)


def is_referral_party(reader: Actor) -> ColumnElement[bool]:
    """One of the two sides of the item's referral; a draft has one side only."""
    return asked(f"{free('t.person_id')} AND {rules.referral_party('t', living=False)}", reader)


def is_live_referral_party(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """A side of the referral that may still read what it disclosed."""
    return asked(rules.referral_party("t", living=True), reader, now)


def present(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """The reader may know that this item is on the agenda."""
    return asked(f"{rules.ENTERS} AND {rules.grounds('t', living=False)}", reader, now, m=Meeting)


def readable(reader: Actor, now: datetime) -> ColumnElement[bool]:
    """The reader may read its words and minutes; a side of a stopped referral only knows that it is there."""
    return asked(f"{rules.ENTERS} AND {rules.grounds('t', living=True)}", reader, now, m=Meeting)


def may_name(reader: Actor) -> ColumnElement[bool]:
    """The item is not discussed anonymously, or is the reader's own."""
    return asked(rules.names("t"), reader, m=Meeting)


def named(reader: Actor, now: datetime, person: Any) -> ColumnElement[bool]:
    """The name of its person may stand beside it. `person` is joined to the item.

    An item discussed anonymously, in a 事例検討会 or by a referral, names nobody but to those who asked.
    """
    return and_(
        present(reader, now),
        may_name(reader),
        predicates.sees(reader, Category.BASIC, now, person),
    )
