"""Which records the log binds, column by column, and the commitment to each state that a transaction leaves."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, Table, bindparam, delete, event, insert, select, update
from sqlalchemy.orm import Session, scoped_session

from portal.audit import services
from portal.audit.events import AuditEvent
from portal.audit.models import RecordSalt
from portal.core.db import Base

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
    # Columns left out because another column stands for them.
    derived: frozenset[str] = frozenset()


BOUND: Mapping[str, Bound] = {
    # Who keeps a person's record, who signs in and for whom they work decide access before any consent does.
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
# Table → the kinds of bound record that its rows belong to.
OWNERS: Mapping[str, tuple[tuple[str, Part], ...]] = {
    table: tuple((kind, part) for kind, bound in BOUND.items() for part in bound.parts if part.table == table)
    for table in {part.table for bound in BOUND.values() for part in bound.parts}
}
# Bulk statements bypass the session, which notes the changes.
TABLES = frozenset(BOUND) | frozenset(OWNERS)
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def columns_of(kind: str, table: str) -> list[str]:
    """The bound columns of a table, in the order in which they are hashed."""
    names = {column.name for column in Base.metadata.tables[table].columns}
    return sorted(names - BOUND[kind].derived if table == kind else names)


def text_of(value: Any) -> str:
    """A value as it is hashed: the same on both databases and in a dump of either; "" for no value."""
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
    """One row as bytes: its table, and each column that is not empty with its length in bytes."""
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


# Commit in the log to the state of each bound record that a transaction changed, before and after (`audit.bound`).
#
# The session notes what changes; one entry at the end of the transaction says of each record how it was found and how
# it was left. Whoever changes a record past the portal breaks this chain, also when the portal changes it again later.

NONE = "-"  # in place of a digest: there is no such record
AT_ONCE = 500  # records in one entry, at most
TOUCHED = "touched_records"
Key = tuple[str, UUID]

SALTS: Any = cast(Table, RecordSalt.__table__)
SALTS_OF = select(SALTS.c.record_id, SALTS.c.salt).where(
    SALTS.c.kind == bindparam("kind"), SALTS.c.record_id.in_(bindparam("ids", expanding=True))
)
NEW_SALT = insert(SALTS)
OTHER_SALT = (
    update(SALTS)
    .where(SALTS.c.kind == bindparam("of_kind"), SALTS.c.record_id == bindparam("of_record"))
    .values(salt=bindparam("new_salt"))
)
NO_SALT = delete(SALTS).where(
    SALTS.c.kind == bindparam("kind"), SALTS.c.record_id.in_(bindparam("ids", expanding=True))
)


class Touched:
    """The bound records that one transaction touches: new ones, and the digest of each other one as found."""

    def __init__(self) -> None:
        self.pending: list[Any] = []  # new ones that have no id before they are flushed
        self.made: set[Key] = set()
        self.before: dict[Key, str] = {}
        self.renewed: set[Key] = set()

    def number(self) -> None:
        """Register the new records that have an id by now."""
        self.made |= {(obj.__tablename__, obj.id) for obj in self.pending if obj.id}
        self.pending = [obj for obj in self.pending if not obj.id]


def install(session: scoped_session[Session]) -> None:
    if not event.contains(session, "before_flush", note_changes):
        event.listen(session, "before_flush", note_changes)
        event.listen(session, "before_commit", write)
        event.listen(session, "after_rollback", forget)


def touched_in(session: Session) -> Touched:
    found: Touched = session.info.setdefault(TOUCHED, Touched())
    return found


def forget(session: Session) -> None:
    session.info.pop(TOUCHED, None)


def note_changes(session: Session, _context: object, _instances: object) -> None:
    """Note the digest of each bound record before the first change of the transaction reaches it."""
    changed = [
        obj
        for obj in (*session.new, *session.dirty, *session.deleted)
        if obj.__tablename__ in TABLES and (obj not in session.dirty or session.is_modified(obj))
    ]
    if not changed:
        return
    touched, keys = touched_in(session), set()
    for obj in changed:
        table = obj.__tablename__
        if table in BOUND:
            if obj in session.new:
                touched.pending.append(obj)
            else:
                keys.add((table, obj.id))
        keys |= owners_of(session, obj)
    find(session.connection(), touched, keys)


def owners_of(session: Session, obj: Any) -> set[Key]:
    """The bound records that this row is a part of."""
    keys: set[Key] = set()
    for kind, part in OWNERS.get(obj.__tablename__, ()):
        owner = getattr(obj, part.owner)
        if part.through:
            between = Base.metadata.tables[part.through]
            wanted = select(between.c[part.through_owner]).where(between.c.id == owner)
            owner = session.connection().execute(wanted).scalar()
        if owner is not None:
            keys.add((kind, owner))
    return keys


def find(connection: Connection, touched: Touched, keys: Iterable[Key]) -> None:
    touched.number()
    fresh = {key for key in keys if key not in touched.made and key not in touched.before}
    for kind, ids in by_kind(fresh).items():
        salts, found = salts_of(connection, kind, ids), states(connection, kind, ids, locked=True)
        for key in ids:
            is_there = key in found and key in salts
            touched.before[kind, key] = digest_of(salts[key], *found[key]) if is_there else NONE


def renew(session: Session, obj: Base) -> None:
    """Bind the record that this row belongs to under a new salt, so that its former digests prove nothing."""
    session.flush()
    keys = owners_of(session, obj)
    if obj.__tablename__ in BOUND:
        keys.add((obj.__tablename__, cast(Any, obj).id))
    touched = touched_in(session)
    find(session.connection(), touched, keys)
    touched.renewed |= keys


def write(session: Session) -> None:
    """Write the last entries of the transaction: how each touched record was found, and how it is left."""
    session.flush()
    touched: Touched | None = session.info.pop(TOUCHED, None)
    if touched is None:
        return
    connection, lines = session.connection(), []
    touched.number()
    before = dict.fromkeys(touched.made, NONE) | touched.before
    for kind, ids in by_kind(before).items():
        found = states(connection, kind, ids)
        salts = fresh_salts(connection, kind, ids, found.keys(), touched.renewed)
        for key in sorted(ids):
            after = digest_of(salts[key], *found[key]) if key in found else NONE
            if after != before[kind, key]:
                lines.append(f"{kind}:{key.hex}:{before[kind, key]}:{after}")
    for at in range(0, len(lines), AT_ONCE):
        services.record(AuditEvent.RECORDS_BOUND, actor=None, fact={"records": lines[at : at + AT_ONCE]})


def salts_of(connection: Connection, kind: str, ids: Iterable[UUID]) -> dict[UUID, bytes]:
    rows = connection.execute(SALTS_OF, {"kind": kind, "ids": sorted(ids)})
    return {row.record_id: row.salt for row in rows}


def fresh_salts(
    connection: Connection, kind: str, ids: set[UUID], present: Iterable[UUID], renewed: set[Key]
) -> dict[UUID, bytes]:
    """The salt of each existing record, made when first needed; the salt of a deleted record is deleted."""
    salts, present = salts_of(connection, kind, ids), set(present)
    if gone := sorted(salts.keys() - present):
        connection.execute(NO_SALT, {"kind": kind, "ids": gone})
    old = {key for key in salts if key in present and (kind, key) in renewed}
    new = {key: secrets.token_bytes(SALT) for key in sorted(old | (present - salts.keys()))}
    if rows := [{"of_kind": kind, "of_record": key, "new_salt": new[key]} for key in sorted(old)]:
        connection.execute(OTHER_SALT, rows)
    if rows := [{"kind": kind, "record_id": k, "salt": new[k]} for k in sorted(new.keys() - old)]:
        connection.execute(NEW_SALT, rows)
    return salts | new
