"""What an agency does about a referral that went badly: stops, follow-ups, and the list of these."""

from __future__ import annotations

from uuid import UUID

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.db import db
from portal.errors import Conflict
from portal.meetings.issues import services as issue_services
from portal.policy import Permission, require
from portal.referrals import conversation, follow_up_list, reading
from portal.referrals.blueprint import bp
from portal.referrals.forms import ConfirmStopForm, FollowUpForm
from portal.referrals.models import FollowUpKind
from portal.referrals.referral_view import ReferralView
from portal.referrals.show_views import look
from portal.web.pagination import after, page_of, page_size
from portal.words import N_


@bp.route("/<uuid:referral_id>/confirm-stop", methods=["GET", "POST"])
def confirm_stop(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = look(actor, referral_id)
    require(actor, Permission.REFERRAL_ANSWER, view)
    if not view.must_confirm_stop:
        raise Conflict(N_("確認が必要な停止はありません。"))
    form = ConfirmStopForm()
    if form.validate_on_submit():
        with refusals(form):
            conversation.confirm_stop(actor, referral_id, note=form.note.data or "")
            flash(gettext("停止を確認しました。依頼した機関に伝わります。"), "success")
            return redirect(url_for(".show", referral_id=referral_id))
        db.end()
        view, _row = reading.load(actor, referral_id)
    return render_template("referrals/confirm_stop.html", view=view, form=form), form.status


@bp.route("/<uuid:referral_id>/follow-up", methods=["GET", "POST"])
def follow_up(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = look(actor, referral_id)
    require(actor, Permission.REFERRAL_TAKE_PART, view)
    kind = next((k for k in FollowUpKind if k.value == request.values.get("kind")), None)
    if kind is None:
        abort(404)
    form = FollowUpForm(kind=kind.value, text=first_words(view, kind))
    if form.validate_on_submit():
        with refusals(form):
            key, text = form.idempotency_key.data, form.text.data or ""
            if kind is FollowUpKind.LOCAL_ISSUE:
                issue_services.keep(actor, referral_id, text, idempotency_key=key)
            else:
                conversation.follow_up(actor, referral_id, kind, text, idempotency_key=key)
            flash(f"follow-up-{referral_id}-{kind}", "draft-clear")
            flash(gettext("「%(kind)s」に残しました。", kind=gettext(kind.word)), "success")
            return redirect(url_for(".show", referral_id=referral_id))
    page = render_template("referrals/follow_up.html", view=view, form=form, kind=kind, kinds=FollowUpKind)
    return page, form.status


FIRST_WORDS = {
    FollowUpKind.LOCAL_ISSUE: N_(
        "「%(service)s」への%(kind)sが「%(status)s」%(why)sとなった。地域で不足しているもの："
    ),
    FollowUpKind.MEETING: N_(
        "%(number)s（%(sender)sから%(recipient)sへの%(kind)s）が「%(status)s」%(why)sとなった。話したいこと："
    ),
}


def first_words(view: ReferralView, kind: FollowUpKind) -> str:
    """What is known already, so that one has only to add to it; a local issue says nothing of the person."""
    why = gettext("（%(why)s）", why=gettext(view.refusal.word)) if view.refusal else ""
    facts = {
        "number": view.number,
        "sender": view.from_name,
        "recipient": view.to_name,
        "service": view.service_name or view.to_name,
        "kind": gettext(view.kind.word),
        "status": gettext(view.stop.word if view.stop else view.status.word),
        "why": why,
    }
    return str(gettext(FIRST_WORDS[kind]) % facts)


@bp.get("/follow-ups")
def follow_ups() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    done = request.args.get("done") == "1"
    rows = follow_up_list.page(actor, done=done, after=after(), size=page_size())
    page = page_of(rows, lambda row: (row.created_at, row.id))
    return render_template("referrals/follow_ups.html", page=page, done=done)


@bp.post("/follow-ups/<uuid:follow_up_id>/done")
def follow_up_done(follow_up_id: UUID) -> ResponseReturnValue:
    conversation.finish_follow_up(signed_in(), follow_up_id)
    flash(gettext("済みにしました。"), "success")
    return redirect(url_for(".follow_ups"))


@bp.post("/follow-ups/<uuid:follow_up_id>/undo")
def follow_up_undo(follow_up_id: UUID) -> ResponseReturnValue:
    conversation.finish_follow_up(signed_in(), follow_up_id, done=False)
    flash(gettext("一覧に戻しました。"), "success")
    return redirect(url_for(".follow_ups"))
