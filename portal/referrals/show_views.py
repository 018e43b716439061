"""The page of one referral, and what is written on it: messages, and who looks after it."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.db import db
from portal.policy import Actor, Permission, can, require
from portal.referrals import choices, conversation, queries, reading, services
from portal.referrals.blueprint import bp
from portal.referrals.forms import MessageForm, WorkerForm, uuid_or_none
from portal.referrals.models import FollowUp, FollowUpKind
from portal.referrals.referral_view import ReferralView
from portal.referrals.states import ENDED, ReferralAction, ReferralStatus
from portal.referrals.timeline import entries

# An end that asks for a next step.
UNHAPPY = {ReferralStatus.REJECTED, ReferralStatus.FAILED, ReferralStatus.CANCELLED}


def look(actor: Actor, referral_id: UUID, *, channel: str = "portal") -> ReferralView:
    """The referral as a page shows it; the recipient's first look, on whatever page, is its receipt."""
    view, to_note = reading.show(actor, referral_id, channel=channel)
    if to_note:
        conversation.opened(actor, referral_id)
        view, _row = reading.load(actor, referral_id)
    return view


def whole(sent: str | int | None, otherwise: int) -> int:
    """A number that a form carried along; a form sent without it still holds the number it was made with."""
    text = str(sent or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def show_page(
    actor: Actor, view: ReferralView, message: MessageForm | None = None, worker: WorkerForm | None = None
) -> ResponseReturnValue:
    stopped = view.is_sent and not view.is_live
    may_answer = can(actor, Permission.REFERRAL_ANSWER, view) and view.status not in ENDED
    if may_answer:
        worker = worker or WorkerForm(formdata=None, worker=str(view.worker_id or ""), version=view.version)
        worker.offer(choices.colleagues(db.read(), view.to_agency_id, view.person_id))
    may_write = view.is_sent and view.is_live and view.status is not ReferralStatus.ENTERED_IN_ERROR
    refused = next((form for form in (message, worker) if form is not None and form.status != 200), None)
    page = render_template(
        "referrals/show.html",
        view=view,
        form=message if message is not None and (message.errors or message.form_problem) else refused,
        message=message or (MessageForm(formdata=None) if may_write else None),
        worker=worker if may_answer else None,
        entries=entries(view),
        actions=services.steps_open(view, actor, stopped=stopped),
        follow_ups=noted(actor, view) if view.status in UNHAPPY or view.stop else (),
        unhappy=view.status in UNHAPPY,
        just_sent="sent" in request.args and view.is_sender and view.status is ReferralStatus.REQUESTED,
        A=ReferralAction,
        S=ReferralStatus,
        kinds=FollowUpKind,
        today=clock.today(),
        printed_at=clock.now(),
    )
    return page, refused.status if refused else 200


def noted(actor: Actor, view: ReferralView) -> list[FollowUp]:
    """What one's own agency has noted to do about it."""
    return list(db.read.scalars(queries.follow_ups(actor).where(FollowUp.referral_id == view.id)))


@bp.get("/<uuid:referral_id>")
def show(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    return show_page(actor, look(actor, referral_id))


@bp.post("/<uuid:referral_id>/messages")
def message(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    form = MessageForm()
    if form.validate_on_submit():
        with refusals(form):
            conversation.send_message(
                actor, referral_id, form.text.data or "", idempotency_key=form.idempotency_key.data
            )
            flash(f"message-{referral_id}", "draft-clear")
            flash(gettext("連絡を送りました。"), "success")
            return redirect(url_for(".show", referral_id=referral_id, _anchor="timeline"))
    return show_page(actor, look(actor, referral_id), message=form)


@bp.post("/<uuid:referral_id>/worker")
def worker(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = look(actor, referral_id)
    require(actor, Permission.REFERRAL_ANSWER, view)
    form = WorkerForm()
    form.offer(choices.colleagues(db.read(), view.to_agency_id, view.person_id))
    if form.validate_on_submit():
        with refusals(form):
            conversation.assign_worker(
                actor, referral_id, uuid_or_none(form.worker.data), version=whole(form.version.data, -1)
            )
            flash(gettext("担当者を登録しました。"), "success")
            return redirect(url_for(".show", referral_id=referral_id))
    view = look(actor, referral_id)
    form.version.data = str(view.version)
    return show_page(actor, view, worker=form)
