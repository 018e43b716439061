"""What stands behind one figure: its definition, and the records counted that this reader may see."""

from __future__ import annotations

from typing import Any

from flask import current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from portal import clock
from portal.accounts.gate import signed_in
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.evaluations import adding_up, records_queries
from portal.evaluations.asked import programme_of, shared
from portal.evaluations.blueprint import bp
from portal.evaluations.figures import Key
from portal.evaluations.period import Period
from portal.evaluations.record_sources import RecordKind
from portal.evaluations.records_queries import Record
from portal.evaluations.seen import Figure, Row, Year
from portal.evaluations.year_views import asked_year
from portal.people.categories import Category
from portal.web.pagination import after, page_of, page_size

# The page of each kind of record, and what its address calls it.
PAGES = {
    RecordKind.ACTIVITY: ("activities.show", "activity_id"),
    RecordKind.REFERRAL: ("referrals.show", "referral_id"),
    RecordKind.CASE: ("cases.show", "case_id"),
    RecordKind.PARTNER: ("activities.partner", "partner_id"),
    RecordKind.AGREEMENT: ("activities.partner", "partner_id"),
    RecordKind.MEETING: ("meetings.show", "meeting_id"),
}


def found_in(view: Year, key: Key) -> tuple[Row, Figure]:
    """Raises NotFound: no such figure in that area of that year."""
    for row in view.rows:
        for figure in row.this.figures:
            if figure.key == key:
                return row, figure
    raise NotFound


def page_for(record: Record) -> str | None:
    endpoint, name = PAGES[record.kind]
    values: dict[str, Any] = {name: record.id}
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


@bp.get("/<int:year>/figures/<area>/<figure>")
def figure(year: int, area: str, figure: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    view, _form = asked_year(actor, programme, year)
    row, one = found_in(view, Key(area, figure))
    begin = after()
    values = records_queries.asked(actor, programme.id, Period(year, view.as_of), one.key, clock.now())
    found = records_queries.records(
        db.read(),
        one.what,
        values,
        after=(clock.japan_date(begin[0]), begin[1]) if begin else None,
        size=page_size() + 1,
    )
    total = adding_up.add_up(db.read(), one, values, is_inside=view.eyes.is_inside)
    page = page_of(found, lambda record: (clock.start_of_day(record.mark[0]), record.mark[1]))
    named = [record for record in page.rows if record.person_id]
    audit.record_reading(
        AuditEvent.EVALUATION_READ,
        ("agency", programme.id),
        actor=actor,
        categories=[Category.BASIC] if named else [],
        count=len(page.rows),
        year=year,
        as_of=view.as_of,
        figure=[area, figure],
    )
    return render_template(
        "evaluations/figure.html",
        view=view,
        row=row,
        figure=one,
        page=page,
        sum=total,
        page_for=page_for,
        has_names=bool(named),
        day=request.args.get("as_of"),
        **shared(),
    )
