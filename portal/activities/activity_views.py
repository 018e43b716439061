"""The pages of activities: the list, recording one, reading, correcting and striking it out."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.activities import attendance_queries, head_counts, queries, series_queries, services
from portal.activities.attendance_queries import HeadRow
from portal.activities.blueprint import bp
from portal.activities.forms import (
    ActivityForm,
    RecordForm,
    StrikeForm,
    area_of,
    areas,
    clashes_of,
    filled,
    words,
)
from portal.activities.kinds import OUTREACH, ActivityKind, Mode
from portal.activities.picking_forms import Offered, offered, wants_search
from portal.activities.series_forms import FilterForm
from portal.agencies import queries as agencies
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.views import day_and_id, place
from portal.db import db
from portal.errors import Conflict
from portal.people.categories import Category
from portal.policy import Actor, Permission, can, require
from portal.web.asked import asked
from portal.web.pagination import page_of, page_size
from portal.words import N_


def others(actor: Actor, known: dict[UUID, str] | None = None) -> list[tuple[UUID, str]]:
    """Agencies with which an activity may be held; `known` held it already."""
    found = {one.id: one.name for one in db.read().scalars(agencies.listing(active_only=True))}
    found |= known or {}
    return [(key, name) for key, name in found.items() if key != actor.agency_id]


def area_names() -> dict[str, str]:
    return dict(areas())


@bp.get("/")
def index() -> ResponseReturnValue:
    actor, now = signed_in(), clock.now()
    require(actor, Permission.CASEWORK)
    oldest = db.read().scalar(queries.oldest_day(actor)) or clock.today()
    form = FilterForm(request.args, clock.fiscal_year(oldest))
    rows = queries.page(db.read(), actor, form.wanted(), now, after=day_and_id(), size=page_size() + 1)
    page = page_of(rows, lambda row: place(row.held_on, row.id))
    ids = [row.id for row in page.rows]
    audit.record_reading(AuditEvent.ACTIVITIES_LISTED, actor=actor, count=len(ids))
    return render_template(
        "activities/index.html",
        page=page,
        form=form,
        is_narrowed=any(request.args.get(name) for name in ("kind", "area", "year", "show")),
        heads=head_counts.of_activities(ids),
        agencies=queries.agencies_of(db.read(), ids),
        series=series_queries.live(db.read(), actor, now),
        areas=area_names(),
        OUTREACH=OUTREACH,
    )


def kind_asked() -> ActivityKind | None:
    return next((kind for kind in ActivityKind if kind.value == request.args.get("kind")), None)


def day_asked() -> date | None:
    try:
        return date.fromisoformat(request.args.get("date", ""))
    except ValueError:
        return None


def beginning(kind: ActivityKind, series: Any) -> dict[str, Any]:
    """What a new record begins with."""
    given: dict[str, Any] = {"held_on": day_asked() or clock.today(), "area": area_of(kind)}
    if series:
        given |= {name: getattr(series, name) for name in ("title", "place", "area")}
        held_by = db.read().execute(series_queries.agencies_of(series.id)).all()
        given |= {"mode": series.mode.value, "together": [str(one.id) for one in held_by]}
    elif kind is not ActivityKind.HOME_VISIT:
        given["mode"] = Mode.IN_PERSON.value
    return given


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """One afternoon, with who came, on one page; without a kind, which kind."""
    actor, now = signed_in(), clock.now()
    require(actor, Permission.ACTIVITY_RECORD)
    series_id = asked("series")
    series = series_queries.detail(db.read(), actor, series_id, now) if series_id else None
    kind = series.kind if series else kind_asked()
    if kind is None:
        return render_template(
            "activities/choose.html",
            kinds=words(ActivityKind),
            series=series_queries.live(db.read(), actor, now),
        )
    held = request.args.get("held") != "no"
    form = RecordForm(data=beginning(kind, series))
    form.shape(
        kind,
        held=held,
        agencies=others(actor),
        partners=[(one.id, one.name) for one in db.read().execute(queries.partners())],
        area=form.area.data,
    )
    asks_who = held and kind not in OUTREACH
    searching = asks_who and wants_search(form)
    people = offered(form, actor, kind, series_id) if asks_who else Offered()
    if form.is_submitted() and not searching and form.validate():
        with refusals(form):
            recorded = services.record(
                actor,
                form.facts(kind),
                form.heads() if asks_who else None,
                series_id=series_id,
                note_in_case=form.note_in_case.data,
                idempotency_key=form.idempotency_key.data,
            )
            flash(draft_of(kind, series_id, held=held), "draft-clear")
            flash(gettext("活動を記録しました。"), "success")
            if recorded.case_id:
                flash(gettext("ケースの経過にも書きました。"), "success")
            return redirect(url_for(".show", activity_id=recorded.id))
    page = render_template(
        "activities/new.html",
        form=form,
        kind=kind,
        series=series,
        held=held,
        people=people,
        asks_who=asks_who,
        searching=searching,
        draft=draft_of(kind, series_id, held=held),
        is_visit=kind is ActivityKind.HOME_VISIT,
    )
    return page, form.status


def draft_of(kind: ActivityKind, series_id: UUID | None, *, held: bool) -> str:
    return f"activity-{series_id or kind.value}{'' if held else '-not-held'}"


def read(actor: Actor, activity_id: UUID) -> tuple[Any, list[HeadRow]]:
    """The activity and who came to it, as this reader's agency wrote it down; the reading is logged."""
    now = clock.now()
    activity = queries.detail(db.read(), actor, activity_id, now)
    rows = attendance_queries.rows(db.read(), actor, activity_id, now)
    named = [row for row in rows if not row.is_anonymous]
    audit.record_reading(
        AuditEvent.ACTIVITY_READ,
        ("activity", activity_id),
        actor=actor,
        person_id=named[0].person_id if len(named) == 1 else None,
        categories=[Category.BASIC] if any(row.label for row in named) else [],
        ground="own_work",
        count=len(named),
    )
    return activity, rows


