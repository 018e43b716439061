"""Case pages: an agency's own work. The person's name stands over it only while the wall allows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.activities import queries as activity_queries
from portal.agencies import queries as agencies
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import queries, services
from portal.cases.codes import Domain, Milestone, Outcome, Score
from portal.cases.forms import (
    CloseForm,
    CorrectionForm,
    GoalForm,
    HeardByForm,
    MilestoneForm,
    NoteForm,
    ScoreForm,
    WorkerForm,
)
from portal.cases.models import CaseGoal, CaseMilestone
from portal.cases.queries import Show
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.disclosures import person_header
from portal.disclosures.person_header import label_of
from portal.people.categories import Category
from portal.people.forms import differences
from portal.web.base_form import BaseForm
from portal.web.pagination import (
    After,
    address,
    after,
    heads,
    page_of,
    page_size,
    sort_of,
    sorted_after,
)

bp = Blueprint("cases", __name__, url_prefix="/cases")


SORTS = (queries.NEWEST, queries.BY_NUMBER, queries.BY_NOTE)


def day_and_id() -> tuple[Any, UUID] | None:
    """The cursor of this page (day and id), for lists in the order of a day."""
    cursor = after()
    return (clock.japan_date(cursor[0]), cursor[1]) if cursor else None


def place(day: Any, row_id: UUID) -> After:
    return clock.start_of_day(day), row_id


def own_case(actor: Actor, case_id: UUID) -> tuple[Any, person_header.PersonBanner]:
    """The case and what may be shown of its person; the reading is logged."""
    now = clock.now()
    case = queries.detail(db.read(), actor, case_id, now)
    person = person_header.banner(db.read(), actor, case.person_id, now)
    audit.record_reading(
        AuditEvent.CASE_READ,
        ("support_case", case_id),
        actor=actor,
        person_id=case.person_id,
        categories=person.categories,
        ground="own_work",
    )
    return case, person


@bp.get("/")
def index() -> ResponseReturnValue:
    actor, now = signed_in(), clock.now()
    require(actor, Permission.CASEWORK)
    chosen = request.args.get("show", "")
    show = Show(chosen) if chosen in set(Show) else Show.OPEN
    sort = sort_of(SORTS)
    rows = queries.page(
        db.read(), actor, show, now, sort=sort, after=sorted_after(sort), size=page_size() + 1
    )
    page = page_of(rows, lambda row: (row.sort_key, row.id), sort=sort)
    words = {"number": gettext("番号"), "opened": gettext("開始日"), "note": gettext("最後の経過")}
    audit.record_reading(
        AuditEvent.CASES_LISTED, actor=actor, categories=[Category.BASIC], count=len(page.rows)
    )
    return render_template(
        "cases/index.html",
        page=page,
        show=show,
        heads=heads(words, sort, SORTS),
        url_of=lambda tab: address(show=tab),
        label_of=label_of,
        is_carried_over=lambda row: queries.is_carried_over(row.opened_on, row.closed_on, clock.today()),
    )


@bp.route("/<uuid:case_id>", methods=["GET", "POST"])
def show(case_id: UUID) -> ResponseReturnValue:
    """The case with its notes; a note is written at the top of them."""
    actor, form = signed_in(), NoteForm()
    if form.validate_on_submit():
        with refusals(form):
            services.write_note(actor, case_id, **note_of(form), idempotency_key=form.idempotency_key.data)
            flash(f"case-note-{case_id}", "draft-clear")
            flash(gettext("経過を記録しました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
    case, person = own_case(actor, case_id)
    rows = db.read().execute(queries.notes_page(case_id, after=day_and_id(), size=page_size() + 1)).all()
    if not form.is_submitted():
        form.held_on.data = clock.today()
        form.method.data = rows[0].method if rows else form.method.data
    page = render_template(
        "cases/show.html",
        case=case,
        person=person,
        is_carried_over=queries.is_carried_over(case.opened_on, case.closed_on, clock.today()),
        goals=db.read().scalars(queries.goals_of(case_id)).all(),
        domains=list(Domain),
        activities=activity_queries.of_person(db.read(), actor, case.person_id, clock.now()),
        milestones=db.read().execute(queries.milestones_of(case_id)).all(),
        page=page_of(rows, lambda row: place(row.held_on, row.id)),
        form=form,
    )
    return page, form.status


def note_of(form: NoteForm) -> dict[str, Any]:
    return {
        "held_on": form.held_on.data,
        "method": form.method.data,
        "minutes": form.minutes.number,
        "category": form.category.data,
        "text": form.text.data,
    }


@bp.route("/<uuid:case_id>/notes/<uuid:note_id>", methods=["GET", "POST"])
def correct(case_id: UUID, note_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    case, person = own_case(actor, case_id)
    note = db.read().execute(queries.note(case_id, note_id)).one()
    theirs = {name: getattr(note, name) for name in ("held_on", "method", "minutes", "category", "text")}
    theirs["minutes"] = "" if note.minutes is None else str(note.minutes)
    form = CorrectionForm(data={**theirs, "version": note.version})
    clashes: list[tuple[str, str, str]] = []
    if form.validate_on_submit():
        with refusals(form):
            services.correct_note(actor, note_id, **note_of(form), version=form.version.number)
            flash(gettext("経過を訂正しました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
        note = db.read().execute(queries.note(case_id, note_id)).one()
        if form.version.number != note.version:
            theirs = {name: getattr(note, name) for name in theirs}
            theirs["minutes"] = "" if note.minutes is None else str(note.minutes)
            clashes = differences(form, theirs)
            form.version.data = str(note.version)
    page = render_template("cases/note.html", case=case, person=person, note=note, form=form, clashes=clashes)
    return page, form.status


@bp.route("/<uuid:case_id>/goals/new", methods=["GET", "POST"])
def set_goal(case_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    form = GoalForm(data={"review_on": clock.today() + relativedelta(months=3)})
    case, person = own_case(actor, case_id)
    if form.validate_on_submit():
        with refusals(form):
            domain, key = Domain(form.domain.data), form.idempotency_key.data
            text, review_on = form.text.data or "", form.review_on.data
            services.set_goal(actor, case_id, domain, text, review_on=review_on, idempotency_key=key)
            flash(f"case-goal-{case_id}", "draft-clear")
            flash(gettext("目標を立てました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
    return render_template("cases/goal.html", case=case, person=person, form=form), form.status


@bp.route("/<uuid:case_id>/goals/<uuid:goal_id>", methods=["GET", "POST"])
def score(case_id: UUID, goal_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    case, person = own_case(actor, case_id)
    goal = db.read().scalars(queries.goals_of(case_id).where(CaseGoal.id == goal_id)).one()
    form = ScoreForm(data={"score": goal.score.value if goal.score else ""})
    if form.validate_on_submit():
        with refusals(form):
            services.score_goal(actor, goal_id, Score(form.score.data) if form.score.data else None)
            flash(gettext("目標の達成度を記録しました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
    return render_template("cases/score.html", case=case, person=person, goal=goal, form=form), form.status


@bp.route("/<uuid:case_id>/worker", methods=["GET", "POST"])
def worker(case_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    case, person = own_case(actor, case_id)
    form = WorkerForm(data={"worker": case.worker_id, "version": case.version})
    form.worker.offer(db.read().execute(queries.colleagues(actor, case.person_id)).all())
    if form.validate_on_submit():
        with refusals(form):
            services.assign_worker(actor, case_id, form.worker.data, version=form.version.number)
            flash(gettext("担当者を変えました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
        case, person = own_case(actor, case_id)
        form.version.data = str(case.version)
    return render_template("cases/worker.html", case=case, person=person, form=form), form.status


@bp.route("/<uuid:case_id>/heard-by", methods=["GET", "POST"])
def heard_by(case_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    case, person = own_case(actor, case_id)
    form = HeardByForm(data={"heard_by": case.heard_by, "version": case.version})
    if form.validate_on_submit():
        with refusals(form):
            version = form.version.number
            services.change_heard_by(actor, case_id, form.heard_by.data, version=version)
            flash(gettext("相談に来たきっかけを保存しました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
        case, person = own_case(actor, case_id)
        form.version.data = str(case.version)
    return render_template("cases/heard_by.html", case=case, person=person, form=form), form.status


@bp.route("/<uuid:case_id>/milestones/new", methods=["GET", "POST"])
def milestone_new(case_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    form = MilestoneForm(data={"happened_on": clock.today()})
    case, person = own_case(actor, case_id)
    everybody = db.read().scalars(agencies.listing(active_only=True))
    form.helper.offer(one for one in everybody if one.id != actor.agency_id)
    if form.validate_on_submit():
        with refusals(form):
            services.note_milestone(
                actor,
                case_id,
                Milestone(form.what.data),
                happened_on=form.happened_on.data,
                for_employment=form.for_employment.data,
                helper_agency_id=form.helper.data,
                text=form.text.data or "",
                idempotency_key=form.idempotency_key.data,
            )
            flash(f"case-milestone-{case_id}", "draft-clear")
            flash(gettext("支援の節目を記録しました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
    return render_template("cases/milestone.html", case=case, person=person, form=form), form.status


@bp.route("/<uuid:case_id>/milestones/<uuid:milestone_id>/strike", methods=["GET", "POST"])
def milestone_strike(case_id: UUID, milestone_id: UUID) -> ResponseReturnValue:
    """Show the milestone for confirmation, then strike it out; it stays readable, and counts nowhere."""
    actor, form = signed_in(), BaseForm()
    case, person = own_case(actor, case_id)
    of_case = queries.milestones_of(case_id).where(CaseMilestone.id == milestone_id)
    milestone = db.read().execute(of_case).one()
    if form.validate_on_submit():
        with refusals(form):
            services.strike_milestone(actor, case_id, milestone_id)
            flash(gettext("支援の節目を取り消しました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
    shown = {"case": case, "person": person, "milestone": milestone, "form": form}
    return render_template("cases/milestone_strike.html", **shown), form.status


@bp.route("/<uuid:case_id>/close", methods=["GET", "POST"])
def close(case_id: UUID) -> ResponseReturnValue:
    """Ask for the outcome, show it for confirmation, then close the case."""
    actor = signed_in()
    case, person = own_case(actor, case_id)
    form = CloseForm(data={"closed_on": clock.today(), "version": case.version})
    goals = db.read().scalars(queries.goals_of(case_id)).all()
    shown = {"case": case, "person": person, "form": form, "goals": goals}
    if form.validate_on_submit() and "back" not in request.form:
        with refusals(form):
            closed_on = form.closed_on.data or clock.today()
            services.check_closing(case, closed_on)
            if "checked" not in request.form:
                return render_template("cases/close_check.html", **shown, outcome=Outcome(form.outcome.data))
            services.close_case(
                actor,
                case_id,
                outcome=Outcome(form.outcome.data),
                text=form.text.data or "",
                closed_on=closed_on,
                version=form.version.number,
            )
            flash(f"case-close-{case_id}", "draft-clear")
            flash(gettext("ケースを終結しました。"), "success")
            return redirect(url_for(".show", case_id=case_id))
        shown["case"], _person = own_case(actor, case_id)
        form.version.data = str(shown["case"].version)
    return render_template("cases/close.html", **shown), form.status
