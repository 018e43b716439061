"""The pages of referrals: the list, one of them on screen and on paper, its steps, and what follows one that went badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup

from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, NoBasis
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require
from portal.disclosures.people import Withheld
from portal.meetings.issues import services as issue_services
from portal.referrals import conversation, drafts, preview, queries, reading, services
from portal.referrals.blueprint import bp
from portal.referrals.forms import (
    ConfirmStopForm,
    FollowUpForm,
    MessageForm,
    StepForm,
    WorkerForm,
    uuid_or_none,
)
from portal.referrals.models import FollowUp, FollowUpKind, TimelineEvent
from portal.referrals.reading import Line, ReferralView
from portal.referrals.states import ENDED, WORDS, ReferralAction, ReferralKind, ReferralStatus
from portal.transfers import hanging
from portal.transfers import services as transfers
from portal.web.base_form import BaseForm
from portal.web.pagination import after, page_of, page_size
from portal.web.printer import pdf_response, render_pdf

STOPS = {
    TimelineEvent.REJECT,
    TimelineEvent.FAIL,
    TimelineEvent.CANCEL,
    TimelineEvent.CORRECT,
    TimelineEvent.CONSENT_WITHDRAWN,
    TimelineEvent.CONSENT_EXPIRED,
    TimelineEvent.STOP_CONFIRMED,
}


SAID_OF_KIND = {
    (ReferralKind.JOINT_INTERVIEW, TimelineEvent.ACCEPT): N_("同席を引き受けました"),
    (ReferralKind.JOINT_INTERVIEW, TimelineEvent.START): N_("同席を記録しました"),
    (ReferralKind.ADVICE, TimelineEvent.ACCEPT): N_("助言を引き受けました"),
    (ReferralKind.ADVICE, TimelineEvent.START): N_("助言を始めました"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the macro `timeline` prints it."""

    at: datetime
    who: str
    agency: str
    words: str
    text: str
    tone: str
    mine: bool


def entries(view: ReferralView, *, since: int = 0) -> list[Entry]:
    """The events of a referral's timeline, beginning with number `since`."""
    return [
        Entry(
            at=line.at,
            who=line.who,
            agency=line.agency,
            words=words_of(line, view),
            text=text_of(line, view),
            tone="stop" if line.what in STOPS else "",
            mine=line.mine,
        )
        for line in view.timeline[since:]
    ]


def first_of_latest(shown: Sequence[Entry]) -> int:
    """Where the latest word stands, and what happened since; what is older is folded."""
    words = [number for number, one in enumerate(shown) if one.text]
    return max(words[-1] if words else len(shown) - 1, len(shown) - 3, 0)


def text_of(line: Line, view: ReferralView) -> str:
    """The text of an event, or why it is hidden: the consent or the referral has ended."""
    if not isinstance(line.text, Withheld):
        return line.text
    if view.stop or view.is_open:
        return str(gettext(line.text.word))
    return str(gettext("このつなぎは終わったため、受け取った内容は表示しません。"))


def words_of(line: Line, view: ReferralView) -> str:
    words: str = gettext(SAID_OF_KIND.get((view.kind, line.what), line.what.word))
    if line.code:
        words = gettext("%(what)s（%(why)s）", what=words, why=gettext(line.code.word))
    if line.sequel_id:
        url = url_for("referrals.show", referral_id=line.sequel_id)
        return Markup('{} <a href="{}">{}</a>').format(words, url, gettext("つなぎ直した先を見る"))
    return words


