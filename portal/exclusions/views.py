"""Pages about conflicts of interest (利益相反): exclusions from a person's affairs, and lifting them."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.core import clock
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.labels import N_
from portal.core.policy import Permission, can, require
from portal.disclosures import exclusions
from portal.disclosures.exclusions import Colleague
from portal.disclosures.services import open_heading
from portal.exclusions.forms import ColleagueForm, LiftForm, OwnForm

bp = Blueprint("exclusions", __name__, url_prefix="/exclusions")


@bp.get("/")
def index() -> ResponseReturnValue:
    """A coordinator's and an auditor's list; others see only how many people they are excluded from."""
    actor = signed_in()
    may_list = can(actor, Permission.EXCLUSION_LIST)
    if not may_list:
        require(actor, Permission.CASEWORK)
    works = can(actor, Permission.CASEWORK)
    return render_template(
        "exclusions/index.html",
        rows=exclusions.open_list(actor, clock.now()) if may_list else [],
        may_list=may_list,
        works=works,
        own=exclusions.own_count(db.read(), actor) if works else 0,
        coordinators=exclusions.coordinators(db.read(), actor) if works else (),
    )


@bp.get("/people/<uuid:person_id>")
def person(person_id: UUID) -> ResponseReturnValue:
    """The exclusions from this person's affairs, as far as this reader may know of them."""
    actor = signed_in()
    heading = open_heading(actor, person_id)
    rows = exclusions.open_person(actor, person_id, clock.now())
    return render_template("exclusions/person.html", heading=heading, rows=rows)


@bp.route("/people/<uuid:person_id>/me", methods=["GET", "POST"])
def me(person_id: UUID) -> ResponseReturnValue:
    """Exclude oneself. Afterwards the person is gone for oneself, so the answer names nobody."""
    actor, form = signed_in(), OwnForm()
    if form.validate_on_submit() and "checked" in request.form:
        with refusals(form):
            key = form.idempotency_key.data
            exclusions.exclude(
                actor, person_id, actor.staff_id, form.why, form.reason.data or "", idempotency_key=key
            )
            flash(f"exclusion-{person_id}", "draft-clear")
            flash(gettext("利益相反を届け出ました。記録はもう表示されません。"), "success")
            return redirect(url_for(".index"))
    heading = open_heading(actor, person_id)
    candidates = exclusions.candidates(db.read(), actor, person_id, clock.now())
    member = next((one for one in candidates if one.id == actor.staff_id), None)
    return answer(form, heading=heading, member=member, is_me=True)


@bp.route("/people/<uuid:person_id>/new", methods=["GET", "POST"])
def new(person_id: UUID) -> ResponseReturnValue:
    """Exclude a colleague, or at the home agency staff of any agency with a disclosure."""
    actor, form = signed_in(), ColleagueForm()
    heading = open_heading(actor, person_id)
    found = exclusions.candidates(db.read(), actor, person_id, clock.now())
    others = [one for one in found if one.id != actor.staff_id]
    form.offer(others)
    member = next((one for one in others if str(one.id) == form.staff.data), None)
    if form.validate_on_submit() and member and "checked" in request.form:
        with refusals(form):
            key = form.idempotency_key.data
            exclusions.exclude(
                actor, person_id, member.id, form.why, form.reason.data or "", idempotency_key=key
            )
            flash(f"exclusion-{person_id}", "draft-clear")
            flash(gettext("%(name)sさんを、この相談者から除外しました。", name=member.name), "success")
            return redirect(url_for(".person", person_id=person_id))
    return answer(form, heading=heading, member=member, is_me=False, others=others)


def answer(
    form: OwnForm,
    *,
    heading: object,
    member: Colleague | None,
    is_me: bool,
    others: list[Colleague] | None = None,
) -> ResponseReturnValue:
    """The form, or the page of confirmation."""
    typed = form.is_submitted() and not form.errors and not form.form_problem
    checks = typed and member is not None and "back" not in request.form
    page = render_template(
        "exclusions/check.html" if checks else "exclusions/new.html",
        heading=heading,
        form=form,
        member=member,
        is_me=is_me,
        others=others or [],
    )
    return page, form.status


@bp.route("/<uuid:exclusion_id>/lift", methods=["GET", "POST"])
def lift(exclusion_id: UUID) -> ResponseReturnValue:
    """Lift an exclusion, with a reason. Nobody lifts their own."""
    actor, form = signed_in(), LiftForm()
    require(actor, Permission.CASEWORK)
    found = exclusions.read(db.read(), actor, clock.now(), id=exclusion_id)
    if not found:
        abort(404)
    exclusions.note(actor, found[0].person_id, found)
    if found[0].lifted_at is None and not found[0].may_be_lifted_by(actor):
        raise NotAllowed(
            N_("除外を解除できるのは、その職員の機関の調整担当か、登録機関の職員です。本人は解除できません。")
        )
    if form.validate_on_submit():
        with refusals(form):
            exclusions.lift(actor, exclusion_id, form.why.data or "")
            flash(f"exclusion-lift-{exclusion_id}", "draft-clear")
            flash(gettext("除外を解除しました。この職員に、この相談者の記録が再び表示されます。"), "success")
            return redirect(url_for(".person", person_id=found[0].person_id))
    return render_template("exclusions/lift.html", one=found[0], form=form), form.status
