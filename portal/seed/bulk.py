"""Writing many rows at once, on both databases, with the audit log numbered in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import JSON, Connection, LargeBinary, Table, Uuid, update
from sqlalchemy.orm import Session
from sqlalchemy.schema import AddConstraint, DropConstraint

from portal.audit import bound as audit_bound
from portal.audit import checkpoints, notes
from portal.audit.bound import BOUND, SALT, columns_of, digest_of, state_of
from portal.audit.events import AuditEvent
from portal.audit.models import AuditHead
from portal.audit.services import entry_values
from portal.audit.tree import Growing
from portal.audit.vault import vault
from portal.core import clock
from portal.core.db import db

Row = dict[str, Any]
# A month of the log is kept in memory until no earlier entry can come.
Month = tuple[int, int]


class Who(NamedTuple):
    """A member of staff who acts: ids as 32 hexadecimal digits, which is what SQLite keeps and PostgreSQL reads."""

    staff: str
    agency: str
    role: str


class Entry(NamedTuple):
    at: datetime
    order: int
    what: AuditEvent
    kind: str | None
    object_id: str | None
    who: Who | None
    person: str | None
    categories: Iterable[str]
    ground: str | None
    channel: str
    fact: Any
    details: Row


def dashed(key: str | None) -> str | None:
    """An id as the log writes it."""
    return key and f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


class Ids:
    """Ids of version 7 for moments of the past; of one moment, the later is the greater."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.serial = 0

    def new(self, at: datetime) -> str:
        self.serial = (self.serial + 1) & 0xFFF
        tail = 0x8000_0000_0000_0000 | self.random.getrandbits(62)
        return f"{int(at.timestamp() * 1000):012x}7{self.serial:03x}{tail:016x}"


class Target:
    """One table: what its rows hold when nothing is said, and how its database wants them."""

    def __init__(self, table: Table, connection: Connection) -> None:
        dialect = connection.dialect
        self.name = table.name
        self.names = tuple(column.name for column in table.columns)
        self.blank: Row = {column.name: default_of(column) for column in table.columns}
        self.cells = itemgetter(*self.names)
        self.is_postgresql = dialect.name == "postgresql"
        self.processors = [
            (index, process)
            for index, column in enumerate(table.columns)
            if not isinstance(column.type, Uuid | LargeBinary | JSON)
            and not isinstance(getattr(column.type, "enum_class", None), type)
            and (process := column.type.dialect_impl(dialect).bind_processor(dialect))
        ]
        self.processed: dict[Any, Any] = {}

    def tuples(self, rows: list[Row]) -> Iterator[tuple[Any, ...]]:
        """Rows as the driver takes them. One moment stands in many of them and is converted once."""
        self.processed.clear()
        for row in rows:
            cells = list(self.cells(row))
            for index, process in self.processors:
                cell = cells[index]
                if cell is None or cell is True or cell is False:
                    continue
                if cell not in self.processed:
                    self.processed[cell] = process(cell)
                cells[index] = self.processed[cell]
            yield tuple(cells)

    def write(self, connection: Connection, rows: list[Row]) -> None:
        if self.is_postgresql:
            cursor: Any = connection.connection.cursor()
            with cursor, cursor.copy(f"COPY {self.name} ({', '.join(self.names)}) FROM STDIN") as copy:
                for cells in self.tuples(rows):
                    copy.write_row(cells)
            return
        places = ", ".join("?" * len(self.names))
        statement = f"INSERT INTO {self.name} ({', '.join(self.names)}) VALUES ({places})"  # noqa: S608
        connection.exec_driver_sql(statement, list(self.tuples(rows)))


def default_of(column: Any) -> Any:
    """The value of a column that is not given; defaults that are code must be given by the caller."""
    default = column.default
    if default is None:
        return None
    if default.is_scalar:
        return getattr(default.arg, "value", default.arg)
    return "{}" if isinstance(column.type, JSON) else None


