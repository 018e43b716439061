"""Files that an auditor takes along. Each is a POST: it is logged, and it is none that a link fetches."""

from __future__ import annotations

from io import BytesIO
from uuid import UUID

from flask import request, send_file
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import BadRequest

from portal import clock
from portal.accounts.gate import signed_in
from portal.policy import Actor
from portal.reports import audit_export_services as exporting
from portal.reports import audit_sheets
from portal.reports.audit_asked import form_of, wanted_of
from portal.reports.audit_blueprint import bp
from portal.reports.audit_export_services import Taken

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@bp.post("/export")
def export() -> ResponseReturnValue:
    """What the search shows; the form repeats it in hidden fields."""
    actor = signed_in()
    wanted = wanted_of(form_of(actor, request.form), request.form)
    return answer(actor, exporting.of_search(actor, wanted), "search")


@bp.post("/referrals/<uuid:referral_id>/export")
def export_life(referral_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    return answer(actor, exporting.of_life(actor, referral_id), "referral")


@bp.post("/people/<uuid:person_id>/export")
def export_person(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    return answer(actor, exporting.of_person(actor, person_id), "person")


def answer(actor: Actor, taken: Taken, what: str) -> ResponseReturnValue:
    """The file in the format whose button was pressed. No name and no number stands in the name of the file."""
    how = request.form.get("format", "")
    name = f"tsunagu-audit-{what}-{clock.in_japan(clock.now()):%Y%m%d-%H%M}"
    if how == "zip":
        packed = exporting.bundle(actor, taken)
        return send_file(packed, "application/zip", as_attachment=True, download_name=f"{name}.zip")
    if how not in {"csv", "xlsx"}:
        raise BadRequest
    found = exporting.table(actor, taken, how)
    lines = audit_sheets.rows(found, taken.life.stood_at(found) if taken.life else None)
    if how == "csv":
        made, kind = audit_sheets.as_csv(lines), "text/csv; charset=utf-8"
    else:
        made, kind = audit_sheets.as_xlsx(lines, gettext("監査記録")), XLSX
    return send_file(BytesIO(made), kind, as_attachment=True, download_name=f"{name}.{how}")
