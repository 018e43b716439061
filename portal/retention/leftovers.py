"""What an erasure leaves in the files of the database until they are written anew."""

from __future__ import annotations

from portal.db import db
from portal.errors import Conflict, PortalError
from portal.words import N_


def clear_files(*, rebuild: bool = False) -> None:
    """Write the write-ahead log of SQLite back and empty it; with `rebuild`, write the whole file anew.

    Raises:
        Conflict: somebody reads or writes at this moment; nothing was lost, try again.
        PortalError: this database is not SQLite; it has commands of its own.
    """
    if db.engine.dialect.name != "sqlite":
        raise PortalError(N_("PostgreSQL では VACUUM を使ってください（docs/operations.md）。"))
    # Neither may run inside a transaction, so this connection begins none.
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        if rebuild:
            cursor.execute("VACUUM")
        (is_busy, _pages, _written) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()
    if is_busy:
        raise Conflict(N_("ほかの処理が使っているため、終わりませんでした。もう一度実行してください。"))
