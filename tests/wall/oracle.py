"""The wall a second time, from the words of the design alone: shares no code with the portal it judges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import make_url

CATEGORIES = ("basic", "health", "work_education", "finances", "benefits", "life_history")
JAPAN = timezone(timedelta(hours=9))
Rows = Callable[[str], list[tuple[Any, ...]]]
EVERYONE = None  # in `Consent.withdrawn`: the consent was taken back as a whole


@dataclass
class Consent:
    person: UUID
    recipients: set[UUID]
    categories: set[str]
    first_day: date
    last_day: date
    recorded_by: UUID | None = None
    withdrawn: set[UUID | None] = field(default_factory=set)
    is_replaced: bool = False

    def covers(self, agency: UUID, now: datetime) -> bool:
        today = now.astimezone(JAPAN).date()
        if agency not in self.recipients or self.is_replaced:
            return False
        if EVERYONE in self.withdrawn or agency in self.withdrawn:
            return False
        return self.first_day <= today <= self.last_day


@dataclass
class Line:
    """A line of the ledger."""

    id: UUID
    person: UUID
    teller: UUID
    told: UUID
    basis: str
    categories: set[str]
    begins: datetime
    ends: datetime | None
    consent: UUID | None = None
    source: UUID | None = None
    was_ended: bool = False


@dataclass
class Referral:
    person: UUID
    sender: UUID
    recipient: UUID
    basis: str
    is_sent: bool


@dataclass
class Oracle:
    """What every agency's caseworkers may know, worked out from what was consented, told and taken back."""

    homes: dict[UUID, UUID] = field(default_factory=dict)
    protected: set[UUID] = field(default_factory=set)
    consents: dict[UUID, Consent] = field(default_factory=dict)
    lines: dict[UUID, list[Line]] = field(default_factory=dict)  # by person
    referrals: dict[UUID, Referral] = field(default_factory=dict)

    def is_alive(self, line: Line, now: datetime) -> bool:
        if line.was_ended or now < line.begins or (line.ends is not None and now >= line.ends):
            return False
        if line.basis != "consent":
            return True
        consent = self.consents.get(line.consent) if line.consent else None
        return consent is not None and consent.covers(line.told, now)

    def tells(self, line: Line, category: str, now: datetime) -> bool:
        if line.basis == "anonymous" or category not in line.categories or not self.is_alive(line, now):
            return False
        return line.basis != "consent" or category in self.consents[line.consent].categories  # type: ignore[index]

    def sees(self, agency: UUID | None, person: UUID, category: str, now: datetime) -> bool:
        if agency is None:
            return False
        mine = (line for line in self.lines.get(person, ()) if line.told == agency)
        return self.homes[person] == agency or any(self.tells(line, category, now) for line in mine)

    def knows_of(self, agency: UUID | None, person: UUID, now: datetime) -> bool:
        """The person's page opens, perhaps with everything withheld."""
        if agency is None:
            return False
        return self.homes[person] == agency or any(
            line.told == agency and line.basis != "anonymous" and line.begins <= now and not line.was_ended
            for line in self.lines.get(person, ())
        )

    def sees_address(self, agency: UUID | None, person: UUID, now: datetime) -> bool:
        if person in self.protected and self.homes[person] != agency:
            return False
        return self.sees(agency, person, "basic", now)

    def has_referral(self, agency: UUID | None, referral: UUID) -> bool:
        one = self.referrals[referral]
        return agency is not None and (one.sender == agency or (one.recipient == agency and one.is_sent))

    def reads_words(self, agency: UUID | None, referral: UUID, now: datetime) -> bool:
        """The need, the goals, and what the other side wrote."""
        if not self.has_referral(agency, referral):
            return False
        if self.referrals[referral].sender == agency:
            return True
        return any(
            line.source == referral and line.told == agency and self.is_alive(line, now)
            for line in self.lines.get(self.referrals[referral].person, ())
        )

    def knows_whom(self, agency: UUID | None, referral: UUID, now: datetime) -> bool:
        """Whom the referral is about."""
        one = self.referrals[referral]
        if not self.has_referral(agency, referral):
            return False
        return self.knows_of(agency, one.person, now) and (one.basis != "anonymous" or one.sender == agency)


def uid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))


def maybe(value: Any) -> UUID | None:
    return None if value is None else uid(value)


def instant(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


@contextmanager
def reading(url: str) -> Iterator[Rows]:
    """`rows(sql)` on a connection of its own, by the driver and nothing else."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite":
        connection = sqlite.connect(where.database)
    else:
        plain = where.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(plain, autocommit=True)
    try:
        yield lambda sql: connection.execute(sql).fetchall()
    finally:
        connection.close()


def gather(pairs: Iterable[tuple[Any, Any]]) -> dict[UUID, set[Any]]:
    found: dict[UUID, set[Any]] = {}
    for key, value in pairs:
        found.setdefault(uid(key), set()).add(value)
    return found


def by_person(lines: Iterable[Line]) -> dict[UUID, list[Line]]:
    found: dict[UUID, list[Line]] = {}
    for line in lines:
        found.setdefault(line.person, []).append(line)
    return found


def read(url: str) -> Oracle:
    """The oracle's knowledge out of the tables, as they stand now."""
    with reading(url) as rows:
        return learn(rows)


def learn(rows: Rows) -> Oracle:
    recipients = gather(rows("SELECT consent_id, agency_id FROM consent_recipient"))
    covered = gather(rows("SELECT consent_id, category FROM consent_category"))
    withdrawn = gather(rows("SELECT consent_id, recipient_id FROM withdrawal"))
    replaced = {uid(old) for (old,) in rows("SELECT replaces_id FROM consent") if old is not None}
    told = gather(rows("SELECT disclosure_id, category FROM disclosure_category"))
    people = rows("SELECT id, home_agency_id, protected_address FROM person")
    consents = rows("SELECT id, person_id, agency_id, valid_from, valid_until FROM consent")
    lines = rows(
        "SELECT id, person_id, from_agency_id, to_agency_id, basis, starts_at, ends_at, consent_id,"
        " source_id, ended_at FROM disclosure"
    )
    referrals = rows("SELECT id, person_id, from_agency_id, to_agency_id, basis, sent_at FROM referral")
    return Oracle(
        homes={uid(p): uid(home) for p, home, _ in people},
        protected={uid(p) for p, _, protected in people if protected},
        consents={
            uid(c): Consent(
                person=uid(person),
                recipients={uid(one) for one in recipients.get(uid(c), ())},
                categories=covered.get(uid(c), set()),
                first_day=day(first),
                last_day=day(last),
                recorded_by=uid(agency),
                withdrawn={maybe(one) for one in withdrawn.get(uid(c), ())},
                is_replaced=uid(c) in replaced,
            )
            for c, person, agency, first, last in consents
        },
        lines=by_person(
            Line(
                id=uid(key),
                person=uid(person),
                teller=uid(teller),
                told=uid(to),
                basis=basis,
                categories=told.get(uid(key), set()),
                begins=instant(begins),
                ends=None if ends is None else instant(ends),
                consent=maybe(consent),
                source=maybe(source),
                was_ended=ended is not None,
            )
            for key, person, teller, to, basis, begins, ends, consent, source, ended in lines
        ),
        referrals={
            uid(key): Referral(uid(person), uid(sender), uid(to), basis, sent is not None)
            for key, person, sender, to, basis, sent in referrals
        },
    )
