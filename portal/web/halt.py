"""Every page knows whether the log goes on from what was kept, and whether the clock does; else a banner says so."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Flask, request
from sqlalchemy.exc import DBAPIError

from portal.audit import jumps, soundness
from portal.audit.keeping import keeping
from portal.db import db

# They answer whatever the log is like: one is no page, the other tells a monitor that the database answers.
INDIFFERENT = {"static", "web.healthz"}


def init_app(app: Flask) -> None:
    @app.before_request
    def look_at_the_log() -> None:
        """Before a worker's first page, and again while something is wrong; later every entry looks by itself."""
        if request.endpoint in INDIFFERENT:
            return
        if soundness.watch.is_to_look():
            with db.transaction(keep_reader=True) as session:
                soundness.present(session)
        if jumps.watch.is_to_look():
            # Where nothing can be written this is told by whatever is to be logged, and a page without entries is shown.
            with suppress(DBAPIError), db.transaction(keep_reader=True) as session:
                jumps.present(session)

    @app.context_processor
    def halted() -> dict[str, Any]:
        return {
            "log_halted": soundness.watch.contradiction if keeping.folder else None,
            "clock_behind": jumps.watch.step is not None,
        }
