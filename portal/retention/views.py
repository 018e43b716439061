"""Retention and erasure: what is due, the proposal, and the second person's check."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts import devices
from portal.accounts.attempts import TooSoon
from portal.accounts.gate import refusals, signed_in
from portal.accounts.signing_in import OwnPassword
from portal.accounts.views import wait
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, can
from portal.people import family_views
from portal.retention import kinds, queries, services
from portal.retention.forms import AgreeForm, ProposeForm
from portal.retention.kinds import Kind
from portal.retention.models import ErasureGround
from portal.retention.queries import Proposal
from portal.web.pagination import after, page_of, page_size

bp = Blueprint("retention", __name__, url_prefix="/retention")

LATEST = 10


@bp.get("/")
def index() -> ResponseReturnValue:
    """What is over its period, kind by kind, above it the proposals that wait."""
    actor = signed_in()
    chosen = request.args.get("show", "")
    kind = Kind(chosen) if chosen in set(Kind) else Kind.PEOPLE
    rows = services.show_list(actor, kind, after=after(), size=page_size() + 1)
    return render_template(
        "retention/index.html",
        page=page_of(rows, lambda row: (row.at, row.id)),
        kind=kind,
        kinds=list(Kind),
        waiting=queries.waiting(db.read(), actor, clock.now()),
        erased=queries.erased(db.read(), actor, size=LATEST),
        cut=kinds.cut_at(db.read(), clock.now()),
        proposes=can(actor, Permission.CASEWORK),
    )


@bp.route("/people/<uuid:person_id>", methods=["GET", "POST"])
def propose(person_id: UUID) -> ResponseReturnValue:
    """Ask for ground and reason, showing what blocks each ground; then show them for confirmation."""
    actor, form = signed_in(), ProposeForm()
    view = family_views.at_home(actor, person_id)
    shown: dict[str, Any] = {"view": view, "form": form}
    if form.validate_on_submit() and "back" not in request.form:
        with refusals(form):
            if "checked" not in request.form:
                found = services.grounds_open(person_id)[form.chosen()]
                if found:
                    raise services.Blocked(found)
                return render_template("retention/propose_check.html", **shown, ground=form.chosen())
            key, reason = form.idempotency_key.data, form.reason.data or ""
            erasure_id = services.propose(actor, person_id, form.chosen(), reason, idempotency_key=key)
            flash(f"erasure-{person_id}", "draft-clear")
            flash(gettext("消去を提案しました。二人目の同意を待っています。"), "success")
            return redirect(url_for(".show", erasure_id=erasure_id), 303)
    if view.erased_at:
        return redirect(url_for("people.show", person_id=person_id), 303)
    page = render_template(
        "retention/propose.html",
        **shown,
        waiting=queries.proposals_of(db.read(), [person_id]).get(person_id),
        stands=services.grounds_open(person_id),
        grounds=list(ErasureGround),
    )
    return page, form.status


@bp.get("/<uuid:erasure_id>")
def show(erasure_id: UUID) -> ResponseReturnValue:
    return story(signed_in(), erasure_id, AgreeForm(formdata=None))


def story(actor: Actor, erasure_id: UUID, form: AgreeForm) -> ResponseReturnValue:
    return render_template("retention/show.html", form=form, **asked(actor, erasure_id)), form.status


def asked(actor: Actor, erasure_id: UUID) -> dict[str, Any]:
    view, found = services.show(actor, erasure_id)
    return {"view": view, "stands": found, **may(actor, view)}


def may(actor: Actor, view: Proposal) -> dict[str, bool]:
    return {
        "may_agree": view.is_open and can(actor, Permission.ERASURE_AGREE, view),
        "may_drop": view.is_open and can(actor, Permission.ERASURE_DROP, view),
        "is_proposer": view.staff_id == actor.staff_id,
    }


@bp.post("/<uuid:erasure_id>/agree")
def agree(erasure_id: UUID) -> ResponseReturnValue:
    """The second person's agreement, with the password: the record is erased now."""
    actor, form = signed_in(), AgreeForm()
    if form.validate_on_submit():
        with refusals(form):
            own = OwnPassword(form.password.data or "", devices.secret())
            try:
                services.agree(actor, erasure_id, own)
            except TooSoon as error:
                return wait(form, error, "retention/show.html", **asked(actor, erasure_id))
            flash(gettext("消去しました。氏名と文章は、もうだれにも読めません。"), "success")
            return redirect(url_for(".show", erasure_id=erasure_id), 303)
        db.end()
    return story(actor, erasure_id, form)


@bp.post("/<uuid:erasure_id>/drop")
def drop(erasure_id: UUID) -> ResponseReturnValue:
    """Drop the proposal: taken back by the proposer, or declined by a colleague."""
    services.drop(signed_in(), erasure_id)
    flash(gettext("消去の提案を取りやめました。記録はそのまま残ります。"), "success")
    return redirect(url_for(".index"), 303)
