"""The session's cookie: signed, and as old as it may be, for how long a session lasts is told by its row."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature


class Cookies(SecureCookieSessionInterface):
    """Takes a cookie that was signed in what is now the future, as no timed signature does.

    A clock that is put back by a second would else sign everybody out, and lose what they were typing.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        signed = request.cookies.get(self.get_cookie_name(app))
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        try:
            return self.session_class(serializer.loads(signed) if signed else None)
        except BadSignature:
            return self.session_class()


def init_app(app: Flask) -> None:
    app.session_interface = Cookies()
