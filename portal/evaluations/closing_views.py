"""Closing a year, opening it again, and adding to a closed one."""

from __future__ import annotations

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.db import db
from portal.errors import Conflict
from portal.evaluations import closing_queries, closing_services, table, telling
from portal.evaluations.asked import check_year, programme_of, shared, to, year_word
from portal.evaluations.blueprint import bp
from portal.evaluations.forms import AdditionForm, CloseForm, ReopenForm
from portal.policy import Permission, require
from portal.words import N_


@bp.route("/<int:year>/close", methods=["GET", "POST"])
def close(year: int) -> ResponseReturnValue:
    """The day, then what will be frozen once more to check, then it is closed."""
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_CLOSE, programme)
    check_year(year)
    if clock.fiscal_year_bounds(year)[0] > clock.today():
        raise Conflict(N_("この年度はまだ始まっていません。"))
    if closing_queries.standing(db.read(), programme.id, year):
        raise Conflict(N_("この年度は、すでに確定しています。"))
    form = CloseForm(data={"as_of": table.day_shown(year, None, is_inside=True)})
    shown = {"programme": programme, "year": year, "form": form, **shared()}
    if form.validate_on_submit() and "back" not in request.form:
        with refusals(form):
            as_of = form.as_of.data or clock.today()
            closing_services.check_day(year, as_of)
            if "checked" not in request.form:
                view = table.load(db.read(), actor, programme, year, as_of)
                return render_template(
                    "evaluations/close_check.html", view=view, tellings=telling.of_year(view), **shown
                )
            closing_services.close(
                actor, programme.id, year, as_of, idempotency_key=form.idempotency_key.data
            )
            flash(gettext("%(year)sの評価を確定しました。", year=year_word(year)), "success")
            return redirect(to("show", year=year), 303)
    return render_template("evaluations/close.html", **shown), form.status


@bp.route("/<int:year>/reopen", methods=["GET", "POST"])
def reopen(year: int) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_CLOSE, programme)
    check_year(year)
    form = ReopenForm()
    if form.validate_on_submit():
        with refusals(form):
            closing_services.reopen(actor, programme.id, year, form.why.data or "")
            flash(gettext("%(year)sの評価の確定を解除しました。", year=year_word(year)), "success")
            return redirect(to("show", year=year), 303)
    elif not closing_queries.standing(db.read(), programme.id, year):
        raise Conflict(N_("この年度は確定していません。"))
    page = render_template("evaluations/reopen.html", programme=programme, year=year, form=form, **shared())
    return page, form.status


@bp.route("/<int:year>/add", methods=["GET", "POST"])
def add(year: int) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_WRITE, programme)
    check_year(year)
    form = AdditionForm()
    draft = f"evaluation-{programme.id.hex[-8:]}-{year}-add"
    told = None
    if form.is_submitted():
        view = table.load(db.read(), actor, programme, year, compare=False)
        (told,) = telling.of_additions(view, [form.text.data or ""])
    if form.validate_on_submit() and not form.must_point_out(told):
        with refusals(form):
            closing_services.add(
                actor, programme.id, year, form.text.data or "", idempotency_key=form.idempotency_key.data
            )
            flash(draft, "draft-clear")
            flash(gettext("追記しました。"), "success")
            return redirect(to("show", year=year) + "#additions", 303)
    if not form.is_submitted() and not closing_queries.standing(db.read(), programme.id, year):
        raise Conflict(N_("この年度は確定していません。文章をそのまま直してください。"))
    page = render_template(
        "evaluations/add.html",
        programme=programme,
        year=year,
        form=form,
        draft=draft,
        told=told,
        **shared(),
    )
    return page, form.status
