"""The pages of emergency access and of its reviews, and what every page may ask about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from portal.accounts import devices
from portal.accounts.attempts import TooSoon
from portal.accounts.gate import refusals, signed_in
from portal.accounts.signing_in import OwnPassword
from portal.accounts.views import wait
from portal.agencies import queries as agencies
from portal.consents.forms import EXAMPLES
from portal.core import clock
from portal.core.db import db
from portal.core.errors import missing_page
from portal.core.policy import Actor, Permission, can, require
from portal.emergency import queries, search, services
from portal.emergency.forms import AnswerForm, AskForm, FindByNameForm, FindByNumberForm, ReviewForm
from portal.emergency.queries import AccessView, Box, LiveAccess, Waiting
from portal.emergency.search import Match
from portal.emergency.services import Words
from portal.emergency.states import State
from portal.web.addresses import asking
from portal.web.formats import era_datetime
from portal.web.pagination import Page, after, page_of, page_size

bp = Blueprint("emergency", __name__, url_prefix="/emergency")


def live() -> list[LiveAccess]:
    """What this member has open, queried once per request, when a page first needs it."""
    if not current_user.is_authenticated:
        return []
    if "emergency_live" not in g:
        g.emergency_live = queries.live(db.read(), signed_in())
    found: list[LiveAccess] = g.emergency_live
    return found


def waiting() -> Waiting:
    return queries.waiting(db.read(), signed_in())


def own_password(typed: str | None) -> OwnPassword:
    return OwnPassword(typed or "", devices.secret())


@bp.app_context_processor
def for_every_page() -> dict[str, Callable[[], Any]]:
    return {"emergency_live": live, "emergency_waiting": waiting}


# Emergency access as others see it: requests to agree to, notices, reviews, and one use with its story.


def listed(box: Box) -> Page[AccessView]:
    key = after()
    found = services.show_list(signed_in(), box, behind=key and key[1], size=page_size() + 1)
    return page_of(found, lambda one: (one.asked_at, one.id))


@bp.get("/requests")
def requests() -> ResponseReturnValue:
    """The requests that wait for a second person."""
    return render_template("emergency/requests.html", page=listed(Box.REQUESTS))


@bp.get("/notices")
def notices() -> ResponseReturnValue:
    """The notices to one's agency, or to the auditors."""
    return render_template("emergency/notices.html", page=listed(Box.NOTICES))


@bp.get("/reviews")
def reviews() -> ResponseReturnValue:
    """The uses to review, the longest waiting first; or the reviewed ones."""
    done = request.args.get("show") == Box.REVIEWED
    page = listed(Box.REVIEWED if done else Box.TO_REVIEW)
    return render_template("emergency/reviews.html", page=page, done=done)


@bp.get("/<uuid:access_id>")
def show(access_id: UUID) -> ResponseReturnValue:
    return story(services.show(signed_in(), access_id))


@bp.post("/<uuid:access_id>/words")
def words(access_id: UUID) -> ResponseReturnValue:
    """One use with its texts, which auditors and administrators open by an act of their own."""
    actor = signed_in()
    opened = services.open_words(actor, access_id)
    return story(services.show(actor, access_id), opened)


def story(
    view: AccessView, opened: Words | None = None, form: ReviewForm | None = None
) -> ResponseReturnValue:
    """One use. `opened` are its texts where they are not in the view already."""
    actor = signed_in()
    read = Words(view.text, view.declined_why, view.review_text) if view.has_words else opened
    may_review = view.is_to_review and can(actor, Permission.EMERGENCY_REVIEW, view)
    form = form or (ReviewForm(formdata=None) if may_review and read else None)
    page = render_template(
        "emergency/show.html",
        view=view,
        words=read,
        form=form,
        is_asker=view.staff_id == actor.staff_id,
        is_home=view.home_agency_id == actor.agency_id,
        is_live=view.state is State.LIVE,
        may_answer=view.state is State.PENDING and can(actor, Permission.EMERGENCY_SECOND, view),
        may_review=may_review,
    )
    return page, form.status if form else 200


