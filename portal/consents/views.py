"""Consent pages: the list, recording, renewing, taking back."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import refusals, signed_in
from portal.agencies import queries as agencies
from portal.consents import paper_views, services
from portal.consents.forms import EXAMPLES, REPRESENTATIVE, SELF, ConsentForm, WithdrawForm
from portal.consents.paper_views import FORM_VERSION
from portal.db import db
from portal.disclosures import consent_list, reading
from portal.disclosures import services as disclosures
from portal.disclosures.consent_list import Show
from portal.disclosures.consent_view import ConsentView
from portal.once import made_by
from portal.people.categories import Category
from portal.policy import Actor
from portal.reports.consent_effects import stops
from portal.web.pagination import after, page_of, page_size

bp = Blueprint("consents", __name__)

MOST = 100

bp.get("/people/<uuid:person_id>/disclosures")(paper_views.ledger)
bp.get("/people/<uuid:person_id>/disclosures.pdf")(paper_views.ledger_pdf)
bp.get("/people/<uuid:person_id>/consents/form")(paper_views.form)
bp.get("/people/<uuid:person_id>/consents/form.pdf")(paper_views.form_pdf)


def others(actor: Actor) -> list[tuple[UUID, str]]:
    """The agencies that a consent may name: every active one but one's own."""
    rows = db.read.scalars(agencies.listing(active_only=True))
    return [(agency.id, agency.name) for agency in rows if agency.id != actor.agency_id]


@bp.get("/consents/")
def index() -> ResponseReturnValue:
    actor, show = signed_in(), Show.LIVE
    with suppress(ValueError):
        show = Show(request.args.get("show", Show.LIVE))
    key = after()
    rows = reading.open_consents(
        actor, show, after=(clock.japan_date(key[0]), key[1]) if key else None, size=page_size() + 1
    )
    counts = {
        tab: consent_list.count(db.read(), actor, tab, clock.now(), most=MOST)
        for tab in (Show.IN_60_DAYS, Show.IN_30_DAYS)
    }
    page = page_of(rows, lambda row: (clock.start_of_day(row.valid_until), row.id))
    return render_template(
        "consents/index.html", page=page, show=show, tabs_of=Show, counts=counts, most=MOST
    )


@bp.route("/people/<uuid:person_id>/consents/new", methods=["GET", "POST"])
def new_for_person(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    person = reading.open_heading(actor, person_id)
    form = ConsentForm(others(actor), form_version=FORM_VERSION)
    return recording(actor, form, person_id, {"person": person, "former": None})


@bp.route("/consents/<uuid:consent_id>/renew", methods=["GET", "POST"])
def renew(consent_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    former, _lines = reading.open_consent(actor, consent_id)
    if request.method == "GET" and former.successor:
        flash(gettext("この同意はすでに更新されています。更新後の同意を表示しています。"), "info")
        return redirect(url_for(".show", consent_id=former.successor.id), 303)
    person = reading.open_heading(actor, former.person_id)
    form = ConsentForm(others(actor), **carried_over(former))
    return recording(actor, form, former.person_id, {"person": person, "former": former})


def carried_over(former: ConsentView) -> dict[str, Any]:
    """What a renewal begins with; how it is given this time is asked afresh."""
    return {
        "recipients": [str(recipient.agency_id) for recipient in former.live_recipients],
        "categories": [category.value for category in former.categories],
        "purpose": former.purpose,
        "given_by": REPRESENTATIVE if former.given_by_relation else SELF,
        "given_by_name": former.given_by_name,
        "given_by_relation": former.given_by_relation,
        "form_version": former.form_version,
    }


def recording(actor: Actor, form: ConsentForm, person_id: UUID, shown: dict[str, Any]) -> ResponseReturnValue:
    """The form, then the page on which it is checked, then the record."""
    former: ConsentView | None = shown["former"]
    if form.is_submitted() and "edit" not in request.form and form.validate():
        terms = form.terms()
        with refusals(form):
            if "confirmed" in request.form:
                consent_id = disclosures.record_consent(
                    actor,
                    person_id,
                    terms,
                    replaces=former.id if former else None,
                    idempotency_key=form.idempotency_key.data,
                )
                flash(gettext("同意を記録しました。"))
                flash(f"consent-{former.id if former else person_id}", "draft-clear")
                return redirect(url_for(".show", consent_id=consent_id), 303)
            services.check(terms, agency_id=actor.agency_id)
            names = [name for agency_id, name in others(actor) if agency_id in terms.recipients]
            ending = stops(db.read(), actor, former.id, clock.now()) if former else []
            return render_template(
                "consents/check.html",
                form=form,
                terms=terms,
                names=names,
                shown_categories=[category for category in Category if category in terms.categories],
                ending=[stop for stop in ending if stop.agency_id not in terms.recipients],
                **shown,
            )
    notes = {category.value: words for category, words in EXAMPLES.items()}
    page = render_template("consents/new.html", form=form, notes=notes, version=FORM_VERSION, **shown)
    return page, form.status


@bp.get("/consents/<uuid:consent_id>")
def show(consent_id: UUID) -> ResponseReturnValue:
    consent, lines = reading.open_consent(signed_in(), consent_id)
    return render_template("consents/show.html", consent=consent, lines=lines)


@bp.route("/consents/<uuid:consent_id>/withdraw", methods=["GET", "POST"])
def withdraw(consent_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    consent, _lines = reading.open_consent(actor, consent_id)
    form = WithdrawForm([(one.agency_id, one.name) for one in consent.live_recipients])
    done = redirect(url_for(".show", consent_id=consent_id), 303)
    if request.method == "GET" and not consent.stands:
        return done
    if form.is_submitted() and made_by(db.read(), actor, form.idempotency_key.data):
        return done
    if form.validate_on_submit():
        with refusals(form):
            disclosures.withdraw_consent(
                actor,
                consent_id,
                recipients=form.chosen(),
                reason=form.reason.data or "",
                idempotency_key=form.idempotency_key.data,
            )
            flash(gettext("撤回を記録しました。提供先では、いまから情報を見られません。"))
            flash(f"withdraw-{consent_id}", "draft-clear")
            return done
    effects = stops(db.read(), actor, consent_id, clock.now())
    page = render_template("consents/withdraw.html", consent=consent, form=form, effects=effects)
    return page, form.status
