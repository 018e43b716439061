"""Pages about families: tying two people of one's own record, and registering a 本人 whom a relative speaks of."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import NoResultFound

from portal.accounts.gate import refusals, signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import NotAllowed, missing_page
from portal.core.labels import N_
from portal.core.policy import Actor
from portal.disclosures import people
from portal.disclosures import services as disclosures
from portal.disclosures.people import PersonView
from portal.people import queries, services
from portal.people.categories import Category
from portal.people.forms import RelativeForm, TieForm
from portal.web.addresses import asking
from portal.web.base_form import BaseForm

bp = Blueprint("family", __name__, url_prefix="/<uuid:person_id>/family")


def at_home(actor: Actor, person_id: UUID) -> PersonView:
    """The person, for a page that changes the record.

    Raises:
        NoResultFound: none that this reader may know of.
        NotAllowed: the record is kept by another agency.
    """
    view = disclosures.show(actor, asking(person_id))
    if not view.is_home:
        raise NotAllowed(
            N_("この人の記録は%(agency)sが管理しています。変更が必要なときは、その機関に連絡してください。"),
            person_id=person_id,
            agency=view.home_agency_name,
        )
    return view


@bp.route("/new", methods=["GET", "POST"])
def new(person_id: UUID) -> ResponseReturnValue:
    """Look for the relative among one's own records, then say what they are to the person."""
    actor, form = signed_in(), TieForm()
    view = at_home(actor, person_id)
    found: list[queries.OwnPerson] = []
    if form.is_submitted() and form.q.data:
        found = queries.search_own(db.read(), actor, form.q.data, but=person_id)
        audit.record_reading(
            AuditEvent.PEOPLE_LISTED,
            actor=actor,
            categories=[Category.BASIC],
            ground="home",
            count=len(found),
        )
    form.offer(found)
    if form.is_submitted() and "find" not in request.form and form.validate():
        with refusals(form):
            if (chosen := form.chosen()) is None:
                return missing_page()  # the form has kept the id that it had not offered
            key = form.idempotency_key.data
            services.tie_family(actor, person_id, *chosen, idempotency_key=key)
            flash(gettext("家族関係を登録しました。"), "success")
            return redirect(url_for("people.show", person_id=person_id))
    return render_template("people/family/new.html", view=view, form=form, found=found), form.status


@bp.route("/pseudonym", methods=["GET", "POST"])
def pseudonym(person_id: UUID) -> ResponseReturnValue:
    """Register the 本人, who has agreed to nothing, under a pseudonym, tied to the relative who came."""
    actor, form = signed_in(), RelativeForm()
    view = at_home(actor, person_id)
    if form.validate_on_submit():
        with refusals(form):
            relative_id = services.register_relative(
                actor,
                person_id,
                form.basics(),
                form.relation.data,
                idempotency_key=form.idempotency_key.data,
            )
            flash(f"person-relative-{person_id}", "draft-clear")
            return redirect(url_for("people.registered", person_id=relative_id))
    return render_template("people/family/pseudonym.html", view=view, form=form), form.status


@bp.route("/<uuid:tie_id>/remove", methods=["GET", "POST"])
def remove(person_id: UUID, tie_id: UUID) -> ResponseReturnValue:
    """Undo a tie that was entered wrongly."""
    actor, form = signed_in(), BaseForm()
    view = at_home(actor, person_id)
    ties = people.relatives(db.read(), actor, person_id, clock.now())
    tie = next((one for one in ties if one.tie_id == tie_id), None)
    if tie is None:
        raise NoResultFound
    if form.validate_on_submit():
        services.untie_family(actor, tie_id)
        flash(gettext("家族関係を取り消しました。"), "success")
        return redirect(url_for("people.show", person_id=person_id))
    return render_template("people/family/remove.html", view=view, tie=tie, form=form)