@bp.get("/<uuid:activity_id>")
def show(activity_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    activity, rows = read(actor, activity_id)
    return render_template(
        "activities/show.html",
        activity=activity,
        rows=rows,
        heads=head_counts.of_activity(activity_id),
        agencies=queries.agencies_of(db.read(), [activity_id])[activity_id],
        areas=area_names(),
        is_outreach=activity.kind in OUTREACH,
        may_edit=can(actor, Permission.ACTIVITY_EDIT, activity) and activity.struck_at is None,
        may_add=activity.struck_at is None,
    )


def own(actor: Actor, activity_id: UUID) -> tuple[Any, dict[UUID, str]]:
    """An activity that this agency recorded and that stands, and who held it."""
    activity, _rows = read(actor, activity_id)
    require(actor, Permission.ACTIVITY_EDIT, activity)
    if activity.struck_at is not None:
        raise Conflict(N_("この活動の記録は取り消されています。"))
    return activity, queries.agencies_of(db.read(), [activity_id])[activity_id]


@bp.route("/<uuid:activity_id>/edit", methods=["GET", "POST"])
def edit(activity_id: UUID) -> ResponseReturnValue:
    """Correct what was recorded; another kind, or that it was not held, comes by the address."""
    actor = signed_in()
    activity, held_by = own(actor, activity_id)
    kind = kind_asked() or activity.kind
    held = {"no": False, "yes": True}.get(request.args.get("held", ""), not activity.not_held_why)
    form = ActivityForm(data={**filled(activity, held_by), "version": activity.version})
    form.shape(
        kind,
        held=held,
        agencies=others(actor, held_by),
        partners=[
            (one.id, one.name) for one in db.read().execute(queries.partners(also=activity.partner_id))
        ],
        area=activity.area,
    )
    clashes: list[tuple[str, str, str]] = []
    if form.validate_on_submit():
        with refusals(form):
            services.correct(actor, activity_id, form.facts(kind), version=form.version.number)
            flash(f"activity-{activity_id}", "draft-clear")
            flash(gettext("活動の記録を訂正しました。"), "success")
            return redirect(url_for(".show", activity_id=activity_id))
        activity, held_by = own(actor, activity_id)
        if form.version.number != activity.version:
            clashes = clashes_of(form, filled(activity, held_by))
            form.version.data = str(activity.version)
    page = render_template(
        "activities/edit.html",
        form=form,
        activity=activity,
        kind=kind,
        kinds=words(ActivityKind),
        held=held,
        clashes=clashes,
    )
    return page, form.status


@bp.route("/<uuid:activity_id>/strike", methods=["GET", "POST"])
def strike(activity_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    activity, _held_by = own(actor, activity_id)
    form = StrikeForm(data={"version": activity.version})
    if form.validate_on_submit():
        with refusals(form):
            services.strike(actor, activity_id, form.why.data or "", version=form.version.number)
            flash(f"activity-strike-{activity_id}", "draft-clear")
            flash(gettext("活動の記録を取り消しました。"), "success")
            return redirect(url_for(".show", activity_id=activity_id))
        activity, _held_by = own(actor, activity_id)
        form.version.data = str(activity.version)
    heads = head_counts.of_activity(activity_id)
    return render_template("activities/strike.html", form=form, activity=activity, heads=heads), form.status
