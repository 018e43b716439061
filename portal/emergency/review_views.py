"""Emergency access as others see it: requests to agree to, notices, reviews, and one use with its story."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.attempts import TooSoon
from portal.accounts.gate import refusals, signed_in
from portal.accounts.views import wait
from portal.db import db
from portal.emergency import review_services, second_services
from portal.emergency.blueprint import bp, own_password
from portal.emergency.forms import AnswerForm, ReviewForm
from portal.emergency.queries import AccessView, Box
from portal.emergency.review_services import Words
from portal.emergency.states import State
from portal.policy import Actor, Permission, can
from portal.web.pagination import Page, after, page_of, page_size


def listed(box: Box) -> Page[AccessView]:
    key = after()
    found = review_services.show_list(signed_in(), box, behind=key and key[1], size=page_size() + 1)
    return page_of(found, lambda one: (one.asked_at, one.id))


@bp.get("/requests")
def requests() -> ResponseReturnValue:
    """What waits for a second person's word."""
    return render_template("emergency/requests.html", page=listed(Box.REQUESTS))


@bp.get("/notices")
def notices() -> ResponseReturnValue:
    """What one's agency (or the auditors) were told of."""
    return render_template("emergency/notices.html", page=listed(Box.NOTICES))


@bp.get("/reviews")
def reviews() -> ResponseReturnValue:
    """What is to be reviewed, the longest waiting first; or what was."""
    done = request.args.get("show") == Box.REVIEWED
    page = listed(Box.REVIEWED if done else Box.TO_REVIEW)
    return render_template("emergency/reviews.html", page=page, done=done)


@bp.get("/<uuid:access_id>")
def show(access_id: UUID) -> ResponseReturnValue:
    return story(review_services.show(signed_in(), access_id))


@bp.post("/<uuid:access_id>/words")
def words(access_id: UUID) -> ResponseReturnValue:
    """The same with its texts, for auditors and administrators: they open them by an act of their own."""
    actor = signed_in()
    opened = review_services.open_words(actor, access_id)
    return story(review_services.show(actor, access_id), opened)


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
    view = review_services.show(actor, access_id)
    is_open = view.state is State.PENDING and can(actor, Permission.EMERGENCY_SECOND, view)
    return {"view": view, "is_open": is_open}


def answered(actor: Actor, access_id: UUID, form: AnswerForm) -> ResponseReturnValue:
    own = own_password(form.password.data)
    if request.form.get("answer") == "decline":
        second_services.decline(actor, access_id, form.why.data or "", own)
        flash(gettext("承認しませんでした。理由は、申請した人に伝わります。"), "success")
    else:
        second_services.approve(actor, access_id, own)
        flash(gettext("承認しました。申請した人は、いまから60分間見られます。"), "success")
    return redirect(url_for(".show", access_id=access_id), 303)


@bp.post("/<uuid:access_id>/review")
def review(access_id: UUID) -> ResponseReturnValue:
    """The review; what was typed stays when it is refused."""
    actor, form = signed_in(), ReviewForm()
    if form.validate_on_submit():
        with refusals(form):
            review_services.review(actor, access_id, form.chosen(), form.text.data or "")
            flash(gettext("点検の結果を記録しました。"), "success")
            flash(f"emergency-review-{access_id}", "draft-clear")
            return redirect(url_for(".show", access_id=access_id), 303)
        db.end()
    view = review_services.show(actor, access_id)
    opened = None if view.has_words else review_services.open_words(actor, access_id)
    return story(view, opened, form)


@bp.post("/notices/<uuid:notice_id>/note")
def note(notice_id: UUID) -> ResponseReturnValue:
    """My agency has taken note."""
    access_id = review_services.note(signed_in(), notice_id)
    flash(gettext("確認したことを記録しました。"), "success")
    return redirect(url_for(".show", access_id=access_id), 303)
