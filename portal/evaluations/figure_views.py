"""What stands behind one figure: its definition, its months, and the records that this reader may see."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from portal.accounts.gate import signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.evaluations.asked import programme_of, shared
from portal.evaluations.blueprint import bp
from portal.evaluations.figures import Key
from portal.evaluations.seen import Figure, Row, Year
from portal.evaluations.year_views import asked_year


def found_in(view: Year, key: Key) -> tuple[Row, Figure]:
    """Raises NotFound: no such figure in that area of that year."""
    for row in view.rows:
        for figure in row.this.figures:
            if figure.key == key:
                return row, figure
    raise NotFound


@bp.get("/<int:year>/figures/<area>/<code>")
def figure(year: int, area: str, code: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    view, _form = asked_year(actor, programme, year)
    row, one = found_in(view, Key(area, code))
    audit.record_reading(
        AuditEvent.EVALUATION_READ,
        ("agency", programme.id),
        actor=actor,
        year=year,
        as_of=view.as_of,
        figure=[area, code],
    )
    return render_template(
        "evaluations/figure.html",
        view=view,
        row=row,
        figure=one,
        day=request.args.get("as_of"),
        **shared(),
    )
