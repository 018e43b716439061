"""The list of referrals: its tabs, its filters, which stay in the address, its order, and the search."""

from __future__ import annotations

from typing import Any

from flask import get_template_attribute, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import live_session, signed_in
from portal.accounts.queries import caseworkers
from portal.agencies import queries as agencies
from portal.core import clock
from portal.core.db import db
from portal.core.labels import N_
from portal.core.ordering import Sort
from portal.core.policy import Actor, Permission, require
from portal.disclosures.models import Basis
from portal.disclosures.person_header import label_of
from portal.referrals import reading
from portal.referrals.blueprint import bp
from portal.referrals.forms import MINE, NOBODYS, FilterForm, SearchForm, uuid_or_none
from portal.referrals.queries import NEWEST, Column, Filter, Stage
from portal.referrals.states import ReferralStatus
from portal.web.formats import era_short
from portal.web.pagination import address, heads, page_of, page_size, sort_of, sorted_after
from portal.web.stored_searches import Search, asked_search, store

# Switches in the address, and the filters they set.
SWITCHES = {
    "new": "unopened",
    "unanswered": "unanswered",
    "overdue": "overdue",
    "news": "news",
    "stopped": "stopped",
    "unattended": "unattended",
}
# The tabs: their words, and what their addresses ask for.
TABS: tuple[tuple[str, dict[str, str]], ...] = (
    (N_("進行中"), {"show": "open"}),
    (N_("終了"), {"show": "ended"}),
    (N_("すべて"), {"show": "all"}),
    (N_("新着"), {"box": "in", "new": "1"}),
    (N_("未回答"), {"box": "in", "unanswered": "1"}),
    (N_("期限超過"), {"overdue": "1"}),
    (N_("回答・連絡あり"), {"news": "1"}),
    (N_("利用停止の報告"), {"stopped": "1"}),
    (N_("断られた後の対応"), {"unattended": "1"}),
)
OF_TABS = {"show", *SWITCHES}
COLUMNS = {
    "number": N_("番号"),
    "person": N_("相談者"),
    "other": N_("相手の機関"),
    "status": N_("状態"),
    "worker": N_("担当"),
    "at": N_("日付"),
    "by": N_("回答期限"),
}
# Never by the person: whose name is not shown would stand among the others in the place of their name.
SORTS = (NEWEST, Sort(Column.NUMBER), Sort(Column.STATUS), Sort(Column.BY))


def wanted(actor: Actor, form: FilterForm, search: Search) -> Filter:
    """The filter in the address; values without meaning are left out rather than refused.

    Without a tab it is what is worked on, unless something is looked for.
    """
    known = {status.value for status in ReferralStatus}
    switches: dict[str, Any] = {name: request.args.get(switch) == "1" for switch, name in SWITCHES.items()}
    statuses = frozenset(ReferralStatus(s) for s in request.args.getlist("status") if s in known)
    everything = bool(search.q or statuses or any(switches.values()))
    show, worker = request.args.get("show", ""), request.args.get("worker", "")
    return Filter(
        stage=Stage(show) if show in set(Stage) else Stage.ALL if everything else Stage.OPEN,
        statuses=statuses,
        q=search.q,
        worker_id=actor.staff_id if worker == MINE else uuid_or_none(worker),
        unassigned=worker == NOBODYS,
        **form.asked(),
        **switches,
    )


def tabs(shown: Filter) -> list[dict[str, Any]]:
    """The tabs, which keep the other filters; the box as well, unless it came with the tab."""
    here: dict[str, Any] = {k: v for k, v in request.args.to_dict(flat=False).items() if k != "after"}
    switch = next((name for name in SWITCHES if name in here), None)
    lost = OF_TABS | ({"box"} if switch else set())
    kept = {k: v for k, v in here.items() if k not in lost}
    current = {switch} if switch else {"show": shown.stage.value}.items()
    return [
        {
            "url": url_for(".index", **{**kept, **asked}),
            "label": gettext(word),
            "current": current <= (asked.keys() if switch else asked.items()),
        }
        for word, asked in TABS
    ]


def who(row: Any, agency_id: object) -> str:
    """The name where this reader may see it, else why there is none."""
    name = label_of(row)
    if row.basis is Basis.ANONYMOUS:
        return str(gettext("%(name)s（匿名で依頼）", name=name) if name else gettext("匿名"))
    return name or str(gettext("氏名非表示"))


@bp.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """The list. What is searched for is sent by POST and stored: no name stands in an address."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    form, owner = SearchForm(), live_session().id
    if form.validate_on_submit():
        return redirect(address(s=store(form.q.data, owner) if form.q.data else None), 303)
    search = asked_search(owner)
    if not form.is_submitted():
        form.q.data = search.q
    session = db.read()
    others, colleagues = agencies.others(session, actor.agency_id), caseworkers(session, actor.agency_id)
    filters = FilterForm(request.args, others, [one for one in colleagues if one.id != actor.staff_id])
    shown, sort = wanted(actor, filters, search), sort_of(SORTS)
    after = sorted_after(sort)
    found = [] if search.is_gone else reading.page(actor, shown, sort=sort, after=after, size=page_size())
    page = page_of(found, lambda r: (r.sort_key, r.id), sort=sort)
    rows = [(row, who(row, actor.agency_id), row.from_agency_id == actor.agency_id) for row in page.rows]
    tag = get_template_attribute("macros/ui.html", "tag")
    days = {day for row in page.rows for day in (row.listed_at, row.respond_by) if day}
    words = {name: gettext(word) for name, word in COLUMNS.items()}
    return render_template(
        "referrals/index.html",
        # Each word of the page is translated once, not once for each row.
        tags={status: tag(status) for status in {row.status for row in page.rows}},
        kinds={kind: gettext(kind.word) for kind in {row.kind for row in page.rows}},
        days={day: era_short(day) for day in days},
        form=form,
        filters=filters,
        search=search,
        page=page,
        rows=rows,
        words=words,
        heads=heads(words, sort, SORTS),
        tabs=tabs(shown),
        is_narrowed=bool(request.args.keys() - {"after", "sort", "rows", "show"}),
        today=clock.today(),
        printed_at=clock.now(),
    )
