"""The auditor's pages: the search, a life, a person's file, a name opened with a reason, and files to take along."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import BadRequest

from portal.accounts.gate import note_refusal, refusals, signed_in
from portal.agencies import queries as agencies
from portal.auditing import exports as exporting
from portal.auditing import lives, people, queries
from portal.auditing.entries import Entry
from portal.auditing.exports import Taken
from portal.auditing.forms import AsOfForm, AuditFilterForm, NameForm, NameSearchForm, uuid_of
from portal.auditing.queries import AuditFilter, Matches
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, can, require
from portal.core.text import is_blank
from portal.inspections import clock as inspection_clock
from portal.inspections import names as inspection_names
from portal.people.categories import Category
from portal.web.pagination import Page, address, after, page_of, page_size

bp = Blueprint("audit", __name__, url_prefix="/audit")


# What an address of the auditor's search asks for, and the address that asks for it.

MOST_IDS = 50


def ids(name: str, asked: Any) -> list[UUID]:
    """The random ids in an address; values that are no ids are left out."""
    return [found for text in asked.getlist(name)[:MOST_IDS] if (found := uuid_of(text))]


def form_of(actor: Actor, asked: Any) -> AuditFilterForm:
    """The form for this search; it offers the staff of the agency that was chosen."""
    require(actor, Permission.AUDIT_READ)
    names = [(agency.id, agency.name) for agency in db.read.scalars(agencies.listing())]
    form = AuditFilterForm(names, queries.staff_of(actor, uuid_of(asked.get("agency", ""))), asked)
    form.validate()
    return form


def address_of(wanted: AuditFilter) -> dict[str, Any]:
    """The filter as parts of an address: codes, days and random ids, no number and no name."""
    said = {
        "first": wanted.first and wanted.first.isoformat(),
        "last": wanted.last and wanted.last.isoformat(),
        "agency": wanted.agency_id,
        "staff": wanted.staff_id,
        "event": wanted.event,
        "ground": wanted.ground,
        "outcome": wanted.outcome,
        "person": list(wanted.people),
        "about": list(wanted.about),
    }
    return {name: value for name, value in said.items() if value}


def wanted_of(form: AuditFilterForm, asked: Any) -> AuditFilter:
    """The filter in an address, or in the hidden fields that repeat it."""
    return form.wanted(ids("person", asked), ids("about", asked))


# The life of a referral, a person's file, and who could see what at any moment.

# Sequence numbers fit into the database's integers; whatever else stands in an address begins at the start.
LARGEST = 2**62


def number_in(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and int(text) < LARGEST else None


def cursor() -> int | None:
    return number_in(request.args.get("after", ""))


def life_page(found: Sequence[Entry], size: int) -> Page[Entry]:
    """A page of the log: its numbers are no secret, so the cursor is the number itself."""
    more = address(after=str(found[size - 1].seq)) if len(found) > size else None
    return Page(found[:size], more, address() if cursor() is not None else None)


@bp.get("/referrals/<uuid:referral_id>")
def referral(referral_id: UUID) -> ResponseReturnValue:
    size = page_size()
    life, found = lives.read(signed_in(), referral_id, behind=cursor(), size=size + 1)
    page = life_page(found, size)
    return render_template(
        "audit/referral.html",
        life=life,
        page=page,
        stood=life.stood_at(page.rows),
        later=cursor() is not None,
    )


@bp.get("/people/<uuid:person_id>")
def person(person_id: UUID) -> ResponseReturnValue:
    size = page_size()
    file, found = people.read(signed_in(), person_id, behind=cursor(), size=size + 1)
    return render_template("audit/person.html", file=file, page=life_page(found, size))


@bp.get("/people/<uuid:person_id>/as-of")
def as_of(person_id: UUID) -> ResponseReturnValue:
    """Who could see what: now, at the moment typed, or (`seq`) right after an entry was written."""
    actor = signed_in()
    form = AsOfForm(request.args)
    form.validate()
    moment, seq = moment_asked(actor, form)
    if not form.at.raw_data:
        form.at.data = moment
    found = people.stand(actor, person_id, moment)
    return render_template("audit/as_of.html", file=found, form=form, seq=seq, categories=list(Category))


def moment_asked(actor: Actor, form: AsOfForm) -> tuple[datetime, int | None]:
    if form.at.data and not form.at.errors:
        return form.at.data, None
    seq = number_in(request.args.get("seq", ""))
    moment = people.moment_of(actor, seq) if seq else None
    return (moment, seq) if moment else (clock.now(), None)


# The auditor's pages: the search. The other pages hang themselves on the same blueprint, by noun.


@bp.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Searching is a POST, answered by an address without numbers: pages, Back and bookmarks keep the search."""
    actor = signed_in()
    return search(actor) if request.method == "POST" else shown(actor)


