"""Consent pages: the list, recording, renewing, taking back; the form to be signed and the ledger on paper."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import refusals, signed_in
from portal.agencies import queries as agencies
from portal.agencies.models import Agency
from portal.consents import services
from portal.consents.forms import EXAMPLES, REPRESENTATIVE, SELF, ConsentForm, PaperForm, WithdrawForm
from portal.core import clock
from portal.core.db import db
from portal.core.idempotency import made_by
from portal.core.policy import Actor
from portal.disclosures import consents
from portal.disclosures import services as disclosure_services
from portal.disclosures.consents import ConsentView, Show
from portal.disclosures.models import Basis
from portal.disclosures.queries import LedgerLine
from portal.emergency import queries as emergencies
from portal.emergency.models import Emergency
from portal.meetings.agenda.coming import coming_about
from portal.people.categories import Category
from portal.referrals.drafts import WaitingDraft, waiting_draft
from portal.referrals.queries import stops
from portal.web.addresses import asked
from portal.web.pagination import after, page_of, page_size
from portal.web.printer import pdf_response, render_pdf

# What is written at the foot of the form that the portal prints, and offered when a signed one is recorded.
FORM_VERSION = "つなぐ同意書 第1版"


@dataclass(frozen=True, slots=True)
class Choice:
    """A line of the form with a box: ticked, or to be ticked by hand."""

    word: str
    example: str
    ticked: bool


def ledger(person_id: UUID) -> ResponseReturnValue:
    person, lines = disclosure_services.open_ledger(signed_in(), person_id)
    return render_template("disclosures/ledger.html", person=person, lines=lines, reasons=reasons_of(lines))


def reasons_of(lines: Sequence[LedgerLine]) -> dict[UUID, Emergency]:
    """The reason of each disclosure in an emergency, by its id."""
    return emergencies.reasons(db.read(), [line.id for line in lines if line.basis is Basis.EMERGENCY])


def ledger_pdf(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    person, lines = disclosure_services.open_ledger(actor, person_id, channel="print")
    content = render_pdf(
        "disclosures/ledger.pdf.html",
        person=person,
        lines=lines,
        reasons=reasons_of(lines),
        contact=contact(actor),
        printed_at=clock.now(),
    )
    return pdf_response(content, f"disclosures-{person.number}.pdf")


def form(person_id: UUID) -> ResponseReturnValue:
    return render_template("consents/form.html", **paper(person_id))


def form_pdf(person_id: UUID) -> ResponseReturnValue:
    context = paper(person_id, channel="print")
    content = render_pdf("consents/form.pdf.html", printed_at=clock.now(), **context)
    return pdf_response(content, "consent-form.pdf")


def paper(person_id: UUID, *, channel: str = "portal") -> dict[str, Any]:
    """The content of the form. Where nothing was chosen, every line has an empty box to be ticked by hand."""
    actor = signed_in()
    person = disclosure_services.open_heading(actor, person_id, channel=channel)
    rows = db.read.scalars(agencies.listing(active_only=True))
    names = {str(agency.id): agency.name for agency in rows if agency.id != actor.agency_id}
    choice = PaperForm([(UUID(key), name) for key, name in names.items()], request.args or None)
    choice.validate()
    recipients = [key for key in names if key in (choice.recipients.data or [])]
    categories = [category for category in Category if category in (choice.categories.data or [])]
    return {
        "person": person,
        "form": choice,
        "recipients": [Choice(names[key], "", bool(recipients)) for key in recipients or names],
        "categories": [
            Choice(gettext(category.word), str(EXAMPLES[category]), bool(categories))
            for category in categories or Category
        ],
        "until": choice.valid_until.data,
        "contact": contact(actor),
        "version": FORM_VERSION,
        "query": request.args.to_dict(flat=False),
    }


def contact(actor: Actor) -> Agency:
    """The agency to ask: the one that hands the paper over."""
    return db.read.get_one(Agency, actor.agency_id)


# Consent pages: the list, recording, renewing, taking back.

bp = Blueprint("consents", __name__)

MOST = 100

bp.get("/people/<uuid:person_id>/disclosures")(ledger)
bp.get("/people/<uuid:person_id>/disclosures.pdf")(ledger_pdf)
bp.get("/people/<uuid:person_id>/consents/form")(form)
bp.get("/people/<uuid:person_id>/consents/form.pdf")(form_pdf)


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
    rows = disclosure_services.open_consents(
        actor, show, after=(clock.japan_date(key[0]), key[1]) if key else None, size=page_size() + 1
    )
    counts = {
        tab: consents.count(db.read(), actor, tab, clock.now(), most=MOST)
        for tab in (Show.IN_60_DAYS, Show.IN_30_DAYS)
    }
    page = page_of(rows, lambda row: (clock.start_of_day(row.valid_until), row.id))
    return render_template(
        "consents/index.html", page=page, show=show, tabs_of=Show, counts=counts, most=MOST
    )


@bp.route("/people/<uuid:person_id>/consents/new", methods=["GET", "POST"])
def new_for_person(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    person = disclosure_services.open_heading(actor, person_id)
    draft = waiting_draft(db.read(), actor, person_id, asked("referral"))
    asks = {"recipients": [str(draft.to_agency_id)], "categories": draft.categories} if draft else {}
    form = ConsentForm(others(actor), form_version=FORM_VERSION, **asks)
    return recording(actor, form, person_id, {"person": person, "former": None}, draft)


@bp.route("/consents/<uuid:consent_id>/renew", methods=["GET", "POST"])
def renew(consent_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    former, _lines = disclosure_services.open_consent(actor, consent_id)
    if request.method == "GET" and former.successor:
        flash(gettext("この同意はすでに更新されています。更新後の同意を表示しています。"), "info")
        return redirect(url_for(".show", consent_id=former.successor.id), 303)
    person = disclosure_services.open_heading(actor, former.person_id)
    form = ConsentForm(others(actor), **carried_over(former))
    return recording(actor, form, former.person_id, {"person": person, "former": former})


def carried_over(former: ConsentView) -> dict[str, Any]:
    """The initial values of a renewal; how the consent is given is asked afresh."""
    return {
        "recipients": [str(recipient.agency_id) for recipient in former.live_recipients],
        "categories": [category.value for category in former.categories],
        "purpose": former.purpose,
        "given_by": REPRESENTATIVE if former.given_by_relation else SELF,
        "given_by_name": former.given_by_name,
        "given_by_relation": former.given_by_relation,
        "form_version": former.form_version,
    }


def recording(
    actor: Actor,
    form: ConsentForm,
    person_id: UUID,
    shown: dict[str, Any],
    draft: WaitingDraft | None = None,
) -> ResponseReturnValue:
    """The form, then the page on which it is checked, then the record; back to a draft that waited for it."""
    former: ConsentView | None = shown["former"]
    if form.is_submitted() and "edit" not in request.form and form.validate():
        terms = form.terms()
        with refusals(form):
            if "confirmed" in request.form:
                consent_id = disclosure_services.record_consent(
                    actor,
                    person_id,
                    terms,
                    replaces=former.id if former else None,
                    idempotency_key=form.idempotency_key.data,
                )
                flash(gettext("同意を記録しました。"))
                flash(f"consent-{former.id if former else person_id}", "draft-clear")
                if draft:
                    return redirect(url_for("referrals.send", referral_id=draft.id), 303)
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
    consent, lines = disclosure_services.open_consent(signed_in(), consent_id)
    return render_template("consents/show.html", consent=consent, lines=lines)


@bp.route("/consents/<uuid:consent_id>/withdraw", methods=["GET", "POST"])
def withdraw(consent_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    consent, _lines = disclosure_services.open_consent(actor, consent_id)
    form = WithdrawForm([(one.agency_id, one.name) for one in consent.live_recipients])
    done = redirect(url_for(".show", consent_id=consent_id), 303)
    if request.method == "GET" and not consent.stands:
        return done
    if form.is_submitted() and made_by(db.read(), actor, form.idempotency_key.data):
        return done
    if form.validate_on_submit():
        with refusals(form):
            disclosure_services.withdraw_consent(
                actor,
                consent_id,
                recipients=form.chosen(),
                reason=form.reason.data or "",
                idempotency_key=form.idempotency_key.data,
            )
            flash(gettext("撤回を記録しました。提供先では、いまから情報を見られません。"))
            flash(f"withdraw-{consent_id}", "draft-clear")
            return done
    page = render_template(
        "consents/withdraw.html",
        consent=consent,
        form=form,
        effects=stops(db.read(), actor, consent_id, clock.now()),
        meetings=coming_about(db.read(), consent.person_id),
    )
    return page, form.status
