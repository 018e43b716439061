"""Pages that belong to no feature: the language switch and the health check."""

from flask import Blueprint, current_app, redirect, request, session
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from portal.core.errors import missing_page
from portal.core.heartbeat import heartbeat
from portal.web.addresses import local_path

bp = Blueprint("web", __name__)


@bp.get("/language/<code>")
def language(code: str) -> ResponseReturnValue:
    if code not in current_app.config["LANGUAGES"]:
        return missing_page()
    session["language"] = code
    return redirect(local_path(request.args.get("next")), 303)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while the database can be written, 503 while it cannot; no detail, and no sign-in is looked at."""
    word, status = ("ok", 200) if heartbeat.beats() else ("unavailable", 503)
    return word, status, {"Content-Type": "text/plain; charset=utf-8"}


# `@public` is the gate's word, and the gate knows of this module, not the other way round.
language.is_public = healthz.is_public = True  # type: ignore[attr-defined]


def template_globals() -> dict[str, object]:
    return {"get_locale": get_locale}
