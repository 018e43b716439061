"""Opening one name with a reason, and the list of names that were opened."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.inspections import names
from portal.policy import Permission, can
from portal.reports import audit_people
from portal.reports.audit_blueprint import bp
from portal.reports.forms import NameForm
from portal.text import is_blank
from portal.web.pagination import after, page_of, page_size


@bp.route("/people/<uuid:person_id>/name", methods=["GET", "POST"])
def open_name(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    number, name = audit_people.named(actor, person_id)
    form = NameForm()
    back = url_for(".person", person_id=person_id)
    if name:
        flash(gettext("この相談者の氏名は、すでに表示しています。"), "info")
        return redirect(back, 303)
    if form.validate_on_submit():
        with refusals(form):
            names.open_name(
                actor, person_id, form.reason.data or "", idempotency_key=form.idempotency_key.data
            )
            flash(gettext("氏名を表示しました。今日の24時に自動で閉じます。"), "success")
            flash(f"name-{person_id}", "draft-clear")
            return redirect(back, 303)
    elif form.is_submitted() and is_blank(form.reason.data or ""):
        note_refusal(names.unreasoned(person_id))
    page = render_template("audit/name.html", form=form, number=number, person_id=person_id, back=back)
    return page, form.status


@bp.get("/openings")
def openings() -> ResponseReturnValue:
    actor = signed_in()
    found = names.read_openings(actor, after=after(), size=page_size() + 1)
    page = page_of(found, lambda opening: (opening.at, opening.id))
    return render_template("audit/openings.html", page=page, is_auditor=can(actor, Permission.AUDIT_READ))
