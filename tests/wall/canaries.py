"""A word of its own in every field of a whole small world, where each of them stands, and who may read it there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from typing import Any
from uuid import UUID

from portal.core import clock
from portal.core.policy import Role
from tests.wall import oracle
from tests.wall.canary_meetings import RULES_OF_MEETINGS
from tests.wall.oracle import Oracle, instant
from tests.wall.world_activities import (
    CODES_OF_ACTIVITIES,
    EVALUATION,
    EVALUATION_READERS,
    RULES_OF_ACTIVITIES,
)
from tests.wall.world_emergency import RULES_OF_EMERGENCIES
from tests.wall.world_exclusions import RULES_OF_EXCLUSIONS, person_of
from tests.wall.world_inspections import (
    ADMINISTRATORS,
    AUDITORS_OWN,
    CODES_OF_INSPECTIONS,
    RULES_OF_INSPECTIONS,
)

KANA = str.maketrans("0123456789", "まみむめもらりるれろ")
CANARY = re.compile(r"カナリヤ[0-9]{4}番|かなりや[まみむめもらりるれろ]{4}|090-0000-[0-9]{4}")
Row = dict[str, Any]


class Aviary:
    """Hands out canaries, each once."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def word(self) -> str:
        return f"カナリヤ{next(self.numbers):04d}番"

    def kana(self) -> str:
        return "かなりや" + f"{next(self.numbers):04d}".translate(KANA)

    def telephone(self) -> str:
        return f"090-0000-{next(self.numbers):04d}"

    def birth(self) -> date:
        number = next(self.numbers)
        return date(1931 + number % 60, 1 + number % 12, 1 + number % 28)


@dataclass(frozen=True)
class Planted:
    """Where a canary sits."""

    table: str
    column: str
    row: Row

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row.get('id')}"


@dataclass
class ReadingRights:
    """One reader at one moment, with what the oracle knows."""

    truth: Oracle
    role: Role | None
    agency: UUID | None
    now: datetime
    tables: dict[str, dict[UUID, Row]]
    staff: UUID | None = None
    administers: bool = False

    @property
    def works(self) -> UUID | None:
        """The agency for which this reader does casework."""
        return self.agency if self.role in {Role.STAFF, Role.COORDINATOR} else None

    def may_read(self, planted: Planted) -> bool:
        if planted.table in EVALUATION and self.role in EVALUATION_READERS:
            # Why a closed year was opened again is the programme's own affair.
            is_own = self.role is Role.AUDITOR or planted.row["agency_id"] == self.agency
            return planted.column != "reopened_why" or is_own
        if self.role is Role.AUDITOR:
            # Who did what when, by number: no name and nothing that anybody typed.
            return planted.column == "number" or (planted.table, planted.column) in AUDITORS_OWN
        if self.role is Role.AGENCY_ADMIN and (planted.table, planted.column) == ("person", "number"):
            return bool(
                planted.row["home_agency_id"] == self.agency
            )  # who of their staff read of it: by number
        if self.role is Role.AGENCY_ADMIN and (planted.table, planted.column) in ADMINISTRATORS:
            return RULES[planted.table, planted.column](self, planted.row)
        if self.works is None or self.truth.is_out(self.staff, person_of(self, planted.table, planted.row)):
            return False
        return RULES[planted.table, planted.column](self, planted.row)

    def sees(self, row: Row, category: str, person: str = "person_id") -> bool:
        return self.truth.sees(self.works, row[person], category, self.now, self.staff)

    def is_mine(self, row: Row) -> bool:
        return bool(row["agency_id"] == self.works)


def basics(rights: ReadingRights, row: Row) -> bool:
    return rights.truth.sees(rights.works, row["id"], "basic", rights.now, rights.staff)


def file(rights: ReadingRights, row: Row) -> bool:
    return rights.sees(row, row["category"])


def consent(rights: ReadingRights, row: Row) -> bool:
    """The agency that recorded it, and whoever keeps the record: a recipient learns what it was told, no more."""
    return rights.is_mine(row) or rights.truth.homes[row["person_id"]] == rights.works


def case(rights: ReadingRights, row: Row) -> bool:
    return rights.is_mine(rights.tables["support_case"][row["case_id"]])


def words(rights: ReadingRights, row: Row) -> bool:
    return rights.truth.reads_words(rights.works, row.get("referral_id", row["id"]), rights.now)


def line(rights: ReadingRights, row: Row) -> bool:
    return rights.truth.reads_line(rights.works, row["referral_id"], instant(row["created_at"]), rights.now)


def stop(rights: ReadingRights, row: Row) -> bool:
    line = rights.tables["disclosure"][row["disclosure_id"]]
    home = rights.truth.homes[line["person_id"]]
    return rights.works in {row["agency_id"], line["from_agency_id"], home}


