"""Logging of errors: where one happened, never what was typed, queried or found."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from flask import Flask, Request, request
from werkzeug.routing import MapAdapter

from portal.audit.services import request_id
from portal.core.faults import fault_of, words_of
from portal.web.addresses import KnownAddresses
from portal.web.hosts import is_own_monitor
from portal.web.last_resort import last_resort

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Discreet(logging.Formatter):
    """An exception by its kind and, unless `is_brief`, its place: its message may hold a person's data."""

    is_brief = False

    def formatException(  # noqa: N802 - the name that logging calls
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        kind, error, trace = ei
        name = words_of(error) if error is not None else getattr(kind, "__name__", str(kind))
        return name if self.is_brief else f"{name}\n{''.join(traceback.format_tb(trace))}".rstrip()


class PersonSummary(Discreet):
    """The same on one line."""

    is_brief = True

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(super().format(record).split("\n"))


def say_less(app: Flask) -> None:
    """Keep every logger of ours and of libraries from writing the text of an exception."""
    for handler in app.logger.handlers:
        handler.setFormatter(Discreet("[%(asctime)s] %(levelname)s in %(module)s: %(message)s"))
    for handler in logging.getLogger("gunicorn.error").handlers:
        handler.setFormatter(Discreet("[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"))
    pool = logging.getLogger("sqlalchemy")  # names what the database answered when a connection is given up
    if not pool.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(PersonSummary("[%(asctime)s] %(levelname)s in %(name)s: %(message)s"))
        pool.addHandler(handler)


class Portal(KnownAddresses):
    """Flask that logs an exception by its kind and place only, and never leaves a request unanswered."""

    def log_exception(
        self,
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[Any, Any, Any],
    ) -> None:
        kind, error, trace = exc_info
        if fault := fault_of(error):
            self.logger.error(
                "database %s: %s in %s %s, request %s",
                fault.value,
                words_of(error),
                request.method,
                request.endpoint,
                request_id.get(),
            )
            return
        places = "".join(traceback.format_tb(trace))
        self.logger.error(
            "%s in %s %s, request %s\n%s",
            getattr(kind, "__name__", kind),
            request.method,
            request.endpoint,
            request_id.get(),
            places,
        )

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """A monitor on the machine itself may ask for the health by the machine's own name."""
        if request is not None and is_own_monitor(request):
            return self.url_map.bind_to_environ(request.environ)
        return super().create_url_adapter(request)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        begun: list[Any] = []  # held back until the teardown, so that a failure there is answered
        try:
            body = super().wsgi_app(environ, lambda *answer: begun.append(answer) or _written)  # type: ignore[func-returns-value]
        except Exception as error:
            if self.testing or self.debug:
                raise
            trace = "" if fault_of(error) else f"\n{''.join(traceback.format_tb(error.__traceback__))}"
            self.logger.error("%s past every page%s", words_of(error), trace)
            return last_resort(environ, error)(environ, start_response)
        start_response(*begun[-1])
        return body


def _written(_data: bytes) -> None:
    """Nothing of ours writes past the body."""


def init_app(app: Flask) -> None:
    @app.before_request
    def name_the_request() -> None:
        """Name the request before anything can refuse it, so that its log lines share one name."""
        request_id.set(uuid4().hex)
