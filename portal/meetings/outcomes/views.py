"""The pages of outcomes and promises (対応事項)."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.agencies.queries import listing
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.meetings.agenda.queries import ItemView, MeetingView
from portal.meetings.agenda.views import name_of
from portal.meetings.blueprint import bp
from portal.meetings.minutes import queries as minutes_queries
from portal.meetings.minutes.forms import ConfirmForm
from portal.meetings.minutes.views import back_to_item, find, load_at_table, may_write
from portal.meetings.outcomes import queries, services
from portal.meetings.outcomes.forms import OutcomeForm, PromiseDoneForm
from portal.meetings.outcomes.queries import OutcomeView, PromiseView, Show
from portal.meetings.outcomes.services import CHANGEABLE, steps_to_come
from portal.meetings.schedule import doubts
from portal.meetings.states import MeetingAction, MeetingStatus
from portal.people.categories import Category
from portal.web.pagination import after, page_of, page_size

NOT_YOURS = N_("決定や対応事項を記録できるのは、会議を主催する機関の調整担当と、その議題を出した機関です。")


def check_hand(meeting: MeetingView, item: ItemView) -> None:
    if not may_write(signed_in(), meeting, item):
        raise NotAllowed(NOT_YOURS)


def offer(form: OutcomeForm, meeting: MeetingView, item: ItemView, former: OutcomeView | None = None) -> None:
    """Fill the choices: steps of the referral for its sides, a new referral where a person is meant."""
    steps = steps_to_come(item.referral.status) if item.referral else []
    if former and former.referral_step and former.referral_step not in steps:
        steps = [former.referral_step, *steps]
    agencies = []
    if item.has_person:
        agencies = [(one.id, one.name) for one in db.read.scalars(listing(active_only=True))]
    form.offer(meeting.members, minutes_queries.load_staff(db.read(), meeting.id), steps, agencies)


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/outcomes/new", methods=["GET", "POST"])
def outcome_new(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """The full form of an outcome; the small form of the session page is sent here too, to be completed."""
    actor = signed_in()
    meeting, item = find(actor, meeting_id, item_id)
    check_hand(meeting, item)
    form = OutcomeForm()
    offer(form, meeting, item)
    if form.validate_on_submit():
        with refusals(form):
            key = form.idempotency_key.data
            services.note(actor, item_id, form.facts(), idempotency_key=key)
            flash(f"outcome-new-{item_id}", "draft-clear")
            flash(gettext("「%(kind)s」を記録しました。", kind=gettext(form.facts().kind.word)), "success")
            return back_to_item(meeting_id, item_id)
        db.end()
    elif meeting.status is not MeetingStatus.IN_SESSION or not item.stands:
        raise Conflict(N_("決定や対応事項は、会議を開いている間に記録します。"))
    return outcome_page(meeting, item, form, None)


@bp.post("/<uuid:meeting_id>/items/<uuid:item_id>/approve")
def item_approve(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Approve the minutes that the item is about; where something speaks against it, their own page asks."""
    actor = signed_in()
    _meeting, item = find(actor, meeting_id, item_id)
    if item.former and doubts.about(db.read(), load_at_table(actor, item.former.id), MeetingAction.APPROVE):
        return redirect(url_for(".approve", meeting_id=item.former.id))
    services.approve_former(actor, item_id)
    flash(gettext("議事録を承認しました。訂正は追記で行います。"), "success")
    return back_to_item(meeting_id, item_id)


@bp.route("/outcomes/<uuid:outcome_id>", methods=["GET", "POST"])
def outcome(outcome_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting_id, view = queries.load_outcome(db.read(), actor, outcome_id, clock.now())
    meeting, item = find(actor, meeting_id, view.item_id)
    check_hand(meeting, item)
    if meeting.status not in CHANGEABLE:
        raise Conflict(N_("議事録が承認されたため、直せません。訂正は追記で行ってください。"))
    form = OutcomeForm(
        version=view.version,
        kind=view.kind.value,
        text=view.text,
        owner=str(view.owner_agency_id or ""),
        due_on=view.due_on,
        staff=str(view.owner_staff_id or ""),
        referral_step=view.referral_step.value if view.referral_step else "",
        to_agency=str(view.to_agency_id or ""),
    )
    offer(form, meeting, item, view)
    if form.validate_on_submit():
        with refusals(form):
            services.change(actor, outcome_id, form.facts(), version=form.version.number)
            flash(f"outcome-{outcome_id}", "draft-clear")
            flash(gettext("記録を直しました。"), "success")
            return back_to_item(meeting_id, view.item_id)
        db.end()
        _, view = queries.load_outcome(db.read(), actor, outcome_id, clock.now())
        form.version.data = str(view.version)
    return outcome_page(meeting, item, form, view)


def outcome_page(
    meeting: MeetingView, item: ItemView, form: OutcomeForm, view: OutcomeView | None
) -> ResponseReturnValue:
    page = render_template(
        "meetings/outcome.html",
        meeting=meeting,
        item=item,
        form=form,
        outcome=view,
        name=name_of(item),
        confirm=ConfirmForm(formdata=None),
    )
    return page, form.status


@bp.post("/outcomes/<uuid:outcome_id>/strike")
def outcome_strike(outcome_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting_id, view = queries.load_outcome(db.read(), actor, outcome_id, clock.now())
    services.strike(actor, outcome_id)
    flash(gettext("記録を取り消しました。"), "success")
    return redirect(url_for(".session", meeting_id=meeting_id, _anchor=f"item-{view.item_id}"))


# The pages of promises (対応事項): who owes what, and closing one.


def note_reading(actor: Actor, promises: list[PromiseView]) -> None:
    """Log whose names were shown, and whose texts may be read."""
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
    rows = queries.page(
        db.read(),
        actor,
        show,
        now,
        owner_id=owner_id,
        after=(clock.japan_date(begin[0]), begin[1]) if begin else None,
        size=page_size(),
    )
    page = page_of(rows, lambda row: (clock.start_of_day(row.due_on), row.id))
    owners = queries.by_agency(db.read(), actor, now) if show is Show.ALL else ()
    note_reading(actor, list(page.rows))
    return render_template(
        "meetings/promises.html", page=page, show=show, shows=Show, owners=owners, owner_id=owner_id
    )


@bp.route("/promises/<uuid:outcome_id>/done", methods=["GET", "POST"])
def promise_done(outcome_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    promise = queries.load(db.read(), actor, outcome_id, clock.now())
    if not promise.may_be_closed_by(actor):
        raise NotAllowed(N_("対応事項を済みにできるのは、担当の機関と、会議を主催する機関の調整担当です。"))
    form = PromiseDoneForm(version=promise.version)
    if form.validate_on_submit():
        with refusals(form):
            services.finish(actor, outcome_id, form.note.data or "", version=form.version.number)
            flash(f"promise-{outcome_id}", "draft-clear")
            flash(gettext("対応事項を済みにしました。"), "success")
            return redirect(url_for(".promises"))
        db.end()
        promise = queries.load(db.read(), actor, outcome_id, clock.now())
    note_reading(actor, [promise])
    return render_template("meetings/promise_done.html", promise=promise, form=form), form.status


@bp.post("/promises/<uuid:outcome_id>/reopen")
def promise_reopen(outcome_id: UUID) -> ResponseReturnValue:
    services.reopen(signed_in(), outcome_id)
    flash(gettext("対応事項を、まだ済んでいないものに戻しました。"), "success")
    return redirect(url_for(".promises"))
