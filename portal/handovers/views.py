"""The pages by which a post is taken away: a change of role or agency, and disabling."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.accounts.models import Membership
from portal.accounts.queries import colleagues
from portal.accounts.services import post_of
from portal.accounts.staff_views import offer, visible
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, StaleForm
from portal.handovers import services
from portal.handovers.forms import DisableForm, HeirField, MoveForm

bp = Blueprint("handovers", __name__, url_prefix="/accounts")


def offer_heirs(field: HeirField, membership: Membership) -> None:
    """The colleagues who may take over."""
    found = db.read.execute(colleagues(membership.agency_id, clock.today())).all()
    field.offer([one for one in found if one.id != membership.staff_id])


@bp.route("/<uuid:staff_id>/edit", methods=["GET", "POST"])
def edit(staff_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    staff, membership, _name = visible(staff_id)
    hanging = services.look(actor, staff_id, membership.agency_id)
    form = MoveForm(
        name=staff.name,
        role=membership.role.value,
        administers=membership.administers,
        agency=str(membership.agency_id or ""),
        version=staff.version,
    )
    is_self = staff_id == actor.staff_id
    if is_self:
        form.keep_post()
        del form.heir
    else:
        offer(form, actor)
        offer_heirs(form.heir, membership)
    last = stale = False
    if form.validate_on_submit():
        with refusals(form):
            try:
                services.update(
                    actor,
                    staff_id,
                    name=form.name.data or "",
                    post=post_of(membership) if is_self else form.post(actor.agency_id),
                    heir_id=form.heir.heir_id if "heir" in form else None,
                    decided="heir" in form and form.heir.decided,
                    version=form.version.number,
                    leave_unmanaged=bool(form.leave_unmanaged.data),
                )
            except StaleForm:
                stale = True
                raise
            except Conflict as error:
                last = error.field == "leave_unmanaged"
                raise
            flash(gettext("職員の情報を変更しました。"), "success")
            return redirect(url_for("accounts.staff.show", staff_id=staff_id), 303)
    staff, membership, agency_name = visible(staff_id)
    if stale:
        form.version.data = str(staff.version)  # sent once more, it is meant
    return (
        render_template(
            "handovers/edit.html",
            form=form,
            staff=staff,
            membership=membership,
            agency_name=agency_name,
            last=last,
            stale=stale,
            is_self=is_self,
            hanging=hanging,
        ),
        form.status,
    )


@bp.route("/<uuid:staff_id>/disable", methods=["GET", "POST"])
def disable(staff_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    staff, membership, agency_name = visible(staff_id)
    hanging = services.look(actor, staff_id, membership.agency_id)
    form = DisableForm()
    offer_heirs(form.heir, membership)
    if form.validate_on_submit():
        with refusals(form):
            services.disable(
                actor,
                staff_id,
                heir_id=form.heir.heir_id,
                decided=form.heir.decided,
                leave_unmanaged=bool(form.leave_unmanaged.data),
            )
            flash(gettext("利用を停止しました。この職員はすぐにサインアウトされます。"), "success")
            return redirect(url_for("accounts.staff.show", staff_id=staff_id), 303)
        staff, membership, agency_name = visible(staff_id)
    return (
        render_template(
            "handovers/disable.html", form=form, staff=staff, agency_name=agency_name, hanging=hanging
        ),
        form.status,
    )
