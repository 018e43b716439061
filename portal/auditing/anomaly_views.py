"""The pages of unusual readings, for the auditor and an agency's administrator."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import signed_in
from portal.auditing import anomalies
from portal.auditing.anomalies import PERIODS, Rule
from portal.core.policy import Permission, can

bp = Blueprint("anomalies", __name__, url_prefix="/audit/watch")


def days_asked() -> int:
    """The number of days asked for; the first choice for a value that is none of the choices."""
    return next((days for days in PERIODS if str(days) == request.args.get("days")), PERIODS[0])


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    found = anomalies.look(actor, days_asked())
    tabs = [
        {
            "url": url_for(".index", days=days),
            "label": gettext("この%(n)s日間", n=days),
            "current": days == found.days,
        }
        for days in PERIODS
    ]
    return render_template(
        "audit/anomalies.html", watch=found, tabs=tabs, rules=Rule, audits=can(actor, Permission.AUDIT_READ)
    )


@bp.get("/<uuid:staff_id>")
def behind(staff_id: UUID) -> ResponseReturnValue:
    """The entries that put somebody on the list, by the clients' numbers."""
    actor = signed_in()
    rule = next((rule for rule in Rule if rule.value == request.args.get("rule")), None)
    agency = request.args.get("agency", "")
    try:
        agency_id = UUID(agency) if agency else actor.agency_id
    except ValueError:
        abort(404)
    if rule is None or agency_id is None:
        abort(404)
    found, hit, readings = anomalies.behind(actor, staff_id, agency_id, rule, days_asked())
    return render_template(
        "audit/anomaly_behind.html",
        watch=found,
        hit=hit,
        readings=readings,
        rules=Rule,
        most=anomalies.SHOWN,
        audits=can(actor, Permission.AUDIT_READ),
    )
