"""Samples: the list, drawing one, one with its referrals, and the checklist of one referral."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.agencies import queries as agencies
from portal.db import db
from portal.inspections import sample_queries, sample_services
from portal.inspections.blueprint import bp
from portal.inspections.checks import Check
from portal.inspections.sample_forms import CheckForm, DrawForm
from portal.policy import Permission, require
from portal.web.base_form import BaseForm
from portal.web.pagination import after, page_of, page_size


@bp.get("/")
def index() -> ResponseReturnValue:
    key = after()
    found = sample_queries.listing(signed_in(), size=page_size() + 1, behind=key and key[1])
    return render_template(
        "inspections/index.html", page=page_of(found, lambda one: (one.created_at, one.id))
    )


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.INSPECT)
    names = [(agency.id, agency.name) for agency in db.read.scalars(agencies.listing())]
    month = clock.today().replace(day=1) - timedelta(days=1)
    form = DrawForm(names, data={"first": month.replace(day=1), "last": month, "wanted": 20})
    if form.validate_on_submit():
        with refusals(form):
            sample_id = sample_services.draw(actor, form.draw(), idempotency_key=form.idempotency_key.data)
            flash(gettext("抽出しました。上から順に点検してください。"), "success")
            return redirect(url_for(".show", sample_id=sample_id), 303)
    return render_template("inspections/new.html", form=form), form.status


@bp.get("/<uuid:sample_id>")
def show(sample_id: UUID) -> ResponseReturnValue:
    view = sample_queries.load(signed_in(), sample_id)
    return render_template("inspections/show.html", view=view, form=BaseForm(formdata=None))


@bp.post("/<uuid:sample_id>/close")
def close(sample_id: UUID) -> ResponseReturnValue:
    sample_services.close(signed_in(), sample_id)
    flash(gettext("点検を終了しました。"), "success")
    return redirect(url_for(".show", sample_id=sample_id), 303)


@bp.route("/items/<uuid:item_id>", methods=["GET", "POST"])
def item(item_id: UUID) -> ResponseReturnValue:
    """The checklist, filled in with what the portal worked out until the auditor has decided."""
    actor = signed_in()
    view = sample_queries.load_item(actor, item_id)
    values = {one.value: view.answers.get(one, view.hints[one].verdict).value for one in Check}
    form = CheckForm(data={**values, "note": view.note, "version": view.version})
    if form.validate_on_submit():
        with refusals(form):
            sample_id = sample_services.check(
                actor, item_id, form.verdicts(), form.note.data or "", version=form.version.number
            )
            flash(f"inspection-{item_id}", "draft-clear")
            flash(gettext("点検の結果を記録しました。"), "success")
            if view.next_id:
                return redirect(url_for(".item", item_id=view.next_id), 303)
            return redirect(url_for(".show", sample_id=sample_id), 303)
        db.end()
    return render_template("inspections/item.html", view=view, form=form), form.status
