"""Signing in and out, one's own account, and the link of an invitation."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user, login_user, logout_user

from portal.accounts import absences, devices, gate, invitations, sessions, signing_in, staff_views
from portal.accounts.attempts import TooSoon
from portal.accounts.forms import AbsenceForm, ChangePasswordForm, LanguageForm, NewPasswordForm, SignInForm
from portal.accounts.gate import limits, live_session, load_user, note_refusal, public, refusals, signed_in
from portal.accounts.models import Staff
from portal.accounts.passwords import LONGEST, SHORTEST
from portal.audit.jumps import ClockBehind
from portal.core import clock
from portal.core.db import db
from portal.wall.reader import show_token
from portal.web.addresses import local_path

bp = Blueprint("accounts", __name__)
bp.register_blueprint(staff_views.bp)


def leave_session() -> None:
    """Forget everything of this browser's session but its language; the CSRF token changes with it."""
    language = session.get("language")
    session.clear()
    if language:
        session["language"] = language


@bp.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    form = SignInForm()
    if request.method == "GET":
        form.next.data = request.args.get("next", "")
        if current_user.is_authenticated:
            return redirect(local_path(form.next.data), 303)
    if form.validate_on_submit():
        with refusals(form):
            try:
                return enter(form)
            except TooSoon as error:
                return wait(form, error)
    return render_template("accounts/sign_in.html", form=form), form.status


def enter(form: SignInForm) -> ResponseReturnValue:
    email = form.email.data or ""
    entrance = signing_in.sign_in(
        email,
        form.password.data or "",
        secret=devices.secret(),
        device=devices.device_for(email),
        limits=limits(),
        user_agent=request.user_agent.string,
    )
    if current_user.is_authenticated:
        sessions.end(signed_in(), live_session().id)
    leave_session()
    session.setdefault("language", entrance.language)
    user = load_user(entrance.token)
    login_user(user)
    if user:
        gate.report_attempts(entrance.before, user.live.actor)
    response = make_response(redirect(local_path(form.next.data), 303))
    devices.remember(response, email)
    return response


def wait(
    form: Any, error: TooSoon, template: str = "accounts/sign_in.html", **page: Any
) -> ResponseReturnValue:
    """The form again, with the time of the next attempt. No worker process waits."""
    note_refusal(error)
    form.refuse(error.text())
    answer = make_response(render_template(template, form=form, **page), error.status)
    answer.headers["Retry-After"] = str(error.seconds)
    return answer


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    with suppress(ClockBehind):  # then the row ends when the jump is declared
        sessions.end(signed_in(), live_session().id)
    logout_user()
    leave_session()
    flash(gettext("サインアウトしました。"), "info")
    return redirect(url_for(".sign_in"), 303)


@bp.get("/account")
def account() -> ResponseReturnValue:
    return account_page()


def account_page(absence_form: AbsenceForm | None = None) -> ResponseReturnValue:
    actor = signed_in()
    alive = sessions.still_alive(db.read.scalars(sessions.own(actor)).all(), actor, limits())
    shown = [(row, devices.words_for(row.user_agent)) for row in alive]
    return (
        render_template(
            "accounts/account.html",
            email=db.read.get_one(Staff, actor.staff_id).email,
            sessions=shown,
            here=live_session().id,
            before=gate.told(),
            advice=gate.advice(actor),
            language_form=LanguageForm(formdata=None, language=live_session().language),
            **staff_views.absence_parts(actor.staff_id, absence_form),
        ),
        absence_form.status if absence_form else 200,
    )


@bp.post("/account/absence")
def absence() -> ResponseReturnValue:
    form = AbsenceForm()
    if form.validate_on_submit():
        with refusals(form):
            absences.set_days(
                signed_in(),
                signed_in().staff_id,
                form.starts_on.data or clock.today(),
                form.until.data or clock.today(),
            )
            flash(
                gettext(
                    "休みを登録しました。その間、あなたの担当は同じ機関の職員の今日のページにも表示します。"
                ),
                "success",
            )
            return redirect(url_for(".account"), 303)
    return account_page(form)


@bp.post("/account/absence/end")
def absence_end() -> ResponseReturnValue:
    absences.take_back(signed_in(), signed_in().staff_id)
    flash(gettext("休みを取り消しました。"), "success")
    return redirect(url_for(".account"), 303)


@bp.post("/account/language")
def choose_language() -> ResponseReturnValue:
    form = LanguageForm()
    if form.validate_on_submit():
        signing_in.choose_language(signed_in(), form.language.data)
        session["language"] = form.language.data
    return redirect(url_for(".account"), 303)


@bp.route("/account/password", methods=["GET", "POST"])
def change_password() -> ResponseReturnValue:
    form, limit = ChangePasswordForm(), {"shortest": SHORTEST, "longest": LONGEST}
    if form.validate_on_submit():
        with refusals(form):
            try:
                signing_in.change_password(
                    signed_in(),
                    live_session().id,
                    current=form.current.data or "",
                    new=form.new.data or "",
                    secret=devices.secret(),
                )
            except TooSoon as error:
                return wait(form, error, "accounts/password.html", **limit)
            flash(gettext("パスワードを変更しました。ほかの端末はサインアウトしました。"), "success")
            return redirect(url_for(".account"), 303)
    return render_template("accounts/password.html", form=form, **limit), form.status


@bp.post("/account/sessions/<uuid:session_id>/end")
def end_session(session_id: UUID) -> ResponseReturnValue:
    if session_id == live_session().id:
        return sign_out()
    sessions.end(signed_in(), session_id)
    flash(gettext("その端末をサインアウトしました。"), "success")
    return redirect(url_for(".account"), 303)


@bp.post("/account/sessions/end-others")
def end_other_sessions() -> ResponseReturnValue:
    sessions.end_others(signed_in(), live_session().id)
    flash(gettext("ほかの端末をすべてサインアウトしました。"), "success")
    return redirect(url_for(".account"), 303)


@bp.post("/account/keep-alive")
def keep_alive() -> ResponseReturnValue:
    """The button 続ける: a sign of life, and how long it lasts."""
    sessions.touch(live_session(), always=True)
    live = sessions.find(db.read(), current_user.get_id(), limits())
    return {"session_seconds_left": live.seconds_left() if live else 0}


@bp.route("/invitations/<token>", methods=["GET", "POST"])
@public
def invitation(token: str) -> ResponseReturnValue:
    """Choose a password. A wrong, used, revoked or outdated link has one page."""
    show_token(db, sessions.hashed(token))
    found = db.read.scalars(invitations.usable(token)).one_or_none()
    if found is None:
        return render_template("accounts/invitation_gone.html"), 404
    form = NewPasswordForm()
    if form.validate_on_submit():
        with refusals(form):
            invitations.accept(token, form.password.data or "")
            flash(
                gettext(
                    "パスワードを受け付けました。メールアドレスとパスワードを入力して、サインインしてください。"
                ),
                "info",
            )
            return redirect(url_for(".sign_in"), 303)
    return (
        render_template(
            "accounts/invitation.html", form=form, invitation=found, shortest=SHORTEST, longest=LONGEST
        ),
        form.status,
    )
