"""The database as somebody with the disk sees it: every byte of the file, or of a dump."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sqlalchemy import make_url, text

from portal.core.db import db, make_engine
from tests.databases import PostgreSQLServer, flask


def tidy(url: str) -> None:
    """What docs/operations.md asks for after an erasure."""
    db.dispose()
    if make_url(url).get_backend_name() == "sqlite":
        flask(url, "retention", "clear-files")
        db.bind(url)
        return
    engine = make_engine(url, readonly=False)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM FULL"))
    engine.dispose()
    db.bind(url)


def everything(url: str) -> bytes:
    """All that lies on the disk (SQLite) or that a dump carries away (PostgreSQL)."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite":
        file = Path(where.database or "")
        parts = [file, Path(f"{file}-wal")]
        return b"".join(part.read_bytes() for part in parts if part.exists())
    # The keeper of the server: row-level security hides nothing from them.
    keeper = where.set(drivername="postgresql", username="keeper")
    plain = keeper.render_as_string(hide_password=False)
    dump = (f"{PostgreSQLServer.programs()}/pg_dump", "--data-only", plain)
    return subprocess.run(dump, check=True, capture_output=True).stdout


def holds(haystack: bytes, word: str) -> bool:
    """As it is, or as JSON escapes it (with the backslash doubled, in a dump)."""
    escaped = word.encode("unicode_escape")
    return any(form in haystack for form in (word.encode(), escaped, escaped.replace(b"\\", b"\\\\")))
