"""The list of meetings, and the dates of a single one: calling, moving, cancelling it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.errors import Conflict
from portal.meetings import (
    agenda_reading,
    schedule_services,
    series_reading,
    services,
    slot_services,
)
from portal.meetings.agenda_view import MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.schedule_forms import CancelForm, MeetingForm
from portal.meetings.series_reading import Show
from portal.meetings.series_views import offer, rule_words
from portal.meetings.states import MeetingAction
from portal.policy import Actor, Permission, can, require
from portal.web.pagination import after, page_of, page_size


@bp.get("/")
def index() -> ResponseReturnValue:
    """What is to come, what was, and the series; missing dates of the series are made first."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    slot_services.top_up_short(actor)
    chosen = request.args.get("show", "")
    show = Show(chosen) if chosen in set(Show) else Show.COMING
    shown = {"show": show, "may_convene": can(actor, Permission.MEETING_CONVENE), "now": clock.now()}
    audit.record_reading(AuditEvent.MEETINGS_LISTED, actor=actor)
    if show is Show.SERIES:
        series = series_reading.series_list(db.read(), actor)
        return render_template("meetings/index.html", **shown, series=series, rule_words=rule_words)
    rows = series_reading.page(db.read(), actor, show, after=after(), size=page_size() + 1)
    page = page_of(rows, lambda row: (row.starts_at, row.id))
    return render_template("meetings/index.html", **shown, page=page)


def tomorrow_at_ten() -> datetime:
    return clock.as_utc(datetime.combine(clock.today() + timedelta(days=1), time(10), clock.JAPAN))


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_CONVENE)
    form = MeetingForm(data={"starts_at": tomorrow_at_ten(), "presenter": actor.agency_id})
    offer(form, actor)
    if form.validate_on_submit():
        with refusals(form):
            key = form.idempotency_key.data
            meeting_id = schedule_services.schedule(actor, form.facts(), idempotency_key=key)
            flash("meeting-new", "draft-clear")
            flash(gettext("会議を登録しました。次は議題を整えて、参加機関に案内してください。"), "success")
            return redirect(url_for(".show", meeting_id=meeting_id))
    return render_template("meetings/new.html", form=form), form.status


def arranged(actor: Actor, meeting_id: UUID) -> MeetingView:
    """The meeting, for the convener's coordinator."""
    meeting = agenda_reading.load_meeting(db.read(), actor, meeting_id, clock.now())
    require(actor, Permission.MEETING_ARRANGE, meeting)
    return meeting


def coming(actor: Actor, meeting_id: UUID) -> MeetingView:
    meeting = arranged(actor, meeting_id)
    if request.method == "GET" and not meeting.is_coming:
        raise Conflict(schedule_services.ALREADY_HELD)
    return meeting


@bp.route("/<uuid:meeting_id>/edit", methods=["GET", "POST"])
def edit(meeting_id: UUID) -> ResponseReturnValue:
    """Date, place, agencies of this one meeting; its series goes on as it was."""
    actor = signed_in()
    meeting = coming(actor, meeting_id)
    form = MeetingForm(data=MeetingForm.filled(meeting))
    offer(form, actor, also=dict(meeting.members))
    if form.validate_on_submit():
        with refusals(form):
            schedule_services.move(actor, meeting_id, form.facts(), version=form.version.number)
            flash(f"meeting-{meeting_id}", "draft-clear")
            flash(gettext("会議を変更しました。"), "success")
            if meeting.announced_at:
                flash(
                    gettext("案内したあとの変更です。参加機関に知らせ、見える範囲を確かめてください。"),
                    "warning",
                )
            return redirect(url_for(".show", meeting_id=meeting_id))
        meeting = arranged(actor, meeting_id)
        form.version.data = str(meeting.version)
    return render_template("meetings/edit.html", form=form, meeting=meeting), form.status


@bp.route("/<uuid:meeting_id>/cancel", methods=["GET", "POST"])
def cancel(meeting_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting = coming(actor, meeting_id)
    form = CancelForm(data={"version": meeting.version})
    if form.validate_on_submit():
        with refusals(form):
            services.perform(
                actor,
                MeetingAction.CANCEL,
                meeting_id,
                text=form.text.data or "",
                version=form.version.number,
            )
            flash(f"meeting-cancel-{meeting_id}", "draft-clear")
            flash(gettext("会議を中止しました。カレンダーにも中止と表示されます。"), "success")
            return redirect(url_for(".index"))
        meeting = arranged(actor, meeting_id)
        form.version.data = str(meeting.version)
    return render_template("meetings/cancel.html", form=form, meeting=meeting), form.status
