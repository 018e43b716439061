"""The packet as page, print and PDF, the matrix checked before a meeting is announced, and the stop of use."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.labels import N_
from portal.core.policy import Permission, require
from portal.disclosures.person_header import label_of
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.numbers import EXPLAINED
from portal.meetings.agenda.views import name_of, reason_of
from portal.meetings.blueprint import bp
from portal.meetings.packets import matrix, preview, services
from portal.meetings.packets.forms import AnnounceForm
from portal.meetings.schedule import services as schedule_services
from portal.meetings.states import MeetingAction, MeetingStatus
from portal.people.categories import Category
from portal.web.printer import pdf_response, render_pdf


def packet_of(meeting_id: UUID, channel: str) -> dict[str, Any]:
    actor = signed_in()
    return {
        **services.open_packet(actor, meeting_id, channel=channel)._asdict(),
        "reason_of": reason_of,
        "numbers_explained": EXPLAINED,
        "printed_at": clock.now(),
    }


@bp.get("/<uuid:meeting_id>/packet")
def packet(meeting_id: UUID) -> ResponseReturnValue:
    return render_template("meetings/packet.html", **packet_of(meeting_id, "portal"))


@bp.get("/<uuid:meeting_id>/packet.pdf")
def packet_pdf(meeting_id: UUID) -> ResponseReturnValue:
    shown = packet_of(meeting_id, "print")
    day = clock.japan_date(shown["meeting"].starts_at)
    return pdf_response(render_pdf("meetings/packet.pdf.html", **shown), f"tsunagu-{day:%Y%m%d}.pdf")


@bp.get("/<uuid:meeting_id>/packet/<uuid:agency_id>")
def packet_preview(meeting_id: UUID, agency_id: UUID) -> ResponseReturnValue:
    return render_template("meetings/preview.html", **preview_of(meeting_id, agency_id, "portal"))


@bp.get("/<uuid:meeting_id>/packet/<uuid:agency_id>.pdf")
def packet_preview_pdf(meeting_id: UUID, agency_id: UUID) -> ResponseReturnValue:
    shown = preview_of(meeting_id, agency_id, "print")
    day = clock.japan_date(shown["meeting"].starts_at)
    return pdf_response(render_pdf("meetings/preview.pdf.html", **shown), f"tsunagu-draft-{day:%Y%m%d}.pdf")


def preview_of(meeting_id: UUID, agency_id: UUID, channel: str) -> dict[str, Any]:
    """The packet of one agency at the table as a draft: looked at by whoever arranges it, and told to nobody."""
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    now = clock.now()
    meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, now)
    require(actor, Permission.MEETING_ARRANGE, meeting)
    if agency_id not in meeting.members:
        abort(404)
    if meeting.status is not MeetingStatus.DRAFT:
        raise Conflict(N_("開催を通知したあとは、それぞれの機関が自分の資料を開きます。"))
    shown = preview.load(db.read(), actor, meeting, agency_id, now)
    read = [one.item for one in shown if not one.is_theirs]
    services.note_reading(actor, AuditEvent.PACKET_PREVIEWED, meeting, read, channel=channel)
    return {
        "meeting": meeting,
        "agency_name": meeting.members[agency_id],
        "agency_id": agency_id,
        "items": [one.item for one in shown],
        "glimpses": {one.item.id: one for one in shown},
        "revision": None,
        "reason_of": reason_of,
        "numbers_explained": EXPLAINED,
        "printed_at": now,
    }


@bp.route("/<uuid:meeting_id>/matrix", methods=["GET", "POST"], endpoint="matrix")
def matrix_page(meeting_id: UUID) -> ResponseReturnValue:
    """Who sees what, before announcing. A changed agenda shows its new table before it can be announced."""
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    now = clock.now()
    meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, now)
    require(actor, Permission.MEETING_ARRANGE, meeting)
    form = AnnounceForm(version=meeting.version)
    if request.method == "POST" and form.validate_on_submit():
        with refusals(form):
            schedule_services.perform(actor, MeetingAction.ANNOUNCE, meeting_id, version=form.version.number)
            flash(gettext("開催を通知しました。参加機関が資料を開けるようになりました。"), "success")
            return redirect(url_for(".show", meeting_id=meeting_id))
        db.end()
        now = clock.now()
        meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, now)
        form.version.data, form.checked.data = str(meeting.version), False
    table, items = matrix.load(db.read(), actor, meeting, now)
    services.note_reading(actor, AuditEvent.MEETING_READ, meeting, items)
    page = render_template(
        "meetings/matrix.html",
        meeting=meeting,
        matrix=table,
        SHORT=matrix.SHORT,
        SEEING=matrix.SEEING,
        form=form,
        name_of=name_of,
        is_statutory=matrix.is_council(meeting),
        is_draft=meeting.status is MeetingStatus.DRAFT,
        too_long=table.total_minutes > meeting.minutes,
        nobody_named=not any(named for _sworn, named in table.agreed.values()),
    )
    return page, form.status


# The page on which an agency confirms that it has stopped using what packets disclosed to it.


@bp.get("/stops")
def stops() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    rows = services.waiting(db.read(), actor, clock.now())
    named = {row.person_id for row in rows if label_of(row)}
    audit.record_reading(
        AuditEvent.DISCLOSURES_READ,
        ("meeting", None),
        actor=actor,
        categories=[Category.BASIC] if named else [],
        count=len(named),
        people=sorted(named),
    )
    return render_template("meetings/stops.html", rows=[(row, label_of(row)) for row in rows])


@bp.post("/stops/<uuid:item_id>")
def stop_confirm(item_id: UUID) -> ResponseReturnValue:
    services.confirm(signed_in(), item_id)
    flash(gettext("利用停止を報告しました。"), "success")
    return redirect(url_for(".stops"))
