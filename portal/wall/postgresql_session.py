"""The wall on PostgreSQL, for each connection: the reader is named when a transaction begins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, event

from portal.core import clock
from portal.wall import postgresql
from portal.wall.functions import planned_once
from portal.wall.reader import VALUES, Reader

logger = logging.getLogger(__name__)


class OtherRules(RuntimeError):
    """The views in the database were put up by another version of the rules."""

    def __init__(self) -> None:
        super().__init__(postgresql.DIFFERS)


def install_views(engine: Engine, who: Callable[[], Reader]) -> None:
    engine.dialect.do_ping = ping  # type: ignore[method-assign, assignment]

    @event.listens_for(engine, "connect")
    def ask(connection: Any, record: Any) -> None:
        if connection.execute(postgresql.STANDS).fetchone()[0] != postgresql.mark_of_rules():
            connection.close()
            logger.error(postgresql.DIFFERS)
            raise OtherRules
        record.info["has_role"] = connection.execute(postgresql.MAY_BECOME).fetchone()[0]
        connection.rollback()
        connection.prepare_threshold, connection.prepared_max = 0, 500

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        now = clock.now()
        values = {name: value(who(), now) for name, value in VALUES.items()}
        # By the driver: what the portal itself says here, no statement of a page may say.
        connection.connection.dbapi_connection.execute(
            postgresql.introduction(values, has_role=connection.info["has_role"]), prepare=False
        )

    plan = lru_cache(maxsize=1000)(planned_once)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def once(
        _connection: object, _cursor: object, statement: str, given: Any, *_more: object
    ) -> tuple[str, Any]:
        return plan(statement), given


def ping(connection: Any) -> bool:
    """Whether the server still answers. SQLAlchemy's own way would leave a prepared statement behind each time."""
    before = connection.autocommit
    connection.autocommit = True
    try:
        connection.execute("", prepare=False)
    finally:
        if not connection.closed:
            connection.autocommit = before
    return True
