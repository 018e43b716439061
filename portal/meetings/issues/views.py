"""The pages of local issues (地域課題): the list, raising one, and what came of it."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.core import clock
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.labels import N_
from portal.core.policy import Permission, require
from portal.meetings.blueprint import bp
from portal.meetings.issues import queries, services
from portal.meetings.issues.forms import IssueChangeForm, IssueForm
from portal.meetings.states import IssueStatus
from portal.web.pagination import after, page_of, page_size


@bp.get("/local-issues")
def issues() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    status = next((one for one in IssueStatus if one.value == request.args.get("status")), None)
    now, begin = clock.now(), after()
    rows = queries.page(db.read(), actor, status, now, after=begin, size=page_size())
    page = page_of(rows, lambda row: (row.created_at, row.id))
    first = status is None and begin is None
    lacking = queries.lacking(db.read(), actor, now) if first else ()
    return render_template(
        "meetings/issues.html", page=page, status=status, statuses=IssueStatus, lacking=lacking
    )


@bp.route("/local-issues/new", methods=["GET", "POST"])
def issue_new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    form = IssueForm()
    if form.validate_on_submit():
        with refusals(form):
            issue_id = services.raise_issue(
                actor, form.text.data or "", idempotency_key=form.idempotency_key.data
            )
            flash("issue-new", "draft-clear")
            flash(gettext("地域課題に残しました。"), "success")
            return redirect(url_for(".issue", issue_id=issue_id))
    return render_template("meetings/issue_new.html", form=form), form.status


@bp.get("/local-issues/<uuid:issue_id>")
def issue(issue_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = queries.load(db.read(), actor, issue_id, clock.now())
    return render_template("meetings/issue.html", issue=view)


@bp.route("/local-issues/<uuid:issue_id>/edit", methods=["GET", "POST"])
def issue_edit(issue_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = queries.load(db.read(), actor, issue_id, clock.now())
    if not view.may_be_changed_by(actor):
        raise NotAllowed(
            N_("地域課題を更新できるのは、記録した機関と、検討した会議を主催する機関の調整担当です。")
        )
    form = IssueChangeForm(text=view.text, stands=view.status.value, result=view.result, version=view.version)
    may_reword = view.may_be_reworded_by(actor)
    if not may_reword:
        del form.text
    if form.validate_on_submit():
        with refusals(form):
            services.change(
                actor,
                issue_id,
                status=IssueStatus(form.stands.data),
                result=form.result.data or "",
                text=(form.text.data or "") if may_reword else view.text,
                version=form.version.number,
            )
            flash(f"issue-{issue_id}", "draft-clear")
            flash(gettext("地域課題を更新しました。"), "success")
            return redirect(url_for(".issue", issue_id=issue_id))
        db.end()
        view = queries.load(db.read(), actor, issue_id, clock.now())
    return render_template("meetings/issue_edit.html", issue=view, form=form), form.status
