"""The door: every page needs a signed-in member of staff unless its view is marked `@public`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import Flask, Response, current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import UserMixin, current_user
from sqlalchemy.exc import NoResultFound
from werkzeug.exceptions import NotFound

from portal.accounts import sessions
from portal.accounts.passwords import hashing
from portal.accounts.sessions import Limits, LiveSession
from portal.accounts.signing_in import Before
from portal.audit import refusing
from portal.audit.jumps import ClockBehind
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Lack, PortalError, missing_page, refusal_page
from portal.core.faults import ERRORS, fault_of
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.extensions import login_manager
from portal.wall.reader import NOBODY, Reader, read_as
from portal.web import base_form
from portal.web.formats import era_datetime
from portal.web.language import in_english

# Nobody's session is looked at for these, so they answer without the database.
INDIFFERENT = {"static", "web.healthz"}

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


class SignedIn(UserMixin):  # type: ignore[misc]
    """The user object of Flask-Login for one request; its id is the token of the session row."""

    def __init__(self, token: str, live: LiveSession) -> None:
        self.token = token
        self.live = live

    def get_id(self) -> str:
        return self.token


def public(view: View) -> View:
    """Let strangers in: sign-in, invitation, health."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def signed_in() -> Actor:
    """The member behind this request, as the plain value that services take, not a proxy."""
    return live_session().actor


def live_session() -> LiveSession:
    return cast(SignedIn, current_user).live


def limits() -> Limits:
    config = current_app.config
    return Limits(
        idle=timedelta(minutes=config["SESSION_IDLE_MINUTES"]),
        idle_privileged=timedelta(minutes=config["SESSION_IDLE_MINUTES_PRIVILEGED"]),
        absolute=timedelta(hours=config["SESSION_ABSOLUTE_HOURS"]),
    )


def load_user(token: str) -> SignedIn | None:
    """The user of this session token; from then on the wall answers as that member of staff."""
    shown = sessions.hashed(token)
    read_as(db, Reader(token=shown))
    live = sessions.find(db.read(), token, limits())
    if live is None:
        return None
    read_as(db, Reader.of(live.actor, shown))
    return SignedIn(token, live)


def to_sign_in() -> ResponseReturnValue:
    """Go to the sign-in page; afterwards people return to where they were, with what they had typed."""
    back = request.full_path.rstrip("?") if request.method == "GET" else request.path
    if not readable(request.path):
        back = ""
    return redirect(url_for("accounts.sign_in", next=back if back not in {"", "/"} else None), 303)


def readable(path: str) -> bool:
    """Whether this path of the portal answers to GET."""
    adapter = current_app.url_map.bind("")
    try:
        adapter.match(path, method="GET")
    except Exception:
        return False
    return True


def note_refusal(error: BaseException) -> None:
    """Log a refusal, once for each thing refused; strangers, and mistakes that deny nothing, leave none."""
    if isinstance(error, NotFound):
        error = NoResultFound()
    if not current_user.is_authenticated or refusing.lack_of(error) is None:
        return
    asked = g.get("asked_for") or next(
        (value for value in reversed((request.view_args or {}).values()) if isinstance(value, UUID)), None
    )
    if asked is None and isinstance(error, NoResultFound):
        return  # an address of nothing
    about = getattr(error, "about", None) or (request.endpoint, asked)
    if about in g.setdefault("refused", set()):
        return  # the same again, said by the page that follows a refused form
    g.refused.add(about)
    with suppress(ClockBehind):  # nothing was shown; the page refuses, and every page says why
        refusing.note(error, actor=signed_in(), asked=about, channel=request.method.lower())


def note_what_was_not_offered() -> None:
    """Log ids that a form sent but did not offer: written in by hand, or from an outdated page."""
    for one in base_form.noted():
        lack = Lack.PERMISSION if one is None else Lack.NOT_OFFERED
        note_refusal(PortalError(lack=lack, about=(request.endpoint or "", one)))


