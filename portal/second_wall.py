"""The second wall: the database itself refuses the reader session what its reader may not see.

Whatever a page asks on `db.read`, forgotten filters and plain SQL included, it asks of views that stand before the
tables and know who reads and when. Who has not said who reads is nobody, and nobody sees no row.
The rules are in `second_wall_tables`; docs/decisions/017 says why it is made so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from secrets import token_hex
from typing import Any
from uuid import UUID

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Engine, event

from portal import clock, faults
from portal import second_wall_postgresql as postgresql
from portal.db import Database, close_reading
from portal.policy import Actor, Permission, Role, can
from portal.second_wall_functions import planned_once
from portal.second_wall_text import columns_of, tables_in, text_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads. `agency` is set for those who do casework, `office` is where anybody works, `admin` what he administers.

    `token` is the hash of what a visitor shows at the door: it opens the one row that belongs to it.
    """

    staff: UUID | None = None
    agency: UUID | None = None
    office: UUID | None = None
    admin: UUID | None = None
    convener: UUID | None = None
    auditor: bool = False
    sysadmin: bool = False
    token: str | None = None

    @classmethod
    def of(cls, actor: Actor, token: str | None = None) -> Reader:
        administers = actor.administers or actor.role is Role.AGENCY_ADMIN
        return cls(
            staff=actor.staff_id,
            agency=actor.agency_id if can(actor, Permission.CASEWORK) else None,
            office=actor.agency_id,
            admin=actor.agency_id if administers else None,
            convener=actor.agency_id if can(actor, Permission.MEETING_CONVENE) else None,
            auditor=can(actor, Permission.AUDIT_READ),
            sysadmin=actor.role is Role.SYSTEM_ADMIN,
            token=token,
        )


NOBODY = Reader()


class OtherRules(RuntimeError):
    """The views in the database were put up by another version of the rules."""

    def __init__(self) -> None:
        super().__init__(postgresql.DIFFERS)


class Refused(RuntimeError):
    """A statement that tries to go round the wall: a programmer's mistake, so it is no `PortalError`."""


def read_as(database: Database, reader: Reader) -> None:
    """From now on, until `database.end()`, this reads; what was open for another reader is closed."""
    if database.reader.get() != reader:
        close_reading(database.read)
        database.reader.set(reader)


def show_token(database: Database, token: str) -> None:
    """The reader shows the hash of a token, and may see the one row that belongs to it besides all else."""
    read_as(database, replace(database.reader.get() or NOBODY, token=token))


def install(database: Database) -> None:
    """Stand before the reader session of every database that this one will be bound to."""

    def stand_before(engine: Engine) -> None:
        stand = before_sqlite if engine.dialect.name == "sqlite" else before_postgresql
        stand(engine, lambda: database.reader.get() or NOBODY)

    database.stand_before = stand_before


def look_before_serving(database: Database) -> None:
    """Whether the views in the database are of these rules; later each new connection of the readers looks again.

    A database that is away is none the worse for it: the portal starts, and answers 503 until it is there.

    Raises:
        OtherRules: they are not.
    """
    if database.stand_before is None or database.read_engine.dialect.name == "sqlite":
        return  # on SQLite each connection makes its own views
    try:
        with database.across_engine.connect() as connection:
            mark = connection.exec_driver_sql(postgresql.STANDS).scalar_one()
    except faults.ERRORS:
        return
    finally:
        database.across_engine.dispose()  # a server that forks after this must not share a connection
    if mark != postgresql.mark_of_rules():
        raise OtherRules


# SQLite: the file is attached under a name that nobody can guess, and temporary views stand in the place of tables.

ROUND_SQLITE = re.compile(r"\b(main|temp|attach|detach|pragma\w*|sqlite_\w+|load_extension)\b", re.IGNORECASE)
HARMLESS = {sqlite.SQLITE_SELECT, sqlite.SQLITE_TRANSACTION, sqlite.SQLITE_RECURSIVE}
DANGEROUS = {"load_extension", "fts3_tokenizer"}
VALUES: dict[str, Callable[[Reader, datetime], Any]] = {
    "staff": lambda reader, _now: reader.staff and reader.staff.hex,
    "agency": lambda reader, _now: reader.agency and reader.agency.hex,
    "office": lambda reader, _now: reader.office and reader.office.hex,
    "admin": lambda reader, _now: reader.admin and reader.admin.hex,
    "convener": lambda reader, _now: reader.convener and reader.convener.hex,
    "auditor": lambda reader, _now: int(reader.auditor),
    "sysadmin": lambda reader, _now: int(reader.sysadmin),
    "token": lambda reader, _now: reader.token,
    "now": lambda _reader, now: f"{now:%Y-%m-%d %H:%M:%S.%f}",
    "today": lambda _reader, now: clock.japan_date(now).isoformat(),
}
SHUT_OUT = "SELECT person_id FROM exclusion WHERE staff_id = reader_staff() AND lifted_at IS NULL"


