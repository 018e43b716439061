"""The pages of samples and findings."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.agencies import queries as agencies
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, can, require
from portal.inspections import findings as inspection_findings
from portal.inspections import samples
from portal.inspections.findings import FindingView, Standing
from portal.inspections.forms import AnswerForm, CheckForm, DrawForm, FindingForm, VerdictForm
from portal.inspections.hints import Check
from portal.inspections.samples import ItemView
from portal.referrals.forms import uuid_or_none
from portal.web.addresses import asking
from portal.web.base_form import BaseForm
from portal.web.pagination import after, page_of, page_size

bp = Blueprint("inspections", __name__, url_prefix="/inspections")


# Findings: the list, stating one, and its way from the auditor to the agency and back.

DAYS_TO_ANSWER = 14


@bp.get("/findings")
def findings() -> ResponseReturnValue:
    actor = signed_in()
    asked = next((one for one in Standing if one.value == request.args.get("show")), None)
    found = inspection_findings.listing(actor, asked, size=page_size() + 1, behind=after())
    return render_template(
        "inspections/findings.html",
        page=page_of(found, lambda one: (one.created_at, one.id)),
        asked=asked,
        standings=Standing,
        is_auditor=can(actor, Permission.INSPECT),
    )


@bp.route("/findings/new", methods=["GET", "POST"])
def finding_new() -> ResponseReturnValue:
    """About one referral of a sample (`item`), or about an agency in general."""
    actor = signed_in()
    require(actor, Permission.INSPECT)
    item_id = uuid_or_none(request.args.get("item"))
    item = samples.load_item(actor, asking(item_id)) if item_id else None
    due_on = clock.today() + timedelta(days=DAYS_TO_ANSWER)
    given = {"due_on": due_on, "check": request.args.get("check", ""), "text": item.note if item else ""}
    form = FindingForm(names(item), data=given)
    if form.validate_on_submit():
        with refusals(form):
            finding_id = inspection_findings.state(
                actor, form.statement(item_id), idempotency_key=form.idempotency_key.data
            )
            flash("finding-new", "draft-clear")
            flash(gettext("指摘を記録しました。機関の管理者と調整担当に表示されます。"), "success")
            return redirect(url_for(".finding", finding_id=finding_id), 303)
    return render_template("inspections/finding_new.html", form=form, item=item), form.status


def names(item: ItemView | None) -> list[tuple[UUID, str]]:
    if item:
        return [(item.from_agency_id, item.row.from_name), (item.to_agency_id, item.row.to_name)]
    return [(agency.id, agency.name) for agency in db.read.scalars(agencies.listing())]


@bp.get("/findings/<uuid:finding_id>")
def finding(finding_id: UUID) -> ResponseReturnValue:
    return page(signed_in(), finding_id)


def page(
    actor: Actor, finding_id: UUID, answer: AnswerForm | None = None, verdict: VerdictForm | None = None
) -> ResponseReturnValue:
    """One finding, with the form of whoever acts next; `answer` or `verdict` keeps refused input."""
    sent = answer or verdict
    view, history = inspection_findings.load(actor, finding_id)
    is_auditor = can(actor, Permission.INSPECT)
    if answer is None and may_answer(actor, view):
        answer = AnswerForm(formdata=None, data={"version": view.version, "text": view.answer})
    if verdict is None and is_auditor and view.standing in {Standing.ANSWERED, Standing.CLOSED}:
        due_on = clock.today() + timedelta(days=DAYS_TO_ANSWER)
        verdict = VerdictForm(formdata=None, data={"version": view.version, "due_on": due_on})
    shown = render_template(
        "inspections/finding.html",
        view=view,
        history=history,
        answer=answer,
        verdict=verdict,
        form=sent or answer or verdict,
        is_auditor=is_auditor,
    )
    return shown, sent.status if sent else 200


def may_answer(actor: Actor, view: FindingView) -> bool:
    return view.standing is not Standing.CLOSED and can(actor, Permission.FINDING_ANSWER, view)


@bp.post("/findings/<uuid:finding_id>/answer")
def finding_answer(finding_id: UUID) -> ResponseReturnValue:
    actor, form = signed_in(), AnswerForm()
    view, _history = inspection_findings.load(actor, finding_id)
    require(actor, Permission.FINDING_ANSWER, view)
    if form.validate_on_submit():
        with refusals(form):
            inspection_findings.answer(actor, finding_id, form.text.data or "", version=form.version.number)
            flash(f"finding-{finding_id}", "draft-clear")
            flash(gettext("回答しました。監査が確認します。"), "success")
            return redirect(url_for(".finding", finding_id=finding_id), 303)
        db.end()
    return page(actor, finding_id, answer=form)


@bp.post("/findings/<uuid:finding_id>/verdict")
def finding_verdict(finding_id: UUID) -> ResponseReturnValue:
    """Close the finding, or ask again."""
    actor, form = signed_in(), VerdictForm()
    require(actor, Permission.INSPECT)
    if form.validate_on_submit():
        with refusals(form):
            text, version = form.text.data or "", form.version.number
            if "again" in request.form:
                inspection_findings.ask_again(actor, finding_id, text, form.due_on.data, version=version)
                flash(gettext("もう一度回答するよう依頼しました。"), "success")
            else:
                inspection_findings.close(actor, finding_id, text, version=version)
                flash(gettext("指摘を完了にしました。"), "success")
            flash(f"finding-{finding_id}", "draft-clear")
            return redirect(url_for(".finding", finding_id=finding_id), 303)
        db.end()
    return page(actor, finding_id, verdict=form)


# Samples: the list, drawing one, one with its referrals, and the checklist of one referral.


@bp.get("/")
def index() -> ResponseReturnValue:
    key = after()
    found = samples.listing(signed_in(), size=page_size() + 1, behind=key and key[1])
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
            sample_id = samples.draw(actor, form.draw(), idempotency_key=form.idempotency_key.data)
            flash(gettext("抽出しました。上から順に点検してください。"), "success")
            return redirect(url_for(".show", sample_id=sample_id), 303)
    return render_template("inspections/new.html", form=form), form.status


@bp.get("/<uuid:sample_id>")
def show(sample_id: UUID) -> ResponseReturnValue:
    view = samples.load(signed_in(), sample_id)
    return render_template("inspections/show.html", view=view, form=BaseForm(formdata=None))


@bp.post("/<uuid:sample_id>/close")
def close(sample_id: UUID) -> ResponseReturnValue:
    samples.close(signed_in(), sample_id)
    flash(gettext("点検を終了しました。"), "success")
    return redirect(url_for(".show", sample_id=sample_id), 303)


@bp.route("/items/<uuid:item_id>", methods=["GET", "POST"])
def item(item_id: UUID) -> ResponseReturnValue:
    """The checklist, filled in with the portal's hints until the auditor has decided."""
    actor = signed_in()
    view = samples.load_item(actor, item_id)
    values = {one.value: view.answers.get(one, view.hints[one].verdict).value for one in Check}
    form = CheckForm(data={**values, "note": view.note, "version": view.version})
    if form.validate_on_submit():
        with refusals(form):
            sample_id = samples.check(
                actor, item_id, form.verdicts(), form.note.data or "", version=form.version.number
            )
            flash(f"inspection-{item_id}", "draft-clear")
            flash(gettext("点検の結果を記録しました。"), "success")
            if view.next_id:
                return redirect(url_for(".item", item_id=view.next_id), 303)
            return redirect(url_for(".show", sample_id=sample_id), 303)
        db.end()
    return render_template("inspections/item.html", view=view, form=form), form.status
