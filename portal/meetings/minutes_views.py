"""Writing the minutes of an item, and the minutes as page, PDF and plain text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import abort, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.audit.events import AuditEvent
from portal.db import db
from portal.disclosures.reading import open_heading
from portal.errors import Conflict, Lack, NotAllowed, PortalError, StaleForm
from portal.meetings import (
    agenda_reading,
    extract_reading,
    minutes_reading,
    minutes_services,
    minutes_text,
    packet_services,
    revision_reading,
)
from portal.meetings.agenda_view import ItemView, MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.minutes_forms import AddendumForm, MinutesForm, PressForm, PutOffForm, SettleForm
from portal.meetings.minutes_reading import by_item
from portal.meetings.minutes_services import Choice
from portal.meetings.reasons import name_of, reason_of
from portal.meetings.session_views import back_to_item, find, load_at_table, may_write, require_held
from portal.meetings.states import MeetingStatus
from portal.policy import Permission, can
from portal.referrals.forms import uuid_or_none
from portal.web.asked import asking
from portal.web.formats import era_datetime
from portal.web.pdf import pdf_response, render_pdf
from portal.words import N_

S = MeetingStatus


def wants_json() -> bool:
    return request.accept_mimetypes.best == "application/json"


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/minutes", methods=["GET", "POST"])
def item_minutes(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """What is written on one item, and every earlier text. A script saves here, too, and gets its answer as JSON."""
    if request.method == "POST" and wants_json():
        return autosave(meeting_id, item_id)
    actor = signed_in()
    meeting, item = find(actor, meeting_id, item_id)
    form = MinutesForm(version=item.version, text=item.minutes_text)
    if form.validate_on_submit():
        with refusals(form):
            minutes_services.write(actor, item_id, form.text.data or "", version=form.version.number)
            flash(f"minutes-{item_id}", "draft-clear")
            flash(gettext("議事録を保存しました。"), "success")
            return back_to_item(meeting_id, item_id)
        db.end()
        meeting, item = find(actor, meeting_id, item_id)
    return item_page(meeting, item, form)


def item_page(meeting: MeetingView, item: ItemView, form: MinutesForm) -> ResponseReturnValue:
    actor, now = signed_in(), clock.now()
    waiting = revision_reading.load_waiting(db.read(), actor, meeting.id, now)
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
        revisions=revision_reading.load_revisions(db.read(), actor, item.id, now),
        name=name_of(item),
        S=S,
    )
    return page, form.status


def autosave(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Saves what a script sends: 200 with the new version, 409 with the text that stands."""
    actor = signed_in()
    form = MinutesForm()
    if not form.validate():
        return jsonify(message="\n".join(str(error) for error in form.text.errors)), 400
    try:
        version = minutes_services.write(actor, item_id, form.text.data or "", version=form.version.number)
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
    """Which of two texts stands, chosen by whoever came second."""
    form = SettleForm()
    choice = next((one for one in Choice if one == request.form.get("choice")), Choice.THEIRS)
    minutes_services.settle(signed_in(), item_id, choice, version=form.version.number)
    flash(f"minutes-{item_id}", "draft-clear")
    flash(gettext("議事録を保存しました。"), "success")
    return back_to_item(meeting_id, item_id)


