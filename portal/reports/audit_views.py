"""The auditor's pages: the search. The other pages hang themselves on the same blueprint, by noun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import signed_in
from portal.inspections import clock
from portal.policy import Actor
from portal.reports import audit_queries
from portal.reports.audit_asked import address_of, form_of, wanted_of
from portal.reports.audit_blueprint import bp
from portal.reports.audit_entries import Entry
from portal.reports.audit_life_views import cursor, page_of
from portal.reports.audit_queries import Matches
from portal.reports.forms import AuditFilterForm
from portal.web.pagination import page_size

__all__ = ["bp"]


@bp.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Searching is a POST, answered by an address without numbers: pages, Back and bookmarks keep the search."""
    actor = signed_in()
    return search(actor) if request.method == "POST" else shown(actor)


def search(actor: Actor) -> ResponseReturnValue:
    form = form_of(actor, request.form)
    found = audit_queries.numbered(actor, form.person_number.data or "", form.number.data or "")
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
    found = audit_queries.listing(actor, wanted, before=cursor(), size=size + 1)
    matches = audit_queries.matches(actor, wanted)
    form.person_number.data, form.number.data = matches.person_number, matches.number
    form.say_days()
    return page(form, found, address_of(wanted), matches)


def page(
    form: AuditFilterForm, found: Sequence[Entry] | None, asked: dict[str, Any] | None, matches: Matches
) -> ResponseReturnValue:
    return render_template(
        "audit/index.html",
        form=form,
        page=None if found is None else page_of(found, page_size()),
        asked=asked,
        matches=matches,
        is_narrowed=bool(asked),
        jumps=clock.told(signed_in(), only_news=True),
    )
