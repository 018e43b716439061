"""The page of the search over everything, whose field stands in the head of each page."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.gate import live_session, signed_in
from portal.core import clock
from portal.core.policy import Permission, require
from portal.disclosures.person_header import label_of
from portal.referrals.forms import SearchForm
from portal.referrals.list_views import who
from portal.search import queries
from portal.web.stored_searches import asked_search, store

bp = Blueprint("search", __name__, url_prefix="/search")


@bp.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """What is searched for is sent by POST and stored: no name stands in an address."""
    actor, form, owner = signed_in(), SearchForm(), live_session().id
    require(actor, Permission.CASEWORK)
    if form.validate_on_submit():
        return redirect(url_for(".index", s=store(form.q.data, owner) if form.q.data else None), 303)
    search = asked_search(owner)
    if not form.is_submitted():
        form.q.data = search.q
    return render_template(
        "search/index.html",
        form=form,
        search=search,
        found=queries.look(actor, search.q) if search.q else None,
        MOST=queries.MOST,
        label_of=label_of,
        shown_name=who,
        now=clock.now(),
    )
