"""Pages on paper: the consent form to be signed, and the list of who was told what (開示先一覧)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import signed_in
from portal.agencies import queries as agencies
from portal.agencies.models import Agency
from portal.consents.forms import EXAMPLES, PaperForm
from portal.db import db
from portal.disclosures import reading
from portal.disclosures.ledger import LedgerLine
from portal.disclosures.models import Basis
from portal.emergency import live_queries as emergencies
from portal.emergency.models import Emergency
from portal.people.categories import Category
from portal.policy import Actor
from portal.web.pdf import pdf_response, render_pdf

# What is written at the foot of the form that the portal prints, and offered when a signed one is recorded.
FORM_VERSION = "つなぐ同意書 第1版"


@dataclass(frozen=True, slots=True)
class Choice:
    """A line of the form with a box: ticked, or to be ticked by hand."""

    word: str
    example: str
    ticked: bool


def ledger(person_id: UUID) -> ResponseReturnValue:
    person, lines = reading.open_ledger(signed_in(), person_id)
    return render_template("disclosures/ledger.html", person=person, lines=lines, reasons=reasons_of(lines))


def reasons_of(lines: Sequence[LedgerLine]) -> dict[UUID, Emergency]:
    """Of lines that an emergency told: which."""
    return emergencies.reasons(db.read(), [line.id for line in lines if line.basis is Basis.EMERGENCY])


def ledger_pdf(person_id: UUID) -> ResponseReturnValue:
    actor = signed_in()
    person, lines = reading.open_ledger(actor, person_id, channel="print")
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
    """What the form says. Where nothing was chosen, every line has an empty box to be ticked by hand."""
    actor = signed_in()
    person = reading.open_heading(actor, person_id, channel=channel)
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
    """Whom to ask: the agency that hands the paper over."""
    return db.read.get_one(Agency, actor.agency_id)
