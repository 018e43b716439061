"""The page of one meeting: its facts for everyone at the table, its agenda for who arranges it."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import note_refusal, signed_in
from portal.audit.events import AuditEvent
from portal.db import db
from portal.disclosures import services as disclosures
from portal.errors import PortalError
from portal.meetings import agenda_facts, agenda_reading, agenda_services, drafting_services, packet_services
from portal.meetings.agenda_view import ItemView, MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.reasons import name_of, reason_of
from portal.meetings.states import FLOW, MeetingAction, MeetingKind, MeetingStatus
from portal.people.categories import Category
from portal.policy import Actor, Permission, require


def agenda_of(actor: Actor, meeting_id: UUID) -> tuple[MeetingView, list[ItemView]]:
    """The meeting, and of its agenda what this reader works on; the reading is logged.

    Who arranges it sees all of it, what is closed to him without its person; the others, before they open
    their packet, what their own agency brings.
    """
    meeting = agenda_reading.load_meeting(db.read(), actor, meeting_id, clock.now())
    require(actor, Permission.MEETING_ATTEND)
    arranges = meeting.is_arranged_by(actor)
    if arranges and meeting.is_coming:
        drafting_services.refresh(actor, meeting_id)
        meeting = agenda_reading.load_meeting(db.read(), actor, meeting_id, clock.now())
    items: list[ItemView] = []
    if not meeting.needs_oath:
        items = agenda_reading.load_items(
            db.read(), actor, meeting_id, clock.now(), with_hidden=arranges, with_fallen=True
        )
    if not arranges:
        items = [item for item in items if item.is_own]
    packet_services.note_reading(actor, AuditEvent.MEETING_READ, meeting, items)
    return meeting, items


@bp.get("/<uuid:meeting_id>")
def show(meeting_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    meeting, items = agenda_of(actor, meeting_id)
    arranges = meeting.is_arranged_by(actor)
    return render_template(
        "meetings/show.html",
        meeting=meeting,
        arranges=arranges,
        standing=[item for item in items if item.stands],
        fallen=[item for item in items if not item.stands],
        unshared=[item for item in items if may_share(item)],
        time=agenda_facts.time_of(meeting, items) if arranges else None,
        afterwards=agenda_facts.share_afterwards(db.across(), meeting) if arranges else None,
        actions=FLOW.actions_from(meeting.status) if arranges else [],
        name_of=name_of,
        reason_of=reason_of,
        A=MeetingAction,
        S=MeetingStatus,
        kinds=MeetingKind,
    )


def may_share(item: ItemView) -> bool:
    return item.is_own and item.person_id is not None and not item.shared and item.stands


@bp.post("/<uuid:meeting_id>/items/share")
def items_share(meeting_id: UUID) -> ResponseReturnValue:
    """All one's own agency's items at once, each with the basic information."""
    actor = signed_in()
    _meeting, items = agenda_of(actor, meeting_id)
    kept: list[str] = []
    for item in (item for item in items if may_share(item)):
        try:
            agenda_services.share_item(actor, item.id, [Category.BASIC])
        except PortalError as problem:
            problem.about = problem.about or ("agenda_item", item.id)
            note_refusal(problem)
            kept.append(f"{name_of(item)}（{problem.text()}）")
    if kept:
        flash(gettext("次の議題は共有できませんでした：%(items)s", items=gettext("、").join(kept)), "warning")
    else:
        flash(gettext("自機関の議題を、出席する機関に共有しました。"), "success")
    return redirect(url_for(".show", meeting_id=meeting_id, _anchor="agenda"))


def known(actor: Actor, person_id: UUID | None) -> set[Category]:
    """What this agency may tell of the person."""
    return disclosures.known_categories(db.read(), actor, person_id) if person_id else set()
