"""The file of a SQLite database: it is made by the migrations alone, and its connections stay with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sound_sqlite
from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DisconnectionError

from portal.faults import CANNOT_OPEN


def make_file(url: URL) -> None:
    """An empty database where there is none, for the migrations to fill."""
    if url.get_backend_name() == "sqlite":
        Path(url.database or "").touch(mode=0o600)


def stay_with_the_file(engine: Engine) -> None:
    """A file that is not there is not made anew, and a connection to one that was moved or replaced is given up.

    Else what is written while a disk is not mounted would lie in another file, and be lost when it is back.
    """
    file = Path(engine.url.database or "")

    def which() -> tuple[int, int] | None:
        try:
            found = file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @event.listens_for(engine, "do_connect")
    def look(_dialect: object, record: Any, _given: object, _more: object) -> None:
        record.info["file"] = which()
        if record.info["file"] is None:
            error: Any = sound_sqlite.OperationalError("unable to open database file")
            error.sqlite_errorcode, error.sqlite_errorname = CANNOT_OPEN, "SQLITE_CANTOPEN"
            raise error

    @event.listens_for(engine, "checkout")
    def look_again(_connection: object, record: Any, _proxy: object) -> None:
        if record.info["file"] != which():
            raise DisconnectionError("the database file is another one")
