"""The oracle, with its knowledge out of the tables: shares no code with the portal it judges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import make_url

from tests.wall.oracle_rules import (
    CATEGORIES,
    EVERYONE,
    JAPAN,
    Consent,
    Item,
    Line,
    Meeting,
    Oracle,
    Referral,
)

__all__ = ["CATEGORIES", "EVERYONE", "JAPAN", "Consent", "Item", "Line", "Meeting", "Oracle", "Referral"]

Rows = Callable[[str], list[tuple[Any, ...]]]


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
        " source_id, ended_at, to_staff_id FROM disclosure"
    )
    referrals = rows(
        "SELECT id, person_id, from_agency_id, to_agency_id, basis, sent_at, consent_id, status, answered_at"
        " FROM referral"
    )
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
                member=maybe(member),
            )
            for key, person, teller, to, basis, begins, ends, consent, source, ended, member in lines
        ),
        referrals={
            uid(key): Referral(
                uid(person),
                uid(sender),
                uid(to),
                basis,
                sent is not None,
                maybe(consent),
                instant(answered) if status == "rejected" else None,
            )
            for key, person, sender, to, basis, sent, consent, status, answered in referrals
        },
        meetings=learn_meetings(rows),
        items=learn_items(rows),
        excluded={
            (uid(staff), uid(person))
            for staff, person in rows("SELECT staff_id, person_id FROM exclusion WHERE lifted_at IS NULL")
        },
    )


def learn_meetings(rows: Rows) -> dict[UUID, Meeting]:
    tables = gather(rows("SELECT meeting_id, agency_id FROM meeting_member"))
    agreed = gather(
        rows(
            "SELECT meeting_id, staff_id FROM attendance"
            " WHERE staff_id IS NOT NULL AND secrecy_at IS NOT NULL"
        )
    )
    return {
        uid(key): Meeting(
            kind=kind,
            convener=uid(convener),
            table={uid(one) for one in tables.get(uid(key), ())},
            status=status,
            agreed={uid(one) for one in agreed.get(uid(key), ())},
        )
        for key, kind, convener, status in rows("SELECT id, kind, convener_id, status FROM meeting")
    }


def learn_items(rows: Rows) -> dict[UUID, Item]:
    told = gather(rows("SELECT item_id, category FROM agenda_item_category"))
    return {
        uid(key): Item(
            meeting=uid(meeting),
            bringer=uid(bringer),
            person=maybe(person),
            referral=maybe(referral),
            is_shared=bool(shared),
            stands=removed is None and postponed is None,
            categories=told.get(uid(key), set()),
            sharer=maybe(sharer),
        )
        for key, meeting, bringer, person, referral, shared, removed, postponed, sharer in rows(
            "SELECT id, meeting_id, brought_by_id, person_id, referral_id, shared, removed_at, postponed_at,"
            " shared_by_id FROM agenda_item"
        )
    }
