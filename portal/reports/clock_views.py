"""The page on which a system administrator says that the server's clock jumped, signed in or at the door."""

from __future__ import annotations

from typing import Any

from flask import flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user, login_user

from portal import clock
from portal.accounts import devices
from portal.accounts.attempts import TooSoon
from portal.accounts.gate import limits, live_session, load_user, public, refusals, signed_in, to_sign_in
from portal.accounts.views import leave_session, wait
from portal.audit import jumps
from portal.db import db
from portal.inspections import clock as inspection_clock
from portal.reports.checkpoint_forms import ClockDoorForm, ClockForm
from portal.reports.checkpoint_views import bp
from portal.web.base_form import BaseForm

__all__ = ["bp"]

TEMPLATE = "audit/clock.html"


@bp.route("/clock", methods=["GET", "POST"])
@public
def clock_jump() -> ResponseReturnValue:
    """While the clock is behind nobody can sign in as usual, so whoever mends it says so and comes in at once."""
    return by_session() if current_user.is_authenticated else at_the_door()


def by_session() -> ResponseReturnValue:
    actor, form = signed_in(), ClockForm()
    step, declared = inspection_clock.look(actor)
    if form.validate_on_submit():
        with refusals(form):
            inspection_clock.declare(actor, live_session().id, form.reason.data or "", limits=limits())
            say_done()
            return redirect(url_for(".clock_jump"), 303)
        db.end()
        step, declared = inspection_clock.look(actor)
    page = render_template(TEMPLATE, form=form, step=step, declared=declared, now=clock.now())
    return page, form.status


def at_the_door() -> ResponseReturnValue:
    with db.transaction() as opened:
        is_behind = jumps.present(opened) is not None
    if not is_behind:
        return to_sign_in()
    form = ClockDoorForm()
    # What the log holds, the time of its last entry too, is not for strangers.
    shown: dict[str, Any] = {"step": None, "declared": [], "now": clock.now()}
    if form.validate_on_submit():
        with refusals(form):
            try:
                return enter(form)
            except TooSoon as error:
                return wait(form, error, TEMPLATE, **shown)
    return render_template(TEMPLATE, form=form, **shown), form.status


def enter(form: BaseForm) -> ResponseReturnValue:
    email = form["email"].data or ""
    entrance = inspection_clock.declare_at_the_door(
        email,
        form["password"].data or "",
        form["reason"].data or "",
        secret=devices.secret(),
        device=devices.device_for(email),
        limits=limits(),
        user_agent=request.user_agent.string,
    )
    leave_session()
    session.setdefault("language", entrance.language)
    login_user(load_user(entrance.token))
    say_done()
    response = make_response(redirect(url_for(".clock_jump"), 303))
    devices.remember(response, email)
    return response


def say_done() -> None:
    flash("audit-clock", "draft-clear")
    flash(
        gettext("申告しました。閲覧と書き込みを再開しました。ずれていた間の記録は、監査と確認してください。"),
        "success",
    )
