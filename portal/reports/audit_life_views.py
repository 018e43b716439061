"""The life of a referral, a person's file, and who could see what at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal import clock
from portal.accounts.gate import signed_in
from portal.people.categories import Category
from portal.policy import Actor
from portal.reports import audit_lives, audit_people
from portal.reports.audit_blueprint import bp
from portal.reports.audit_entries import Entry
from portal.reports.forms import AsOfForm
from portal.web.pagination import Page, address, page_size

# Sequence numbers fit into the database's integers; whatever else stands in an address begins at the start.
LARGEST = 2**62


def number_in(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and int(text) < LARGEST else None


def cursor() -> int | None:
    return number_in(request.args.get("after", ""))


def page_of(found: Sequence[Entry], size: int) -> Page[Entry]:
    """A page of the log: its numbers are no secret, so the cursor is the number itself."""
    more = address(after=str(found[size - 1].seq)) if len(found) > size else None
    return Page(found[:size], more, address() if cursor() is not None else None)


@bp.get("/referrals/<uuid:referral_id>")
def referral(referral_id: UUID) -> ResponseReturnValue:
    size = page_size()
    life, found = audit_lives.read(signed_in(), referral_id, behind=cursor(), size=size + 1)
    page = page_of(found, size)
    return render_template("audit/referral.html", life=life, page=page, stood=life.stood_at(page.rows))


@bp.get("/people/<uuid:person_id>")
def person(person_id: UUID) -> ResponseReturnValue:
    size = page_size()
    file, found = audit_people.read(signed_in(), person_id, behind=cursor(), size=size + 1)
    return render_template("audit/person.html", file=file, page=page_of(found, size))


@bp.get("/people/<uuid:person_id>/as-of")
def as_of(person_id: UUID) -> ResponseReturnValue:
    """Who could see what: now, at the moment typed, or (`seq`) right after an entry was written."""
    actor = signed_in()
    form = AsOfForm(request.args)
    form.validate()
    moment, seq = moment_asked(actor, form)
    if not form.at.raw_data:
        form.at.data = moment
    found = audit_people.stand(actor, person_id, moment)
    return render_template("audit/as_of.html", file=found, form=form, seq=seq, categories=list(Category))


def moment_asked(actor: Actor, form: AsOfForm) -> tuple[datetime, int | None]:
    if form.at.data and not form.at.errors:
        return form.at.data, None
    seq = number_in(request.args.get("seq", ""))
    moment = audit_people.moment_of(actor, seq) if seq else None
    return (moment, seq) if moment else (clock.now(), None)
