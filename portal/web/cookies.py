"""The session cookie: signed, without an age limit, because the row of the session holds its lifetime."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature


class Cookies(SecureCookieSessionInterface):
    """Accepts a cookie whose signature is dated in the future, unlike other timed signatures.

    Otherwise a clock put back by a second would sign everybody out and lose what they were typing.
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
