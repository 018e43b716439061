"""The Today page: what needs me."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import signed_in
from portal.core import clock
from portal.core.db import db
from portal.core.labels import N_
from portal.core.policy import Permission, Role, can
from portal.inspections import findings
from portal.meetings.outcomes.queries import PromiseView
from portal.referrals.states import OPEN
from portal.today import meetings, queries
from portal.today.meetings import MeetingsToday
from portal.today.queries import MOST, Deadline, Need, Today
from portal.today.whose import Whose

bp = Blueprint("today", __name__)


@dataclass(frozen=True, slots=True)
class Card:
    """A count that opens the list it counts. `alert`: somebody waits for us, or the law requires it."""

    label: str
    number: str
    url: str
    alert: bool
    is_zero: bool


ALERTS = {Need.OVERDUE, Need.STOPPED, Need.OUT_OVERDUE}
IN: dict[str, Any] = {"box": "in"}
OUT: dict[str, Any] = {"box": "out"}
# What a card counts, its word, its page and the parameters of its address.
Counted = tuple[Need, str, str, dict[str, Any]]
RECEIVED: tuple[Counted, ...] = (
    (Need.NEW, N_("新着"), "referrals.index", {**IN, "new": "1"}),
    (Need.UNANSWERED, N_("未回答"), "referrals.index", {**IN, "unanswered": "1"}),
    (Need.OVERDUE, N_("回答期限を過ぎたもの"), "referrals.index", {**IN, "overdue": "1"}),
)
OUT_OVERDUE: Counted = (
    Need.OUT_OVERDUE,
    N_("相手の回答が遅れているもの"),
    "referrals.index",
    {**OUT, "overdue": "1"},
)
UNATTENDED: Counted = (
    Need.UNATTENDED,
    N_("断られた後の対応がまだのもの"),
    "referrals.index",
    {"unattended": "1"},
)
DRAFTS: Counted = (Need.DRAFTS, N_("下書き"), "referrals.index", {**OUT, "status": "draft"})
NEWS: Counted = (Need.NEWS, N_("回答・連絡あり"), "referrals.index", {"news": "1"})
STOPPED: Counted = (Need.STOPPED, N_("利用停止の報告"), "referrals.index", {"stopped": "1"})
CASES: Counted = (Need.CASES, N_("担当ケース"), "cases.index", {"show": "mine"})
LAPSING: Counted = (Need.LAPSING, N_("30日以内に終わる同意"), "consents.index", {"show": "30"})
FOLLOW_UPS: Counted = (Need.FOLLOW_UPS, N_("会議で話すこと・地域課題"), "referrals.follow_ups", {})
SENT = (OUT_OVERDUE, UNATTENDED, DRAFTS)
NOBODYS = (*RECEIVED, OUT_OVERDUE, UNATTENDED, NEWS, STOPPED)
# Groups of cards with the parameter that narrows their lists.
OF_AGENCY = (
    (N_("届いたつなぎ"), RECEIVED),
    (N_("送ったつなぎ"), SENT),
    (N_("お知らせと同意"), (NEWS, STOPPED, LAPSING, FOLLOW_UPS)),
)
OWN = (
    (N_("自分に届いたつなぎ"), RECEIVED),
    (N_("自分が送ったつなぎ"), SENT),
    (N_("自分へのお知らせとケース"), (NEWS, STOPPED, CASES)),
)
WHOLE = (LAPSING, FOLLOW_UPS)
SWITCH = ((N_("自分"), Whose.MINE), (N_("機関全体"), Whose.AGENCY))


def cards(counts: dict[Need, int], row: tuple[Counted, ...], **narrowed: Any) -> list[Card]:
    return [
        card(counts[need], need, word, url_for(to, **asked, **(narrowed if to == "referrals.index" else {})))
        for need, word, to, asked in row
    ]


def card(number: int, need: Need, word: str, url: str) -> Card:
    shown = str(number) if number < MOST else f"{MOST - 1}+"
    return Card(gettext(word), shown, url, need in ALERTS and number > 0, number == 0)


def groups(found: Today, whose: Whose) -> list[tuple[str, list[Card]]]:
    if whose is Whose.AGENCY:
        return [(gettext(title), cards(found.counts, row)) for title, row in OF_AGENCY]
    return [(gettext(title), cards(found.counts, row, worker="me")) for title, row in OWN]


def switch(whose: Whose) -> list[dict[str, Any]]:
    return [
        {
            "url": url_for(".index", whose=None if one is Whose.MINE else one.value),
            "label": gettext(word),
            "current": one is whose,
        }
        for word, one in SWITCH
    ]


def by_day(found: Today, asked: MeetingsToday) -> list[Deadline | PromiseView]:
    """Deadlines and promises in one list, what is overdue first."""
    rows: list[tuple[tuple[date, bool, str], Deadline | PromiseView]]
    rows = [(one.order, one) for one in found.deadlines]
    rows += [((one.due_on, False, ""), one) for one in asked.promises]
    return [one for _order, one in sorted(rows, key=lambda row: row[0])]


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    if actor.role is Role.AUDITOR:
        return redirect(url_for("audit.index"), 303)
    waiting = findings.open_count(db.read(), actor)
    if not can(actor, Permission.CASEWORK):
        return render_template("today/administrator.html", findings_waiting=waiting)
    whose = Whose.AGENCY if request.args.get("whose") == Whose.AGENCY else Whose.MINE
    found, asked = queries.look(actor, whose), meetings.look(actor, whose)
    is_own = whose is Whose.MINE
    return render_template(
        "today/index.html",
        found=found,
        meetings=asked,
        is_own=is_own,
        switch=switch(whose),
        groups=groups(found, whose),
        nobodys=[one for one in cards(found.nobodys, NOBODYS, worker="none") if not one.is_zero]
        if is_own
        else [],
        whole=cards(found.counts, WHOLE) if is_own else [],
        dated=by_day(found, asked),
        open_statuses=sorted(OPEN),
        today=clock.today(),
        is_coordinator=actor.role is Role.COORDINATOR,
        findings_waiting=waiting,
    )
