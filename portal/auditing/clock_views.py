"""Checkpoints to take along, and what is said when the log does not go on or the server's clock jumped."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from flask import (
    Blueprint,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user, login_user

from portal.accounts import devices
from portal.accounts.attempts import TooSoon
from portal.accounts.gate import limits, live_session, load_user, public, refusals, signed_in, to_sign_in
from portal.accounts.views import leave_session, wait
from portal.audit import jumps as audit_jumps
from portal.auditing.forms import ClockDoorForm, ClockForm, RestoreForm
from portal.core import clock
from portal.core.db import db
from portal.inspections import checkpoints, restoring
from portal.inspections import clock as inspection_clock
from portal.web.base_form import BaseForm

bp = Blueprint("checkpoints", __name__, url_prefix="/audit")

# Sequence numbers fit into the database's integers; no checkpoint is larger.
LONGEST = 18


def number(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= LONGEST else 0


def download(content: bytes, filename: str, mimetype: str) -> ResponseReturnValue:
    return send_file(BytesIO(content), mimetype=mimetype, download_name=filename, as_attachment=True)


@bp.get("/checkpoints")
def index() -> ResponseReturnValue:
    actor = signed_in()
    slips, jumps = checkpoints.show(actor), inspection_clock.told(actor)
    return render_template("audit/checkpoints.html", slips=slips, jumps=jumps, form=BaseForm(formdata=None))


@bp.post("/checkpoints")
def make() -> ResponseReturnValue:
    """Make one more checkpoint now. Pressed twice it makes two: each covers the other's entry."""
    checkpoints.make_now(signed_in())
    flash(gettext("改ざん確認用の控えを作成しました。保存して、手元に保管してください。"), "success")
    return redirect(url_for(".index"), 303)


@bp.get("/checkpoints/tsunagu.vkey")
def key() -> ResponseReturnValue:
    content = checkpoints.take_key(signed_in())
    return download(content.encode(), "tsunagu.vkey", "text/plain; charset=utf-8")


@bp.get("/checkpoints/all.zip")
def everything() -> ResponseReturnValue:
    """All notes as a zip; `after` is the size of the last one that the reader has."""
    content = checkpoints.take_all(signed_in(), number(request.args.get("after", "")))
    return download(content, "tsunagu-checkpoints.zip", "application/zip")


@bp.get("/checkpoints/<int:size>.txt")
def note(size: int) -> ResponseReturnValue:
    text = checkpoints.take(signed_in(), number(str(size)))
    return download(text.encode(), f"tsunagu-{size:012}.txt", "text/plain; charset=utf-8")


@bp.route("/restore", methods=["GET", "POST"])
def restore() -> ResponseReturnValue:
    """The contradiction, and the first person's declaration of a restore."""
    actor, form = signed_in(), RestoreForm()
    if form.validate_on_submit():
        with refusals(form):
            restoring.propose(actor, form.reason.data or "")
            flash("audit-restore", "draft-clear")
            flash(gettext("申告しました。別の監査またはシステム管理者の確認をお待ちください。"), "success")
            return redirect(url_for(".restore"), 303)
        db.end()
    standing = restoring.look(actor)
    return render_template("audit/restore.html", form=form, standing=standing), form.status


@bp.post("/restore/<int:seq>/confirm")
def confirm(seq: int) -> ResponseReturnValue:
    """The second person's confirmation of a restore."""
    restoring.declare(signed_in(), number(str(seq)))
    flash(gettext("復元を確認しました。書き込みを再開しました。"), "success")
    return redirect(url_for(".index"), 303)


# The page on which a system administrator says that the server's clock jumped, signed in or at the door.

TEMPLATE = "audit/clock.html"


@bp.route("/clock", methods=["GET", "POST"])
@public
def clock_jump() -> ResponseReturnValue:
    """Declare a jump at the door: while the clock is behind, nobody can sign in before it is declared."""
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
        is_behind = audit_jumps.present(opened) is not None
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
