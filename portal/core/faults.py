"""What is wrong with the database when it fails: nobody's mistake, and temporary."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

import psycopg
from pysqlite3 import dbapi2 as sound_sqlite
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

# The drivers' own errors come past SQLAlchemy where the wall speaks to the driver itself.
DRIVERS = (sound_sqlite.Error, psycopg.Error)
ERRORS: tuple[type[Exception], ...] = (DBAPIError, NoConnectionFree, *DRIVERS)


READING = re.compile(r"\s*(SELECT|WITH|BEGIN)\b", re.IGNORECASE)


class Fault(Enum):
    AWAY = "away"  # it cannot be reached or read
    UNWRITABLE = "unwritable"  # it can be read, and nothing can be written: disk full, read-only, a standby
    BUSY = "busy"  # somebody else holds what is needed


# SQLite's own numbers: https://sqlite.org/rescode.html
READ_ONLY, IO_ERROR, CORRUPT, FULL, CANNOT_OPEN, NO_DATABASE = 8, 10, 11, 13, 14, 26
SQLITE_KINDS = {
    5: Fault.BUSY,
    6: Fault.BUSY,
    READ_ONLY: Fault.UNWRITABLE,
    IO_ERROR: Fault.UNWRITABLE,  # of a writer; who cannot read finds out by reading
    CORRUPT: Fault.AWAY,
    FULL: Fault.UNWRITABLE,
    CANNOT_OPEN: Fault.AWAY,
    NO_DATABASE: Fault.AWAY,
}
# A connection that met one of these may go on meeting it when the cause is gone: it is not used again.
SPOILT = {READ_ONLY, IO_ERROR, CORRUPT, CANNOT_OPEN, NO_DATABASE}
# PostgreSQL's: whole classes by their first two characters.
POSTGRESQL_KINDS = {
    "25006": Fault.UNWRITABLE,  # a standby, or a database set to read-only
    "53100": Fault.UNWRITABLE,  # disk full
    "58030": Fault.UNWRITABLE,  # a file could not be written
    "53": Fault.AWAY,
    "57P": Fault.AWAY,  # shutting down, crashed, starting
    "08": Fault.AWAY,
    "3D000": Fault.AWAY,  # the database is gone
    "28": Fault.AWAY,  # nobody may sign in to it
    "40001": Fault.BUSY,
    "40P01": Fault.BUSY,
    "55P03": Fault.BUSY,
    "57014": Fault.BUSY,
}


def kind_of(error: Any, *, is_disconnect: bool = False) -> Fault | None:
    """The fault behind a driver's error; None when the statement itself is wrong."""
    if code := sqlite_code(error):
        # Without its tables, another file lies in the place of the database.
        return Fault.AWAY if str(error).startswith("no such table") else SQLITE_KINDS.get(code)
    state = getattr(error, "sqlstate", None) or ""
    found = next((POSTGRESQL_KINDS[state[:n]] for n in (5, 3, 2) if state[:n] in POSTGRESQL_KINDS), None)
    if found is None and (is_disconnect or is_no_connection(error)):
        return Fault.AWAY
    return found


def is_no_connection(error: Any) -> bool:
    """Whether no connection came about: libpq gives such an error no code."""
    return type(error).__name__ in {"OperationalError", "ConnectionTimeout"} and not getattr(
        error, "sqlstate", None
    )


def sqlite_code(error: Any) -> int:
    """SQLite's code of this error without the extended bits; 0 for an error of another database."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def watch(engine: Engine, *, readonly: bool) -> None:
    """Mark each error of this engine with its fault, for `fault_of`.

    On an engine that only reads, an attempt to write is a programmer's mistake, and is marked with nothing.
    """

    @event.listens_for(engine, "handle_error")
    def mark(context: ExceptionContext) -> None:
        error, cause = context.sqlalchemy_exception, context.original_exception
        if sqlite_code(cause) in SPOILT:
            context.is_disconnect = True
        if error is None or (readonly and is_refused_write(cause, context.statement)):
            return
        found = kind_of(cause, is_disconnect=context.is_disconnect)
        if readonly and found is Fault.UNWRITABLE:
            found = Fault.AWAY
        error.fault = found  # type: ignore[attr-defined]


def is_refused_write(error: Any, statement: str | None) -> bool:
    is_read_only = sqlite_code(error) == READ_ONLY or getattr(error, "sqlstate", "") == "25006"
    return is_read_only and statement is not None and not READING.match(statement)


def fault_of(error: BaseException | None) -> Fault | None:
    """The fault of the database behind this error; None for every mistake of ours."""
    if isinstance(error, NoConnectionFree):
        return Fault.BUSY
    if isinstance(error, DRIVERS):
        return kind_of(error)
    found: Fault | None = getattr(error, "fault", None)
    return found


def words_of(error: BaseException) -> str:
    """The error in one word for the server's log: its code, never its text, which may hold what was typed."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return f"{type(cause).__name__} {code}" if code else type(cause).__name__
