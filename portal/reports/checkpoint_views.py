"""Checkpoints to take along, and what two people say when the log does not go on from the kept ones."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.db import db
from portal.inspections import checkpoints, clock, restoring
from portal.reports.checkpoint_forms import RestoreForm
from portal.web.base_form import BaseForm

bp = Blueprint("checkpoints", __name__, url_prefix="/audit")

# Sequence numbers fit into the database's integers; no checkpoint is larger.
LONGEST = 18


def number(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= LONGEST else 0


def download(content: bytes, filename: str, mimetype: str) -> ResponseReturnValue:
    return send_file(BytesIO(content), mimetype=mimetype, download_name=filename, as_attachment=True)


@bp.get("/checkpoints")
def index() -> ResponseReturnValue:
    actor = signed_in()
    slips, jumps = checkpoints.show(actor), clock.told(actor)
    return render_template("audit/checkpoints.html", slips=slips, jumps=jumps, form=BaseForm(formdata=None))


@bp.post("/checkpoints")
def make() -> ResponseReturnValue:
    """One more, now. Pressed twice there are two: each covers the other's entry."""
    checkpoints.make_now(signed_in())
    flash(gettext("照合票を作成しました。保存して、手元に保管してください。"), "success")
    return redirect(url_for(".index"), 303)


@bp.get("/checkpoints/tsunagu.vkey")
def key() -> ResponseReturnValue:
    content = checkpoints.take_key(signed_in())
    return download(content.encode(), "tsunagu.vkey", "text/plain; charset=utf-8")


@bp.get("/checkpoints/all.zip")
def everything() -> ResponseReturnValue:
    """All of them; `after` is the size of the last one that the reader has."""
    content = checkpoints.take_all(signed_in(), number(request.args.get("after", "")))
    return download(content, "tsunagu-checkpoints.zip", "application/zip")


@bp.get("/checkpoints/<int:size>.txt")
def note(size: int) -> ResponseReturnValue:
    text = checkpoints.take(signed_in(), number(str(size)))
    return download(text.encode(), f"tsunagu-{size:012}.txt", "text/plain; charset=utf-8")


@bp.route("/restore", methods=["GET", "POST"])
def restore() -> ResponseReturnValue:
    """What disagrees, and the first person's word."""
    actor, form = signed_in(), RestoreForm()
    if form.validate_on_submit():
        with refusals(form):
            restoring.propose(actor, form.reason.data or "")
            flash("audit-restore", "draft-clear")
            flash(gettext("申告しました。別の監査またはシステム管理者の確認をお待ちください。"), "success")
            return redirect(url_for(".restore"), 303)
        db.end()
    standing = restoring.look(actor)
    return render_template("audit/restore.html", form=form, standing=standing), form.status


@bp.post("/restore/<int:seq>/confirm")
def confirm(seq: int) -> ResponseReturnValue:
    """The second person's word."""
    restoring.declare(signed_in(), number(str(seq)))
    flash(gettext("復元を確認しました。書き込みを再開しました。"), "success")
    return redirect(url_for(".index"), 303)
