"""Commit in the log to the state of each bound record that a transaction changed, before and after (`audit.bound`).

The session notes what changes; one entry at the end of the transaction says of each record how it was found and how
it was left. Whoever changes a record past the portal breaks this chain, also when the portal changes it again later.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, Table, bindparam, delete, event, insert, select, update
from sqlalchemy.orm import Session, scoped_session

from portal.audit import services
from portal.audit.bound import BOUND, OWNERS, SALT, TABLES, by_kind, digest_of, states
from portal.audit.events import AuditEvent
from portal.audit.models import RecordSalt
from portal.db import Base

NONE = "-"  # where no such record is
AT_ONCE = 500  # records in one entry
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
    """The bound records of one transaction: new ones, and how each other one was found (its digest)."""

    def __init__(self) -> None:
        self.pending: list[Any] = []  # new ones that have no id before they are flushed
        self.made: set[Key] = set()
        self.before: dict[Key, str] = {}
        self.renewed: set[Key] = set()

    def number(self) -> None:
        """Take up the new ones that have an id by now."""
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
    """Look at each bound record as it is before the first change of the transaction reaches it."""
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
    """Bind what this row is, or is a part of, under a new salt: nobody can find out any more what it once said."""
    session.flush()
    keys = owners_of(session, obj)
    if obj.__tablename__ in BOUND:
        keys.add((obj.__tablename__, cast(Any, obj).id))
    touched = touched_in(session)
    find(session.connection(), touched, keys)
    touched.renewed |= keys


def write(session: Session) -> None:
    """The last entries of the transaction: how each touched record was found, and how it is left."""
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
    """The salt of each record that is there, made at first need; of one that is gone it is thrown away."""
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
