"""A page that was overtaken by the end of a basis is made again, from what may be seen now."""

from __future__ import annotations

from typing import cast

from flask import Flask, g, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from portal.audit.stale_read import StaleRead
from portal.core.db import db
from portal.core.errors import refusal_page

TRIES = 3


def init_app(app: Flask) -> None:
    @app.errorhandler(StaleRead)
    def again(error: StaleRead) -> ResponseReturnValue:
        """Repeat the request internally; a sent form is not repeated unasked."""
        tries = g.get("tries_again", 0)
        if request.method not in {"GET", "HEAD"} or tries >= TRIES:
            return refusal_page(error)
        g.tries_again = tries + 1
        db.end()
        try:
            return app.dispatch_request()
        except Exception as another:
            return cast(Response, app.handle_user_exception(another))
