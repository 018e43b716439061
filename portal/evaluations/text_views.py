"""Writing a text of a year: the same text of last year beside it, its history below, a wording suggested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db
from portal.errors import Conflict
from portal.evaluations import (
    area_queries,
    closing_queries,
    counting,
    suggest,
    suggest_queries,
    table,
    telling,
    text_queries,
    text_services,
)
from portal.evaluations.asked import check_year, programme_of, shared, to
from portal.evaluations.blueprint import bp
from portal.evaluations.catalogue import Area, Measure
from portal.evaluations.forms import TextForm
from portal.evaluations.models import Part
from portal.evaluations.period import Period
from portal.policy import Permission, require
from portal.settings import queries as settings


@bp.route("/<int:year>/<area>/<any(plan, result, finding, open):part>", methods=["GET", "POST"])
def text(year: int, area: str, part: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_WRITE, programme)
    check_year(year)
    which = Part(part)
    of_area = area_queries.area_of(db.read(), programme.id, year, area)
    if closing_queries.standing(db.read(), programme.id, year):
        raise Conflict(text_services.CLOSED)
    versions = text_queries.versions(db.read(), programme.id, year, area, which)
    newest = versions[0] if versions else None
    form = TextForm(data={"text": newest.text if newest else "", "seen": str(newest.id) if newest else ""})
    view = table.load(db.read(), actor, programme, year, compare=False)
    if form.validate_on_submit() and not form.must_point_out(
        telling.of_text(view, form.text.data or "", area)
    ):
        with refusals(form):
            text_services.write(
                actor,
                programme.id,
                year,
                area,
                which,
                form.text.data or "",
                seen=form.seen_id,
                check_seen=True,
                idempotency_key=form.idempotency_key.data,
            )
            flash(draft_of(programme, year, area, which), "draft-clear")
            flash(gettext("文章を保存しました。"), "success")
            return redirect(to("show", year=year) + f"#{area}", 303)
        versions = text_queries.versions(db.read(), programme.id, year, area, which)
        form.seen.data = str(versions[0].id) if versions else ""
    audit.record_reading(
        AuditEvent.EVALUATION_READ, ("agency", programme.id), actor=actor, year=year, area=area, part=which
    )
    suggestion = suggested(programme, year, of_area) if which is Part.RESULT else None
    taken = request.args.get("suggest") if request.method == "GET" else None
    if suggestion and taken in {"1", "few"}:
        wording = suggestion["few" if taken == "few" else "full"]
        form.text.data = "\n".join(filter(None, [form.text.data, wording]))
    told = telling.of_text(view, form.text.data or "", area)
    form.must_point_out(told)
    before = text_queries.of_years(db.read(), programme.id, [year - 1])
    page = render_template(
        "evaluations/text.html",
        form=form,
        programme=programme,
        year=year,
        area=of_area,
        part=which,
        versions=versions,
        last={one: before.get((year - 1, area, one), "") for one in Part},
        suggestion=suggestion,
        told=told,
        taken=taken,
        draft=draft_of(programme, year, area, which),
        **shared(),
    )
    return page, form.status


def draft_of(programme: Agency, year: int, area: str, part: Part) -> str:
    return f"evaluation-{programme.id.hex[-8:]}-{year}-{area}-{part.value}"


def suggested(programme: Agency, year: int, area: Area) -> dict[str, Any] | None:
    """The suggestion with all its numbers, the same with small ones as 少数, and whether these differ."""
    begins, ends = clock.fiscal_year_bounds(year)
    as_of = min(ends, clock.today())
    if as_of < begins:
        return None
    period = Period(year, as_of)
    meets = Measure.WEEKLY_MEETINGS in area.measures
    facts = suggest.Facts(
        area=area,
        counts=counting.count(counting.everybody(), programme.id, period, [area]),
        left_out=suggest_queries.left_out(db.read(), programme.id, period, area.code),
        weekly_since=suggest_queries.weekly_since(db.read(), programme.id, period) if meets else None,
        begins=begins,
    )
    least = settings.value(db.read(), "figures.least_shown")
    full, few = suggest.wording(facts), suggest.wording(replace(facts, least=least))
    return {"full": full, "few": few, "differ": full != few, "least": least, "as_of": as_of} if full else None
