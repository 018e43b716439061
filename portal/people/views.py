"""Pages about people: the list and the search, registering, the person's own page, and changing what is known."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import live_session, refusals, signed_in
from portal.activities import queries as activity_queries
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.cases import queries as case_queries
from portal.cases import services as case_services
from portal.cases.forms import OpenForm
from portal.core import clock
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.idempotency import made_by
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require
from portal.disclosures import consents, people
from portal.disclosures import services as disclosures
from portal.disclosures.people import BasicView, PersonView, Withheld
from portal.people import family_views, queries, services
from portal.people.categories import FILED, Category, labelled
from portal.people.forms import (
    INFORMATION_FORMS,
    IdentifyForm,
    InformationForm,
    NamedForm,
    PseudonymForm,
    RegisterForm,
    SearchForm,
    basics_of,
    differences,
    filed,
)
from portal.people.queries import OwnPerson
from portal.referrals import queries as referrals
from portal.referrals.queries import Filter
from portal.web.pagination import address, heads, page_of, page_size, sort_of, sorted_after
from portal.web.stored_searches import asked_search, store

bp = Blueprint("people", __name__, url_prefix="/people")

SORTS = (people.NEWEST, people.BY_NAME)
bp.register_blueprint(family_views.bp)


@bp.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """The list. What is searched for is sent by POST and stored: no name stands in an address."""
    actor, form, now, owner = signed_in(), SearchForm(), clock.now(), live_session().id
    require(actor, Permission.CASEWORK)
    if form.validate_on_submit():
        return redirect(address(s=store(form.q.data, owner) if form.q.data else None), 303)
    search, sort = asked_search(owner), sort_of(SORTS)
    rows: list[people.PersonRow] = []
    if not form.is_submitted() and not search.is_gone:
        form.q.data = search.q
        begin = sorted_after(sort)
        rows = people.page(db.read(), actor, now, q=search.q, sort=sort, after=begin, size=page_size() + 1)
    page = page_of(rows, lambda row: (row.sort_key, row.id), sort=sort)
    ids = [row.id for row in page.rows]
    supported = set(db.read().scalars(case_queries.people_in_open_cases(actor, ids)))
    note_list(actor, len(ids))
    return render_template(
        "people/index.html",
        page=page,
        form=form,
        search=search,
        supported=supported,
        heads=heads({"name": gettext("氏名"), "new": gettext("登録順")}, sort, SORTS),
    )


def note_list(actor: Actor, count: int, ground: str | None = None) -> None:
    audit.record_reading(
        AuditEvent.PEOPLE_LISTED, actor=actor, categories=[Category.BASIC], ground=ground, count=count
    )


def possible_duplicates(actor: Actor, found: list[OwnPerson], **page: Any) -> ResponseReturnValue:
    """Ask whether it is one of these people. Everything that was typed goes along with the answer."""
    note_list(actor, len(found), "home")
    return render_template("people/duplicates.html", found=found, **page)


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    actor, form = signed_in(), RegisterForm()
    require(actor, Permission.CASEWORK)
    if form.validate_on_submit() and "back" not in request.form:
        with refusals(form):
            basics, key = form.basics(), form.idempotency_key.data
            services.check(basics)
            # Sent twice, the form must not find the person as their own duplicate.
            settled = "distinct" in request.form or made_by(db.read(), actor, key)
            if not settled and (found := queries.possible_duplicates(db.read(), actor, basics)):
                return possible_duplicates(actor, found, typed=basics)
            person_id = services.register(actor, basics, idempotency_key=key)
            flash("person-new", "draft-clear")
            return redirect(url_for(".registered", person_id=person_id))
    return render_template("people/new.html", form=form), form.status


@bp.get("/<uuid:person_id>/registered")
def registered(person_id: UUID) -> ResponseReturnValue:
    """The person has been registered: the number, and what can be done next."""
    return render_template("people/registered.html", view=family_views.at_home(signed_in(), person_id))


# The category that holds what the person came for.
FIRST: tuple[Category, ...] = (Category.LIFE_HISTORY,)


@bp.get("/<uuid:person_id>")
def show(person_id: UUID) -> ResponseReturnValue:
    actor, now, session = signed_in(), clock.now(), db.read()
    view = disclosures.show(actor, person_id)
    cases = case_queries.cases_of_person(session, actor, person_id, now)
    if view.erased_at:
        return render_template("people/erased.html", view=view, cases=cases)
    named = isinstance(view.basic, BasicView)
    about = Filter(person_id=person_id)
    return render_template(
        "people/show.html",
        view=view,
        is_withheld=lambda shown: isinstance(shown, Withheld),
        # What somebody came for stands first, for whoever may read it.
        first=[one for one in FIRST if not isinstance(view.information[one], Withheld)],
        labelled=labelled,
        age_bands=clock.AGE_BANDS,
        relatives=people.relatives(session, actor, person_id, now) if named else [],
        cases=cases,
        # Whoever has a case finds them there.
        activities=[] if cases else activity_queries.of_person(session, actor, person_id, now),
        referrals=referrals.rows(session, actor, about, now, size=50),
        consents=consents.of_person(session, actor, person_id, now),
    )


@bp.route("/<uuid:person_id>/edit", methods=["GET", "POST"])
def edit(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    view = family_views.at_home(actor, person_id)
    known = basics_of(view)
    make = NamedForm if known.family else PseudonymForm
    form = make(data={**asdict(known), "version": view.version})
    clashes: list[tuple[str, str, str]] = []
    if form.validate_on_submit():
        with refusals(form):
            services.update_basics(actor, person_id, form.basics(known), version=form.version.number)
            flash(f"person-edit-{person_id}", "draft-clear")
            flash(gettext("基本情報を変更しました。"), "success")
            return redirect(url_for(".show", person_id=person_id))
        view = disclosures.show(actor, person_id)
        clashes = overtaken(form, view, asdict(basics_of(view)))
    return render_template("people/edit.html", view=view, form=form, clashes=clashes), form.status


def overtaken(form: Any, view: PersonView, theirs: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What a colleague saved while this form was open; sending it again overwrites that knowingly."""
    if form.version.number == view.version:
        return []
    form.version.data = str(view.version)
    return differences(form, theirs)