class Bulk:
    """Rows by table, and entries of the log by month, on their way into the database."""

    def __init__(self, session: Session, random: Random) -> None:
        self.connection = session.connection()
        self.random = random
        self.ids = Ids(random)
        self.targets = {t.name: Target(t, self.connection) for t in db.metadata.sorted_tables}
        self.rows: dict[str, list[Row]] = {name: [] for name in self.targets}
        self.force_row_security("NO FORCE")
        self.log: dict[Month, list[Entry]] = {}
        self.order = count()
        self.seq = 0
        self.last_at: datetime | None = None
        self.origin = checkpoints.head_of(session).origin
        self.tree = Growing()
        self.person_keys: dict[str, tuple[Any, bytes]] = {}
        # PostgreSQL checks keys row by row; all at once, at the end, it takes a tenth of the time.
        self.keys = (
            [key for table in db.metadata.sorted_tables for key in table.foreign_key_constraints]
            if self.connection.dialect.name == "postgresql"
            else []
        )
        for key in self.keys:
            self.connection.execute(DropConstraint(key))

    def add(self, table: str, **values: Any) -> Row:
        """A row, which may still be changed until it is written."""
        row = self.targets[table].blank | values
        self.rows[table].append(row)
        return row

    def record(
        self,
        at: datetime,
        what: AuditEvent,
        kind: str,
        object_id: str | None,
        who: Who | None,
        /,
        *,
        person: str | None = None,
        categories: Iterable[str] = (),
        ground: str | None = None,
        channel: str = "portal",
        fact: Any = None,
        **details: Any,
    ) -> None:
        """As `audit.services.record`, but for a moment of the past."""
        entry = Entry(
            at,
            next(self.order),
            what,
            kind,
            object_id,
            who,
            person,
            categories,
            ground,
            channel,
            fact,
            details,
        )
        self.log.setdefault((at.year, at.month), []).append(entry)

    def flush(self, until: datetime | None = None) -> None:
        """Write the rows, and the log of all months that are over by `until`."""
        for month in sorted(self.log):
            if until is None or month < (until.year, until.month):
                self.number(self.log.pop(month))
        self.bind(until)
        for name, rows in self.rows.items():
            if rows:
                self.targets[name].write(self.connection, rows)
                rows.clear()

    def number(self, entries: list[Entry]) -> None:
        entries.sort(key=itemgetter(0, 1))
        into, beside = self.rows["audit_entry"], self.rows["audit_detail"]
        for one in entries:
            self.seq += 1
            who = one.who
            entry, detail = entry_values(
                self.seq,
                one.at,
                one.what,
                actor=(dashed(who.staff), dashed(who.agency), who.role) if who else None,
                subject=(one.kind, dashed(one.object_id)),
                person_id=dashed(one.person),
                categories=one.categories,
                ground=one.ground,
                channel=one.channel,
                allowed=True,
                count=None,
                request="",
                details=one.details,
                salt=self.random.randbytes(32),
                key=self.key_of(one.person) if one.person and one.details else None,
                fact=one.fact,
            )
            self.tree.append(entry["body"])
            ids = {"object_id": one.object_id, "person_id": one.person}
            into.append(entry | ids | {"staff_id": who and who.staff, "agency_id": who and who.agency})
            if detail:
                beside.append(detail)

        if entries:
            self.last_at = entries[-1].at
            self.sign(self.last_at)

    def bind(self, until: datetime | None) -> None:
        """Entries that bind the records about to be written, as they are: they are not changed any more."""
        lines = []
        for kind in BOUND:
            for key, state in self.states(kind).items():
                salt = self.random.randbytes(SALT)
                self.add("record_salt", kind=kind, record_id=key, salt=salt)
                lines.append(f"{kind}:{key}:{audit_bound.NONE}:{digest_of(salt, *state)}")
        entries = [
            Entry(
                self.last_at or until or clock.now(),
                next(self.order),
                AuditEvent.RECORDS_BOUND,
                None,
                None,
                None,
                None,
                (),
                None,
                "command",
                {"records": lines[at : at + audit_bound.AT_ONCE]},
                {},
            )
            for at in range(0, len(lines), audit_bound.AT_ONCE)
        ]
        self.number(entries)

    def states(self, kind: str) -> dict[str, tuple[bytes, list[bytes]]]:
        """What `audit.bound.states` will find of the rows that are not written yet."""
        bound, names = BOUND[kind], columns_of(kind, kind)
        found: dict[str, tuple[bytes, list[bytes]]] = {
            row["id"]: (state_of(kind, row, names), [])
            for row in self.rows[kind]
            if not bound.once or row[bound.once] is not None
        }
        for part in bound.parts if found else ():
            names = columns_of(kind, part.table)
            owners = {row["id"]: row[part.through_owner] for row in self.rows.get(part.through, ())}
            for row in self.rows[part.table]:
                owner = owners.get(row[part.owner]) if part.through else row[part.owner]
                if owner in found:
                    found[owner][1].append(state_of(part.table, row, names))
        return found

    def key_of(self, person: str) -> tuple[Any, bytes]:
        """The key that this person's details are sealed with."""
        if person not in self.person_keys:
            key_id, key = self.ids.new(clock.now()), self.random.randbytes(32)
            master_id, wrapped = vault.wrap(UUID(key_id), key)
            self.add("subject_key", id=key_id, person_id=person, master_id=master_id, wrapped=wrapped)
            self.person_keys[person] = (key_id, key)
        return self.person_keys[person]

    def sign(self, at: datetime) -> None:
        """A checkpoint for each month, so that the log can be taken up from the last one."""
        head = notes.Head(self.origin, self.tree.size, self.tree.root(), at.replace(microsecond=0))
        note = notes.sign(head, [vault.ring.signing])
        self.add(
            "audit_checkpoint",
            size=head.size,
            at=head.at,
            root=head.root.hex(),
            peaks=self.tree.peaks,
            note=note,
        )
        self.newest = head

    def finish(self) -> None:
        """Write what is left; then the head of the log stands where its entries end."""
        self.flush()
        head = {"seq": self.seq, "checkpoint_size": self.newest.size, "checkpoint_at": self.newest.at}
        self.connection.execute(update(AuditHead).where(AuditHead.id == 1).values(head))
        for key in self.keys:
            self.connection.execute(AddConstraint(key))
        self.force_row_security("FORCE")
        self.connection.exec_driver_sql("ANALYZE")
        if (
            self.connection.dialect.name == "sqlite"
        ):  # its samples make SQLite plan anew for every value asked about
            self.connection.exec_driver_sql("DROP TABLE IF EXISTS sqlite_stat4")

    def force_row_security(self, force: str) -> None:
        """COPY would refuse to write tables whose owner, too, is under a policy (`portal/wall/postgresql`)."""
        if self.connection.dialect.name == "postgresql":
            for name in self.targets:
                self.connection.exec_driver_sql(f"ALTER TABLE {name} {force} ROW LEVEL SECURITY")
