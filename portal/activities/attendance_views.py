"""The pages on who came: adding people and heads, a note on one of them, naming a head later, taking one back."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import NoResultFound

from portal.accounts.gate import refusals, signed_in
from portal.activities import attendance_services, head_counts, head_services
from portal.activities.activity_views import read
from portal.activities.attendance_forms import AttendanceForm, HeadForm, LinkForm, UnlinkForm
from portal.activities.attendance_queries import HeadRow
from portal.activities.blueprint import bp
from portal.activities.kinds import OUTREACH
from portal.activities.picking_forms import offered, wants_search
from portal.errors import Conflict, missing_page
from portal.policy import Actor
from portal.web.base_form import BaseForm
from portal.words import N_

HEAD = "/<uuid:activity_id>/attendance/<uuid:activity_attendance_id>"


def standing(actor: Actor, activity_id: UUID) -> tuple[Any, list[HeadRow]]:
    activity, rows = read(actor, activity_id)
    if activity.struck_at is not None:
        raise Conflict(N_("この活動の記録は取り消されています。"))
    return activity, rows


def head_of(actor: Actor, activity_id: UUID, head_id: UUID) -> tuple[Any, HeadRow, list[HeadRow]]:
    activity, rows = standing(actor, activity_id)
    head = next((row for row in rows if row.id == head_id), None)
    if head is None:
        raise NoResultFound
    return activity, head, rows


def anonymous(rows: list[HeadRow]) -> tuple[int, int]:
    """How many heads without a name: here for the first time, and again."""
    nameless = [row for row in rows if row.is_anonymous]
    first = sum(row.is_first for row in nameless)
    return first, len(nameless) - first


def people_of(rows: list[HeadRow]) -> frozenset[UUID]:
    return frozenset(row.person_id for row in rows if row.person_id)


@bp.route("/<uuid:activity_id>/attendance", methods=["GET", "POST"])
def attendance(activity_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    activity, rows = standing(actor, activity_id)
    if activity.kind in OUTREACH or activity.not_held_why:
        raise Conflict(N_("この活動には、参加者を一人ずつ記録しません。"))
    first, again = anonymous(rows)
    form = AttendanceForm(data={"first": str(first), "again": str(again), "was": f"{first}-{again}"})
    searching = wants_search(form)
    people = offered(form, actor, activity.kind, activity.series_id, but=people_of(rows))
    if form.is_submitted() and not searching and form.validate():
        with refusals(form):
            attendance_services.note_heads(
                actor,
                activity_id,
                form.heads(),
                expected=form.expected(),
                idempotency_key=form.idempotency_key.data,
            )
            flash(f"attendance-{activity_id}", "draft-clear")
            flash(gettext("参加者を記録しました。"), "success")
            return redirect(url_for(".show", activity_id=activity_id))
        activity, rows = standing(actor, activity_id)
        form.was.data = "-".join(map(str, anonymous(rows)))
    page = render_template(
        "activities/attendance.html",
        activity=activity,
        rows=rows,
        form=form,
        people=people,
        now_anonymous=anonymous(rows),
        searching=searching,
        heads=head_counts.of_activity(activity_id),
    )
    return page, form.status


def mark_of(note: str) -> str:
    """Stands for a note in a form, so that it is known whether a colleague changed it."""
    return hashlib.sha256(note.encode()).hexdigest()[:16]


@bp.route(HEAD, methods=["GET", "POST"])
def head(activity_id: UUID, activity_attendance_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    activity, one, _rows = head_of(actor, activity_id, activity_attendance_id)
    form = HeadForm(data={"note": one.note, "is_first": one.is_first, "was": mark_of(one.note)})
    theirs = None
    if form.validate_on_submit():
        stands = form.was.data == mark_of(one.note)
        with refusals(form):
            head_services.set_note(
                actor,
                activity_id,
                activity_attendance_id,
                form.note.data or "",
                is_first=form.is_first.data,
                expected=one.note if stands else f"{one.note} ",
            )
            flash(f"head-{activity_attendance_id}", "draft-clear")
            flash(gettext("参加者の記録を保存しました。"), "success")
            return redirect(url_for(".show", activity_id=activity_id))
        activity, one, _rows = head_of(actor, activity_id, activity_attendance_id)
        theirs = one.note if form.was.data != mark_of(one.note) else None
        form.was.data = mark_of(one.note)
    page = render_template("activities/head.html", activity=activity, head=one, form=form, theirs=theirs)
    return page, form.status


@bp.route(f"{HEAD}/link", methods=["GET", "POST"])
def link(activity_id: UUID, activity_attendance_id: UUID) -> ResponseReturnValue:
    """Somebody anonymous is known by name now."""
    actor = signed_in()
    activity, one, _rows = head_of(actor, activity_id, activity_attendance_id)
    if not one.is_anonymous:
        raise Conflict(N_("この参加者には、すでに氏名があります。"))
    form = LinkForm()
    searching = wants_search(form)
    # Who stands among those who came is offered too: the refusal says so.
    people = offered(form, actor, activity.kind, activity.series_id)
    if form.is_submitted() and not searching and form.validate():
        with refusals(form):
            chosen = next((p for p in people.everybody() if str(p.id) == form.people.data), None)
            if chosen is None:
                return missing_page()  # the form has kept the id that it had not offered
            head_services.link(actor, activity_id, activity_attendance_id, chosen.id)
            flash(gettext("匿名の参加者を「%(name)s」さんと結びつけました。", name=chosen.label), "success")
            return redirect(url_for(".show", activity_id=activity_id))
    page = render_template(
        "activities/link.html",
        activity=activity,
        head=one,
        form=form,
        people=people,
        searching=searching,
    )
    return page, form.status


@bp.route(f"{HEAD}/unlink", methods=["GET", "POST"])
def unlink(activity_id: UUID, activity_attendance_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    activity, one, _rows = head_of(actor, activity_id, activity_attendance_id)
    if one.linked_at is None:
        raise Conflict(N_("この参加者は、はじめから氏名で記録されています。"))
    form = UnlinkForm(data={"note": one.note})
    if form.validate_on_submit():
        with refusals(form):
            head_services.unlink(actor, activity_id, activity_attendance_id, note=form.note.data or "")
            flash(gettext("結びつけを解きました。匿名の参加者に戻っています。"), "success")
            return redirect(url_for(".show", activity_id=activity_id))
    return render_template("activities/unlink.html", activity=activity, head=one, form=form), form.status


@bp.route(f"{HEAD}/remove", methods=["GET", "POST"])
def remove(activity_id: UUID, activity_attendance_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    activity, one, _rows = head_of(actor, activity_id, activity_attendance_id)
    form = BaseForm()
    if form.validate_on_submit():
        with refusals(form):
            head_services.remove(actor, activity_id, activity_attendance_id)
            flash(gettext("参加者の記録を取り消しました。"), "success")
            return redirect(url_for(".show", activity_id=activity_id))
    return render_template("activities/remove.html", activity=activity, head=one, form=form), form.status
