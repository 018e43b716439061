"""Pages of a series: defining it, its coming dates, changing and ending it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.agencies import queries as agencies
from portal.db import db
from portal.meetings import series_reading, series_rules, series_services, slot_services
from portal.meetings.blueprint import bp
from portal.meetings.schedule_forms import EndForm, SeriesForm
from portal.policy import Actor, Permission, can, require


def rule_words(series: Any) -> str:
    """毎週火曜 10:00, in the reader's language."""
    return series_rules.words(series_rules.parse(series.rule), series.begins, gettext)


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
            series_id = series_services.define(actor, form.facts(), idempotency_key=key)
            flash("meeting-series", "draft-clear")
            flash(gettext("定例会議を登録し、次の日程を作りました。"), "success")
            return redirect(url_for(".series_show", series_id=series_id))
    return render_template("meetings/series_form.html", form=form, series=None), form.status


@bp.get("/series/<uuid:series_id>")
def series_show(series_id: UUID) -> ResponseReturnValue:
    """The rule, the agencies, and the coming dates; missing ones are made first."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    slot_services.top_up_short(actor, series_id)
    series = series_reading.series_detail(db.read(), actor, series_id)
    is_over = series.ended_on is not None and series.ended_on < clock.today()
    return render_template(
        "meetings/series_show.html",
        series=series,
        words=rule_words(series),
        members=series_reading.series_members(db.read(), series_id),
        rows=series_reading.coming_of_series(db.read(), actor, series_id),
        may_arrange=can(actor, Permission.MEETING_ARRANGE, series) and not is_over,
    )


@bp.route("/series/<uuid:series_id>/edit", methods=["GET", "POST"])
def series_edit(series_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    series = series_reading.series_detail(db.read(), actor, series_id)
    require(actor, Permission.MEETING_ARRANGE, series)
    members = series_reading.series_members(db.read(), series_id)
    form = SeriesForm(data=SeriesForm.filled(series, members))
    offer(form, actor, also=members)
    if form.validate_on_submit():
        with refusals(form):
            series_services.change(actor, series_id, form.facts(), version=form.version.number)
            flash(f"meeting-series-{series_id}", "draft-clear")
            flash(gettext("定例会議を変更し、準備中の会議の日程を直しました。"), "success")
            return redirect(url_for(".series_show", series_id=series_id))
        series = series_reading.series_detail(db.read(), actor, series_id)
        form.version.data = str(series.version)
    return render_template("meetings/series_form.html", form=form, series=series), form.status


@bp.route("/series/<uuid:series_id>/end", methods=["GET", "POST"])
def series_end(series_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    series = series_reading.series_detail(db.read(), actor, series_id)
    require(actor, Permission.MEETING_ARRANGE, series)
    form = EndForm(data={"last_day": clock.today()})
    if form.validate_on_submit():
        with refusals(form):
            series_services.end(actor, series_id, form.last_day.data or clock.today())
            flash(gettext("定例会議の終わりを決めました。その日より後の会議は中止になりました。"), "success")
            return redirect(url_for(".series_show", series_id=series_id))
    rows = series_reading.coming_of_series(db.read(), actor, series_id)
    page = render_template(
        "meetings/series_end.html", form=form, series=series, rows=rows, words=rule_words(series)
    )
    return page, form.status
