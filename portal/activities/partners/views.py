"""The pages of partners: the list, one with its agreements and what was done there, and keeping it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.activities.blueprint import bp
from portal.activities.models import Agreement
from portal.activities.partners import queries, services
from portal.activities.partners.forms import (
    TYPED,
    AgainForm,
    AgreementForm,
    EndPartnerForm,
    NewPartnerForm,
    PartnerFilterForm,
    PartnerForm,
)
from portal.activities.partners.queries import PartnerView, Use
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.views import day_and_id, place
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.people.categories import Category
from portal.web.base_form import BaseForm
from portal.web.pagination import after, page_of, page_size


@bp.get("/partners/")
def partners() -> ResponseReturnValue:
    actor, now = signed_in(), clock.now()
    require(actor, Permission.CASEWORK)
    form, cursor = PartnerFilterForm(request.args), after()
    rows = queries.page(
        db.read(), actor, form.wanted(), now, after=cursor[1] if cursor else None, size=page_size() + 1
    )
    page = page_of(rows, lambda row: (now, row.id))
    is_narrowed = any(request.args.get(name) for name in ("offer", "agreement", "show"))
    return render_template("activities/partners.html", page=page, form=form, is_narrowed=is_narrowed)


@bp.route("/partners/new", methods=["GET", "POST"])
def partner_new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    form = NewPartnerForm(data={"added_on": clock.today()})
    if form.validate_on_submit():
        with refusals(form):
            partner_id = services.add(
                actor,
                form.facts(),
                added_on=form.added_on.data,
                signed_on=form.signed_on.data,
                valid_until=form.valid_until.data,
                idempotency_key=form.idempotency_key.data,
            )
            flash("partner-new", "draft-clear")
            flash(gettext("協力先を登録しました。"), "success")
            return redirect(url_for(".partner", partner_id=partner_id))
    return render_template("activities/partner_new.html", form=form), form.status


@bp.get("/partners/<uuid:partner_id>")
def partner(partner_id: UUID) -> ResponseReturnValue:
    actor, now = signed_in(), clock.now()
    view = queries.load(db.read(), actor, partner_id, now)
    rows = queries.uses(db.read(), actor, partner_id, now, after=day_and_id(), size=page_size() + 1)
    page = page_of(rows, lambda row: place(row.held_on, row.id))
    note_reading(actor, partner_id, page.rows)
    return render_template(
        "activities/partner.html",
        partner=view,
        agreements=db.read().execute(queries.agreements_of(partner_id)).all(),
        today=clock.today(),
        page=page,
        again=AgainForm(data={"version": view.version}),
    )


def note_reading(actor: Actor, partner_id: UUID, shown: Any) -> None:
    """Log whose names, or at least how many people, the page shows."""
    uses: list[Use] = list(shown)
    people = {one.person_id for use in uses for one in use.visitors}
    if not people:
        return
    named = any(one.label for use in uses for one in use.visitors)
    audit.record_reading(
        AuditEvent.PARTNER_READ,
        ("partner", partner_id),
        actor=actor,
        person_id=next(iter(people)) if len(people) == 1 else None,
        categories=[Category.BASIC] if named else [],
        ground="own_work",
        count=len(people),
    )


def kept(actor: Actor, partner_id: UUID) -> PartnerView:
    """The partner, which the reader's agency must keep."""
    view = queries.load(db.read(), actor, partner_id, clock.now())
    require(actor, Permission.PARTNER_EDIT, view)
    return view


@bp.route("/partners/<uuid:partner_id>/edit", methods=["GET", "POST"])
def partner_edit(partner_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = kept(actor, partner_id)
    typed = {name: getattr(view, name) for name in TYPED}
    form = PartnerForm(data=typed | {"offers": [one.value for one in view.offers], "version": view.version})
    clashes: list[tuple[str, str, str]] = []
    if form.validate_on_submit():
        with refusals(form):
            services.change(actor, partner_id, form.facts(), version=form.version.number)
            flash(f"partner-{partner_id}", "draft-clear")
            flash(gettext("協力先の情報を保存しました。"), "success")
            return redirect(url_for(".partner", partner_id=partner_id))
        view = kept(actor, partner_id)
        if form.version.number != view.version:
            clashes = form.clashes(view)
            form.version.data = str(view.version)
    page = render_template("activities/partner_edit.html", partner=view, form=form, clashes=clashes)
    return page, form.status


@bp.route("/partners/<uuid:partner_id>/end", methods=["GET", "POST"])
def partner_end(partner_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = kept(actor, partner_id)
    form = EndPartnerForm(data={"ended_on": clock.today(), "version": view.version})
    if form.validate_on_submit():
        with refusals(form):
            version = form.version.number
            services.end(actor, partner_id, form.ended_on.data, version=version)
            flash(gettext("受け入れの終わりを記録しました。"), "success")
            return redirect(url_for(".partner", partner_id=partner_id))
        view = kept(actor, partner_id)
        form.version.data = str(view.version)
    return render_template("activities/partner_end.html", partner=view, form=form), form.status


@bp.post("/partners/<uuid:partner_id>/again")
def partner_again(partner_id: UUID) -> ResponseReturnValue:
    actor, form = signed_in(), AgainForm()
    kept(actor, partner_id)
    services.take_up_again(actor, partner_id, version=form.version.number)
    flash(gettext("受け入れを再開しました。"), "success")
    return redirect(url_for(".partner", partner_id=partner_id))


@bp.route("/partners/<uuid:partner_id>/agreements/new", methods=["GET", "POST"])
def agreement_new(partner_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = kept(actor, partner_id)
    form = AgreementForm(data={"signed_on": clock.today()})
    if form.validate_on_submit() and (signed_on := form.signed_on.data):
        with refusals(form):
            until, key = form.valid_until.data, form.idempotency_key.data
            services.sign(actor, partner_id, signed_on, until, idempotency_key=key)
            flash(gettext("協定を登録しました。"), "success")
            return redirect(url_for(".partner", partner_id=partner_id))
    return render_template("activities/partner_agreement.html", partner=view, form=form), form.status


@bp.route("/partners/<uuid:partner_id>/agreements/<uuid:agreement_id>/strike", methods=["GET", "POST"])
def agreement_strike(partner_id: UUID, agreement_id: UUID) -> ResponseReturnValue:
    """Show the agreement for confirmation, then strike it out; it stays readable and counts nowhere."""
    actor, form = signed_in(), BaseForm()
    view = kept(actor, partner_id)
    statement = queries.agreements_of(partner_id).where(Agreement.id == agreement_id)
    agreement = db.read().execute(statement).one()
    if form.validate_on_submit():
        with refusals(form):
            services.strike_agreement(actor, partner_id, agreement_id)
            flash(gettext("協定の登録を取り消しました。"), "success")
            return redirect(url_for(".partner", partner_id=partner_id))
    shown = {"partner": view, "agreement": agreement, "form": form}
    return render_template("activities/partner_agreement_strike.html", **shown), form.status
