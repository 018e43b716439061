"""The page from which a meeting is run, and its minutes as page, PDF and plain text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import abort, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict, Lack, NotAllowed, PortalError, StaleForm
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require
from portal.disclosures.services import open_heading
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.numbers import EXPLAINED
from portal.meetings.agenda.queries import ItemView, MeetingView
from portal.meetings.agenda.views import name_of, reason_of
from portal.meetings.blueprint import bp
from portal.meetings.minutes import background, queries, services, text
from portal.meetings.minutes.forms import (
    AddendumForm,
    ConfirmForm,
    MinutesForm,
    PutOffForm,
    SettleForm,
    StepForm,
    apart,
)
from portal.meetings.minutes.queries import by_item
from portal.meetings.minutes.services import Choice
from portal.meetings.outcomes import queries as outcome_queries
from portal.meetings.outcomes.forms import OutcomeForm
from portal.meetings.packets import services as packet_services
from portal.meetings.roster import services as roster_services
from portal.meetings.schedule import doubts
from portal.meetings.states import FLOW, MeetingAction, MeetingStatus
from portal.referrals.forms import uuid_or_none
from portal.web.addresses import asking
from portal.web.formats import era_datetime
from portal.web.printer import pdf_response, render_pdf

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
    return agenda_queries.load_meeting(db.read(), actor, meeting_id, clock.now())


def may_write(actor: Actor, meeting: MeetingView, item: ItemView) -> bool:
    """Whether the pages offer this reader to write on the item; the services decide."""
    return item.is_readable and (item.is_own or meeting.is_arranged_by(actor))


def items_of(actor: Actor, meeting: MeetingView, *, with_hidden: bool = False) -> list[ItemView]:
    """The agenda as the reader sees it, postponed items included, removed ones not. The reading is logged."""
    if meeting.needs_confidentiality:
        return []
    found = agenda_queries.load_items(
        db.read(), actor, meeting.id, clock.now(), with_hidden=with_hidden, with_fallen=True
    )
    shown = [item for item in found if item.stands or item.postponed_why]
    packet_services.note_reading(actor, AuditEvent.MINUTES_READ, meeting, shown)
    return shown


def find(actor: Actor, meeting_id: UUID, item_id: UUID) -> tuple[MeetingView, ItemView]:
    """An item of a meeting that is or was held, which this reader may know of."""
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
        raise Conflict(N_("会議を進める画面は、開催を通知すると開けるようになります。"))
    arranges = meeting.is_arranged_by(actor)
    items = items_of(actor, meeting, with_hidden=arranges)
    now = clock.now()
    mine = [item for item in items if may_write(actor, meeting, item)]
    is_running = meeting.status is S.IN_SESSION
    writable = [item for item in mine if is_running and item.stands]
    attendance = queries.load_attendance(db.read(), actor, meeting_id, now)
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
        outcomes=by_item(outcome_queries.load_outcomes(db.read(), actor, meeting_id, now)),
        waiting=queries.load_waiting(db.read(), actor, meeting_id, now),
        settle_forms={
            item.id: apart(SettleForm(formdata=None, data={"version": item.version}), item.id)
            for item in mine
        },
        confirm=apart(ConfirmForm(formdata=None), "confirm"),
        came=[one for one in attendance if one.was_there],
        named=len(attendance),
        numbers_explained=EXPLAINED,
        may_add=arranges and is_running and not meeting.needs_confidentiality,
        name_of=name_of,
        reason_of=reason_of,
        ends_at=ends_at(meeting),
        now=now,
        A=A,
        S=S,
    )


def ends_at(meeting: MeetingView) -> Any:
    """When the time is up: the planned length after the real beginning."""
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
    """Ask once, then take the step; whoever comes too late or too early sees the present state."""
    actor = signed_in()
    meeting = load_at_table(actor, meeting_id)
    require(actor, Permission.MEETING_ARRANGE, meeting)
    FLOW.check(action, meeting.status)
    form = StepForm(version=meeting.version)
    attendance = queries.load_attendance(db.read(), actor, meeting_id, clock.now())
    form.present.choices = [(str(one.id), f"{one.name}（{one.agency_name}）") for one in attendance]
    if form.validate_on_submit():
        with refusals(form):
            roster_services.proceed(
                actor,
                action,
                meeting_id,
                present={UUID(one) for one in form.present.data or ()},
                text=form.text.data or "",
                version=form.version.number,
                confirmed=form.confirmed.data,
            )
            flash(gettext(DONE[action]), "success")
            there = ".minutes" if action is A.APPROVE and not meeting.needs_confidentiality else ".session"
            return redirect(url_for(there, meeting_id=meeting_id))
        db.end()
        meeting = load_at_table(actor, meeting_id)
        form.version.data = str(meeting.version)
    doubt = doubts.about(db.read(), meeting, action)
    page = render_template(
        "meetings/session_step.html",
        meeting=meeting,
        form=form,
        action=action,
        came=[one for one in attendance if one.was_there],
        doubt=doubt,
        is_refused=doubt is not None and doubts.is_refused(meeting, doubt),
        A=A,
    )
    return page, form.status


# Writing the minutes of an item, and the minutes as page, PDF and plain text.


def wants_json() -> bool:
    return request.accept_mimetypes.best == "application/json"


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/minutes", methods=["GET", "POST"])
def item_minutes(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """The text on one item, and every earlier text. A script also saves here, and its answer is JSON."""
    if request.method == "POST" and wants_json():
        return autosave(meeting_id, item_id)
    actor = signed_in()
    meeting, item = find(actor, meeting_id, item_id)
    form = MinutesForm(version=item.version, text=item.minutes_text)
    if form.validate_on_submit():
        with refusals(form):
            services.write(actor, item_id, form.text.data or "", version=form.version.number)
            flash(f"minutes-{item_id}", "draft-clear")
            flash(gettext("議事録を保存しました。"), "success")
            return back_to_item(meeting_id, item_id)
        db.end()
        meeting, item = find(actor, meeting_id, item_id)
    return item_page(meeting, item, form)


def item_page(meeting: MeetingView, item: ItemView, form: MinutesForm) -> ResponseReturnValue:
    actor, now = signed_in(), clock.now()
    waiting = queries.load_waiting(db.read(), actor, meeting.id, now)
    mine = may_write(actor, meeting, item)
    page = render_template(
        "meetings/minutes_write.html",
        meeting=meeting,
        item=item,
        form=form,
        is_open=mine and meeting.status is S.IN_SESSION and item.stands and item.id not in waiting,
        mine=waiting.get(item.id, "") if mine else "",
        may_settle=meeting.status is S.IN_SESSION and item.stands,
        settle=SettleForm(formdata=None, data={"version": item.version}),
        revisions=queries.load_revisions(db.read(), actor, item.id, now),
        background=background.show(actor, meeting, item),
        name=name_of(item),
        S=S,
    )
    return page, form.status


def autosave(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Save what a script sends: 200 with the new version, 409 with the text that was saved first."""
    actor = signed_in()
    form = MinutesForm()
    if not form.validate():
        return jsonify(message="\n".join(str(error) for error in form.text.errors)), 400
    try:
        version = services.write(actor, item_id, form.text.data or "", version=form.version.number)
    except PortalError as error:
        note_refusal(error)
        answer: dict[str, Any] = {"message": error.text()}
        if isinstance(error, Conflict):
            db.end()
            _meeting, item = find(actor, meeting_id, item_id)
            answer |= {"theirs": item.minutes_text, "version": item.version}
            answer["ended"] = not isinstance(error, StaleForm)
        return jsonify(answer), error.status
    return jsonify(version=version, saved_at=era_datetime(clock.now()))


