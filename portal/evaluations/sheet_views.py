"""The year taken along: as an Excel file and as a PDF on A3. Both are logged."""

from __future__ import annotations

from io import BytesIO

from flask import send_file
from flask.typing import ResponseReturnValue

from portal.accounts.gate import signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.evaluations import sheets
from portal.evaluations.asked import programme_of
from portal.evaluations.blueprint import bp
from portal.evaluations.seen import Year
from portal.evaluations.year_views import asked_year, words
from portal.policy import Actor
from portal.web.pdf import pdf_response, render_pdf

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def exported(actor: Actor, view: Year, form: str) -> None:
    audit.record_reading(
        AuditEvent.FIGURES_EXPORTED,
        ("agency", view.programme.id),
        actor=actor,
        channel="export",
        year=view.year,
        as_of=view.as_of,
        form=form,
    )


@bp.get("/<int:year>.xlsx")
def workbook(year: int) -> ResponseReturnValue:
    actor = signed_in()
    view, _form = asked_year(actor, programme_of(actor), year)
    exported(actor, view, "xlsx")
    content = BytesIO(sheets.workbook(view))
    name = f"tsunagu-evaluation-{year}.xlsx"
    return send_file(content, mimetype=XLSX, download_name=name, as_attachment=True)


@bp.get("/<int:year>.pdf")
def paper(year: int) -> ResponseReturnValue:
    actor = signed_in()
    view, _form = asked_year(actor, programme_of(actor), year)
    exported(actor, view, "pdf")
    content = render_pdf("evaluations/year.pdf.html", heads=sheets.heads_of(view), **words(actor, view))
    return pdf_response(content, f"tsunagu-evaluation-{year}.pdf")