def search(actor: Actor) -> ResponseReturnValue:
    form = form_of(actor, request.form)
    found = queries.numbered(actor, form.person_number.data or "", form.number.data or "")
    if form.person_number.data and not found.people:
        form.refuse(gettext("この番号の相談者はいません。一字も違わずに入力してください。"), "person_number")
    if form.number.data and not (found.referrals or found.cases):
        form.refuse(
            gettext(
                "この番号のつなぎ・ケースはありません。例：R8-アサ-0012。一字も違わずに入力してください。"
            ),
            "number",
        )
    if form.errors:
        return page(form, None, None, found)
    wanted = form.wanted(
        people=[match.id for match in found.people],
        about=[match.id for match in (*found.referrals, *found.cases)],
    )
    return redirect(url_for(".index", **address_of(wanted)), 303)


def shown(actor: Actor) -> ResponseReturnValue:
    form = form_of(actor, request.args)
    wanted = wanted_of(form, request.args)
    size = page_size()
    found = queries.listing(actor, wanted, before=cursor(), size=size + 1)
    matches = queries.matches(actor, wanted)
    form.person_number.data, form.number.data = matches.person_number, matches.number
    form.say_days()
    return page(form, found, address_of(wanted), matches)


def page(
    form: AuditFilterForm, found: Sequence[Entry] | None, asked: dict[str, Any] | None, matches: Matches
) -> ResponseReturnValue:
    return render_template(
        "audit/index.html",
        form=form,
        page=None if found is None else life_page(found, page_size()),
        asked=asked,
        matches=matches,
        is_narrowed=bool(asked),
        jumps=inspection_clock.told(signed_in(), only_news=True),
    )


# Opening one name with a reason, and the list of names that were opened.


@bp.route("/people/<uuid:person_id>/name", methods=["GET", "POST"])
def open_name(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    number, name = people.named(actor, person_id)
    form = NameForm()
    back = url_for(".person", person_id=person_id)
    if name:
        flash(gettext("この相談者の氏名は、すでに表示しています。"), "info")
        return redirect(back, 303)
    if form.validate_on_submit():
        with refusals(form):
            inspection_names.open_name(
                actor, person_id, form.reason.data or "", idempotency_key=form.idempotency_key.data
            )
            flash(gettext("氏名を表示しました。今日の24時に自動で閉じます。"), "success")
            flash(f"name-{person_id}", "draft-clear")
            return redirect(back, 303)
    elif form.is_submitted() and is_blank(form.reason.data or ""):
        note_refusal(inspection_names.unreasoned(person_id))
    page = render_template("audit/name.html", form=form, number=number, person_id=person_id, back=back)
    return page, form.status


@bp.route("/names", methods=["GET", "POST"])
def by_name() -> ResponseReturnValue:
    """From a name to numbers. The name is sent by POST, and answered by an address of random ids."""
    actor = signed_in()
    require(actor, Permission.AUDIT_READ)
    form = NameSearchForm()
    if form.validate_on_submit():
        with refusals(form):
            found = inspection_names.search(
                actor,
                form.name.data or "",
                form.reason.data or "",
                birth=form.birth.data,
                idempotency_key=form.idempotency_key.data,
            )
            if found:
                flash("audit-names", "draft-clear")
                return redirect(url_for(".found", person=found), 303)
            form.refuse(
                gettext("この氏名の相談者は見つかりませんでした。姓と名の両方を入力してください。"), "name"
            )
    elif form.is_submitted() and is_blank(form.reason.data or ""):
        note_refusal(inspection_names.unreasoned(None))
    return render_template("audit/by_name.html", form=form), form.status


@bp.get("/names/found")
def found() -> ResponseReturnValue:
    """The numbers of those whose names were opened by a search, until they close."""
    return render_template("audit/found.html", found=people.found(signed_in(), ids("person", request.args)))


@bp.get("/openings")
def openings() -> ResponseReturnValue:
    actor = signed_in()
    found = inspection_names.read_openings(actor, after=after(), size=page_size() + 1)
    page = page_of(found, lambda opening: (opening.at, opening.id))
    return render_template("audit/openings.html", page=page, is_auditor=can(actor, Permission.AUDIT_READ))


# Files that an auditor takes along. Each is a POST: it is logged, and it is none that a link fetches.

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@bp.post("/export")
def export() -> ResponseReturnValue:
    """Export the result of the search, which the form repeats in hidden fields."""
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
    lines = exporting.rows(found, taken.life.stood_at(found) if taken.life else None)
    if how == "csv":
        made, kind = exporting.as_csv(lines), "text/csv; charset=utf-8"
    else:
        made, kind = exporting.as_xlsx(lines, gettext("監査記録")), XLSX
    return send_file(BytesIO(made), kind, as_attachment=True, download_name=f"{name}.{how}")
