"""The pages that explain: how each page is used, the first day, and what stands under その他."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.accounts.gate import signed_in
from portal.help.first_day import STEPS
from portal.help.texts import TEXTS, topic_of
from portal.web import navigation

bp = Blueprint("help", __name__, url_prefix="/help")


@bp.app_context_processor
def explained() -> dict[str, str | None]:
    """The topic of the page shown, for the `?` beside its heading."""
    return {"help_topic": topic_of(request.endpoint)}


@bp.get("/")
def index() -> ResponseReturnValue:
    """The text of the page that one comes from (`page=`), then all of them."""
    asked = request.args.get("page", "")
    return render_template("help/index.html", texts=TEXTS, asked=TEXTS.get(asked))


@bp.get("/more")
def more() -> ResponseReturnValue:
    """The pages that have no place of their own in the navigation."""
    actor = signed_in()
    return render_template("help/more.html", pages=navigation.listed(navigation.rest(actor)))


@bp.get("/first-day")
def first_day() -> ResponseReturnValue:
    return render_template("help/first_day.html", steps=STEPS[signed_in().role])
