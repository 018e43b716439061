"""The wall on SQLite: the file is attached under an unguessable name, and views stand for its tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import token_hex
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Engine, event

from portal.core import clock
from portal.wall import rules
from portal.wall.reader import NOBODY, VALUES, Reader
from portal.wall.text import columns_of, tables_in, text_of

ROUND = re.compile(r"\b(main|temp|attach|detach|pragma\w*|sqlite_\w+|load_extension)\b", re.IGNORECASE)
HARMLESS = {sqlite.SQLITE_SELECT, sqlite.SQLITE_TRANSACTION, sqlite.SQLITE_RECURSIVE}
DANGEROUS = {"load_extension", "fts3_tokenizer"}
EXCLUDED_NOW = (
    f"SELECT e.person_id FROM exclusion e WHERE e.staff_id = reader_staff() AND {rules.EXCLUDED_NOW}"  # noqa: S608
)


def goes_round(statement: str) -> bool:
    """Whether the statement names anything but the views."""
    return bool(ROUND.search(statement))


class Watch:
    """Who reads on one connection, fixed when its transaction begins."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.excluded: frozenset[str] = frozenset()
        self.fix(NOBODY)

    def fix(self, reader: Reader) -> None:
        now = clock.now()
        self.values = {name: value(reader, now) for name, value in VALUES.items()}

    def open_for(self, reader: Reader, connection: Any) -> None:
        """Set the reader and query the exclusions once for all that follows."""
        self.fix(reader)
        self.excluded = frozenset(person for (person,) in connection.execute(EXCLUDED_NOW))


def install_views(engine: Engine, who: Callable[[], Reader]) -> None:
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
            "reader_excluded", 1, lambda person: person in watch.excluded, deterministic=True
        )
        connection.create_function("reader_unhindered", 0, lambda: not watch.excluded, deterministic=True)
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


def authorizer(base: str, reads: dict[str, frozenset[str]]) -> Callable[..., int]:
    """Allow reading a column only through a view that is made of it, and no statement other than SELECT."""

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
