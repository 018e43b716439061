"""The page from which a meeting is run, and the steps from its beginning to its approved minutes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.audit.events import AuditEvent
from portal.db import db
from portal.errors import Conflict
from portal.meetings import agenda_reading, minutes_reading, packet_services, revision_reading, services
from portal.meetings.agenda_view import ItemView, MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.minutes_forms import MinutesForm, OutcomeForm, PressForm, SettleForm, StepForm, apart
from portal.meetings.minutes_reading import by_item
from portal.meetings.reasons import name_of, reason_of
from portal.meetings.states import FLOW, MeetingAction, MeetingStatus
from portal.policy import Actor, Permission, require
from portal.words import N_

A, S = MeetingAction, MeetingStatus

# The steps that are taken from here, and what the page says when they are done.
DONE = {
    A.BEGIN: N_("会議を始めました。"),
    A.CLOSE: N_("会議を終えました。議事録を確かめて、承認してください。"),
    A.REOPEN: N_("議事録を直せるようにしました。直したら、もう一度会議を終えてください。"),
    A.APPROVE: N_("議事録を承認しました。訂正は追記で行います。"),
}


def load_at_table(actor: Actor, meeting_id: UUID) -> MeetingView:
    """The meeting, for caseworkers at its table."""
    require(actor, Permission.MEETING_ATTEND)
    return agenda_reading.load_meeting(db.read(), actor, meeting_id, clock.now())


def may_write(actor: Actor, meeting: MeetingView, item: ItemView) -> bool:
    """Whether the pages offer this reader to write on the item; the services decide."""
    return item.is_readable and (item.is_own or meeting.is_arranged_by(actor))


def items_of(actor: Actor, meeting: MeetingView, *, with_hidden: bool = False) -> list[ItemView]:
    """The agenda in the reader's eyes; what was put off stays, what was taken off does not. The reading is logged."""
    if meeting.needs_oath:
        return []
    found = agenda_reading.load_items(
        db.read(), actor, meeting.id, clock.now(), with_hidden=with_hidden, with_fallen=True
    )
    shown = [item for item in found if item.stands or item.postponed_why]
    packet_services.note_reading(actor, AuditEvent.MINUTES_READ, meeting, shown)
    return shown


def find(actor: Actor, meeting_id: UUID, item_id: UUID) -> tuple[MeetingView, ItemView]:
    """An item of a meeting that is held or was, which this reader may know of."""
    meeting = load_at_table(actor, meeting_id)
    item = next((item for item in items_of(actor, meeting) if item.id == item_id), None)
    if item is None:
        abort(404)  # before anything else is said of it
    require_held(meeting)
    return meeting, item


def require_held(meeting: MeetingView) -> None:
    if not meeting.is_held:
        raise Conflict(N_("会議がまだ始まっていないため、議事録はありません。"))


def back_to_item(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".session", meeting_id=meeting_id, _anchor=f"item-{item_id}"))


def writing_form(item: ItemView) -> Any:
    return apart(
        MinutesForm(formdata=None, data={"version": item.version, "text": item.minutes_text}), item.id
    )


def outcome_form(meeting: MeetingView, item: ItemView) -> Any:
    form = OutcomeForm(formdata=None)
    form.offer(meeting.members)
    return apart(form, f"new-{item.id}")


@bp.get("/<uuid:meeting_id>/session")
def session(meeting_id: UUID) -> ResponseReturnValue:
    """One page to run the meeting from. Before it is announced there is nothing to run."""
    actor = signed_in()
    meeting = load_at_table(actor, meeting_id)
    if not meeting.is_open:
        raise Conflict(N_("会議を進める画面は、会議を案内すると開けるようになります。"))
    arranges = meeting.is_arranged_by(actor)
    items = items_of(actor, meeting, with_hidden=arranges)
    now = clock.now()
    mine = [item for item in items if may_write(actor, meeting, item)]
    is_running = meeting.status is S.IN_SESSION
    writable = [item for item in mine if is_running and item.stands]
    attendance = minutes_reading.load_attendance(db.read(), actor, meeting_id, now)
    return render_template(
        "meetings/session.html",
        meeting=meeting,
        items=items,
        arranges=arranges,
        is_running=is_running,
        actions=[a for a in FLOW.actions_from(meeting.status) if a in DONE] if arranges else [],
        mine={item.id for item in mine},
        forms={item.id: writing_form(item) for item in writable},
        outcome_forms={item.id: outcome_form(meeting, item) for item in writable},
        outcomes=by_item(minutes_reading.load_outcomes(db.read(), actor, meeting_id, now)),
        waiting=revision_reading.load_waiting(db.read(), actor, meeting_id, now),
        settle_forms={
            item.id: apart(SettleForm(formdata=None, data={"version": item.version}), item.id)
            for item in mine
        },
        press=apart(PressForm(formdata=None), "press"),
        came=[one for one in attendance if one.was_there],
        named=len(attendance),
        name_of=name_of,
        reason_of=reason_of,
        ends_at=ends_at(meeting),
        now=now,
        A=A,
        S=S,
    )


def ends_at(meeting: MeetingView) -> Any:
    """When the time is up: as long after the true beginning as was planned."""
    return (
        meeting.ends_at
        if meeting.begun_at is None
        else meeting.begun_at + (meeting.ends_at - meeting.starts_at)
    )


@bp.route("/<uuid:meeting_id>/begin", methods=["GET", "POST"])
def begin(meeting_id: UUID) -> ResponseReturnValue:
    return step(meeting_id, A.BEGIN)


@bp.route("/<uuid:meeting_id>/close", methods=["GET", "POST"])
def close(meeting_id: UUID) -> ResponseReturnValue:
    return step(meeting_id, A.CLOSE)


@bp.route("/<uuid:meeting_id>/reopen", methods=["GET", "POST"])
def reopen(meeting_id: UUID) -> ResponseReturnValue:
    return step(meeting_id, A.REOPEN)


@bp.route("/<uuid:meeting_id>/approve", methods=["GET", "POST"])
def approve(meeting_id: UUID) -> ResponseReturnValue:
    return step(meeting_id, A.APPROVE)


def step(meeting_id: UUID, action: MeetingAction) -> ResponseReturnValue:
    """Asks once, then takes the step; whoever comes too late or too early is told how things stand."""
    actor = signed_in()
    meeting = load_at_table(actor, meeting_id)
    require(actor, Permission.MEETING_ARRANGE, meeting)
    FLOW.check(action, meeting.status)
    form = StepForm(version=meeting.version)
    if form.validate_on_submit():
        with refusals(form):
            services.perform(actor, action, meeting_id, version=form.version.number)
            flash(gettext(DONE[action]), "success")
            there = ".minutes" if action is A.APPROVE and not meeting.needs_oath else ".session"
            return redirect(url_for(there, meeting_id=meeting_id))
        db.end()
        meeting = load_at_table(actor, meeting_id)
        form.version.data = str(meeting.version)
    attendance = minutes_reading.load_attendance(db.read(), actor, meeting_id, clock.now())
    page = render_template(
        "meetings/session_step.html",
        meeting=meeting,
        form=form,
        action=action,
        came=[one for one in attendance if one.was_there],
        A=A,
    )
    return page, form.status
