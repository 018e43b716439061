"""The pages of dates and series of meetings, and their calendar files."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal.accounts.gate import public, refusals, signed_in
from portal.agencies import queries as agencies
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.policy import Actor, Permission, can, require
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.queries import MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.schedule import calendar as schedule_calendar
from portal.meetings.schedule import queries, rules, services, slots
from portal.meetings.schedule.forms import CancelForm, EndForm, MeetingForm, SeriesForm
from portal.meetings.schedule.models import CalendarLink
from portal.meetings.schedule.queries import Show
from portal.meetings.states import MeetingAction
from portal.wall.reader import Reader, read_as, show_token
from portal.web.base_form import BaseForm
from portal.web.pagination import after, page_of, page_size


def rule_words(series: Any) -> str:
    """毎週火曜 10:00, in the reader's language."""
    return rules.words(rules.parse(series.rule), series.begins, gettext)


def choices(actor: Actor, *, also: dict[UUID, str] | None = None) -> list[tuple[UUID, str]]:
    """Agencies that can be invited, the convener left out; `also` are at the table already."""
    found = {one.id: one.name for one in db.read().scalars(agencies.listing(active_only=True))}
    found |= also or {}
    return [(key, word) for key, word in found.items() if key != actor.agency_id]


def presenters(actor: Actor, others: list[tuple[UUID, str]]) -> list[tuple[UUID | None, str]]:
    return [(actor.agency_id, actor.agency_name), *others]


def offer(form: Any, actor: Actor, *, also: dict[UUID, str] | None = None) -> None:
    others = choices(actor, also=also)
    form.members.choices = others
    form.presenter.choices = presenters(actor, others)


@bp.route("/series/new", methods=["GET", "POST"])
def series_new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_CONVENE)
    form = SeriesForm(data={"starts_on": clock.today(), "presenter": actor.agency_id})
    offer(form, actor)
    if form.validate_on_submit():
        with refusals(form):
            key = form.idempotency_key.data
            series_id = services.define(actor, form.facts(), idempotency_key=key)
            flash("meeting-series", "draft-clear")
            flash(gettext("定例会議を登録し、次の日程を作りました。"), "success")
            return redirect(url_for(".series_show", series_id=series_id))
    return render_template("meetings/series_form.html", form=form, series=None), form.status


@bp.get("/series/<uuid:series_id>")
def series_show(series_id: UUID) -> ResponseReturnValue:
    """The rule, the agencies, and the coming dates; missing ones are made first."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    slots.top_up_short(actor, series_id)
    series = queries.series_detail(db.read(), actor, series_id)
    is_over = series.ended_on is not None and series.ended_on < clock.today()
    return render_template(
        "meetings/series_show.html",
        series=series,
        words=rule_words(series),
        members=queries.series_members(db.read(), series_id),
        regulars=queries.regulars_of(db.read(), series_id),
        rows=queries.coming_of_series(db.read(), actor, series_id),
        is_over=is_over,
        may_arrange=can(actor, Permission.MEETING_ARRANGE, series) and not is_over,
    )


@bp.route("/series/<uuid:series_id>/edit", methods=["GET", "POST"])
def series_edit(series_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    series = queries.series_detail(db.read(), actor, series_id)
    require(actor, Permission.MEETING_ARRANGE, series)
    members = queries.series_members(db.read(), series_id)
    form = SeriesForm(data=SeriesForm.filled(series, members))
    offer(form, actor, also=members)
    if form.validate_on_submit():
        with refusals(form):
            services.change(actor, series_id, form.facts(), version=form.version.number)
            flash(f"meeting-series-{series_id}", "draft-clear")
            flash(gettext("定例会議を変更し、準備中の会議の日程を直しました。"), "success")
            return redirect(url_for(".series_show", series_id=series_id))
        series = queries.series_detail(db.read(), actor, series_id)
        form.version.data = str(series.version)
    return render_template("meetings/series_form.html", form=form, series=series), form.status


@bp.route("/series/<uuid:series_id>/end", methods=["GET", "POST"])
def series_end(series_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    series = queries.series_detail(db.read(), actor, series_id)
    require(actor, Permission.MEETING_ARRANGE, series)
    form = EndForm(data={"last_day": clock.today()})
    if form.validate_on_submit():
        with refusals(form):
            services.end(actor, series_id, form.last_day.data or clock.today())
            flash(gettext("定例会議の終わりを決めました。その日より後の会議は中止になりました。"), "success")
            return redirect(url_for(".series_show", series_id=series_id))
    rows = queries.coming_of_series(db.read(), actor, series_id)
    page = render_template(
        "meetings/series_end.html", form=form, series=series, rows=rows, words=rule_words(series)
    )
    return page, form.status


# The list of meetings, and the dates of a single one: calling, moving, cancelling it.


@bp.get("/")
def index() -> ResponseReturnValue:
    """What is to come, what was, and the series; missing dates of the series are made first."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    slots.top_up_short(actor)
    chosen = request.args.get("show", "")
    show = Show(chosen) if chosen in set(Show) else Show.COMING
    shown = {"show": show, "may_convene": can(actor, Permission.MEETING_CONVENE), "now": clock.now()}
    audit.record_reading(AuditEvent.MEETINGS_LISTED, actor=actor)
    if show is Show.SERIES:
        series = queries.series_list(db.read(), actor)
        return render_template("meetings/index.html", **shown, series=series, rule_words=rule_words)
    rows = queries.page(db.read(), actor, show, after=after(), size=page_size() + 1)
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
            meeting_id = services.schedule(actor, form.facts(), idempotency_key=key)
            flash("meeting-new", "draft-clear")
            flash(
                gettext("会議を登録しました。次は議題を整えて、参加機関に開催を通知してください。"), "success"
            )
            return redirect(url_for(".show", meeting_id=meeting_id))
    return render_template("meetings/new.html", form=form), form.status


