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
from tests.wall.oracle import Oracle
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
class Perch:
    """Where a canary sits."""

    table: str
    column: str
    row: Row

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row.get('id')}"


@dataclass
class Eye:
    """One reader at one moment, with what the oracle knows."""

    wise: Oracle
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

    def may_read(self, perch: Perch) -> bool:
        if perch.table in EVALUATION and self.role in EVALUATION_READERS:
            return True
        if self.role is Role.AUDITOR:
            # Who did what when, by number: no name and nothing that anybody typed.
            return perch.column == "number" or (perch.table, perch.column) in AUDITORS_OWN
        if self.role is Role.AGENCY_ADMIN and (perch.table, perch.column) == ("person", "number"):
            return bool(perch.row["home_agency_id"] == self.agency)  # who of his staff read of it: by number
        if self.role is Role.AGENCY_ADMIN and (perch.table, perch.column) in ADMINISTRATORS:
            return RULES[perch.table, perch.column](self, perch.row)
        if self.works is None or self.wise.is_out(self.staff, person_of(self, perch.table, perch.row)):
            return False
        return RULES[perch.table, perch.column](self, perch.row)

    def sees(self, row: Row, category: str, person: str = "person_id") -> bool:
        return self.wise.sees(self.works, row[person], category, self.now, self.staff)

    def is_mine(self, row: Row) -> bool:
        return bool(row["agency_id"] == self.works)


def basics(eye: Eye, row: Row) -> bool:
    return eye.wise.sees(eye.works, row["id"], "basic", eye.now, eye.staff)


def file(eye: Eye, row: Row) -> bool:
    return eye.sees(row, row["category"])


def consent(eye: Eye, row: Row) -> bool:
    """The agency that recorded it, and whoever keeps the record: a recipient learns what it was told, no more."""
    return eye.is_mine(row) or eye.wise.homes[row["person_id"]] == eye.works


def case(eye: Eye, row: Row) -> bool:
    return eye.is_mine(eye.tables["support_case"][row["case_id"]])


def words(eye: Eye, row: Row) -> bool:
    return eye.wise.reads_words(eye.works, row.get("referral_id", row["id"]), eye.now)


def stop(eye: Eye, row: Row) -> bool:
    line = eye.tables["disclosure"][row["disclosure_id"]]
    home = eye.wise.homes[line["person_id"]]
    return eye.works in {row["agency_id"], line["from_agency_id"], home}


Rule = Callable[[Eye, Row], bool]
RULES: dict[tuple[str, str], Rule] = {
    ("person", "number"): lambda eye, row: row["home_agency_id"] == eye.works,
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
    ("person", "address"): lambda eye, row: eye.wise.sees_address(eye.works, row["id"], eye.now, eye.staff),
    ("person", "telephone"): lambda eye, row: eye.wise.sees_address(eye.works, row["id"], eye.now, eye.staff),
    ("person", "contact_prohibited_reason"): lambda eye, row: eye.wise.knows_of(
        eye.works, row["id"], eye.now, eye.staff
    ),
    ("information", "text"): file,
    ("information", "fields"): file,
    **{
        ("consent", column): consent
        for column in ("purpose", "witness", "form_version", "kept_at", "given_by_name", "given_by_relation")
    },
    ("withdrawal", "reason"): lambda eye, row: (
        consent(eye, eye.tables["consent"][row["consent_id"]]) or eye.is_mine(row)
    ),
    ("support_case", "number"): Eye.is_mine,
    ("support_case", "closing_text"): Eye.is_mine,
    ("case_goal", "text"): case,
    ("progress_note", "text"): case,
    ("referral", "number"): lambda eye, row: eye.wise.has_referral(eye.works, row["id"]),
    ("referral", "need"): words,
    ("referral", "appointment_place"): words,
    ("referral", "reason"): words,
    ("referral_goal", "text"): words,
    ("referral_event", "text"): lambda eye, row: eye.is_mine(row) or words(eye, row),
    ("follow_up", "text"): Eye.is_mine,
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


def perches(tables: dict[str, dict[UUID, Row]]) -> dict[str, list[Perch]]:
    """Where each canary sits; numbers and dates of birth are canaries too."""
    found: dict[str, list[Perch]] = {}
    for table, rows in tables.items():
        if table in OPEN_TABLES:
            continue
        for row in rows.values():
            for column, value in row.items():
                for word in canaries_in(table, column, value):
                    found.setdefault(word, []).append(Perch(table, column, row))
    return found


def canaries_in(table: str, column: str, value: Any) -> Iterator[str]:
    if column == "number" and value:
        yield str(value)
    elif column == "birth" and value:
        yield from (f"{one}" for one in renderings(oracle.day(value)))
    elif (table, column) != ("person", "search_key"):
        yield from CANARY.findall(str(value) if not isinstance(value, str) else decoded(value))


def decoded(value: str) -> str:
    """SQLite keeps JSON as text, its characters perhaps as \\u escapes."""
    return value.encode().decode("unicode_escape", "ignore") if "\\u" in value else value
