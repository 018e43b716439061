"""Puts the wall before the reader session of a database, of either kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sqlalchemy import Engine, event

from portal.core import faults
from portal.core.db import Database
from portal.wall import postgresql, postgresql_session, sqlite
from portal.wall.postgresql_session import OtherRules
from portal.wall.reader import NOBODY


class Refused(RuntimeError):
    """A statement that tries to go round the wall: a programmer's mistake, so it is no `PortalError`."""


def install(database: Database) -> None:
    """Let the reader session of every database that this one is bound to query views that know who reads."""

    def install_views(engine: Engine) -> None:
        is_file = engine.dialect.name == "sqlite"
        views = sqlite.install_views if is_file else postgresql_session.install_views
        views(engine, lambda: database.reader.get() or NOBODY)
        refuse(engine, sqlite.goes_round if is_file else postgresql.goes_round)

    database.install_views = install_views


def look_before_serving(database: Database) -> None:
    """Check that the views in the database are of these rules; later each new reader connection checks.

    A database that is away changes nothing: the portal starts, and answers 503 until it is there.

    Raises:
        OtherRules: they are not.
    """
    if database.install_views is None or database.read_engine.dialect.name == "sqlite":
        return  # on SQLite each connection makes its own views
    try:
        with database.unrestricted_engine.connect() as connection:
            mark = connection.exec_driver_sql(postgresql.STANDS).scalar_one()
    except faults.ERRORS:
        return
    finally:
        database.unrestricted_engine.dispose()  # a server that forks after this must not share a connection
    if mark != postgresql.mark_of_rules():
        raise OtherRules


def refuse(engine: Engine, goes_round: Callable[[str], bool]) -> None:
    looked_at = lru_cache(maxsize=2000)(goes_round)  # pages ask the same questions over and over

    @event.listens_for(engine, "before_cursor_execute")
    def look(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if looked_at(statement):
            raise Refused("the reader session refuses this statement")
