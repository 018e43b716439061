"""Requests that are too large: they get an answer, and their text is never truncated unnoticed."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Any

import flask
from werkzeug.exceptions import RequestEntityTooLarge

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PIECE = 64 * 1024
MOST_BYTES = 64 * 1024 * 1024
MOST_SECONDS = 20.0


class DrainedBodies:
    """WSGI middleware that sends the answer when the request has been read to its end, or to these bounds.

    A server that answers and closes while data is under way breaks the connection, and the browser shows no page.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        most_bytes: int = MOST_BYTES,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self.application = application
        self.most_bytes = most_bytes
        self.most_seconds = most_seconds

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        answer = self.application(environ, start_response)
        if environ.get("CONTENT_LENGTH") not in {None, "", "0"} or "HTTP_TRANSFER_ENCODING" in environ:
            self.drain(body, environ.get("gunicorn.socket"))
        return answer

    def drain(self, body: Any, connection: socket.socket | None) -> None:
        """Read on. A sender that stops in the middle holds the worker no longer than the time limit."""
        # A read waits for its sender: an alarm ends one that waits too long.
        bell = Timer(self.most_seconds, stop_receiving, (connection,))
        bell.start()
        end, left = monotonic() + self.most_seconds, self.most_bytes
        # A broken body ends here as a complete one does: the answer is known already.
        with suppress(Exception):
            while left > 0 and monotonic() < end and (piece := body.read(min(PIECE, left))):
                left -= len(piece)
        bell.cancel()


def stop_receiving(connection: socket.socket | None) -> None:
    with suppress(OSError):
        if connection is not None:
            connection.shutdown(socket.SHUT_RD)


class Request(flask.Request):
    """A request whose form is complete."""

    def _load_form_data(self) -> None:
        super()._load_form_data()
        # Of a chunked body Werkzeug reads as much as is allowed and silently drops the rest.
        if self.content_length is None and getattr(self.stream, "is_exhausted", False):
            del self.__dict__["form"], self.__dict__["files"]
            raise RequestEntityTooLarge
