"""What is logged of an error: where it happened, never what was typed, asked or found."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any
from uuid import uuid4

from flask import Flask, request

from portal.audit.services import request_id


class Portal(Flask):
    """Flask, but an exception is logged by its kind and its place: its message may hold a person's data."""

    def log_exception(
        self,
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[Any, Any, Any],
    ) -> None:
        kind, _error, trace = exc_info
        places = "".join(traceback.format_tb(trace))
        self.logger.error(
            "%s in %s %s, request %s\n%s",
            getattr(kind, "__name__", kind),
            request.method,
            request.endpoint,
            request_id.get(),
            places,
        )


def init_app(app: Flask) -> None:
    @app.before_request
    def name_the_request() -> None:
        """Before anything can refuse it: what is logged of one request bears one name."""
        request_id.set(uuid4().hex)
