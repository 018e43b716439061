"""The file of a SQLite database: created by migrations only, for its owner only, never silently replaced."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pysqlite3 import dbapi2 as sound_sqlite
from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DisconnectionError

from portal.core.faults import CANNOT_OPEN

# What SQLite lays beside a database: it gives each the permissions of the database as it makes it.
BESIDE = ("", "-wal", "-shm", "-journal")
FOR_OTHERS = 0o077


def path_of(database: str | None) -> Path | None:
    """The file of a SQLite address; None of one in memory."""
    name = database or ""
    if name.startswith("file:"):
        name = unquote(name.removeprefix("file:").partition("?")[0])
    # SQLite, too, lays its log beside the file that a link points to.
    return Path(os.path.realpath(name)) if name and name != ":memory:" else None


def make_file(url: URL) -> None:
    """An empty database where there is none, for the migrations to fill; nobody but its owner can open it.

    SQLite itself would make it with the permissions that the umask leaves.
    """
    path = path_of(url.database) if url.get_backend_name() == "sqlite" else None
    if path is not None:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def keep_private(path: Path) -> None:
    """Take a file of an older version, and what lies beside it, back from others.

    What cannot be done here is left to SQLite, which says what is wrong with the file or its folder.
    """
    for suffix in BESIDE:
        file = f"{path}{suffix}"
        with suppress(OSError):
            mode = os.stat(file).st_mode
            if mode & FOR_OTHERS:
                os.chmod(file, mode & 0o600)


def stay_with_the_file(engine: Engine) -> None:
    """Never create a missing file anew, and close connections to a file that was moved or replaced.

    Otherwise writes during an unmounted disk would go to another file, and be lost when the disk is back.
    """

    @event.listens_for(engine, "do_connect")
    def look(_dialect: object, record: Any, given: list[Any], _more: object) -> None:
        file = path_of(given[0])
        record.info["path"] = file
        if file is None:
            return
        keep_private(file)
        record.info["file"] = identity(file)
        if record.info["file"] is None:
            error: Any = sound_sqlite.OperationalError("unable to open database file")
            error.sqlite_errorcode, error.sqlite_errorname = CANNOT_OPEN, "SQLITE_CANTOPEN"
            raise error

    @event.listens_for(engine, "checkout")
    def look_again(_connection: object, record: Any, _proxy: object) -> None:
        file = record.info["path"]
        if file is not None and record.info["file"] != identity(file):
            raise DisconnectionError("the database file is another one")


def identity(file: Path) -> tuple[int, int] | None:
    """The device and the number of a file; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
