"""The wall on SQLite: the file is attached under an unguessable name, and views stand for its tables.

Each EXISTS of a rule is a function of the connection, as on PostgreSQL (docs/decisions/028): SQLite would otherwise
compile it once for each column that asks it. A function remembers its answers until the reading ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from secrets import token_hex
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Engine, event

from portal.core import clock
from portal.wall import rules
from portal.wall.functions import PREFIX, ROW, replaced
from portal.wall.reader import NOBODY, VALUES, Reader
from portal.wall.text import columns_of, tables_in, text_of

ROUND = re.compile(
    rf"\b(main|temp|attach|detach|pragma\w*|sqlite_\w+|load_extension|{PREFIX}\w*)\b", re.IGNORECASE
)
BASE = "base_of_the_connection"  # in texts that every connection shares
MOST_ANSWERS = 10_000  # of one reading; a statement that asks of more people asks some of them again
HARMLESS = {sqlite.SQLITE_SELECT, sqlite.SQLITE_TRANSACTION, sqlite.SQLITE_RECURSIVE}
DANGEROUS = {"load_extension", "fts3_tokenizer"}
EXCLUDED_NOW = (
    f"SELECT e.person_id FROM exclusion e WHERE e.staff_id = reader_staff() AND {rules.EXCLUDED_NOW}"  # noqa: S608
)


def goes_round(statement: str) -> bool:
    """Whether the statement names anything but the views."""
    return bool(ROUND.search(statement))


class Watch:
    """Who reads on one connection, fixed when its transaction begins, and what the rules have answered since."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.excluded: frozenset[str] = frozenset()
        self.answers: dict[tuple[Any, ...], int] = {}
        self.is_asking = False
        self.fix(NOBODY)

    def fix(self, reader: Reader) -> None:
        now = clock.now()
        self.answers.clear()
        self.values = {name: value(reader, now) for name, value in VALUES.items()}

    def open_for(self, reader: Reader, connection: Any) -> None:
        """Set the reader and query the exclusions once for all that follows."""
        self.fix(reader)
        self.excluded = frozenset(person for (person,) in connection.execute(EXCLUDED_NOW))


@cache
def outlined(sql: str) -> tuple[str, tuple[tuple[str, int, str], ...]]:
    """The text of a view with a function call for each EXISTS, and these functions: name, arguments, body."""
    functions = []

    def call(inner: str) -> str:
        columns = sorted(set(ROW.findall(inner)))
        body = f"SELECT EXISTS ({ROW.sub(lambda found: f'?{columns.index(found[1]) + 1}', inner)})"
        name = f"{PREFIX}{sha256(body.encode()).hexdigest()[:16]}"
        functions.append((name, len(columns), body))
        return f"{name}({', '.join(f't.{column}' for column in columns)})"

    return replaced(sql, call), tuple(functions)


def asking(name: str, body: str, connection: Any, watch: Watch) -> Callable[..., int]:
    """The function that answers one EXISTS; within a reading nothing changes, so the same question has one answer."""
    execute = connection.execute

    def ask(*given: Any) -> int:
        question = (name, *given)
        found = watch.answers.get(question)
        if found is None:
            was_asking, watch.is_asking = watch.is_asking, True
            try:
                ((found,),) = execute(body, given)
            finally:
                watch.is_asking = was_asking
            if len(watch.answers) >= MOST_ANSWERS:
                watch.answers.clear()
            watch.answers[question] = found
        return int(found)

    return ask


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
        reads, made = {}, set()
        for name, columns in columns_of().items():
            sql = text_of(name, columns, base=f"{BASE}.", wall="temp.", value="reader_{}({})".format)
            view, functions = outlined(sql)
            for function, arguments, body in functions:
                if function not in made:
                    made.add(function)
                    ask = asking(function, body.replace(BASE, base), connection, watch)
                    connection.create_function(function, arguments, ask, deterministic=True)
            connection.execute(f"CREATE TEMP VIEW {name} AS {view.replace(BASE, base)}")
            reads[name] = tables_in(sql, BASE)
        connection.execute("PRAGMA query_only=ON")
        connection.set_authorizer(authorizer(base, reads, watch))

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.info["watch"].open_for(who(), connection.connection.dbapi_connection)

    @event.listens_for(engine, "checkin")
    def leave(_connection: object, record: Any) -> None:
        if "watch" in record.info:
            record.info["watch"].fix(NOBODY)


def authorizer(base: str, reads: dict[str, frozenset[str]], watch: Watch) -> Callable[..., int]:
    """Allow reading a column only through a view that is made of it, and no statement other than SELECT.

    The body of a rule's function reads the tables themselves; only a view may call such a function.
    """

    # Called for every column while a statement is compiled: thousands of times for a page.
    def may(action: int, what: str | None, which: str | None, database: str | None, view: str | None) -> int:
        if action == sqlite.SQLITE_READ:
            # A count of rows names no column and no view: but no question can name `base` itself.
            through = watch.is_asking or (
                not which or (view in reads and what in reads[view]) if database == base else what in reads
            )
            return int(sqlite.SQLITE_OK if through else sqlite.SQLITE_DENY)
        if action == sqlite.SQLITE_FUNCTION:
            is_rule = (which or "").lower().startswith(PREFIX) and view not in reads
            return int(sqlite.SQLITE_DENY if is_rule or which in DANGEROUS else sqlite.SQLITE_OK)
        return int(sqlite.SQLITE_OK if action in HARMLESS else sqlite.SQLITE_DENY)

    return may
