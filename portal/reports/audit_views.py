"""The auditor's pages."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.accounts.gate import signed_in
from portal.agencies import queries as agencies
from portal.db import db
from portal.reports import audit_lives, audit_queries
from portal.reports.audit_queries import Entry
from portal.reports.forms import AuditFilterForm
from portal.web.pagination import Page, address, page_size

bp = Blueprint("audit", __name__, url_prefix="/audit")

# Sequence numbers fit into the database's integers; whatever else stands in an address begins at the start.
LARGEST = 2**62


def cursor() -> int | None:
    text = request.args.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and int(text) < LARGEST else None


def page_of(found: Sequence[Entry], size: int) -> Page[Entry]:
    """A page of the log: its numbers are no secret, so the cursor is the number itself."""
    more = address(after=str(found[size - 1].seq)) if len(found) > size else None
    return Page(found[:size], more, address() if cursor() is not None else None)


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    names = [(agency.id, agency.name) for agency in db.read.scalars(agencies.listing())]
    form = AuditFilterForm(names, request.args)
    form.validate()
    size = page_size()
    found, matches = audit_queries.listing(actor, form.wanted(), before=cursor(), size=size + 1)
    page = page_of(found, size)
    return render_template("audit/index.html", form=form, page=page, matches=matches)


@bp.get("/referrals/<uuid:referral_id>")
def referral(referral_id: UUID) -> ResponseReturnValue:
    size = page_size()
    life, found = audit_lives.read(signed_in(), referral_id, behind=cursor(), size=size + 1)
    return render_template("audit/referral.html", life=life, page=page_of(found, size))