@bp.route("/<uuid:meeting_id>/items/<uuid:item_id>/put-off", methods=["GET", "POST"])
def item_put_off(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Put off to the next meeting, while this one is in session."""
    actor = signed_in()
    meeting, item = find(actor, meeting_id, item_id)
    form = PutOffForm()
    if form.validate_on_submit():
        with refusals(form):
            minutes_services.put_off(actor, item_id, form.why.data or "")
            flash(gettext("次回に持ち越しました。"), "success")
            return back_to_item(meeting_id, item_id)
    page = render_template(
        "meetings/session_put_off.html", meeting=meeting, item=item, form=form, name=name_of(item)
    )
    return page, form.status


@bp.post("/<uuid:meeting_id>/items/<uuid:item_id>/take-up")
def item_take_up(meeting_id: UUID, item_id: UUID) -> ResponseReturnValue:
    minutes_services.take_up(signed_in(), item_id)
    flash(gettext("議題に戻しました。"), "success")
    return back_to_item(meeting_id, item_id)


def minutes_of(meeting_id: UUID, channel: str) -> dict[str, Any]:
    """What the minutes show this reader; all of them, the convener's coordinator too, see their own."""
    actor = signed_in()
    meeting = load_at_table(actor, meeting_id)
    require_held(meeting)
    if meeting.needs_oath:
        raise NotAllowed(N_("支援会議の議事録は、守秘義務を確認した方だけが開けます。"), lack=Lack.SECRECY)
    now = clock.now()
    found = agenda_reading.load_items(db.read(), actor, meeting_id, now, with_fallen=True)
    items = [item for item in found if item.stands or item.postponed_why]
    packet_services.note_reading(actor, AuditEvent.MINUTES_READ, meeting, items, channel=channel)
    outcomes = minutes_reading.load_outcomes(db.read(), actor, meeting_id, now)
    addenda = minutes_reading.load_addenda(db.read(), actor, meeting_id, now)
    listed = {item.id for item in items}
    may_refer = {item.id: item.person_id for item in items if item.person_id and item.is_readable}
    arranges = meeting.is_arranged_by(actor)
    is_approved = meeting.status is S.APPROVED
    return {
        "meeting": meeting,
        "items": items,
        "attendance": minutes_reading.load_attendance(db.read(), actor, meeting_id, now),
        "outcomes": by_item(outcomes),
        "owed": [one for one in outcomes if one.item_id not in listed],
        "addenda": by_item(addenda),
        "people": may_refer,
        "arranges": arranges,
        "may_amend": {i.id for i in items if is_approved and may_write(actor, meeting, i)},
        "is_approved": is_approved,
        "name_of": name_of,
        "reason_of": reason_of,
        "printed_at": now,
        "press": PressForm(formdata=None),
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
    return minutes_text.response(minutes_text.of_meeting(shown), file_name(shown["meeting"], "txt"))


@bp.route("/<uuid:meeting_id>/minutes/amend", methods=["GET", "POST"])
def amend(meeting_id: UUID) -> ResponseReturnValue:
    """A correction to approved minutes, of one item (`item`) or of the whole."""
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
        is_mine = can(actor, Permission.MEETING_ARRANGE, meeting) and not meeting.needs_oath
    if not is_mine:
        raise NotAllowed(N_("追記できるのは、会議を主催する機関の調整担当と、その議題を出した機関です。"))
    if meeting.status is not S.APPROVED:
        raise Conflict(N_("追記は、議事録が承認されたあとに行います。"))
    form = AddendumForm()
    if form.validate_on_submit():
        with refusals(form):
            key = form.idempotency_key.data
            minutes_services.amend(
                actor, meeting_id, form.text.data or "", item_id=item_id, idempotency_key=key
            )
            flash(f"addendum-{item_id or meeting_id}", "draft-clear")
            flash(gettext("議事録に追記しました。"), "success")
            return redirect(url_for(".minutes", meeting_id=meeting_id))
    page = render_template(
        "meetings/addendum.html", meeting=meeting, item=item, form=form, name=name_of(item) if item else ""
    )
    return page, form.status


def extract_of(person_id: UUID, channel: str) -> dict[str, Any]:
    """All minutes about one person that this reader may read and in which he may name that person."""
    actor = signed_in()
    heading = open_heading(actor, person_id, channel=channel)
    parts = extract_reading.load(db.read(), actor, person_id, clock.now())
    extract_reading.note(actor, person_id, parts, channel)
    return {"heading": heading, "parts": parts, "person_id": person_id, "printed_at": clock.now()}


@bp.get("/extracts/<uuid:person_id>")
def extract(person_id: UUID) -> ResponseReturnValue:
    return render_template("meetings/extract.html", **extract_of(person_id, "portal"))


@bp.get("/extracts/<uuid:person_id>.txt")
def extract_txt(person_id: UUID) -> ResponseReturnValue:
    shown = extract_of(person_id, "text")
    return minutes_text.response(minutes_text.of_person(shown), "tsunagu-extract.txt")
