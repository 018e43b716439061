"""The pages of the yearly evaluation: years, one year, its figures, texts, areas and closing, and the papers."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import NoResultFound
from werkzeug.exceptions import NotFound

from portal.accounts.gate import refusals, signed_in
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.configuration import queries as settings
from portal.core import clock
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require
from portal.evaluations import (
    counting,
    programmes,
    queries,
    records,
    services,
    sheets,
    suggest,
    table,
    telling,
)
from portal.evaluations.catalogue import Area, Key, Measure, Period
from portal.evaluations.forms import (
    AdditionForm,
    AreaChangeForm,
    AreaForm,
    CloseForm,
    DayForm,
    ReopenForm,
    TextForm,
)
from portal.evaluations.models import Part
from portal.evaluations.params import check_year, programme_of, shared, to, year_word
from portal.evaluations.programmes import Arranged
from portal.evaluations.records import Record, RecordKind
from portal.evaluations.table import Figure, Row, Year
from portal.people.categories import Category
from portal.web.pagination import after, page_of, page_size
from portal.web.printer import pdf_response, render_pdf

bp = Blueprint("evaluations", __name__, url_prefix="/reports/evaluation")


# The list of years, the table of one year, and what stands behind one figure.

# This many years are listed, and more when earlier ones have texts.
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
    earliest = queries.earliest_year(db.read(), programme.id)
    first = min(this_year - LISTED, earliest if earliest is not None else this_year)
    return render_template(
        "evaluations/index.html",
        programme=programme,
        programmes=every,
        years=range(this_year + 1, first - 1, -1),
        this_year=this_year,
        closed=queries.closed_years(db.read(), programme.id),
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
        "pictures": sheets.of_months(view),
        "goals_picture": sheets.of_goals(view),
        **shared(),
    }


def pointed_out(view: Year) -> dict[str, Any]:
    """What the texts reveal of small numbers, for the programme that wrote them."""
    if not view.masking.is_inside:
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


# What stands behind one figure: its definition, and the records counted that this reader may see.

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
    values = records.asked(actor, programme.id, Period(year, view.as_of), one.key, clock.now())
    found = records.records(
        db.read(),
        one.what,
        values,
        after=(clock.japan_date(begin[0]), begin[1]) if begin else None,
        size=page_size() + 1,
    )
    total = records.add_up(db.read(), one, values, is_inside=view.masking.is_inside)
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


# Writing a text of a year: the same text of last year beside it, its history below, a wording suggested.


@bp.route("/<int:year>/<area>/<any(plan, result, finding, open):part>", methods=["GET", "POST"])
def text(year: int, area: str, part: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_WRITE, programme)
    check_year(year)
    which = Part(part)
    of_area = programmes.area_of(db.read(), programme.id, year, area)
    if queries.standing(db.read(), programme.id, year):
        raise Conflict(services.CLOSED)
    versions = queries.versions(db.read(), programme.id, year, area, which)
    newest = versions[0] if versions else None
    form = TextForm(data={"text": newest.text if newest else "", "seen": str(newest.id) if newest else ""})
    view = table.load(db.read(), actor, programme, year, compare=False)
    if form.validate_on_submit() and not form.must_point_out(
        telling.of_text(view, form.text.data or "", area)
    ):
        with refusals(form):
            services.write(
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
        versions = queries.versions(db.read(), programme.id, year, area, which)
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
    before = queries.texts_of_years(db.read(), programme.id, [year - 1])
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
    """The suggestion with all numbers, the same with small ones as 少数, and whether they differ."""
    begins, ends = clock.fiscal_year_bounds(year)
    as_of = min(ends, clock.today())
    if as_of < begins:
        return None
    period = Period(year, as_of)
    meets = Measure.WEEKLY_MEETINGS in area.measures
    facts = suggest.Facts(
        area=area,
        counts=counting.count(counting.everybody(), programme.id, period, [area]),
        left_out=suggest.left_out(db.read(), programme.id, period, area.code),
        weekly_since=suggest.weekly_since(db.read(), programme.id, period) if meets else None,
        begins=begins,
    )
    least = settings.value(db.read(), "figures.least_shown")
    full, few = suggest.wording(facts), suggest.wording(replace(facts, least=least))
    return {"full": full, "few": few, "differ": full != few, "least": least, "as_of": as_of} if full else None


# Arranging the areas (項目) of a programme.


def own_programme(actor: Actor) -> Agency:
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_CLOSE, programme)
    return programme


def arranged(programme: Agency, code: str) -> Arranged:
    for one in programmes.all_areas(db.read(), programme.id):
        if one.area.code == code:
            return one
    raise NoResultFound


@bp.get("/areas")
def areas() -> ResponseReturnValue:
    programme = own_programme(signed_in())
    found = programmes.all_areas(db.read(), programme.id)
    return render_template("evaluations/areas.html", programme=programme, areas=found, **shared())


@bp.route("/areas/new", methods=["GET", "POST"])
def area_new() -> ResponseReturnValue:
    actor = signed_in()
    programme = own_programme(actor)
    form = AreaForm()
    if form.validate_on_submit():
        with refusals(form):
            services.define(
                actor,
                programme.id,
                form.name.data or "",
                kinds=form.chosen_kinds(),
                measures=form.chosen_measures(),
                idempotency_key=form.idempotency_key.data,
            )
            flash(gettext("項目を追加しました。"), "success")
            return redirect(to("areas"), 303)
    page = render_template("evaluations/area.html", programme=programme, form=form, one=None, **shared())
    return page, form.status


@bp.route("/areas/<area>", methods=["GET", "POST"])
def area_edit(area: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = own_programme(actor)
    one = arranged(programme, area)
    form = AreaChangeForm(
        data={
            "name": one.area.name,
            "kinds": [kind.value for kind in one.area.kinds],
            "measures": [measure.value for measure in one.area.measures],
            "retired_from": str(one.area.retired_from or ""),
            "version": one.version,
        }
    )
    this_year = clock.fiscal_year(clock.today())
    form.offer_years(range(this_year, this_year + 3), one.area.retired_from)
    if form.validate_on_submit():
        with refusals(form):
            services.change(
                actor,
                programme.id,
                area,
                name=form.name.data or "",
                kinds=form.chosen_kinds(),
                measures=form.chosen_measures(),
                retired_from=form.year,
                version=form.version.number,
            )
            flash(gettext("項目を変更しました。"), "success")
            return redirect(to("areas"), 303)
        one = arranged(programme, area)
        form.version.data = str(one.version)
    page = render_template("evaluations/area.html", programme=programme, form=form, one=one, **shared())
    return page, form.status


@bp.post("/areas/<area>/<any(up, down):direction>")
def area_move(area: str, direction: str) -> ResponseReturnValue:
    actor = signed_in()
    programme = own_programme(actor)
    arranged(programme, area)
    services.move(actor, programme.id, area, up=direction == "up")
    return redirect(to("areas") + f"#{area}", 303)


# Closing a year, opening it again, and adding to a closed one.


@bp.route("/<int:year>/close", methods=["GET", "POST"])
def close(year: int) -> ResponseReturnValue:
    """Ask for the day, show what will be frozen for confirmation, then close the year."""
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_CLOSE, programme)
    check_year(year)
    if clock.fiscal_year_bounds(year)[0] > clock.today():
        raise Conflict(N_("この年度はまだ始まっていません。"))
    if queries.standing(db.read(), programme.id, year):
        raise Conflict(N_("この年度は、すでに確定しています。"))
    form = CloseForm(data={"as_of": table.day_shown(year, None, is_inside=True)})
    shown = {"programme": programme, "year": year, "form": form, **shared()}
    if form.validate_on_submit() and "back" not in request.form:
        with refusals(form):
            as_of = form.as_of.data or clock.today()
            services.check_day(year, as_of)
            if "checked" not in request.form:
                view = table.load(db.read(), actor, programme, year, as_of)
                return render_template(
                    "evaluations/close_check.html", view=view, tellings=telling.of_year(view), **shown
                )
            services.close(actor, programme.id, year, as_of, idempotency_key=form.idempotency_key.data)
            flash(gettext("%(year)sの評価を確定しました。", year=year_word(year)), "success")
            return redirect(to("show", year=year), 303)
    return render_template("evaluations/close.html", **shown), form.status


@bp.route("/<int:year>/reopen", methods=["GET", "POST"])
def reopen(year: int) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_CLOSE, programme)
    check_year(year)
    form = ReopenForm()
    if form.validate_on_submit():
        with refusals(form):
            services.reopen(actor, programme.id, year, form.why.data or "")
            flash(gettext("%(year)sの評価の確定を解除しました。", year=year_word(year)), "success")
            return redirect(to("show", year=year), 303)
    elif not queries.standing(db.read(), programme.id, year):
        raise Conflict(N_("この年度は確定していません。"))
    page = render_template("evaluations/reopen.html", programme=programme, year=year, form=form, **shared())
    return page, form.status


@bp.route("/<int:year>/add", methods=["GET", "POST"])
def add(year: int) -> ResponseReturnValue:
    actor = signed_in()
    programme = programme_of(actor)
    require(actor, Permission.EVALUATION_WRITE, programme)
    check_year(year)
    form = AdditionForm()
    draft = f"evaluation-{programme.id.hex[-8:]}-{year}-add"
    told = None
    if form.is_submitted():
        view = table.load(db.read(), actor, programme, year, compare=False)
        (told,) = telling.of_additions(view, [form.text.data or ""])
    if form.validate_on_submit() and not form.must_point_out(told):
        with refusals(form):
            services.add(
                actor, programme.id, year, form.text.data or "", idempotency_key=form.idempotency_key.data
            )
            flash(draft, "draft-clear")
            flash(gettext("追記しました。"), "success")
            return redirect(to("show", year=year) + "#additions", 303)
    if not form.is_submitted() and not queries.standing(db.read(), programme.id, year):
        raise Conflict(N_("この年度は確定していません。文章をそのまま直してください。"))
    page = render_template(
        "evaluations/add.html",
        programme=programme,
        year=year,
        form=form,
        draft=draft,
        told=told,
        **shared(),
    )
    return page, form.status


# The year taken along: as an Excel file and as a PDF on A3. Both are logged.

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
