"""The names the portal answers to: a page for those who call it otherwise, and the health check from the machine itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import Flask, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import SecurityError

from portal.web.away import plain_page

if TYPE_CHECKING:
    from flask import Request

HEALTH = "/healthz"
THIS_MACHINE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")


def is_own_monitor(request: Request) -> bool:
    """Whether a monitor on the machine asks for the health, by the machine's own name."""
    called = request.environ.get("HTTP_HOST", "")
    return request.path == HEALTH and THIS_MACHINE.fullmatch(called) is not None


def init_app(app: Flask) -> None:
    """Check the host before anything else looks at a request."""

    @app.before_request
    def refuse_other_names() -> None:
        if isinstance(request.routing_exception, SecurityError):
            # So that the page can name its style sheet: paths only, without the host that was called.
            request_ctx.url_adapter = app.url_map.bind("portal.invalid")
            raise request.routing_exception

    @app.errorhandler(SecurityError)
    def other_name(_error: SecurityError) -> ResponseReturnValue:
        page = plain_page(
            "errors/away.html",
            title=gettext("このアドレスでは使えません"),
            detail=gettext("つなぐのアドレスを確かめて、開き直してください。"),
            again_url="",
            fields=[],
            can_send=False,
            is_once=False,
        )
        return page, 400