class refusals:  # noqa: N801 - reads as a word: with refusals(form)
    """Turn a refusal into a word at the field (or on top) of the form, which keeps all that was typed.

    Use as `with refusals(form): service(...); return redirect(...)`, and render the form after it with
    `form.status`.
    """

    def __init__(self, form: Any) -> None:
        self.form = form

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, PortalError):
            return False
        note_refusal(error)
        self.form.refuse(error.text(), error.field)
        self.form.status = error.status
        return True


def show_life() -> None:
    """Note the activity of this session; when it cannot be written the page is shown until the idle limit."""
    live = live_session()
    try:
        sessions.touch(live)
    except ERRORS as error:
        if fault_of(error) is None:
            raise
        ends_at = min(live.ends_at, live.last_seen_at + limits().idle_of(live.actor.role))
        cast(SignedIn, current_user).live = replace(live, ends_at=ends_at)


def check_acting() -> None:
    """A form filled in under one sign-in is not carried out under another."""
    acting = request.form.get("acting") if request.method == "POST" else None
    if acting and acting != str(signed_in().membership_id):
        raise Conflict(N_("この画面は別の利用者として開いたものです。いまのサインインで開き直してください。"))


def init_app(app: Flask) -> None:
    hashing.configure(app.config["ARGON2"])
    login_manager.init_app(app)
    login_manager.user_loader(load_user)
    login_manager.session_protection = None  # the session row is the truth, not the browser's address
    login_manager.unauthorized_handler(to_sign_in)

    @app.before_request
    def shut_the_door() -> ResponseReturnValue | None:
        if db.reader.get() is None:
            read_as(db, NOBODY)
        if request.endpoint in INDIFFERENT:
            return None
        if current_user.is_authenticated:
            show_life()
            check_acting()
            return None
        if request.endpoint is None:
            return None  # the same missing page for strangers: there is nothing behind it
        view = current_app.view_functions[request.endpoint]
        return None if getattr(view, "is_public", False) else to_sign_in()

    @app.errorhandler(PortalError)
    def refused(error: PortalError) -> ResponseReturnValue:
        note_refusal(error)
        return refusal_page(error)

    @app.errorhandler(NoResultFound)
    @app.errorhandler(NotFound)
    def not_found(error: Exception) -> ResponseReturnValue:
        note_refusal(error)
        return missing_page()

    @app.after_request
    def look_at_forms(response: Response) -> Response:
        note_what_was_not_offered()
        return response

    @app.context_processor
    def who() -> dict[str, Any]:
        if not current_user.is_authenticated:
            return {"actor": None}
        left = live_session().seconds_left()
        return {"actor": signed_in(), "session_seconds_left": left, "printed_at": clock.now()}


# Shows what happened to the account before this sign-in: once on the next page, then on the account page.

KEPT = "before"  # in the cookie of this session: it is about this sign-in, and ends with it


def report_attempts(before: Before, actor: Actor) -> None:
    moments = (before.last_at, before.failed_at)
    session[KEPT] = [before.failures, *(moment and moment.isoformat() for moment in moments)]
    if before.failures:
        flash((" " if in_english() else "").join(words(before, actor)), "warning")


def told() -> Before | None:
    """The report about earlier sign-ins that this session began with."""
    kept = session.get(KEPT)
    if kept is None:
        return None
    failures, last_at, failed_at = kept
    return Before(moment(last_at), failures, moment(failed_at))


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def words(before: Before, actor: Actor) -> list[str]:
    """The report as sentences: how many failed sign-ins and when, and what to do about them."""
    values = {"n": before.failures, "failed": era_datetime(before.failed_at)}
    if before.last_at:
        said = gettext(
            "前回のサインイン（%(last)s）のあと、このアカウントへのサインインの失敗が%(n)s回ありました（最後は%(failed)s）。",
            last=era_datetime(before.last_at),
            **values,
        )
    else:
        said = gettext(
            "このアカウントへのサインインの失敗が%(n)s回ありました（最後は%(failed)s）。", **values
        )
    return [said, advice(actor)]


def advice(actor: Actor) -> str:
    if actor.agency_id is None:
        return str(gettext("心当たりがなければ、パスワードを変え、システム管理者に知らせてください。"))
    return str(gettext("心当たりがなければ、パスワードを変え、機関管理者に知らせてください。"))
