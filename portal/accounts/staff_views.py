"""Pages by which administrators look after staff."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts import absences, invitations, queries, services
from portal.accounts.forms import AbsenceForm, InviteForm, PostForm
from portal.accounts.gate import refusals, signed_in
from portal.accounts.invitations import Issued
from portal.accounts.models import Membership, Staff
from portal.agencies import queries as agencies
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, Role, require
from portal.web.pagination import after, page_of, page_size

bp = Blueprint("staff", __name__, url_prefix="/accounts")


def agencies_to_choose(actor: Actor) -> list[tuple[UUID, str]] | None:
    """All agencies for a system administrator; None for others, who have no choice."""
    if actor.role is not Role.SYSTEM_ADMIN:
        return None
    return [(agency.id, agency.name) for agency in db.read.scalars(agencies.listing())]


def chosen_agency() -> UUID | None:
    try:
        return UUID(request.args.get("agency", ""))
    except ValueError:
        return None


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    wanted = queries.page_of_staff(actor, after=after(), limit=page_size() + 1, agency=chosen_agency())
    page = page_of(db.read.execute(wanted).all(), lambda row: (row[0].created_at, row[0].id))
    invited = db.read.scalars(queries.invitations_visible_to(actor).limit(100)).all()
    return render_template(
        "accounts/index.html",
        page=page,
        invited=invited,
        agency_names=dict(agencies_to_choose(actor) or []),
        agencies=agencies_to_choose(actor),
        chosen=chosen_agency(),
        now=clock.now(),
    )


def offer(form: PostForm, actor: Actor) -> None:
    form.offer(queries.roles_to_give(actor), agencies_to_choose(actor))


@bp.route("/invite", methods=["GET", "POST"])
def invite() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.STAFF_LIST)
    form = InviteForm(role=Role.STAFF.value, agency=request.args.get("agency", ""))
    offer(form, actor)
    if form.validate_on_submit():
        with refusals(form):
            issued = invitations.invite(
                actor,
                email=form.email.data or "",
                name=form.name.data or "",
                post=form.post(actor.agency_id),
                idempotency_key=form.idempotency_key.data,
            )
            return link_page(issued)
    return render_template("accounts/invite.html", form=form), form.status


def link_page(issued: Issued) -> ResponseReturnValue:
    """The page that shows the link of an invitation once: only its hash is stored."""
    link = url_for("accounts.invitation", token=issued.token, _external=True) if issued.token else ""
    until = clock.now() + invitations.GOOD_FOR
    return render_template("accounts/link.html", link=link, until=until)


@bp.post("/invitations/<uuid:invitation_id>/reissue")
def reissue(invitation_id: UUID) -> ResponseReturnValue:
    return link_page(invitations.reissue(signed_in(), invitation_id))


@bp.post("/invitations/<uuid:invitation_id>/revoke")
def revoke(invitation_id: UUID) -> ResponseReturnValue:
    invitations.revoke(signed_in(), invitation_id)
    flash(gettext("招待を取り消しました。リンクはもう使えません。"), "success")
    return redirect(url_for(".index"), 303)


@bp.post("/invitations/<uuid:invitation_id>/bring-over")
def bring_over(invitation_id: UUID) -> ResponseReturnValue:
    staff_id = invitations.bring_over(signed_in(), invitation_id)
    flash(gettext("機関と役割を変更しました。次のサインインから有効です。"), "success")
    return redirect(url_for(".show", staff_id=staff_id), 303)


def visible(staff_id: UUID) -> tuple[Staff, Membership, str | None]:
    """One of the staff this reader looks after, else the missing page."""
    found = db.read.execute(queries.staff_visible_to(signed_in()).where(Staff.id == staff_id)).one()
    return found[0], found[1], found[2]


def absence_parts(staff_id: UUID, form: AbsenceForm | None) -> dict[str, Any]:
    """The days on which a member is away, and the form for them, for the page that shows both."""
    noted = db.read.scalars(queries.absence_of(staff_id, clock.today())).first()
    return {"absence": noted, "absence_form": form or AbsenceForm(formdata=None, obj=noted)}


def staff_page(staff_id: UUID, form: AbsenceForm | None = None) -> ResponseReturnValue:
    staff, membership, agency_name = visible(staff_id)
    return (
        render_template(
            "accounts/show.html",
            staff=staff,
            membership=membership,
            agency_name=agency_name,
            form=form,
            is_self=staff_id == signed_in().staff_id,
            **absence_parts(staff_id, form),
        ),
        form.status if form else 200,
    )


@bp.get("/<uuid:staff_id>")
def show(staff_id: UUID) -> ResponseReturnValue:
    return staff_page(staff_id)


@bp.post("/<uuid:staff_id>/absence")
def absence(staff_id: UUID) -> ResponseReturnValue:
    visible(staff_id)
    form = AbsenceForm()
    if form.validate_on_submit():
        with refusals(form):
            absences.set_days(
                signed_in(), staff_id, form.starts_on.data or clock.today(), form.until.data or clock.today()
            )
            flash(gettext("休みを登録しました。"), "success")
            return redirect(url_for(".show", staff_id=staff_id), 303)
    return staff_page(staff_id, form)


@bp.post("/<uuid:staff_id>/absence/end")
def absence_end(staff_id: UUID) -> ResponseReturnValue:
    absences.take_back(signed_in(), staff_id)
    flash(gettext("休みを取り消しました。"), "success")
    return redirect(url_for(".show", staff_id=staff_id), 303)


@bp.post("/<uuid:staff_id>/enable")
def enable(staff_id: UUID) -> ResponseReturnValue:
    services.enable(signed_in(), staff_id)
    flash(gettext("利用を再開しました。"), "success")
    return redirect(url_for(".show", staff_id=staff_id), 303)


@bp.post("/<uuid:staff_id>/new-password")
def new_password(staff_id: UUID) -> ResponseReturnValue:
    return link_page(invitations.invite_anew(signed_in(), staff_id))