Rule = Callable[[ReadingRights, Row], bool]
RULES: dict[tuple[str, str], Rule] = {
    ("person", "number"): lambda rights, row: row["home_agency_id"] == rights.works,
    **{
        ("person", column): basics
        for column in (
            "pseudonym",
            "family",
            "given",
            "family_kana",
            "given_kana",
            "sex",
            "household",
            "birth",
        )
    },
    ("person", "search_key"): basics,
    ("person", "address"): lambda rights, row: rights.truth.sees_address(
        rights.works, row["id"], rights.now, rights.staff
    ),
    ("person", "telephone"): lambda rights, row: rights.truth.sees_address(
        rights.works, row["id"], rights.now, rights.staff
    ),
    ("person", "contact_prohibited_reason"): lambda rights, row: rights.truth.knows_of(
        rights.works, row["id"], rights.now, rights.staff
    ),
    ("information", "text"): file,
    ("information", "fields"): file,
    **{
        ("consent", column): consent
        for column in ("purpose", "witness", "form_version", "kept_at", "given_by_name", "given_by_relation")
    },
    ("withdrawal", "reason"): lambda rights, row: (
        consent(rights, rights.tables["consent"][row["consent_id"]]) or rights.is_mine(row)
    ),
    ("support_case", "number"): ReadingRights.is_mine,
    ("support_case", "closing_text"): ReadingRights.is_mine,
    ("case_goal", "text"): case,
    ("progress_note", "text"): case,
    ("referral", "number"): lambda rights, row: rights.truth.has_referral(rights.works, row["id"]),
    ("referral", "need"): words,
    ("referral", "appointment_place"): words,
    ("referral", "reason"): words,
    ("referral_goal", "text"): words,
    ("referral_event", "text"): lambda rights, row: rights.is_mine(row) or line(rights, row),
    ("follow_up", "text"): ReadingRights.is_mine,
    ("stop_confirmation", "note"): stop,
    **RULES_OF_MEETINGS,
    **RULES_OF_EMERGENCIES,
    **RULES_OF_EXCLUSIONS,
    **RULES_OF_ACTIVITIES,
    **RULES_OF_INSPECTIONS,
}
# What is nobody's secret, what is a code, and what the portal makes up by itself.
OPEN_TABLES = {
    *("agency", "service", "closure", "counter", "staff", "membership", "invitation", "sign_in_session"),
    *("sign_in_attempt", "form_key", "audit_entry", "audit_detail", "audit_head", "audit_checkpoint"),
    *("alembic_version", "setting", "subject_key", "record_salt"),
}
CODES = (
    {
        ("person", "age_band"),
        ("person", "search_key"),
        ("referral", "anonymous_age_band"),
        ("follow_up", "code"),
        ("referral_event", "code"),
        ("meeting_series", "rule"),
        ("local_issue", "code"),
        ("calendar_link", "token_hash"),
        ("emergency_access", "categories"),
    }
    | CODES_OF_ACTIVITIES
    | CODES_OF_INSPECTIONS
)


def read_tables(url: str, columns: dict[str, dict[str, bool]]) -> dict[str, dict[UUID, Row]]:
    """Every row of the named tables, by id; of each column, whether it holds an id."""
    found: dict[str, dict[UUID, Row]] = {}
    with oracle.reading(url) as rows:
        for table, names in columns.items():
            found[table] = {}
            for values in rows(f"SELECT {', '.join(names)} FROM {table}"):  # noqa: S608 - our own tables
                row = {
                    name: oracle.maybe(value) if is_id else value
                    for (name, is_id), value in zip(names.items(), values, strict=True)
                }
                found[table][row.get("id") or UUID(int=len(found[table]) + 1)] = row
    return found


def renderings(born: date) -> list[str]:
    """A date of birth as pages may write it."""
    return [
        born.isoformat(),
        clock.era_date(born),
        clock.era_short(born),
        f"{born.year}年{born.month}月{born.day}日",
        f"{born.year}/{born.month}/{born.day}",
    ]


def planted_words(tables: dict[str, dict[UUID, Row]]) -> dict[str, list[Planted]]:
    """Where each canary sits; numbers and dates of birth are canaries too."""
    found: dict[str, list[Planted]] = {}
    for table, rows in tables.items():
        if table in OPEN_TABLES:
            continue
        for row in rows.values():
            for column, value in row.items():
                for word in canaries_in(table, column, value):
                    found.setdefault(word, []).append(Planted(table, column, row))
    return found


def canaries_in(table: str, column: str, value: Any) -> Iterator[str]:
    if column == "number" and isinstance(value, str) and value:  # an item's is drawn by lot: it names nobody
        yield str(value)
    elif column == "birth" and value:
        yield from (f"{one}" for one in renderings(oracle.day(value)))
    elif (table, column) != ("person", "search_key"):
        yield from CANARY.findall(str(value) if not isinstance(value, str) else decoded(value))


def decoded(value: str) -> str:
    """SQLite keeps JSON as text, its characters perhaps as \\u escapes."""
    return value.encode().decode("unicode_escape", "ignore") if "\\u" in value else value
