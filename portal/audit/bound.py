"""Which records the log binds, column by column, and how their state is written down: docs/audit-log.md, "Bound records".

A bound record is one row of a table of `BOUND` with the rows of its parts. All columns are bound; whoever adds one to
such a table binds it, in the migration that adds it too.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, Table, bindparam, select

from portal.db import Base

SALT = 32


class Part(NamedTuple):
    """A table whose rows belong to a bound record: `owner` names it, or a row of the table `through` that does."""

    table: str
    owner: str
    through: str = ""
    through_owner: str = ""


class Bound(NamedTuple):
    """A kind of bound record. `once` is a column that must hold something before the record is bound."""

    parts: tuple[Part, ...] = ()
    once: str = ""
    # Columns that another column stands for.
    derived: frozenset[str] = frozenset()


BOUND: Mapping[str, Bound] = {
    # Whose record a person's is, who signs in and for whom they work decide what is seen before any consent does.
    "person": Bound(),
    "staff": Bound(),
    "membership": Bound(),
    "consent": Bound((Part("consent_category", "consent_id"), Part("consent_recipient", "consent_id"))),
    "withdrawal": Bound(),
    "disclosure": Bound((Part("disclosure_category", "disclosure_id"),)),
    "stop_confirmation": Bound(),
    "exclusion": Bound(),
    "emergency_access": Bound(),
    "referral": Bound((Part("referral_category", "referral_id"), Part("referral_goal", "referral_id"))),
    "referral_event": Bound(),
    "attendance": Bound(),
    "meeting": Bound(
        (
            Part("agenda_item", "meeting_id"),
            Part("agenda_item_category", "item_id", "agenda_item", "meeting_id"),
            Part("meeting_member", "meeting_id"),
        ),
        once="approved_at",
    ),
    "meeting_outcome": Bound(),
    "addendum": Bound(),
    # `digest` is that of `frozen`.
    "evaluation_closing": Bound(derived=frozenset({"frozen"})),
    "evaluation_addendum": Bound(),
}
# Table → the kinds of record that its rows are a part of.
OWNERS: Mapping[str, tuple[tuple[str, Part], ...]] = {
    table: tuple((kind, part) for kind, bound in BOUND.items() for part in bound.parts if part.table == table)
    for table in {part.table for bound in BOUND.values() for part in bound.parts}
}
# A change by statement passes by the session that notes what changed.
TABLES = frozenset(BOUND) | frozenset(OWNERS)
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def columns_of(kind: str, table: str) -> list[str]:
    """The bound columns of a table, in the order in which they are written down."""
    names = {column.name for column in Base.metadata.tables[table].columns}
    return sorted(names - BOUND[kind].derived if table == kind else names)


def text_of(value: Any) -> str:
    """A value as it is hashed: the same on both databases, and in a dump of either. What is empty is left out."""
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case Enum():
            return str(value.value)
        case UUID():
            return value.hex
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        case date():
            return value.isoformat()
        case int() | str():
            return str(value)
        case list() | dict():
            return CANONICAL.encode(value)
        case _:
            raise TypeError(f"no bound column holds a {type(value).__name__}")


def state_of(table: str, row: RowMapping | Mapping[str, Any], names: Iterable[str]) -> bytes:
    """One row: its table, and each column that is not empty with the length of its value in bytes."""
    cells = [
        b"%s=%d:%s;" % (name.encode(), len(text), text)
        for name in names
        if (text := text_of(row[name]).encode())
    ]
    return b"%s{%s}" % (table.encode(), b"".join(cells))


def digest_of(salt: bytes, whole: bytes, parts: Iterable[bytes]) -> str:
    """SHA-256 (hex) over the salt, the state of the record, and the states of its parts in the order of their bytes."""
    return hashlib.sha256(salt + whole + b"".join(sorted(parts))).hexdigest()


@cache
def whole_statement(kind: str, *, locked: bool) -> Select[Any]:
    table = Base.metadata.tables[kind]
    statement = select(*(table.c[name] for name in columns_of(kind, kind))).where(
        table.c.id.in_(bindparam("ids", expanding=True))
    )
    if once := BOUND[kind].once:
        statement = statement.where(table.c[once].is_not(None))
    return statement.order_by(table.c.id).with_for_update(key_share=True) if locked else statement


@cache
def part_statement(kind: str, part: Part) -> Select[Any]:
    table: Table = Base.metadata.tables[part.table]
    owner, source = table.c[part.owner], None
    if part.through:
        between = Base.metadata.tables[part.through]
        source = table.join(between, between.c.id == table.c[part.owner])
        owner = between.c[part.through_owner]
    columns = [table.c[name] for name in columns_of(kind, part.table)]
    statement = select(owner.label("owner_of_part"), *columns)
    if source is not None:
        statement = statement.select_from(source)
    return statement.where(owner.in_(bindparam("ids", expanding=True)))


def states(
    connection: Connection, kind: str, ids: Collection[UUID], *, locked: bool = False
) -> dict[UUID, tuple[bytes, list[bytes]]]:
    """The present state of each of these records, and of their parts; one that does not exist has none.

    `locked` keeps others from changing them until the end of the transaction, on databases that lock rows.
    """
    given = {"ids": sorted(ids)}
    found: dict[UUID, tuple[bytes, list[bytes]]] = {
        row["id"]: (state_of(kind, row, columns_of(kind, kind)), [])
        for row in connection.execute(whole_statement(kind, locked=locked), given).mappings()
    }
    if found:
        for part in BOUND[kind].parts:
            names = columns_of(kind, part.table)
            for row in connection.execute(part_statement(kind, part), given).mappings():
                if row["owner_of_part"] in found:
                    found[row["owner_of_part"]][1].append(state_of(part.table, row, names))
    return found


def by_kind(keys: Iterable[tuple[str, UUID]]) -> dict[str, set[UUID]]:
    found: dict[str, set[UUID]] = defaultdict(set)
    for kind, key in keys:
        found[kind].add(key)
    return dict(sorted(found.items()))
