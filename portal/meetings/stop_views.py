"""The page on which an agency confirms that it has stopped using what meeting packets told it."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.disclosures.heading import label_of
from portal.meetings import stop_services
from portal.meetings.blueprint import bp
from portal.people.categories import Category
from portal.policy import Permission, require


@bp.get("/stops")
def stops() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.MEETING_ATTEND)
    rows = stop_services.waiting(db.read(), actor, clock.now())
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
    stop_services.confirm(signed_in(), item_id)
    flash(gettext("停止を確認しました。"), "success")
    return redirect(url_for(".stops"))
