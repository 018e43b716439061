"""What an address of the auditor's search asks for, and the address that asks for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from portal.agencies import queries as agencies
from portal.db import db
from portal.policy import Actor, Permission, require
from portal.reports import audit_queries
from portal.reports.audit_queries import AuditFilter
from portal.reports.forms import AuditFilterForm, uuid_of

MOST_IDS = 50


def ids(name: str, asked: Any) -> list[UUID]:
    """The random ids of an address; what is none is left out."""
    return [found for text in asked.getlist(name)[:MOST_IDS] if (found := uuid_of(text))]


def form_of(actor: Actor, asked: Any) -> AuditFilterForm:
    """The form, as it was asked for: it offers the staff of the agency that was chosen."""
    require(actor, Permission.AUDIT_READ)
    names = [(agency.id, agency.name) for agency in db.read.scalars(agencies.listing())]
    form = AuditFilterForm(names, audit_queries.staff_of(actor, uuid_of(asked.get("agency", ""))), asked)
    form.validate()
    return form


def address_of(wanted: AuditFilter) -> dict[str, Any]:
    """The filter as an address says it: codes, days and random ids, no number and no name."""
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
    """What an address (or the hidden fields that repeat it) narrows the log to."""
    return form.wanted(ids("person", asked), ids("about", asked))
