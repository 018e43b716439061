"""The pages of promises (宿題): who owes what, and closing one."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.errors import NotAllowed
from portal.meetings import promise_reading, promise_services
from portal.meetings.blueprint import bp
from portal.meetings.promise_forms import PromiseDoneForm
from portal.meetings.promise_reading import PromiseView, Show
from portal.people.categories import Category
from portal.policy import Actor, Permission, require
from portal.web.pagination import after, page_of, page_size
from portal.words import N_


def note_reading(actor: Actor, promises: list[PromiseView]) -> None:
    """Log whose names were shown; a text that may be read tells of somebody, too."""
    people = {one.person_id for one in promises if one.person_id and one.label}
    audit.record_reading(
        AuditEvent.PROMISES_LISTED,
        ("meeting_outcome", promises[0].id if len(promises) == 1 else None),
        actor=actor,
        categories=[Category.BASIC] if people else [],
        count=len(people),
        people=sorted(people),
    )


def asked_agency() -> UUID | None:
    try:
        return UUID(request.args.get("agency", ""))
    except ValueError:
        return None


@bp.get("/promises")
def promises() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    show = next((one for one in Show if one == request.args.get("show")), Show.ALL)
    owner_id = asked_agency() if show is not Show.MINE else None
    begin = after()
    now = clock.now()
    rows = promise_reading.page(
        db.read(),
        actor,
        show,
        now,
        owner_id=owner_id,
        after=(clock.japan_date(begin[0]), begin[1]) if begin else None,
        size=page_size(),
    )
    page = page_of(rows, lambda row: (clock.start_of_day(row.due_on), row.id))
    owners = promise_reading.by_agency(db.read(), actor, now) if show is Show.ALL else ()
    note_reading(actor, list(page.rows))
    return render_template(
        "meetings/promises.html", page=page, show=show, shows=Show, owners=owners, owner_id=owner_id
    )


@bp.route("/promises/<uuid:outcome_id>/done", methods=["GET", "POST"])
def promise_done(outcome_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    promise = promise_reading.load(db.read(), actor, outcome_id, clock.now())
    if not promise.may_be_closed_by(actor):
        raise NotAllowed(N_("宿題を済みにできるのは、担当の機関と、会議を主催する機関の調整担当です。"))
    form = PromiseDoneForm(version=promise.version)
    if form.validate_on_submit():
        with refusals(form):
            promise_services.finish(actor, outcome_id, form.note.data or "", version=form.version.number)
            flash(f"promise-{outcome_id}", "draft-clear")
            flash(gettext("宿題を済みにしました。"), "success")
            return redirect(url_for(".promises"))
        db.end()
        promise = promise_reading.load(db.read(), actor, outcome_id, clock.now())
    note_reading(actor, [promise])
    return render_template("meetings/promise_done.html", promise=promise, form=form), form.status


@bp.post("/promises/<uuid:outcome_id>/reopen")
def promise_reopen(outcome_id: UUID) -> ResponseReturnValue:
    promise_services.reopen(signed_in(), outcome_id)
    flash(gettext("宿題を、まだ済んでいないものに戻しました。"), "success")
    return redirect(url_for(".promises"))
