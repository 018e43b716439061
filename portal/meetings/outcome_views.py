"""The pages of what came of an item: information, decisions and actions."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.agencies.queries import listing
from portal.db import db
from portal.errors import Conflict, NotAllowed
from portal.meetings import minutes_reading, outcome_services
from portal.meetings.agenda_view import ItemView, MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.minutes_forms import OutcomeForm, PressForm
from portal.meetings.minutes_reading import OutcomeView
from portal.meetings.outcome_services import CHANGEABLE, steps_to_come
from portal.meetings.reasons import name_of
from portal.meetings.session_views import back_to_item, find, may_write
from portal.meetings.states import MeetingStatus
from portal.words import N_

NOT_YOURS = N_("決定や宿題を記録できるのは、会議を主催する機関の調整担当と、その議題を出した機関です。")


def check_hand(meeting: MeetingView, item: ItemView) -> None:
    if not may_write(signed_in(), meeting, item):
        raise NotAllowed(NOT_YOURS)


def offer(form: OutcomeForm, meeting: MeetingView, item: ItemView, former: OutcomeView | None = None) -> None:
    """What may be chosen here: steps of the referral for its sides, a new referral where a person is meant."""
    steps = steps_to_come(item.referral.status) if item.referral else []
    if former and former.referral_step and former.referral_step not in steps:
        steps = [former.referral_step, *steps]
    agencies = []
    if item.has_person:
        agencies = [(one.id, one.name) for one in db.read.scalars(listing(active_only=True))]
    form.offer(meeting.members, minutes_reading.load_staff(db.read(), meeting.id), steps, agencies)


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/outcomes/new", methods=["GET", "POST"])
def outcome_new(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Also where the small form on the page of the session is sent: what it lacks can be added here."""
    actor = signed_in()
    meeting, item = find(actor, meeting_id, item_id)
    check_hand(meeting, item)
    form = OutcomeForm()
    offer(form, meeting, item)
    if form.validate_on_submit():
        with refusals(form):
            key = form.idempotency_key.data
            outcome_services.note(actor, item_id, form.facts(), idempotency_key=key)
            flash(f"outcome-new-{item_id}", "draft-clear")
            flash(gettext("「%(kind)s」を記録しました。", kind=gettext(form.facts().kind.word)), "success")
            return back_to_item(meeting_id, item_id)
        db.end()
    elif meeting.status is not MeetingStatus.IN_SESSION or not item.stands:
        raise Conflict(N_("決定や宿題は、会議を開いている間に記録します。"))
    return page_of(meeting, item, form, None)


@bp.route("/outcomes/<uuid:outcome_id>", methods=["GET", "POST"])
def outcome(outcome_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting_id, view = minutes_reading.load_outcome(db.read(), actor, outcome_id, clock.now())
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
            outcome_services.change(actor, outcome_id, form.facts(), version=form.version.number)
            flash(f"outcome-{outcome_id}", "draft-clear")
            flash(gettext("記録を直しました。"), "success")
            return back_to_item(meeting_id, view.item_id)
        db.end()
        _, view = minutes_reading.load_outcome(db.read(), actor, outcome_id, clock.now())
        form.version.data = str(view.version)
    return page_of(meeting, item, form, view)


def page_of(
    meeting: MeetingView, item: ItemView, form: OutcomeForm, view: OutcomeView | None
) -> ResponseReturnValue:
    page = render_template(
        "meetings/outcome.html",
        meeting=meeting,
        item=item,
        form=form,
        outcome=view,
        name=name_of(item),
        press=PressForm(formdata=None),
    )
    return page, form.status


@bp.post("/outcomes/<uuid:outcome_id>/strike")
def outcome_strike(outcome_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting_id, view = minutes_reading.load_outcome(db.read(), actor, outcome_id, clock.now())
    outcome_services.strike(actor, outcome_id)
    flash(gettext("記録を取り消しました。"), "success")
    return redirect(url_for(".session", meeting_id=meeting_id, _anchor=f"item-{view.item_id}"))
