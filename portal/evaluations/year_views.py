"""The list of years, the table of one year, and what stands behind one figure."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal import clock
from portal.accounts.gate import signed_in
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.evaluations import closing_queries, pictures, programmes, table, telling, text_queries
from portal.evaluations.asked import check_year, programme_of, shared
from portal.evaluations.blueprint import bp
from portal.evaluations.forms import DayForm
from portal.evaluations.seen import Year
from portal.policy import Actor, Permission, can, require

# So many years are listed, and more when texts were written for earlier ones.
LISTED = 5


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.EVALUATION_READ)
    every = programmes.programmes(db.read())
    if not every:
        return render_template("evaluations/none.html")
    programme = programme_of(actor)
    this_year = clock.fiscal_year(clock.today())
    earliest = text_queries.earliest_year(db.read(), programme.id)
    first = min(this_year - LISTED, earliest if earliest is not None else this_year)
    return render_template(
        "evaluations/index.html",
        programme=programme,
        programmes=every,
        years=range(this_year + 1, first - 1, -1),
        this_year=this_year,
        closed=closing_queries.closed_years(db.read(), programme.id),
        may_arrange=can(actor, Permission.EVALUATION_CLOSE, programme),
        **shared(),
    )


def asked_year(actor: Actor, programme: Agency, year: int) -> tuple[Year, DayForm]:
    """The year as this reader may see it, as of the day that was asked for; the reading is logged."""
    check_year(year)
    form = DayForm(year, request.args)
    form.validate()
    asked = form.as_of.data if not form.as_of.errors else None
    view = table.load(db.read(), actor, programme, year, asked)
    if not form.as_of.errors:
        form.as_of.data, form.as_of.raw_data = view.as_of, None
    return view, form


def words(actor: Actor, view: Year) -> dict[str, Any]:
    return {
        "view": view,
        "may_write": can(actor, Permission.EVALUATION_WRITE, view.programme) and not view.closing,
        "may_close": can(actor, Permission.EVALUATION_CLOSE, view.programme),
        "may_add": can(actor, Permission.EVALUATION_WRITE, view.programme) and bool(view.closing),
        "pictures": pictures.of_months(view),
        "goals_picture": pictures.of_goals(view),
        **shared(),
    }


def pointed_out(view: Year) -> dict[str, Any]:
    """What the texts tell of small numbers, for the programme that wrote them."""
    if not view.eyes.is_inside:
        return {"tellings": {}, "tellings_added": []}
    additions = [one.text for one in view.additions]
    return {"tellings": telling.of_year(view), "tellings_added": telling.of_additions(view, additions)}


@bp.get("/<int:year>")
def show(year: int) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    view, form = asked_year(actor, programme, year)
    audit.record_reading(
        AuditEvent.EVALUATION_READ, ("agency", programme.id), actor=actor, year=year, as_of=view.as_of
    )
    return render_template("evaluations/show.html", form=form, **pointed_out(view), **words(actor, view))
