"""Emergency access: finding the person, saying why, the check, the password; and giving it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.attempts import TooSoon
from portal.accounts.gate import refusals, signed_in
from portal.accounts.views import wait
from portal.agencies import queries as agencies
from portal.consents.forms import EXAMPLES
from portal.db import db
from portal.emergency import queries, review_services, review_views, search_services, services
from portal.emergency.blueprint import bp, own_password
from portal.emergency.forms import AskForm, FindByNameForm, FindByNumberForm
from portal.emergency.queries import Box
from portal.emergency.search_services import Match
from portal.emergency.states import State
from portal.errors import missing_page
from portal.policy import Permission, require
from portal.web.asked import asking
from portal.web.formats import era_datetime

__all__ = ["bp", "review_views"]

LATEST = 10


@bp.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Look for somebody; what is typed comes by POST. Below it one's own uses."""
    actor = signed_in()
    require(actor, Permission.EMERGENCY_USE)
    names = [(agency.id, agency.name) for agency in db.read.scalars(agencies.listing())]
    by_number = request.method == "POST" and request.form.get("by") == "number"
    number_form = FindByNumberForm(names, **({} if by_number else {"formdata": None}))
    name_form = FindByNameForm(**({"formdata": None} if by_number else {}))
    form = number_form if by_number else name_form
    missed = False
    if form.validate_on_submit():
        with refusals(form):
            if found := search_services.find(actor, form.wanted()):
                return render_template("emergency/found.html", found=found, carried=carried(form))
            missed = True
    return render_template(
        "emergency/index.html",
        form=form,
        name_form=name_form,
        number_form=number_form,
        missed=missed,
        own=review_services.show_list(actor, Box.MINE, size=LATEST),
    ), form.status


def carried(form: FindByNameForm | FindByNumberForm) -> dict[str, str]:
    """What was typed, for the hidden fields of the pages that follow."""
    wanted = form.wanted()
    return {
        "by": wanted.by,
        "name": wanted.name,
        "birth": wanted.birth.isoformat() if wanted.birth else "",
        "agency": str(wanted.agency_id or ""),
        "number": wanted.number,
    }


@bp.route("/ask", methods=["GET", "POST"])
def ask() -> ResponseReturnValue:
    """Why, then the check with the password, then the hour; each step finds the person again."""
    actor, form = signed_in(), AskForm()
    require(actor, Permission.EMERGENCY_USE)
    if request.method == "GET":  # a page that was left and opened again: begin with looking for the person
        return redirect(url_for(".index"), 303)
    match = search_services.check(actor, form.wanted(), form.person_id())
    if match is None:
        return missing_page()  # noted as a miss already
    asking(match.person_id)
    if match.sees_all:
        flash(gettext("この人の情報は、すでに見られます。"), "info")
        return redirect(url_for("people.show", person_id=match.person_id), 303)
    step = request.form.get("step", "")
    if step == "open" and form.validate():
        with refusals(form):
            try:
                access_id = services.ask(
                    actor,
                    form.wish(),
                    own_password(form.password.data),
                    idempotency_key=form.idempotency_key.data,
                )
            except TooSoon as error:
                return wait(form, error, "emergency/check.html", **check_page(form, match))
            flash(f"emergency-{match.person_id}", "draft-clear")
            return opened(access_id)
    if step == "open" and only_password_is_wrong(form):
        return render_template("emergency/check.html", form=form, **check_page(form, match)), form.status
    if step == "check":
        del form.password
        if form.validate():
            return render_template("emergency/check.html", form=AskForm(), **check_page(form, match))
    notes = {category.value: words for category, words in EXAMPLES.items()}
    return render_template("emergency/ask.html", form=form, match=match, notes=notes), form.status


def only_password_is_wrong(form: AskForm) -> bool:
    """Everything else on the page that is checked still holds."""
    return not any(field.errors for field in form if field.name != "password")


def check_page(form: AskForm, match: Match) -> dict[str, Any]:
    return {"match": match, "wish": form.wish(), "typed": form.typed()}


def opened(access_id: UUID) -> ResponseReturnValue:
    """To the person's page, or to the request that waits for a second person."""
    access = queries.load(db.read(), signed_in(), access_id, clock.now())
    if access.state is State.LIVE and access.ends_at:
        flash(
            gettext(
                "緊急閲覧を始めました。%(until)sまで見られます。記録機関と監査に知らせました。",
                until=era_datetime(access.ends_at),
            ),
            "success",
        )
        return redirect(url_for("people.show", person_id=access.person_id), 303)
    return redirect(url_for(".show", access_id=access_id), 303)


@bp.post("/<uuid:access_id>/end")
def end(access_id: UUID) -> ResponseReturnValue:
    """Give it back before the hour is over."""
    if services.give_back(signed_in(), access_id):
        flash(gettext("緊急閲覧を終えました。この人の情報は、もう表示されません。"), "success")
    else:
        flash(gettext("この緊急閲覧は、すでに終わっています。"), "info")
    return redirect(url_for(".show", access_id=access_id), 303)
