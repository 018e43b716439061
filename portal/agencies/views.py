"""Agency pages: the list, one agency, and keeping its contacts, opening days and services."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.agencies import queries
from portal.agencies import services as menu
from portal.agencies.forms import (
    WEEKDAYS,
    AgencyForm,
    ClosureForm,
    NamedAgencyForm,
    NewServiceForm,
    RoomForm,
    ServiceForm,
)
from portal.agencies.models import Agency, AgencyKind, Room, Service
from portal.agencies.services import AgencyFacts
from portal.core import clock
from portal.core.db import db
from portal.core.errors import StaleForm
from portal.core.policy import Permission, can, require

bp = Blueprint("agencies", __name__, url_prefix="/agencies")


def known_agency(agency_id: UUID) -> Agency:
    """The agency; everybody who is signed in may see it."""
    return db.read.scalars(queries.listing().where(Agency.id == agency_id)).one()


def own_agency(agency_id: UUID) -> Agency:
    """The agency, which the actor must look after."""
    agency = known_agency(agency_id)
    require(signed_in(), Permission.AGENCY_EDIT, agency)
    return agency


def to_agency(agency_id: UUID, word: str) -> ResponseReturnValue:
    flash(word, "success")
    return redirect(url_for(".show", agency_id=agency_id), 303)


@bp.get("/")
def index() -> ResponseReturnValue:
    all_too = can(signed_in(), Permission.AGENCY_CREATE)
    agencies = db.read.scalars(queries.listing(active_only=not all_too)).all()
    days = queries.opening_days_by_agency(db.read(), agencies)
    today = clock.today()
    open_today = {
        agency.id: queries.availability_on(days[agency.id], agency, None, today) for agency in agencies
    }
    offered = queries.services_by_agency(db.read())
    return render_template("agencies/index.html", agencies=agencies, open_today=open_today, offered=offered)


@bp.get("/<uuid:agency_id>")
def show(agency_id: UUID) -> ResponseReturnValue:
    actor, agency, today = signed_in(), known_agency(agency_id), clock.today()
    days = queries.opening_days(db.read(), agency)
    offered = db.read.scalars(queries.services_of(agency_id)).all()
    edits = can(actor, Permission.AGENCY_EDIT, agency)
    return render_template(
        "agencies/show.html",
        agency=agency,
        today=today,
        availability=queries.availability_on(days, agency, None, today),
        closed_weekdays=[WEEKDAYS[n] for n in sorted(agency.closed_weekdays)],
        next_closed=queries.next_closed(days, today),
        closures=db.read.scalars(queries.closures_of(agency_id)).all(),
        services=[one for one in offered if one.is_active or edits],
        edits=edits,
        sets_room=can(actor, Permission.SERVICE_ROOM, agency),
        creates=can(actor, Permission.AGENCY_CREATE),
        rooms=list(Room),
    )


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.AGENCY_CREATE)
    form = NamedAgencyForm()
    if form.validate_on_submit():
        with refusals(form):
            facts = form.facts(AgencyFacts("", "", AgencyKind.OTHER))
            agency_id = menu.create(actor, facts, idempotency_key=form.idempotency_key.data)
            return to_agency(agency_id, gettext("機関を登録しました。次に、機関管理者を招待してください。"))
    return render_template("agencies/new.html", form=form), form.status


@bp.route("/<uuid:agency_id>/edit", methods=["GET", "POST"])
def edit(agency_id: UUID) -> ResponseReturnValue:
    actor, agency = signed_in(), own_agency(agency_id)
    form = (NamedAgencyForm if can(actor, Permission.AGENCY_CREATE) else AgencyForm)(agency)
    stale = False
    if form.validate_on_submit():
        with refusals(form):
            try:
                facts = form.facts(menu.facts_of(agency))
                menu.update(actor, agency_id, facts, version=form.version.number)
            except StaleForm:
                stale = True
                raise
            return to_agency(agency_id, gettext("機関の情報を変更しました。"))
    both: list[tuple[Any, Any, Any]] = []
    if stale:
        agency = known_agency(agency_id)
        form.version.data = str(agency.version)  # sent once more, it is meant
        both = both_texts(form, agency)
    return render_template("agencies/edit.html", form=form, agency=agency, both=both), form.status


def both_texts(form: AgencyForm, agency: Agency) -> list[tuple[Any, Any, Any]]:
    """The differing fields as words: label, mine and theirs."""

    def said(value: Any) -> str:
        match value:
            case bool():
                return str(gettext("はい") if value else gettext("いいえ"))
            case frozenset():
                return "・".join(gettext(WEEKDAYS[n]) for n in sorted(value))
            case AgencyKind():
                return str(gettext(value.word))
            case _:
                return str(value)

    theirs = menu.facts_of(agency)
    mine = form.facts(theirs)
    pairs = (
        (f.label.text, getattr(mine, f.short_name), getattr(theirs, f.short_name))
        for f in form
        if f.short_name in AgencyFacts.__slots__
    )
    return [(label, said(a), said(b)) for label, a, b in pairs if a != b]


@bp.post("/<uuid:agency_id>/<any(stop,resume):act>")
def set_active(agency_id: UUID, act: str) -> ResponseReturnValue:
    menu.set_active(signed_in(), agency_id, act == "resume")
    return to_agency(
        agency_id,
        gettext("機関の利用を再開しました。") if act == "resume" else gettext("機関の利用を停止しました。"),
    )


@bp.route("/<uuid:agency_id>/closures/new", methods=["GET", "POST"])
def new_closure(agency_id: UUID) -> ResponseReturnValue:
    agency, form = own_agency(agency_id), ClosureForm()
    if form.validate_on_submit():
        with refusals(form):
            menu.add_closure(
                signed_in(),
                agency_id,
                *form.span(),
                reason=form.reason.data or "",
                idempotency_key=form.idempotency_key.data,
            )
            return to_agency(agency_id, gettext("休業日を登録しました。"))
    return render_template("agencies/closure.html", form=form, agency=agency), form.status


@bp.post("/<uuid:agency_id>/closures/<uuid:closure_id>/remove")
def remove_closure(agency_id: UUID, closure_id: UUID) -> ResponseReturnValue:
    menu.remove_closure(signed_in(), closure_id)
    return to_agency(agency_id, gettext("休業日を取り消しました。"))


@bp.route("/<uuid:agency_id>/services/new", methods=["GET", "POST"])
def new_service(agency_id: UUID) -> ResponseReturnValue:
    agency, form = own_agency(agency_id), NewServiceForm()
    if form.validate_on_submit():
        with refusals(form):
            menu.add_service(
                signed_in(),
                agency_id,
                name=form.name.data or "",
                for_whom=form.for_whom.data or "",
                room=Room(form.room.data),
                idempotency_key=form.idempotency_key.data,
            )
            return to_agency(agency_id, gettext("支援メニューを追加しました。"))
    return render_template("agencies/service.html", form=form, agency=agency, service=None), form.status


def known_service(agency_id: UUID, service_id: UUID) -> Service:
    return db.read.scalars(queries.services_of(agency_id).where(Service.id == service_id)).one()


@bp.route("/<uuid:agency_id>/services/<uuid:service_id>/edit", methods=["GET", "POST"])
def edit_service(agency_id: UUID, service_id: UUID) -> ResponseReturnValue:
    agency, service = own_agency(agency_id), known_service(agency_id, service_id)
    form = ServiceForm(obj=service)
    stale = False
    if form.validate_on_submit():
        with refusals(form):
            try:
                menu.edit_service(
                    signed_in(),
                    service_id,
                    name=form.name.data or "",
                    for_whom=form.for_whom.data or "",
                    version=form.version.number,
                )
            except StaleForm:
                stale = True
                raise
            return to_agency(agency_id, gettext("支援メニューを変更しました。"))
    if stale:
        service = known_service(agency_id, service_id)
        form.version.data = str(service.version)  # sent once more, it is meant
    page = render_template("agencies/service.html", form=form, agency=agency, service=service, stale=stale)
    return page, form.status


@bp.post("/<uuid:agency_id>/services/<uuid:service_id>/room")
def set_room(agency_id: UUID, service_id: UUID) -> ResponseReturnValue:
    form = RoomForm()
    if form.validate_on_submit():
        menu.set_room(signed_in(), service_id, Room(form.room.data))
        flash(gettext("空き状況を今日の日付で更新しました。"), "success")
    return redirect(url_for(".show", agency_id=agency_id, _anchor="services"), 303)


@bp.post("/<uuid:agency_id>/services/<uuid:service_id>/<any(retire,offer):act>")
def set_offered(agency_id: UUID, service_id: UUID, act: str) -> ResponseReturnValue:
    menu.set_offered(signed_in(), service_id, act == "offer")
    return to_agency(
        agency_id,
        gettext("支援メニューを再開しました。")
        if act == "offer"
        else gettext("支援メニューを終了しました。"),
    )