@bp.route("/<uuid:person_id>/identify", methods=["GET", "POST"])
def identify(person_id: UUID) -> ResponseReturnValue:
    """Give a pseudonymous person a name, because they agreed."""
    actor = signed_in()
    view = family_views.at_home(actor, person_id)
    known = basics_of(view)
    if known.family:
        raise NotAllowed(N_("この人はすでに氏名で登録されています。"))
    form = IdentifyForm(data={"birth": known.birth, "version": view.version})
    clashes: list[tuple[str, str, str]] = []
    if form.validate_on_submit() and "back" not in request.form:
        with refusals(form):
            basics = form.basics(known)
            services.check(basics)
            found = queries.possible_duplicates(db.read(), actor, basics, but=person_id)
            if found and "distinct" not in request.form:
                return possible_duplicates(actor, found, typed=basics, view=view)
            services.identify(
                actor, person_id, basics, agreed=form.agreed.data or "", version=form.version.number
            )
            flash(f"person-identify-{person_id}", "draft-clear")
            flash(gettext("氏名を登録しました。"), "success")
            return redirect(url_for(".show", person_id=person_id))
        view = disclosures.show(actor, person_id)
        clashes = overtaken(form, view, asdict(basics_of(view)))
    return render_template("people/identify.html", view=view, form=form, clashes=clashes), form.status


@bp.get("/<uuid:person_id>/information")
def all_information(person_id: UUID) -> ResponseReturnValue:
    """Every category on one page, each in a form of its own, which `information` saves."""
    view = family_views.at_home(signed_in(), person_id)
    forms = {category: information_form(view, category) for category in in_order()}
    return render_template("people/all_information.html", view=view, forms=forms)


def in_order() -> list[Category]:
    """The categories as a person's page shows them."""
    return [*FIRST, *(one for one in FILED if one not in FIRST)]


def information_form(view: PersonView, category: Category) -> InformationForm:
    """The form of one category with what is on file, whose fields have ids of their own beside other forms."""
    on_file = filed(view, category)
    known = {**on_file.fields, "text": on_file.text} if on_file else {}
    form = INFORMATION_FORMS[category](
        formdata=None, data={**known, "version": on_file.version if on_file else 0}
    )
    for one in form:
        one.id = f"{category.value}-{one.short_name}"
        one.label.field_id = one.id
    return form


@bp.route("/<uuid:person_id>/information/<category:category>", methods=["GET", "POST"])
def information(person_id: UUID, category: Category) -> ResponseReturnValue:
    """What is known in one category, written down by the agency that keeps the record."""
    if category is Category.BASIC:
        return redirect(url_for(".edit", person_id=person_id))
    actor = signed_in()
    view = family_views.at_home(actor, person_id)
    on_file = filed(view, category)
    known = {**on_file.fields, "text": on_file.text} if on_file else {}
    form = INFORMATION_FORMS[category](data={**known, "version": on_file.version if on_file else 0})
    clashes: list[tuple[str, str, str]] = []
    if form.validate_on_submit():
        with refusals(form):
            services.update_information(
                actor,
                person_id,
                category,
                text=form["text"].data,
                fields=form.answers(),
                version=form.version.number,
            )
            flash(f"person-{category.value}-{person_id}", "draft-clear")
            flash(gettext("%(category)sを保存しました。", category=gettext(category.word)), "success")
            back = url_for(".all_information" if "all" in request.args else ".show", person_id=person_id)
            return redirect(f"{back}#{category.value}")
        view = disclosures.show(actor, person_id)
        on_file = filed(view, category)
        if on_file and form.version.number != on_file.version:
            blank = {one.code: "" for one in form.asked}
            clashes = differences(form, {**blank, **on_file.fields, "text": on_file.text})
            form.version.data = str(on_file.version)
    page = render_template(
        "people/information.html", view=view, category=category, form=form, clashes=clashes
    )
    return page, form.status


@bp.route("/<uuid:person_id>/cases/new", methods=["GET", "POST"])
def open_case(person_id: UUID) -> ResponseReturnValue:
    """Begin one's own agency's support of the person."""
    actor = signed_in()
    view = disclosures.show(actor, person_id)
    form = OpenForm(data={"opened_on": clock.today(), "worker": actor.staff_id})
    form.worker.offer(db.read().execute(case_queries.colleagues(actor, person_id)).all())
    if form.validate_on_submit():
        with refusals(form):
            case_id = case_services.open_case(
                actor,
                person_id,
                opened_on=form.opened_on.data,
                worker_id=form.worker.data,
                heard_by=form.heard_by.data,
                idempotency_key=form.idempotency_key.data,
            )
            flash(gettext("ケースを開始しました。"), "success")
            return redirect(url_for("cases.show", case_id=case_id))
    return render_template("people/open_case.html", view=view, form=form), form.status
