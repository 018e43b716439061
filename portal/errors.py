"""Everything the domain can refuse, and the page each refusal becomes."""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from portal.words import N_, Worded

# Never shown or sent on: the safety marks are made anew, and no password is ever echoed.
PLUMBING = {"csrf_token", "acting", "password"}


class PortalError(Exception):
    """A refusal that the user can understand: a message (msgid) with its values, and what to do next.

    `status` is the HTTP status of its page; `field` names the form field it belongs to, if one does.
    """

    status = 400
    title = N_("手続きを完了できませんでした")

    def __init__(self, message: str = "", *, field: str | None = None, **values: Any) -> None:
        super().__init__(message)
        self.message = message
        self.values = values
        self.field = field

    def text(self) -> str:
        """The message in the reader's language; an enum among the values is printed by its word."""
        values = {k: gettext(v.word) if isinstance(v, Worded) else v for k, v in self.values.items()}
        return gettext(self.message, **values) if self.message else ""


class NotAllowed(PortalError):
    status = 403
    title = N_("この操作はできません")


class Conflict(PortalError):
    """The act was right when the page was opened and is not any more."""

    status = 409
    title = N_("先に状況が変わりました")


class StaleForm(Conflict):
    """Somebody changed the record while this form was open."""


class NoBasis(Conflict):
    """There is no live legal basis for what the act would tell."""

    title = N_("情報を提供する根拠がありません")


class Invalid(PortalError):
    """A typed value that the rules refuse; `field` says where."""

    title = N_("入力を確認してください")


class TooMany(PortalError):
    status = 503
    title = N_("ただいま混み合っています")


def typed() -> list[tuple[str, str]]:
    """What the person typed into the form of this request, so that no refusal loses it."""
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if value and not any(part in name for part in PLUMBING)
    ]


def fields_sent() -> list[tuple[str, str]]:
    """All fields of the form of this request as they were sent, the empty ones too: what was cleared stays cleared.

    Who filled it in stays in it: under another sign-in it is not carried out.
    """
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name == "acting" or not any(part in name for part in PLUMBING)
    ]


def refusal_page(error: PortalError) -> ResponseReturnValue:
    page = render_template(
        "errors/problem.html", title=gettext(error.title), detail=error.text(), typed=typed()
    )
    return page, error.status


def missing_page() -> ResponseReturnValue:
    """The one answer for what does not exist and for what this reader must not know of."""
    return render_template("errors/missing.html"), 404


def init_app(app: Flask) -> None:
    @app.errorhandler(PortalError)
    def refused(error: PortalError) -> ResponseReturnValue:
        return refusal_page(error)

    @app.errorhandler(CSRFError)
    def forged(_error: CSRFError) -> ResponseReturnValue:
        fields = [
            (name, value) for name, value in fields_sent() if name != "acting"
        ]  # the page says who acts
        return render_template("errors/resubmit.html", fields=fields, action=request.path), 400

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        status = error.code or 400
        title = HTTP_TITLES.get(status, N_("手続きを完了できませんでした"))
        kept = [] if status == 413 else typed()  # what is too large cannot be read here either
        page = render_template("errors/problem.html", title=gettext(title), detail="", typed=kept)
        return page, status


HTTP_TITLES = {
    400: N_("送信された内容を読み取れませんでした"),
    403: N_("この操作はできません"),
    405: N_("この操作はできません"),
    413: N_("送信された内容が大きすぎます"),
    429: N_("しばらく待ってからもう一度お試しください"),
}
