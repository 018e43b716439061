"""The steps of a referral after it was sent: one form each, which asks for what the step needs."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.db import db
from portal.errors import Conflict, NoBasis
from portal.referrals import choices, reading, services
from portal.referrals.blueprint import bp
from portal.referrals.forms import StepForm
from portal.referrals.referral_view import ReferralView
from portal.referrals.show_views import look, whole
from portal.referrals.states import ReferralAction, ReferralKind, ReferralStatus
from portal.referrals.timeline import Entry, entries
from portal.words import N_

A = ReferralAction

# What the page says when the step is done, and what happens next.
DONE = {
    A.ACCEPT: N_("受け入れました。初回の連絡・面談をしたら「支援を始める」を押してください。"),
    A.REJECT: N_("受入不可と回答しました。依頼した機関に理由が伝わります。"),
    A.START: N_("支援を始めました。"),
    A.HOLD: N_("保留にしました。再開するときは「支援を再開する」を押してください。"),
    A.COMPLETE: N_("完了にしました。結果が相手の機関に伝わります。"),
    A.FAIL: N_("未達として終えました。理由が相手の機関に伝わります。"),
    A.CANCEL: N_("取り下げました。"),
    A.CORRECT: N_("誤登録として取り消しました。"),
}


@bp.route("/<uuid:referral_id>/<referral_action:action>", methods=["GET", "POST"])
def step(referral_id: UUID, action: ReferralAction) -> ResponseReturnValue:
    """One step. A step that is not open any more says what happened meanwhile and keeps what was typed."""
    actor = signed_in()
    view = look(actor, referral_id)
    form = form_of(view, action, actor.agency_id)
    goals = [goal.id for goal in view.goals]
    if form.validate_on_submit():
        with refusals(form):
            services.perform(
                actor,
                action,
                referral_id,
                form.answer(goals),
                version=whole(form.version.data, -1),
                idempotency_key=form.idempotency_key.data,
            )
            flash(f"step-{referral_id}-{action}", "draft-clear")
            return after(action, referral_id)
        db.end()
        view, _row = reading.load(actor, referral_id)
    return step_page(view, action, form)


def form_of(view: ReferralView, action: ReferralAction, agency_id: UUID | None) -> StepForm:
    form = StepForm(
        version=view.version,
        seen=len(view.timeline),
        first_contact_on=view.first_contact_on or (clock.today() if action is A.START else None),
        worker=str(view.worker_id or ""),
    )
    colleagues: Sequence[tuple[UUID, str]] = ()
    if action is A.ACCEPT and agency_id:
        colleagues = choices.colleagues(db.read(), agency_id, view.person_id)
    form.ask(action, [goal.id for goal in view.goals], colleagues)
    return form


def after(action: ReferralAction, referral_id: UUID) -> ResponseReturnValue:
    """Where one goes from here: to the referral or, taken back in order to ask somebody else, to a new one."""
    if action is A.CANCEL and request.args.get("then") == "reroute":
        flash(gettext("取り下げました。続けて、つなぎ直す先を選んでください。"), "success")
        return redirect(url_for(".new", part_of=referral_id))
    flash(gettext(DONE[action]), "success")
    return redirect(url_for(".show", referral_id=referral_id))


def meanwhile(view: ReferralView, form: StepForm) -> list[Entry]:
    """What happened since the form was shown, for somebody who was typing."""
    length = len(view.timeline)
    seen = whole(form.seen.raw_data[0] if form.seen.raw_data else None, length)
    return entries(view, since=seen if seen < length else max(0, length - 3))


def step_page(view: ReferralView, action: ReferralAction, form: StepForm) -> ResponseReturnValue:
    """The form, or the plain words that this step cannot be taken now."""
    actor = signed_in()
    shown = {
        "view": view,
        "form": form,
        "action": action,
        "word": word_of(view, action),
        "is_transfer": action is A.ACCEPT and view.kind is ReferralKind.TRANSFER,
        "A": A,
    }
    try:
        services.check_open(actor, action, view)
    except (Conflict, NoBasis) as problem:
        note_refusal(problem)
        typed = [form[name].data for name in ("text",) if name in form and form[name].data]
        page = render_template(
            "referrals/closed_step.html", **shown, problem=problem, typed=typed, entries=meanwhile(view, form)
        )
        return page, problem.status
    changed = meanwhile(view, form) if form.status == Conflict.status else []
    # Whoever presses the button again has seen what happened.
    form.version.data, form.seen.data = str(view.version), str(len(view.timeline))
    return render_template("referrals/step.html", **shown, entries=changed), form.status


def word_of(view: ReferralView, action: ReferralAction) -> str:
    if action is A.START and view.status is ReferralStatus.ON_HOLD:
        return str(gettext("支援を再開する"))
    if action is A.CORRECT and view.status is ReferralStatus.DRAFT:
        return str(gettext("下書きを取り消す"))
    return str(gettext(action.word))
