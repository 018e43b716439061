"""Finding a person beyond the wall, by what only somebody who knows them can say; tries are logged."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Select, false, func, select
from sqlalchemy.orm import Session

from portal.accounts.models import Staff
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Lack, NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.people.categories import Category
from portal.people.models import Person
from portal.people.names import identity_keys, search_key
from portal.wall import predicates

# This many misses on one day are taken for guessing.
MISSES_PER_DAY = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search: the whole name (or its furigana) and the birth date, or an agency and its number."""

    name: str = ""
    birth: date | None = None
    agency_id: UUID | None = None
    number: str = ""

    @property
    def by(self) -> str:
        return "number" if self.number else "name"


@dataclass(frozen=True, slots=True)
class Match:
    """A person who matches. Nothing more is disclosed than which agency keeps the record.

    `is_known`: this member may see the person anyway; `sees_all`: nothing is withheld; `is_excluded`: never.
    """

    person_id: UUID
    agency_name: str
    is_known: bool
    sees_all: bool
    is_excluded: bool = False


class NoMoreTries(NotAllowed):
    """Too many misses today."""

    status = 429
    lack = Lack.TRIES
    title = N_("きょうは、これ以上探せません")


def find(actor: Actor, wanted: Wanted) -> list[Match]:
    """The exact matches, one for each record; what is shown and what is missed is logged.

    Raises:
        NotAllowed: the actor does no casework.
        NoMoreTries: the actor has missed too often today.
    """
    require(actor, Permission.EMERGENCY_USE)
    with db.transaction() as session:
        check_tries(session, actor)
        fit = all_matches(session, actor, wanted)
        found = [match for match in fit if not match.is_excluded]
        if not found:
            note_miss(actor, wanted, fit)
        for match in found:
            audit.record(
                AuditEvent.EMERGENCY_SEARCHED,
                ("person", match.person_id),
                actor=actor,
                person_id=match.person_id,
                by=wanted.by,
            )
    return found


def check(actor: Actor, wanted: Wanted, person_id: UUID) -> Match | None:
    """Find the person again on a later page from the typed fields; None, and a miss, if they do not match.

    Raises:
        NoMoreTries: as `find`.
    """
    require(actor, Permission.EMERGENCY_USE)
    with db.transaction() as session:
        check_tries(session, actor)
        fit = all_matches(session, actor, wanted)
        for match in fit:
            if match.person_id == person_id and not match.is_excluded:
                return match
        note_miss(actor, wanted, [one for one in fit if one.person_id == person_id], asked=person_id)
    return None


def check_tries(session: Session, actor: Actor) -> None:
    """Raise after too many misses today. Locks the member's row, so that concurrent tries are all counted."""
    hold_member(session, actor.staff_id)
    missed = select(func.count()).where(
        AuditEntry.staff_id == actor.staff_id,
        AuditEntry.at >= clock.start_of_day(clock.today()),
        AuditEntry.event == AuditEvent.EMERGENCY_MISSED.value,
    )
    if session.execute(missed).scalar_one() >= MISSES_PER_DAY:
        raise NoMoreTries(
            N_(
                "きょうは%(most)s回続けて見つからなかったため、あすまで探せません。急ぐときは、同じ機関の調整担当に代わってもらうか、"
                "記録がありそうな機関に電話してください。命の危険があるときは110番・119番を先に。"
            ),
            most=MISSES_PER_DAY,
        )


def hold_member(session: Session, staff_id: UUID) -> None:
    """Lock the member's row until the transaction ends; rows that refer to it may still be written."""
    session.execute(select(Staff.id).where(Staff.id == staff_id).with_for_update(key_share=True))


def note_miss(
    actor: Actor, wanted: Wanted, excluded: Sequence[Match] = (), *, asked: UUID | None = None
) -> None:
    """Log a miss; what was typed is kept nowhere. For a reader who is excluded, a match is the same miss.

    `asked` is the id that a later page sent, as it was sent.
    """
    found = excluded[0].person_id if excluded else None
    audit.record(
        AuditEvent.EMERGENCY_MISSED,
        ("emergency", found or asked),
        actor=actor,
        person_id=found,
        ground=Lack.EXCLUDED if found else Lack.HIDDEN,
        allowed=False,
    )


def matches(session: Session, actor: Actor, wanted: Wanted) -> list[Match]:
    """The matches that this member is not excluded from."""
    return [match for match in all_matches(session, actor, wanted) if not match.is_excluded]


def all_matches(session: Session, actor: Actor, wanted: Wanted) -> list[Match]:
    """All matches, excluded ones too, which the log names; the search takes the same time for them."""
    now = clock.now()
    seen = [predicates.sees(actor, category, now, Person).label(category.value) for category in Category]
    rows = session.execute(
        fitting(wanted)
        .join(Agency, Agency.id == Person.home_agency_id)
        .with_only_columns(
            Person.id,
            Person.family,
            Person.given,
            Person.family_kana,
            Person.given_kana,
            Agency.name.label("agency_name"),
            predicates.present(actor, now, Person).label("is_known"),
            predicates.is_excluded(actor, Person.id).label("is_excluded"),
            *seen,
        )
        .order_by(Agency.name, Person.id)
    )
    return [
        Match(
            row.id,
            row.agency_name,
            is_known=row.is_known,
            sees_all=all(getattr(row, category.value) for category in Category),
            is_excluded=row.is_excluded,
        )
        for row in rows
        if wanted.by == "number" or is_called(row, wanted.name)
    ]


def fitting(wanted: Wanted) -> Select[Person]:
    """The person of a number, or everybody born on that day, among whom `is_called` chooses."""
    anybody = select(Person)
    if wanted.by == "number":
        number = unicodedata.normalize("NFKC", wanted.number).strip()
        return anybody.where(Person.home_agency_id == wanted.agency_id, Person.number == number)
    if wanted.birth is None:
        return anybody.where(false())
    return anybody.where(Person.birth == wanted.birth, Person.is_identified)


def is_called(row: object, name: str) -> bool:
    """Whether it is the whole name or furigana, in any width, kana or character form."""
    typed = search_key(name)
    columns = ("family", "given", "family_kana", "given_kana")
    keys = identity_keys(**{column: getattr(row, column) for column in columns}, birth=None)
    return bool(typed) and typed in {keys.name, keys.kana}