class Watch:
    """Who reads on one connection, fixed when its transaction begins."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.shut_out: frozenset[str] = frozenset()
        self.fix(NOBODY)

    def fix(self, reader: Reader) -> None:
        now = clock.now()
        self.values = {name: value(reader, now) for name, value in VALUES.items()}

    def open_for(self, reader: Reader, connection: Any) -> None:
        """Whose affairs the reader is shut out of is asked once for all that follows."""
        self.fix(reader)
        self.shut_out = frozenset(person for (person,) in connection.execute(SHUT_OUT))


def before_sqlite(engine: Engine, who: Callable[[], Reader]) -> None:
    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, record: Any, given: list[Any], more: dict[str, Any]) -> Any:
        record.info["base"] = f"base_{token_hex(16)}"
        connection = sqlite.connect(":memory:", cached_statements=512, **more)
        connection.execute(f"ATTACH DATABASE ? AS {record.info['base']}", (given[0],))
        return connection

    @event.listens_for(engine, "connect")
    def build(connection: Any, record: Any) -> None:
        watch = record.info["watch"] = Watch()
        base = record.info["base"]
        for name in VALUES:
            connection.create_function(
                f"reader_{name}", 0, lambda name=name: watch.values[name], deterministic=True
            )
        connection.create_function(
            "reader_shut_out", 1, lambda person: person in watch.shut_out, deterministic=True
        )
        connection.create_function("reader_unhindered", 0, lambda: not watch.shut_out, deterministic=True)
        connection.execute("PRAGMA query_only=OFF")
        reads = {}
        for name, columns in columns_of().items():
            sql = text_of(name, columns, base=f"{base}.", wall="temp.", value="reader_{}({})".format)
            connection.execute(f"CREATE TEMP VIEW {name} AS {sql}")
            reads[name] = tables_in(sql, base)
        connection.execute("PRAGMA query_only=ON")
        connection.set_authorizer(authorizer(base, reads))

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.info["watch"].open_for(who(), connection.connection.dbapi_connection)

    @event.listens_for(engine, "checkin")
    def leave(_connection: object, record: Any) -> None:
        if "watch" in record.info:
            record.info["watch"].fix(NOBODY)

    refuse(engine, lambda sql: bool(ROUND_SQLITE.search(sql)))


def authorizer(base: str, reads: dict[str, frozenset[str]]) -> Callable[..., int]:
    """A column of a table only through a view that is made of it; no other statement than SELECT."""

    def may(action: int, what: str | None, which: str | None, database: str | None, view: str | None) -> int:
        if action == sqlite.SQLITE_READ:
            # A count of rows names no column and no view: but no question can name `base` itself.
            through = (
                not which or (view in reads and what in reads[view]) if database == base else what in reads
            )
            return int(sqlite.SQLITE_OK if through else sqlite.SQLITE_DENY)
        if action == sqlite.SQLITE_FUNCTION:
            return int(sqlite.SQLITE_DENY if which in DANGEROUS else sqlite.SQLITE_OK)
        return int(sqlite.SQLITE_OK if action in HARMLESS else sqlite.SQLITE_DENY)

    return may


def before_postgresql(engine: Engine, who: Callable[[], Reader]) -> None:
    engine.dialect.do_ping = ping  # type: ignore[method-assign, assignment]

    @event.listens_for(engine, "connect")
    def ask(connection: Any, record: Any) -> None:
        if connection.execute(postgresql.STANDS).fetchone()[0] != postgresql.mark_of_rules():
            connection.close()
            logger.error(postgresql.DIFFERS)
            raise OtherRules
        record.info["has_role"] = connection.execute(postgresql.MAY_BECOME).fetchone()[0]
        connection.rollback()
        connection.prepare_threshold, connection.prepared_max = 0, 500

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        now = clock.now()
        values = {name: value(who(), now) for name, value in VALUES.items()}
        # By the driver: what the portal itself says here, no statement of a page may say.
        connection.connection.dbapi_connection.execute(
            postgresql.introduction(values, has_role=connection.info["has_role"]), prepare=False
        )

    refuse(engine, postgresql.goes_round)
    plan = lru_cache(maxsize=1000)(planned_once)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def once(
        _connection: object, _cursor: object, statement: str, given: Any, *_more: object
    ) -> tuple[str, Any]:
        return plan(statement), given


def refuse(engine: Engine, goes_round: Callable[[str], bool]) -> None:
    looked_at = lru_cache(maxsize=2000)(goes_round)  # pages ask the same questions over and over

    @event.listens_for(engine, "before_cursor_execute")
    def look(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if looked_at(statement):
            raise Refused("the reader session refuses this statement")


def ping(connection: Any) -> bool:
    """Whether the server still answers. SQLAlchemy's own way would leave a prepared statement behind each time."""
    before = connection.autocommit
    connection.autocommit = True
    try:
        connection.execute("", prepare=False)
    finally:
        if not connection.closed:
            connection.autocommit = before
    return True
