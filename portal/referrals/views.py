"""Referral pages: the list. The other pages hang themselves on the same blueprint, by noun."""

from __future__ import annotations

from typing import Any

from flask import get_template_attribute, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal import clock
from portal.accounts.gate import signed_in
from portal.disclosures.heading import label_of
from portal.disclosures.models import Basis
from portal.policy import Permission, require
from portal.referrals import (  # noqa: F401 - importing them is what gives the blueprint their pages
    draft_views,
    follow_up_views,
    reading,
    sheet_views,
    show_views,
    step_views,
)
from portal.referrals.blueprint import bp
from portal.referrals.forms import SearchForm
from portal.referrals.queries import Box, Filter
from portal.referrals.states import ReferralStatus
from portal.web.formats import era_short
from portal.web.pagination import after, page_of, page_size
from portal.words import N_

__all__ = ["bp"]

# Switches of the address, and what they narrow the list to.
SWITCHES = {
    "new": "unopened",
    "overdue": "overdue",
    "news": "news",
    "stopped": "stopped",
    "unattended": "unattended",
}
# What needs me: the word of the tab, and what its address says besides the box.
TABS: tuple[tuple[str, dict[str, Any]], ...] = (
    (N_("すべて"), {}),
    (N_("新着"), {"box": "in", "new": "1"}),
    (N_("未回答"), {"box": "in", "status": "requested"}),
    (N_("期限超過"), {"overdue": "1"}),
    (N_("回答・連絡あり"), {"news": "1"}),
    (N_("停止確認"), {"stopped": "1"}),
    (N_("次の対応"), {"unattended": "1"}),
)
BOXES = ((N_("受けた・送った"), Box.ALL), (N_("受けたもの"), Box.IN), (N_("送ったもの"), Box.OUT))


def wanted(q: str) -> Filter:
    """What the address asks for; what it cannot mean is left out rather than refused."""
    known = {status.value for status in ReferralStatus}
    switches: dict[str, Any] = {name: request.args.get(switch) == "1" for switch, name in SWITCHES.items()}
    box = request.args.get("box", "")
    return Filter(
        box=Box(box) if box in set(Box) else Box.ALL,
        statuses=frozenset(ReferralStatus(s) for s in request.args.getlist("status") if s in known),
        q=q,
        **switches,
    )


def tabs() -> list[dict[str, Any]]:
    here: dict[str, Any] = {k: v for k, v in request.args.to_dict().items() if k != "after"}
    return [
        {"url": url_for(".index", **asked), "label": gettext(word), "current": asked == here}
        for word, asked in TABS
    ]


def boxes(shown: Filter) -> list[dict[str, Any]]:
    kept: dict[str, Any] = {
        k: v for k, v in request.args.to_dict(flat=False).items() if k not in {"after", "box"}
    }
    return [
        {
            "url": url_for(".index", **(kept if box is Box.ALL else {**kept, "box": box.value})),
            "label": gettext(word),
            "current": shown.box is box,
        }
        for word, box in BOXES
    ]


def who(row: Any, agency_id: object) -> str:
    """The name where this reader may see it, else why there is none."""
    name = label_of(row)
    if row.basis is Basis.ANONYMOUS:
        return str(gettext("%(name)s（匿名で依頼）", name=name) if name else gettext("匿名"))
    return name or str(gettext("氏名非表示"))


@bp.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Searching is a POST: a name has no place in an address."""
    actor = signed_in()
    require(actor, Permission.CASEWORK)
    form = SearchForm()
    q = form.q.data if form.validate_on_submit() else ""
    shown = wanted(q or "")
    page = page_of(reading.page(actor, shown, after=after(), size=page_size()), lambda r: (r.listed_at, r.id))
    rows = [(row, who(row, actor.agency_id), row.from_agency_id == actor.agency_id) for row in page.rows]
    tag = get_template_attribute("macros/ui.html", "tag")
    days = {day for row in page.rows for day in (row.listed_at, row.respond_by) if day}
    return render_template(
        "referrals/index.html",
        # Each word of the page is looked up once, not once for each line.
        tags={status: tag(status) for status in {row.status for row in page.rows}},
        kinds={kind: gettext(kind.word) for kind in {row.kind for row in page.rows}},
        days={day: era_short(day) for day in days},
        form=form,
        shown=shown,
        page=page,
        rows=rows,
        tabs=tabs(),
        boxes=boxes(shown),
        today=clock.today(),
        printed_at=clock.now(),
    )
