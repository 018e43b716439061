"""Calendar files, and the private address by which a calendar fetches them without signing in."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal import second_wall
from portal.accounts.gate import public, signed_in
from portal.db import db
from portal.meetings import calendar_file, calendar_services, series_reading, slot_services
from portal.meetings.blueprint import bp
from portal.meetings.models import CalendarLink
from portal.policy import Permission, require
from portal.second_wall import Reader
from portal.web.base_form import BaseForm

feeds = Blueprint("calendar", __name__, url_prefix="/calendar")


def page_address(meeting_id: UUID) -> str:
    return url_for("meetings.show", meeting_id=meeting_id, _external=True)


def calendar(content: bytes, name: str) -> Response:
    answer = Response(content, mimetype="text/calendar")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.ics"'
    return answer


@bp.get("/<uuid:meeting_id>.ics")
def meeting_ics(meeting_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    rows = series_reading.for_calendar(db.read(), actor, meeting_id=meeting_id)
    if not rows:
        raise NoResultFound
    if rows[0].series_id:
        slot_services.top_up_short(actor, rows[0].series_id)
    return calendar(calendar_file.file_of(rows, rows[0].name, address=page_address), f"meeting-{meeting_id}")


@bp.get("/series/<uuid:series_id>.ics")
def series_ics(series_id: UUID) -> ResponseReturnValue:
    """From 90 days ago on; missing dates are made first."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    slot_services.top_up_short(actor, series_id)
    series = series_reading.series_detail(db.read(), actor, series_id)
    rows = series_reading.for_calendar(db.read(), actor, series_id=series_id)
    return calendar(calendar_file.file_of(rows, series.name, address=page_address), f"series-{series_id}")


@bp.route("/calendar", methods=["GET", "POST"], endpoint="calendar")
def subscription() -> ResponseReturnValue:
    """The private address: shown once, right after it was made. So the answer to POST is the page itself."""
    actor, form = signed_in(), BaseForm()
    require(actor, Permission.CASEWORK)
    address = ""
    if form.validate_on_submit():
        if "revoke" in request.form:
            calendar_services.revoke(actor)
            flash(gettext("購読アドレスを使えなくしました。"), "success")
            return redirect(url_for(".calendar"))
        token = calendar_services.renew(actor)
        address = url_for("calendar.feed", token=token, _external=True)
    link = select(CalendarLink.renewed_at).where(CalendarLink.staff_id == actor.staff_id)
    return render_template(
        "meetings/calendar.html",
        form=form,
        renewed_at=db.read().scalars(link).one_or_none(),
        address=address,
    )


@feeds.get("/<token>.ics")
@public
def feed(token: str) -> ResponseReturnValue:
    """Dates and places of one member's meetings, for whoever knows the address; unknown ones do not exist."""
    second_wall.show_token(db, calendar_services.hashed(token))
    actor = calendar_services.owner(db.read(), token)
    second_wall.read_as(db, Reader.of(actor))
    slot_services.top_up_short(actor)
    rows = series_reading.for_calendar(db.read(), actor)
    return calendar(calendar_file.file_of(rows, gettext("つなぐの会議")), "meetings")
