"""Faults of the machine and of the code: a plain page that keeps what was typed and needs no database."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import InternalServerError

from portal.core.errors import fields_sent
from portal.core.faults import ERRORS, Fault, fault_of
from portal.core.labels import N_
from portal.web.last_resort import TYPED_IN

RETRY_AFTER = "30"


@dataclass(frozen=True, slots=True)
class Words:
    """What a fault is called, and what it means for a page that was opened and for a form that was sent."""

    title: str
    opened: str
    sent: str


WORDS = {
    Fault.AWAY: Words(
        N_("いま、つなぐを使えません"),
        N_("記録を保管している場所につながりません。しばらくしてから、もう一度開いてください。"),
        N_("記録を保管している場所につながらず、保存されたかどうかを確かめられません。"),
    ),
    Fault.UNWRITABLE: Words(
        N_("いま、記録を書き込めません"),
        N_(
            "個人の情報を見たことは、必ず記録に残します。いまはその記録を残せないため、このページを表示できません。ほかのページは開けることがあります。"
        ),
        N_("記録を書き込めないため、保存できませんでした。"),
    ),
    Fault.BUSY: Words(
        N_("ただいま混み合っています"),
        N_("少し待ってから、もう一度開いてください。"),
        N_("混み合っていて、保存できませんでした。"),
    ),
}


def plain_page(template: str, **values: object) -> str:
    """A page without the signed-in member, the navigation and the banners, which need the database."""
    return current_app.jinja_env.get_template(template).render(is_plain=True, **values)


def kept() -> dict[str, object]:
    """What was sent, to be sent again from the page; never a password or a file."""
    if request.method in {"GET", "HEAD"}:
        return {"again_url": request.full_path.rstrip("?"), "fields": [], "can_send": False, "is_once": False}
    try:
        fields = fields_sent()
        can_send = not request.files and not any("password" in name for name in request.form)
    except Exception:  # the body itself cannot be read
        fields, can_send = [], False
    request.environ[TYPED_IN] = fields
    is_once = any(name == "idempotency_key" for name, _value in fields)
    action = request.full_path.rstrip("?")
    return {"again_url": "", "action": action, "fields": fields, "can_send": can_send, "is_once": is_once}


def away_page(fault: Fault) -> ResponseReturnValue:
    words = WORDS[fault]
    is_read = request.method in {"GET", "HEAD"}
    values = {"title": gettext(words.title), "detail": gettext(words.opened if is_read else words.sent)}
    values |= kept()
    page = ""
    if fault is Fault.UNWRITABLE:  # reading is still possible: the navigation leads there
        try:
            page = render_template("errors/away.html", is_plain=False, **values)
        except Exception:
            page = ""
    response = make_response(page or plain_page("errors/away.html", **values), 503)
    response.headers["Retry-After"] = RETRY_AFTER
    return response


def init_app(app: Flask) -> None:
    def away(error: Exception) -> ResponseReturnValue:
        fault = fault_of(error)
        if fault is None:
            raise error  # a statement of ours that is wrong
        app.log_exception((type(error), error, error.__traceback__))  # type: ignore[arg-type]
        return away_page(fault)

    for kind in ERRORS:
        app.register_error_handler(kind, away)

    @app.errorhandler(InternalServerError)
    def broken(error: InternalServerError) -> ResponseReturnValue:
        """The page for a programming error, also for one while another refusal was answered."""
        if fault := fault_of(error.original_exception):
            return away_page(fault)
        return plain_page("errors/500.html", **kept()), 500