def arranged(actor: Actor, meeting_id: UUID) -> MeetingView:
    """The meeting, which the actor must coordinate."""
    meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, clock.now())
    require(actor, Permission.MEETING_ARRANGE, meeting)
    return meeting


def coming(actor: Actor, meeting_id: UUID) -> MeetingView:
    meeting = arranged(actor, meeting_id)
    if request.method == "GET" and not meeting.is_coming:
        raise Conflict(services.ALREADY_HELD)
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
            services.move(actor, meeting_id, form.facts(), version=form.version.number)
            flash(f"meeting-{meeting_id}", "draft-clear")
            flash(gettext("会議を変更しました。"), "success")
            if meeting.announced_at:
                flash(
                    gettext("開催通知のあとの変更です。参加機関に知らせ、見える範囲を確かめてください。"),
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


# Calendar files, and the private address by which a calendar fetches them without signing in.

feeds = Blueprint("calendar", __name__, url_prefix="/calendar")


def page_address(meeting_id: UUID) -> str:
    return url_for("meetings.show", meeting_id=meeting_id, _external=True)


def calendar(content: bytes, name: str) -> Response:
    answer = Response(content, mimetype="text/calendar")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.ics"'
    return answer


@bp.get("/<uuid:meeting_id>.ics")
def meeting_ics(meeting_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    rows = queries.for_calendar(db.read(), actor, meeting_id=meeting_id)
    if not rows:
        raise NoResultFound
    if rows[0].series_id:
        slots.top_up_short(actor, rows[0].series_id)
    return calendar(
        schedule_calendar.file_of(rows, rows[0].name, address=page_address), f"meeting-{meeting_id}"
    )


@bp.get("/series/<uuid:series_id>.ics")
def series_ics(series_id: UUID) -> ResponseReturnValue:
    """From 90 days ago on; missing dates are made first."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    slots.top_up_short(actor, series_id)
    series = queries.series_detail(db.read(), actor, series_id)
    rows = queries.for_calendar(db.read(), actor, series_id=series_id)
    return calendar(schedule_calendar.file_of(rows, series.name, address=page_address), f"series-{series_id}")


@bp.route("/calendar", methods=["GET", "POST"], endpoint="calendar")
def subscription() -> ResponseReturnValue:
    """The private address, shown once, right after it was made: the answer to POST is the page itself."""
    actor, form = signed_in(), BaseForm()
    require(actor, Permission.CASEWORK)
    address = ""
    if form.validate_on_submit():
        if "revoke" in request.form:
            schedule_calendar.revoke(actor)
            flash(gettext("購読アドレスを使えなくしました。"), "success")
            return redirect(url_for(".calendar"))
        token = schedule_calendar.renew(actor)
        address = url_for("calendar.feed", token=token, _external=True)
    link = select(CalendarLink.renewed_at).where(CalendarLink.staff_id == actor.staff_id)
    return render_template(
        "meetings/calendar.html",
        form=form,
        renewed_at=db.read().scalars(link).one_or_none(),
        address=address,
    )


@feeds.get("/<token>.ics")
@public
def feed(token: str) -> ResponseReturnValue:
    """Dates and places of one member's meetings, for whoever knows the address; unknown ones do not exist."""
    show_token(db, schedule_calendar.hashed(token))
    actor = schedule_calendar.owner(db.read(), token)
    read_as(db, Reader.of(actor))
    slots.top_up_short(actor)
    rows = queries.for_calendar(db.read(), actor)
    return calendar(schedule_calendar.file_of(rows, gettext("つなぐの会議")), "meetings")
