"""Whether the database can be written now: asked by a real write, seldom, and never for long."""

from __future__ import annotations

import logging
import os
import time
from contextlib import closing
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from pysqlite3 import dbapi2 as sound_sqlite
from sqlalchemy import URL, Engine, NullPool, create_engine

from portal.core.db import db
from portal.core.faults import words_of

log = logging.getLogger(__name__)

PATIENCE = 2  # seconds for a lock, a connection, a statement
KEPT_WELL, KEPT_ILL = 5.0, 2.0  # how long an answer serves all who ask this process
ROOM = 1024 * 1024  # bytes free: an act writes some dozens of pages
# Makes a file grow and the log of the server reach the disk, and leaves no row in any table of ours.
WRITE_POSTGRESQL = """
BEGIN;
SELECT 1 FROM audit_head;
CREATE TEMPORARY TABLE tsunagu_heartbeat (beat integer) ON COMMIT DROP;
INSERT INTO tsunagu_heartbeat VALUES (1);
COMMIT
"""


class NoRoom(OSError):
    """The disk of the database is full but for a little."""


class Heartbeat:
    """The last answer and its time. Whoever asks during a check gets the previous answer."""

    def __init__(self) -> None:
        self.looking = Lock()
        self.forget()

    def forget(self) -> None:
        self.engine: Engine | None = None
        self.is_well: bool | None = None
        self.until = 0.0

    def beats(self) -> bool:
        """Whether the database could be written a few seconds ago, or now."""
        if self.engine is db.engine and self.is_well is not None and time.monotonic() < self.until:
            return self.is_well
        is_known = self.engine is db.engine and self.is_well is not None
        if not self.looking.acquire(timeout=0 if is_known else 2 * PATIENCE):
            return bool(self.is_well)
        try:
            if not (self.engine is db.engine and time.monotonic() < self.until):
                self.look(db.engine)
            return bool(self.is_well)
        finally:
            self.looking.release()

    def look(self, engine: Engine) -> None:
        before, was = self.is_well, self.engine
        try:
            (write_sqlite if engine.dialect.name == "sqlite" else write_postgresql)(engine.url)
            self.is_well = True
        except Exception as error:
            self.is_well = False
            if before is not False or was is not engine:  # once, not at each call
                log.error("the database cannot be written: %s", words_of(error))
        self.engine = engine
        self.until = time.monotonic() + (KEPT_WELL if self.is_well else KEPT_ILL)


def write_sqlite(url: URL) -> None:
    """Write the first page as it is: a page of the write-ahead log, and no more.

    Raises:
        Exception: it cannot be done.
    """
    file = Path(url.database or "").absolute()
    address = f"file:{quote(str(file))}?mode=rw"  # never makes a file that is not there
    with closing(
        sound_sqlite.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
    ) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT 1 FROM audit_head").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version={int(version)}")
        connection.execute("COMMIT")
    # The write-ahead log may have had a spare page on a disk that is full.
    disk = os.statvfs(file)
    if disk.f_bavail * disk.f_frsize < ROOM:
        raise NoRoom


def write_postgresql(url: URL) -> None:
    """Fill a page of a table that is gone with its transaction.

    Raises:
        Exception: it cannot be done.
    """
    limits = f"-c statement_timeout={PATIENCE * 1000} -c lock_timeout={PATIENCE * 1000}"
    options = f"{url.query.get('options', '')} {limits}".strip()
    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={"connect_timeout": PATIENCE, "options": options},
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(WRITE_POSTGRESQL)


heartbeat = Heartbeat()