@bp.route("/<uuid:access_id>/answer", methods=["GET", "POST"])
def answer(access_id: UUID) -> ResponseReturnValue:
    """The second person's yes or no."""
    actor, form = signed_in(), AnswerForm()
    if form.validate_on_submit():
        with refusals(form):
            try:
                return answered(actor, access_id, form)
            except TooSoon as error:
                return wait(form, error, "emergency/answer.html", **asked(actor, access_id))
        db.end()
    return render_template("emergency/answer.html", form=form, **asked(actor, access_id)), form.status


def asked(actor: Actor, access_id: UUID) -> dict[str, Any]:
    view = services.show(actor, access_id)
    is_open = view.state is State.PENDING and can(actor, Permission.EMERGENCY_SECOND, view)
    return {"view": view, "is_open": is_open}


def answered(actor: Actor, access_id: UUID, form: AnswerForm) -> ResponseReturnValue:
    own = own_password(form.password.data)
    if request.form.get("answer") == "decline":
        services.decline(actor, access_id, form.why.data or "", own)
        flash(gettext("承認しませんでした。理由は、申請した人に伝わります。"), "success")
    else:
        services.approve(actor, access_id, own)
        flash(gettext("承認しました。申請した人は、いまから60分間見られます。"), "success")
    return redirect(url_for(".show", access_id=access_id), 303)


@bp.post("/<uuid:access_id>/review")
def review(access_id: UUID) -> ResponseReturnValue:
    """The review; what was typed stays when it is refused."""
    actor, form = signed_in(), ReviewForm()
    if form.validate_on_submit():
        with refusals(form):
            services.review(actor, access_id, form.chosen(), form.text.data or "")
            flash(gettext("点検の結果を記録しました。"), "success")
            flash(f"emergency-review-{access_id}", "draft-clear")
            return redirect(url_for(".show", access_id=access_id), 303)
        db.end()
    view = services.show(actor, access_id)
    opened = None if view.has_words else services.open_words(actor, access_id)
    return story(view, opened, form)


@bp.post("/notices/<uuid:notice_id>/note")
def note(notice_id: UUID) -> ResponseReturnValue:
    """My agency has taken note."""
    access_id = services.note(signed_in(), notice_id)
    flash(gettext("確認したことを記録しました。"), "success")
    return redirect(url_for(".show", access_id=access_id), 303)


# Emergency access: finding the person, saying why, the check, the password; and giving it back.

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
            if found := search.find(actor, form.wanted()):
                return render_template("emergency/found.html", found=found, carried=carried(form))
            missed = True
    return render_template(
        "emergency/index.html",
        form=form,
        name_form=name_form,
        number_form=number_form,
        missed=missed,
        own=services.show_list(actor, Box.MINE, size=LATEST),
    ), form.status


def carried(form: FindByNameForm | FindByNumberForm) -> dict[str, str]:
    """The typed search fields, for the hidden fields of the pages that follow."""
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
    """Ask why, then confirm with the password, then begin the hour; each step finds the person again."""
    actor, form = signed_in(), AskForm()
    require(actor, Permission.EMERGENCY_USE)
    if request.method == "GET":  # a page that was left and opened again: begin with looking for the person
        return redirect(url_for(".index"), 303)
    match = search.check(actor, form.wanted(), form.person_id())
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
    """Whether everything else on the page of confirmation is still valid."""
    return not any(field.errors for field in form if field.name != "password")


def check_page(form: AskForm, match: Match) -> dict[str, Any]:
    return {"match": match, "wish": form.wish(), "typed": form.typed()}


def opened(access_id: UUID) -> ResponseReturnValue:
    """Go to the person's page, or to the request that waits for a second person."""
    access = queries.load(db.read(), signed_in(), access_id, clock.now())
    if access.state is State.LIVE and access.ends_at:
        flash(
            gettext(
                "緊急閲覧を始めました。%(until)sまで見られます。登録機関と監査に知らせました。",
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
