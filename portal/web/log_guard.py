"""Pages show a banner while the log contradicts its kept checkpoints or the clock is behind."""

from __future__ import annotations

from typing import Any

from flask import Flask, request

from portal.audit import jumps, log_integrity
from portal.audit.checkpoint_store import keeping
from portal.core.db import db
from portal.core.faults import ERRORS, fault_of

# Endpoints that answer in any case: one is no page, the other is the health check.
INDIFFERENT = {"static", "web.healthz"}


def init_app(app: Flask) -> None:
    @app.before_request
    def look_at_the_log() -> None:
        """Check before a worker's first page, and again while something is wrong; entries check later."""
        if request.endpoint in INDIFFERENT:
            return
        looks = ((log_integrity.watch, log_integrity.present), (jumps.watch, jumps.present))
        for watch, present in looks:
            if watch.is_to_look():
                try:
                    with db.transaction(keep_reader=True) as session:
                        present(session)
                except ERRORS as error:
                    # Pages without an entry may be shown; each entry, and so each act, checks again.
                    if fault_of(error) is None or request.method not in {"GET", "HEAD"}:
                        raise

    @app.context_processor
    def halted() -> dict[str, Any]:
        return {
            "log_halted": log_integrity.watch.contradiction if keeping.folder else None,
            "clock_behind": jumps.watch.step is not None,
        }