# The page of one referral, and what is written on it: messages, and who looks after it.

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
    """A number that a form carried along; the default for a form that was sent without it."""
    text = str(sent or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def show_page(
    actor: Actor, view: ReferralView, message: MessageForm | None = None, worker: WorkerForm | None = None
) -> ResponseReturnValue:
    stopped = view.is_sent and not view.is_live
    may_answer = can(actor, Permission.REFERRAL_ANSWER, view) and view.status not in ENDED
    if may_answer:
        worker = worker or WorkerForm(formdata=None, worker=str(view.worker_id or ""), version=view.version)
        worker.offer(drafts.colleagues(db.read(), view.to_agency_id, view.person_id))
    shown = entries(view)
    actions = services.steps_open(view, actor, stopped=stopped)
    refused = next((form for form in (message, worker) if form is not None and form.status != 200), None)
    page = render_template(
        "referrals/show.html",
        view=view,
        form=message if message is not None and (message.errors or message.form_problem) else refused,
        message=message or (MessageForm(formdata=None) if view.may_write else None),
        worker=worker if may_answer else None,
        again=BaseForm(formdata=None) if view.may_ask_again else None,
        entries=shown,
        latest=first_of_latest(shown),
        actions=actions,
        words={action: word_of(view, action) for action in actions},
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
    """The follow-ups that one's own agency noted on it."""
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
    form.offer(drafts.colleagues(db.read(), view.to_agency_id, view.person_id))
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


@bp.post("/<uuid:referral_id>/take")
def take(referral_id: UUID) -> ResponseReturnValue:
    """Become the one who looks after it, from the list of what nobody does; the first one wins."""
    try:
        number = conversation.take(signed_in(), referral_id)
    except Conflict as problem:
        note_refusal(problem)
        flash(problem.text(), "error")
    else:
        flash(gettext("%(number)sの担当になりました。", number=number), "success")
    return redirect(url_for("today.index"), 303)


# The steps of a referral after it was sent: one form each, which asks for what the step needs.

A = ReferralAction

# What the page says when the step is done, and what happens next.
DONE = {
    A.ACCEPT: N_("受け入れました。初回の連絡・面談をしたら「支援を始める」を押してください。"),
    A.REJECT: N_("受入不可と回答しました。依頼した機関に理由が伝わります。"),
    A.START: N_("支援を始めました。"),
    A.HOLD: N_("保留にしました。再開するときは「支援を再開する」を押してください。"),
    A.COMPLETE: N_("完了にしました。結果が相手の機関に伝わります。"),
    A.AMEND: N_("結果を訂正しました。依頼した機関に伝わります。"),
    A.FAIL: N_("つながらず終了にしました。理由が相手の機関に伝わります。"),
    A.CANCEL: N_("取り下げました。"),
    A.CORRECT: N_("誤登録として取り消しました。"),
}


K = ReferralKind
DONE_OF_KIND = {
    (K.JOINT_INTERVIEW, A.ACCEPT): N_("同席を引き受けました。同席したら「同席を記録する」を押してください。"),
    (K.JOINT_INTERVIEW, A.START): N_("同席を記録しました。"),
    (K.ADVICE, A.ACCEPT): N_("助言を引き受けました。助言は連絡に書き、済んだら完了にしてください。"),
    (K.ADVICE, A.START): N_("助言を始めました。"),
}


@bp.route("/<uuid:referral_id>/<referral_action:action>", methods=["GET", "POST"])
def step(referral_id: UUID, action: ReferralAction) -> ResponseReturnValue:
    """Take one step. One that is no longer open shows what happened meanwhile and keeps the typed values."""
    actor = signed_in()
    view = look(actor, referral_id)
    form = form_of(view, action, actor.agency_id)
    goals = [goal.id for goal in view.goals]
    if form.validate_on_submit():
        with refusals(form):
            transfers.perform(
                actor,
                action,
                referral_id,
                form.answer(goals),
                version=whole(form.version.data, -1),
                idempotency_key=form.idempotency_key.data,
            )
            flash(f"step-{referral_id}-{action}", "draft-clear")
            return after_step(action, view)
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
    colleagues: Sequence[Any] = ()
    if action is A.ACCEPT and agency_id:
        colleagues = drafts.colleagues(db.read(), agency_id, view.person_id)
    form.ask(action, view.asked(action), [goal.id for goal in view.goals], colleagues)
    return form


def after_step(action: ReferralAction, view: ReferralView) -> ResponseReturnValue:
    """The next page: the referral or, when it was taken back to ask another agency, a new one."""
    if action is A.CANCEL and request.args.get("then") == "reroute":
        flash(gettext("取り下げました。続けて、つなぎ直す先を選んでください。"), "success")
        return redirect(url_for(".new", part_of=view.id))
    flash(gettext(DONE_OF_KIND.get((view.kind, action), DONE[action])), "success")
    return redirect(url_for(".show", referral_id=view.id))


def meanwhile(view: ReferralView, form: StepForm) -> list[Entry]:
    """What happened since the form was shown, for somebody who was typing."""
    length = len(view.timeline)
    seen = whole(form.seen.raw_data[0] if form.seen.raw_data else None, length)
    return entries(view, since=seen if seen < length else max(0, length - 3))


def step_page(view: ReferralView, action: ReferralAction, form: StepForm) -> ResponseReturnValue:
    """The form, or an explanation why this step cannot be taken now."""
    actor = signed_in()
    shown = {
        "view": view,
        "form": form,
        "action": action,
        "word": word_of(view, action),
        "A": A,
    }
    if action is A.ACCEPT and view.kind is ReferralKind.TRANSFER:
        shown["hanging"] = hanging.find(db.read(), view, clock.now())
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
    return str(gettext(WORDS.get((view.kind, action), action.word)))


# What an agency does about a referral that went badly: stops, follow-ups, and the list of these.


@bp.route("/<uuid:referral_id>/confirm-stop", methods=["GET", "POST"])
def confirm_stop(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = look(actor, referral_id)
    require(actor, Permission.REFERRAL_ANSWER, view)
    if not view.must_confirm_stop:
        raise Conflict(N_("報告が必要な利用停止はありません。"))
    form = ConfirmStopForm()
    if form.validate_on_submit():
        with refusals(form):
            conversation.confirm_stop(actor, referral_id, note=form.note.data or "")
            flash(gettext("利用停止を報告しました。依頼した機関に伝わります。"), "success")
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
    """The known facts as the first words of a text; a local issue says nothing of the person."""
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
    rows = queries.page(actor, done=done, after=after(), size=page_size())
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


# The referral on paper: as a page and as a PDF, with what the reader's agency may see.

TITLES = {
    ReferralKind.REFERRAL: N_("つなぎ票"),
    ReferralKind.TRANSFER: N_("移管票"),
    ReferralKind.JOINT_INTERVIEW: N_("同席依頼票"),
    ReferralKind.ADVICE: N_("助言依頼票"),
}


def sheet_of(referral_id: UUID) -> dict[str, Any]:
    """The content of the sheet; printing is logged as a reading of its own kind.

    The sender prints its own copy, with all that it sees, or (`copy=recipient`) the copy of the other side.

    Raises:
        Conflict: it was never sent, so there is nothing to hand over.
    """
    view = look(signed_in(), referral_id, channel="print")
    if not view.is_sent:
        raise Conflict(N_("まだ送付していないため、つなぎ票は印刷できません。"))
    is_own = view.is_sender and request.args.get("copy") != "recipient"
    person = view.person
    if person and not is_own and view.is_sender:
        person = None if view.is_anonymous else preview.as_told(person, view.categories)
    return {
        "view": view,
        "person": person,
        "title": TITLES[view.kind],
        "is_own": is_own,
        "kept": preview.kept_back(person, view.categories) if person and is_own else {},
        "printed_at": clock.now(),
    }


@bp.get("/<uuid:referral_id>/sheet")
def sheet(referral_id: UUID) -> ResponseReturnValue:
    return render_template("referrals/sheet.html", **sheet_of(referral_id))


@bp.get("/<uuid:referral_id>/sheet.pdf")
def sheet_pdf(referral_id: UUID) -> ResponseReturnValue:
    shown = sheet_of(referral_id)
    parts = [part for part in shown["view"].number.split("-") if part.isascii()]
    name = "-".join(["tsunagu", *parts]) + ".pdf"
    return pdf_response(render_pdf("referrals/sheet.pdf.html", **shown), name)
