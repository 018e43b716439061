"""The pages of activities and of who came."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import NoResultFound

from portal.accounts.gate import refusals, signed_in
from portal.activities import queries, services
from portal.activities.blueprint import bp
from portal.activities.forms import (
    ActivityForm,
    AttendanceForm,
    HeadForm,
    LinkForm,
    Offered,
    RecordForm,
    StrikeForm,
    UnlinkForm,
    area_of,
    areas,
    clashes_of,
    filled,
    offered,
    wants_search,
    words,
)
from portal.activities.kinds import OUTREACH, ActivityKind, Mode
from portal.activities.queries import HeadRow
from portal.activities.series import queries as serie_queries
from portal.activities.series.forms import FilterForm
from portal.agencies import queries as agencies
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases.views import day_and_id, place
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, missing_page
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require
from portal.people.categories import Category
from portal.web.addresses import asked
from portal.web.base_form import BaseForm
from portal.web.pagination import page_of, page_size


def others(actor: Actor, known: dict[UUID, str] | None = None) -> list[tuple[UUID, str]]:
    """Agencies with which an activity may be held; `known` held it before."""
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
        heads=queries.of_activities(ids),
        agencies=queries.agencies_of(db.read(), ids),
        series=serie_queries.live(db.read(), actor, now),
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
    """The initial values of a new record."""
    given: dict[str, Any] = {"held_on": day_asked() or clock.today(), "area": area_of(kind)}
    if series:
        given |= {name: getattr(series, name) for name in ("title", "place", "area")}
        held_by = db.read().execute(serie_queries.agencies_of(series.id)).all()
        given |= {"mode": series.mode.value, "together": [str(one.id) for one in held_by]}
    elif kind is not ActivityKind.HOME_VISIT:
        given["mode"] = Mode.IN_PERSON.value
    return given


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """The form for one activity with who came; without a kind, the choice of a kind."""
    actor, now = signed_in(), clock.now()
    require(actor, Permission.ACTIVITY_RECORD)
    series_id = asked("series")
    series = serie_queries.detail(db.read(), actor, series_id, now) if series_id else None
    kind = series.kind if series else kind_asked()
    if kind is None:
        return render_template(
            "activities/choose.html",
            kinds=words(ActivityKind),
            series=serie_queries.live(db.read(), actor, now),
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
    """The activity and who came to it, as this reader's agency recorded it; the reading is logged."""
    now = clock.now()
    activity = queries.detail(db.read(), actor, activity_id, now)
    rows = queries.rows(db.read(), actor, activity_id, now)
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
        heads=queries.of_activity(activity_id),
        agencies=queries.agencies_of(db.read(), [activity_id])[activity_id],
        areas=area_names(),
        is_outreach=activity.kind in OUTREACH,
        may_edit=can(actor, Permission.ACTIVITY_EDIT, activity) and activity.struck_at is None,
        may_add=activity.struck_at is None,
    )


def own(actor: Actor, activity_id: UUID) -> tuple[Any, dict[UUID, str]]:
    """An activity that this agency recorded and that is not struck out, and the agencies that held it."""
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
    heads = queries.of_activity(activity_id)
    return render_template("activities/strike.html", form=form, activity=activity, heads=heads), form.status


# The pages on who came: adding people and heads, a note on one of them, naming a head later, taking one back.

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
    """The number of anonymous heads: here for the first time, and again."""
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
            services.note_heads(
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
        heads=queries.of_activity(activity_id),
    )
    return page, form.status


def mark_of(note: str) -> str:
    """A digest of the note for the form, which shows whether a colleague changed it meanwhile."""
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
            services.set_note(
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
    """Name the person whom an anonymous head turned out to be."""
    actor = signed_in()
    activity, one, _rows = head_of(actor, activity_id, activity_attendance_id)
    if not one.is_anonymous:
        raise Conflict(N_("この参加者には、すでに氏名があります。"))
    form = LinkForm()
    searching = wants_search(form)
    # People recorded as having come are offered too: the refusal explains it.
    people = offered(form, actor, activity.kind, activity.series_id)
    if form.is_submitted() and not searching and form.validate():
        with refusals(form):
            chosen = next((p for p in people.everybody() if str(p.id) == form.people.data), None)
            if chosen is None:
                return missing_page()  # the form has kept the id that it had not offered
            services.link(actor, activity_id, activity_attendance_id, chosen.id)
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
            services.unlink(actor, activity_id, activity_attendance_id, note=form.note.data or "")
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
            services.remove(actor, activity_id, activity_attendance_id)
            flash(gettext("参加者の記録を取り消しました。"), "success")
            return redirect(url_for(".show", activity_id=activity_id))
    return render_template("activities/remove.html", activity=activity, head=one, form=form), form.status
