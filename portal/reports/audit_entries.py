"""Entries of the log in words: by number, in a constant number of questions, and without a client's name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit.models import AuditEntry
from portal.cases.models import Case
from portal.meetings.agenda.models import AgendaItem
from portal.people.models import Person
from portal.referrals.models import Referral
from portal.reports import audit_words


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry in words (msgids). `number` is the referral's or the case's that it is on."""

    seq: int
    at: datetime
    event: str
    is_allowed: bool
    agency: str
    staff: str
    role: str
    thing: str
    number: str
    referral_id: UUID | None
    person_id: UUID | None
    person_number: str
    ground: str
    categories: tuple[str, ...]
    channel: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of a page are called."""

    staff: dict[UUID, str]
    agencies: dict[UUID, str]
    referrals: dict[UUID, str]
    cases: dict[UUID, str]
    items: dict[UUID, UUID]
    people: dict[UUID, str]


def entries(session: Session, statement: Select[AuditEntry]) -> list[Entry]:
    """The entries of a statement, with what their ids are called, in a constant number of questions."""
    found = session.scalars(statement).all()
    objects = [entry.object_id for entry in found]
    # An item of an agenda is on the referral that it speaks of.
    items = names(session, AgendaItem.id, AgendaItem.referral_id, objects)
    words = Names(
        staff=names(session, Staff.id, Staff.name, [entry.staff_id for entry in found]),
        agencies=names(session, Agency.id, Agency.name, [entry.agency_id for entry in found]),
        referrals=names(session, Referral.id, Referral.number, [*objects, *items.values()]),
        cases=names(session, Case.id, Case.number, objects),
        items={item: referral for item, referral in items.items() if referral},
        people=names(session, Person.id, Person.number, [entry.person_id for entry in found]),
    )
    return [in_words(entry, words) for entry in found]


def names(
    session: Session, key: InstrumentedAttribute[UUID], name: Any, ids: Sequence[UUID | None]
) -> dict[UUID, Any]:
    wanted = {one for one in ids if one is not None}
    return {row[0]: row[1] for row in session.execute(select(key, name).where(key.in_(wanted)))}


def in_words(entry: AuditEntry, names: Names) -> Entry:
    body: dict[str, Any] = json.loads(entry.body)
    on = names.items.get(entry.object_id, entry.object_id) if entry.object_id else None
    number = (names.referrals.get(on) or names.cases.get(on) or "") if on else ""
    return Entry(
        seq=entry.seq,
        at=entry.at,
        event=audit_words.event(entry.event),
        is_allowed=body["outcome"] == "allow",
        agency=names.agencies.get(entry.agency_id, "") if entry.agency_id else "",
        staff=names.staff.get(entry.staff_id, "") if entry.staff_id else "",
        role=audit_words.role(body["role"]),
        thing=audit_words.thing(body["object"][0] or ""),
        number=number,
        referral_id=on if on in names.referrals else None,
        person_id=entry.person_id if entry.person_id in names.people else None,
        person_number=names.people.get(entry.person_id, "") if entry.person_id else "",
        ground=audit_words.ground(body["ground"]),
        categories=audit_words.categories(body["categories"]),
        channel=audit_words.channel(body["channel"]),
        bucket=body["bucket"] or "",
    )
