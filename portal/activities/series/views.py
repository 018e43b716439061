"""The pages of series of activities: defining one, its year month by month, changing and ending it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.activities import queries as activity_queries
from portal.activities.blueprint import bp
from portal.activities.forms import clashes_of
from portal.activities.kinds import ActivityKind, Mode
from portal.activities.series import queries, services
from portal.activities.series.forms import EndForm, SeriesForm, fiscal_year_word
from portal.activities.views import area_names, others
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, can, require

ONE = "/series/<uuid:activity_series_id>"


def filled(series: Any, held_by: dict[UUID, str]) -> dict[str, Any]:
    names = ("title", "area", "place", "starts_on")
    return {
        **{name: getattr(series, name) for name in names},
        "kind": series.kind.value,
        "mode": series.mode.value,
        "together": [str(one) for one in held_by if one != series.agency_id],
    }


def load(actor: Actor, series_id: UUID) -> tuple[Any, dict[UUID, str]]:
    series = queries.detail(db.read(), actor, series_id, clock.now())
    held_by = db.read().execute(queries.agencies_of(series_id)).all()
    return series, {row.id: row.name for row in held_by}


def year_asked() -> int:
    typed = request.args.get("year", "")
    within = typed.isascii() and typed.isdigit() and clock.FIRST_YEAR < int(typed) < clock.LAST_YEAR
    return int(typed) if within else clock.fiscal_year(clock.today())


@bp.route("/series/new", methods=["GET", "POST"])
def series_new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.ACTIVITY_RECORD)
    begin = {"kind": ActivityKind.CAFE.value, "mode": Mode.IN_PERSON.value, "starts_on": clock.today()}
    form = SeriesForm(data=begin)
    form.offer(others(actor))
    if form.validate_on_submit():
        with refusals(form):
            series_id = services.define(actor, form.facts(), idempotency_key=form.idempotency_key.data)
            flash("activity-series", "draft-clear")
            flash(gettext("定例の活動を登録しました。"), "success")
            return redirect(url_for(".series_show", activity_series_id=series_id))
    return render_template("activities/series_form.html", form=form, series=None, clashes=[]), form.status


@bp.get(ONE)
def series_show(activity_series_id: UUID) -> ResponseReturnValue:
    """A fiscal year month by month: held, not held and why, or nothing written yet."""
    actor, now, year = signed_in(), clock.now(), year_asked()
    series, held_by = load(actor, activity_series_id)
    months = queries.months(db.read(), actor, series, year, now)
    ids = [row.id for month in months for row in month.rows]
    audit.record_reading(
        AuditEvent.ACTIVITIES_LISTED, ("activity_series", series.id), actor=actor, count=len(ids)
    )
    begins = clock.fiscal_year_bounds(year)[0]
    usual = queries.last_held(db.read(), series.id, clock.fiscal_year_bounds(year)[1])
    first_year, this_year = clock.fiscal_year(series.starts_on), clock.fiscal_year(clock.today())
    return render_template(
        "activities/series_show.html",
        series=series,
        agencies=held_by,
        months=months,
        heads=activity_queries.of_activities(ids),
        year=year,
        era_year=fiscal_year_word(year),
        begins=begins,
        earlier=year - 1 if year > first_year else None,
        later=year + 1 if year < this_year else None,
        day_for=lambda month: day_for(month, usual),
        areas=area_names(),
        may_edit=can(actor, Permission.ACTIVITY_EDIT, series) and not is_over(series),
        is_over=is_over(series),
    )


def is_over(series: Any) -> bool:
    return series.ended_on is not None and series.ended_on < clock.today()


def day_for(month: Any, usual: date | None) -> str:
    """The suggested day for a record of this month: today, or the usual day of that month."""
    today = clock.today()
    if month.first <= today <= month.last:
        return today.isoformat()
    return (queries.like(usual, month.first) if usual else month.first).isoformat()


@bp.route(f"{ONE}/edit", methods=["GET", "POST"])
def series_edit(activity_series_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    series, held_by = load(actor, activity_series_id)
    require(actor, Permission.ACTIVITY_EDIT, series)
    form = SeriesForm(data={**filled(series, held_by), "version": series.version})
    form.offer(others(actor, held_by), series.area)
    clashes: list[tuple[str, str, str]] = []
    if form.validate_on_submit():
        with refusals(form):
            services.change(actor, activity_series_id, form.facts(), version=form.version.number)
            flash(f"activity-series-{activity_series_id}", "draft-clear")
            flash(gettext("定例の活動を変更しました。"), "success")
            return redirect(url_for(".series_show", activity_series_id=activity_series_id))
        series, held_by = load(actor, activity_series_id)
        if form.version.number != series.version:
            clashes = clashes_of(form, filled(series, held_by))
            form.version.data = str(series.version)
    page = render_template("activities/series_form.html", form=form, series=series, clashes=clashes)
    return page, form.status


@bp.route(f"{ONE}/end", methods=["GET", "POST"])
def series_end(activity_series_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    series, _held_by = load(actor, activity_series_id)
    require(actor, Permission.ACTIVITY_EDIT, series)
    form = EndForm(data={"last_day": clock.today()})
    if form.validate_on_submit():
        with refusals(form):
            services.end(actor, activity_series_id, form.last_day.data or clock.today())
            flash(gettext("定例の活動の最後の日を決めました。"), "success")
            return redirect(url_for(".series_show", activity_series_id=activity_series_id))
    return render_template("activities/series_end.html", form=form, series=series), form.status
