"""SQLite files that only their owner can open, whatever the umask and wherever they lie."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from urllib.parse import unquote

# What SQLite lays beside a database: it gives each the permissions of the database as it makes it.
BESIDE = ("", "-wal", "-shm", "-journal")
FOR_OTHERS = 0o077
making = Lock()


def path_of(database: str | None) -> Path | None:
    """The file of a SQLite address; None of one in memory."""
    name = database or ""
    if name.startswith("file:"):
        name = unquote(name.removeprefix("file:").partition("?")[0])
    # SQLite, too, lays its log beside the file that a link points to.
    return Path(os.path.realpath(name)) if name and name != ":memory:" else None


def keep_private(database: str | None) -> None:
    """Make the file for its owner alone, before SQLite would with the permissions that the umask leaves.

    A file of an older version, and what lies beside it, is taken back from others. What cannot be done here is left
    to SQLite, which says what is wrong with the file or its folder.
    """
    path = path_of(database)
    if path is None:
        return
    # One thread at a time: closing a file gives back the locks that the whole process has on it, also SQLite's.
    with making, suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return
    for suffix in BESIDE:
        file = f"{path}{suffix}"
        with suppress(OSError):
            mode = os.stat(file).st_mode
            if mode & FOR_OTHERS:
                os.chmod(file, mode & 0o600)
