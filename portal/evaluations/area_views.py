"""Arranging the areas (項目) of a programme."""

from __future__ import annotations

from flask import flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import NoResultFound

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.agencies.models import Agency
from portal.db import db
from portal.evaluations import area_queries, area_services
from portal.evaluations.area_queries import Arranged
from portal.evaluations.asked import programme_of, shared, to
from portal.evaluations.blueprint import bp
from portal.evaluations.forms import AreaChangeForm, AreaForm
from portal.policy import Actor, Permission, require


def own_programme(actor: Actor) -> Agency:
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_CLOSE, programme)
    return programme


def arranged(programme: Agency, code: str) -> Arranged:
    for one in area_queries.all_areas(db.read(), programme.id):
        if one.area.code == code:
            return one
    raise NoResultFound


@bp.get("/areas")
def areas() -> ResponseReturnValue:
    programme = own_programme(signed_in())
    found = area_queries.all_areas(db.read(), programme.id)
    return render_template("evaluations/areas.html", programme=programme, areas=found, **shared())


@bp.route("/areas/new", methods=["GET", "POST"])
def area_new() -> ResponseReturnValue:
    actor = signed_in()
    programme = own_programme(actor)
    form = AreaForm()
    if form.validate_on_submit():
        with refusals(form):
            area_services.define(
                actor,
                programme.id,
                form.name.data or "",
                kinds=form.chosen_kinds(),
                measures=form.chosen_measures(),
                idempotency_key=form.idempotency_key.data,
            )
            flash(gettext("項目を追加しました。"), "success")
            return redirect(to("areas"), 303)
    page = render_template("evaluations/area.html", programme=programme, form=form, one=None, **shared())
    return page, form.status


@bp.route("/areas/<area>", methods=["GET", "POST"])
def area_edit(area: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = own_programme(actor)
    one = arranged(programme, area)
    form = AreaChangeForm(
        data={
            "name": one.area.name,
            "kinds": [kind.value for kind in one.area.kinds],
            "measures": [measure.value for measure in one.area.measures],
            "retired_from": str(one.area.retired_from or ""),
            "version": one.version,
        }
    )
    this_year = clock.fiscal_year(clock.today())
    form.offer_years(range(this_year, this_year + 3), one.area.retired_from)
    if form.validate_on_submit():
        with refusals(form):
            area_services.change(
                actor,
                programme.id,
                area,
                name=form.name.data or "",
                kinds=form.chosen_kinds(),
                measures=form.chosen_measures(),
                retired_from=form.year,
                version=form.version.number,
            )
            flash(gettext("項目を変更しました。"), "success")
            return redirect(to("areas"), 303)
        one = arranged(programme, area)
        form.version.data = str(one.version)
    page = render_template("evaluations/area.html", programme=programme, form=form, one=one, **shared())
    return page, form.status


@bp.post("/areas/<area>/<any(up, down):direction>")
def area_move(area: str, direction: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = own_programme(actor)
    arranged(programme, area)
    area_services.move(actor, programme.id, area, up=direction == "up")
    return redirect(to("areas") + f"#{area}", 303)
