"""The pages of the roster and of the duty of secrecy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from portal.accounts.gate import refusals, signed_in
from portal.accounts.models import Membership, Staff
from portal.agencies.models import Agency
from portal.core import clock
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, require
from portal.meetings.agenda import queries as agenda_queries
from portal.meetings.agenda.queries import MeetingView
from portal.meetings.blueprint import bp
from portal.meetings.roster import regulars, services
from portal.meetings.roster.forms import AttendanceForm, GuestForm, MemberForm, OathForm, RegularsForm
from portal.meetings.roster.models import Attendance
from portal.meetings.schedule import queries as schedule_queries
from portal.meetings.states import MeetingKind
from portal.web.base_form import BaseForm


@dataclass(frozen=True, slots=True)
class RosterLine:
    id: UUID
    agency_id: UUID | None
    agency_name: str
    staff_id: UUID | None
    name: str
    was_there: bool
    secrecy_at: datetime | None
    on_paper: bool

    @property
    def is_guest(self) -> bool:
        return self.staff_id is None


def lines_of(meeting_id: UUID) -> list[RosterLine]:
    """The roster, agency by agency, guests last."""
    rows = db.read().execute(
        select(Attendance, Agency.name, Staff.name)
        .outerjoin(Agency, Agency.id == Attendance.agency_id)
        .outerjoin(Staff, Staff.id == Attendance.staff_id)
        .where(Attendance.meeting_id == meeting_id)
    )
    found = [
        RosterLine(
            id=row.id,
            agency_id=row.agency_id,
            agency_name=agency or row.guest_from,
            staff_id=row.staff_id,
            name=name or row.guest_name,
            was_there=row.was_there,
            secrecy_at=row.secrecy_at,
            on_paper=row.on_paper,
        )
        for row, agency, name in rows
    ]
    return sorted(found, key=lambda line: (line.is_guest, line.agency_name, line.name, str(line.id)))


def nameable(actor: Actor, meeting: MeetingView, named: set[UUID | None]) -> dict[str, list[tuple[str, str]]]:
    """Caseworkers not yet named whom this actor may name, grouped by agency."""
    agencies = set(meeting.members) if meeting.is_arranged_by(actor) else {actor.agency_id}
    rows = db.read().execute(
        select(Staff.id, Staff.name, Agency.name.label("agency"))
        .join(Membership, Membership.staff_id == Staff.id)
        .join(Agency, Agency.id == Membership.agency_id)
        .where(
            Membership.agency_id.in_(agencies),
            Membership.role.in_([Role.STAFF, Role.COORDINATOR]),
            Membership.ended_at.is_(None),
            Staff.disabled_at.is_(None),
        )
        .order_by(Agency.name, Staff.name, Staff.id)
    )
    groups: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if row.id not in named:
            groups.setdefault(row.agency, []).append((str(row.id), row.name))
    return groups


def may_change(actor: Actor, meeting: MeetingView) -> bool:
    in_time = meeting.status in services.ATTENDED
    return meeting.is_coming or (in_time and meeting.is_arranged_by(actor))


def named_form(actor: Actor, meeting: MeetingView, lines: list[RosterLine]) -> MemberForm:
    form = MemberForm()
    groups = nameable(actor, meeting, {line.staff_id for line in lines})
    first = {"": [("", gettext("選んでください"))]}
    form.staff.choices = first | groups if groups else [("", gettext("選んでください"))]
    return form


@bp.route("/<uuid:meeting_id>/roster", methods=["GET", "POST"])
def roster(meeting_id: UUID) -> ResponseReturnValue:
    """Who is named and who came. The button that was pressed says which of the three forms was sent."""
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, clock.now())
    lines = lines_of(meeting_id)
    members, guests, came = named_form(actor, meeting, lines), GuestForm(), AttendanceForm()
    came.present.choices = [(str(line.id), f"{line.name}（{line.agency_name}）") for line in lines]
    act = request.form.get("act")
    asked: dict[str | None, BaseForm] = {"member": members, "guest": guests, "attendance": came}
    form = asked.get(act)
    if form is not None and form.validate_on_submit():
        with refusals(form):
            if form is members:
                services.name_member(actor, meeting_id, UUID(members.staff.data))
                flash(gettext("名簿に加えました。"), "success")
            elif form is guests:
                own = None if meeting.is_arranged_by(actor) else actor.agency_id
                services.name_guest(
                    actor,
                    meeting_id,
                    name=guests.name.data or "",
                    guest_from=guests.guest_from.data or "",
                    agency_id=own,
                    idempotency_key=guests.idempotency_key.data,
                )
                flash(gettext("名簿に加えました。"), "success")
            else:
                services.set_attendance(actor, meeting_id, {UUID(one) for one in came.present.data or ()})
                flash(gettext("出欠を記録しました。"), "success")
                return redirect(url_for(".session", meeting_id=meeting_id))
            return redirect(url_for(".roster", meeting_id=meeting_id))
        db.end()
        meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, clock.now())
        lines = lines_of(meeting_id)
    if form is not came:
        came.present.data = [str(line.id) for line in lines if line.was_there]
    page = render_template(
        "meetings/roster.html",
        meeting=meeting,
        lines=lines,
        members=members,
        guests=guests,
        came=came,
        form=form,
        arranges=meeting.is_arranged_by(actor),
        may_change=may_change(actor, meeting),
        takes_attendance=meeting.status in services.ATTENDED and meeting.is_arranged_by(actor),
        is_statutory=meeting.kind is MeetingKind.STATUTORY,
    )
    return page, form.status if form is not None else 200


@bp.post("/<uuid:meeting_id>/roster/<uuid:attendance_id>/strike")
def roster_strike(meeting_id: UUID, attendance_id: UUID) -> ResponseReturnValue:
    services.strike(signed_in(), attendance_id)
    flash(gettext("名簿から外しました。"), "success")
    return redirect(url_for(".roster", meeting_id=meeting_id))


@bp.post("/<uuid:meeting_id>/roster/<uuid:attendance_id>/paper")
def roster_paper(meeting_id: UUID, attendance_id: UUID) -> ResponseReturnValue:
    services.acknowledge_on_paper(signed_in(), attendance_id)
    flash(gettext("守秘義務の確認（書面）を記録しました。"), "success")
    return redirect(url_for(".roster", meeting_id=meeting_id))


@bp.route("/series/<uuid:series_id>/regulars", methods=["GET", "POST"])
def series_regulars(series_id: UUID) -> ResponseReturnValue:
    """Who of the reader's own agency comes to every meeting of the series."""
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    agency_id = actor.agency_id
    assert agency_id is not None  # a caseworker has one  # noqa: S101
    series = schedule_queries.series_detail(db.read(), actor, series_id)
    own = db.read().execute(
        select(Staff.id, Staff.name)
        .where(Staff.id.in_(regulars.caseworkers_of(agency_id)))
        .order_by(Staff.name, Staff.id)
    )
    form = RegularsForm()
    form.staff.choices = [(str(row.id), row.name) for row in own]
    if form.validate_on_submit():
        with refusals(form):
            services.set_regulars(actor, series_id, {UUID(one) for one in form.staff.data or ()})
            flash(gettext("いつも出席する職員を保存しました。これからの会議の名簿に載ります。"), "success")
            return redirect(url_for(".series_show", series_id=series_id))
    if not form.is_submitted():
        named = schedule_queries.regulars_of(db.read(), series_id)
        form.staff.data = [str(one.staff_id) for one in named if one.agency_id == agency_id]
    page = render_template("meetings/series_regulars.html", series=series, form=form)
    return page, form.status


@bp.route("/<uuid:meeting_id>/oath", methods=["GET", "POST"])
def confidentiality(meeting_id: UUID) -> ResponseReturnValue:
    """The duty of secrecy of a 支援会議, for people on its roster; nothing of its agenda is shown here."""
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    meeting = agenda_queries.load_meeting(db.read(), actor, meeting_id, clock.now())
    if not meeting.is_named:
        raise NotAllowed(N_("名簿にお名前がありません。会議を主催する機関の調整担当に連絡してください。"))
    form = OathForm()
    if form.validate_on_submit():
        with refusals(form):
            services.acknowledge_secrecy(actor, meeting_id)
            flash(gettext("守秘義務の確認を記録しました。"), "success")
            return redirect(url_for(".show", meeting_id=meeting_id))
    return render_template("meetings/confidentiality.html", meeting=meeting, form=form), form.status