@bp.post("/<uuid:meeting_id>/items/<uuid:item_id>/minutes/settle")
def minutes_settle(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Choose which of two texts stands, as the writer who came second."""
    form = SettleForm()
    choice = next((one for one in Choice if one == request.form.get("choice")), Choice.THEIRS)
    services.settle(signed_in(), item_id, choice, version=form.version.number)
    flash(f"minutes-{item_id}", "draft-clear")
    flash(gettext("議事録を保存しました。"), "success")
    return back_to_item(meeting_id, item_id)


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/put-off", methods=["GET", "POST"])
def item_put_off(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Put an item off to the next meeting, while this one is in session."""
    actor = signed_in()
    meeting, item = find(actor, meeting_id, item_id)
    form = PutOffForm()
    if form.validate_on_submit():
        with refusals(form):
            services.put_off(actor, item_id, form.why.data or "")
            flash(gettext("次回に持ち越しました。"), "success")
            return back_to_item(meeting_id, item_id)
    page = render_template(
        "meetings/session_put_off.html", meeting=meeting, item=item, form=form, name=name_of(item)
    )
    return page, form.status


@bp.post("/<uuid:meeting_id>/items/<uuid:item_id>/take-up")
def item_take_up(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    services.take_up(signed_in(), item_id)
    flash(gettext("議題に戻しました。"), "success")
    return back_to_item(meeting_id, item_id)


def minutes_of(meeting_id: UUID, channel: str) -> dict[str, Any]:
    """The minutes as this reader sees them; also the convener's coordinator sees only their own view."""
    actor = signed_in()
    meeting = load_at_table(actor, meeting_id)
    require_held(meeting)
    if meeting.needs_confidentiality:
        raise NotAllowed(N_("支援会議の議事録は、守秘義務を確認した方だけが開けます。"), lack=Lack.SECRECY)
    now = clock.now()
    found = agenda_queries.load_items(db.read(), actor, meeting_id, now, with_fallen=True)
    items = [item for item in found if item.stands or item.postponed_why]
    packet_services.note_reading(actor, AuditEvent.MINUTES_READ, meeting, items, channel=channel)
    outcomes = outcome_queries.load_outcomes(db.read(), actor, meeting_id, now)
    addenda = queries.load_addenda(db.read(), actor, meeting_id, now)
    listed = {item.id for item in items}
    may_refer = {item.id: item.person_id for item in items if item.person_id and item.is_readable}
    arranges = meeting.is_arranged_by(actor)
    is_approved = meeting.status is S.APPROVED
    return {
        "meeting": meeting,
        "items": items,
        "attendance": queries.load_attendance(db.read(), actor, meeting_id, now),
        "outcomes": by_item(outcomes),
        "owed": [one for one in outcomes if one.item_id not in listed],
        "addenda": by_item(addenda),
        "people": may_refer,
        "arranges": arranges,
        "may_amend": {i.id for i in items if is_approved and may_write(actor, meeting, i)},
        "is_approved": is_approved,
        "name_of": name_of,
        "reason_of": reason_of,
        "numbers_explained": EXPLAINED,
        "printed_at": now,
        "confirm": ConfirmForm(formdata=None),
        "S": S,
    }


def file_name(meeting: MeetingView, end: str) -> str:
    return f"tsunagu-minutes-{clock.japan_date(meeting.starts_at):%Y%m%d}.{end}"


@bp.get("/<uuid:meeting_id>/minutes")
def minutes(meeting_id: UUID) -> ResponseReturnValue:
    return render_template("meetings/minutes.html", **minutes_of(meeting_id, "portal"))


@bp.get("/<uuid:meeting_id>/minutes.pdf")
def minutes_pdf(meeting_id: UUID) -> ResponseReturnValue:
    shown = minutes_of(meeting_id, "print") | {"on_paper": True}
    return pdf_response(render_pdf("meetings/minutes.pdf.html", **shown), file_name(shown["meeting"], "pdf"))


@bp.get("/<uuid:meeting_id>/minutes.txt")
def minutes_txt(meeting_id: UUID) -> ResponseReturnValue:
    shown = minutes_of(meeting_id, "text")
    return text.response(text.of_meeting(shown), file_name(shown["meeting"], "txt"))


@bp.route("/<uuid:meeting_id>/minutes/amend", methods=["GET", "POST"])
def amend(meeting_id: UUID) -> ResponseReturnValue:
    """Add a correction to approved minutes, of one item (`item`) or of the whole."""
    actor = signed_in()
    asked = request.args.get("item", "")
    item_id = uuid_or_none(asked)
    if asked and item_id is None:
        abort(404)
    if item_id is not None:
        meeting, item = find(actor, meeting_id, asking(item_id))
        is_mine = may_write(actor, meeting, item)
    else:
        meeting, item = load_at_table(actor, meeting_id), None
        is_mine = can(actor, Permission.MEETING_ARRANGE, meeting) and not meeting.needs_confidentiality
    if not is_mine:
        raise NotAllowed(N_("追記できるのは、会議を主催する機関の調整担当と、その議題を出した機関です。"))
    if meeting.status is not S.APPROVED:
        raise Conflict(N_("追記は、議事録が承認されたあとに行います。"))
    form = AddendumForm()
    if form.validate_on_submit():
        with refusals(form):
            key = form.idempotency_key.data
            services.amend(actor, meeting_id, form.text.data or "", item_id=item_id, idempotency_key=key)
            flash(f"addendum-{item_id or meeting_id}", "draft-clear")
            flash(gettext("議事録に追記しました。"), "success")
            return redirect(url_for(".minutes", meeting_id=meeting_id))
    page = render_template(
        "meetings/addendum.html", meeting=meeting, item=item, form=form, name=name_of(item) if item else ""
    )
    return page, form.status


def extract_of(person_id: UUID, channel: str) -> dict[str, Any]:
    """All minutes about one person that this reader may read and in which they may name that person."""
    actor = signed_in()
    heading = open_heading(actor, person_id, channel=channel)
    parts = queries.load(db.read(), actor, person_id, clock.now())
    queries.note(actor, person_id, parts, channel)
    return {"heading": heading, "parts": parts, "person_id": person_id, "printed_at": clock.now()}


@bp.get("/extracts/<uuid:person_id>")
def extract(person_id: UUID) -> ResponseReturnValue:
    return render_template("meetings/extract.html", **extract_of(person_id, "portal"))


@bp.get("/extracts/<uuid:person_id>.txt")
def extract_txt(person_id: UUID) -> ResponseReturnValue:
    shown = extract_of(person_id, "text")
    return text.response(text.of_person(shown), "tsunagu-extract.txt")
