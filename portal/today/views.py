"""The Today page: what needs me."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.accounts.gate import signed_in
from portal.core import clock
from portal.core.db import db
from portal.core.labels import N_
from portal.core.policy import Permission, Role, can
from portal.inspections import findings
from portal.today import meetings, queries
from portal.today.queries import MOST, Need, Today

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
# Groups of cards: for each card what it counts, its word, its page and the parameters of its address.
GROUPS: tuple[tuple[str, tuple[tuple[Need, str, str, dict[str, Any]], ...]], ...] = (
    (
        N_("届いたつなぎ"),
        (
            (Need.NEW, N_("新着"), "referrals.index", {**IN, "new": "1"}),
            (Need.UNANSWERED, N_("未回答"), "referrals.index", {**IN, "unanswered": "1"}),
            (Need.OVERDUE, N_("回答期限を過ぎたもの"), "referrals.index", {**IN, "overdue": "1"}),
        ),
    ),
    (
        N_("送ったつなぎ"),
        (
            (Need.OUT_OVERDUE, N_("相手の回答が遅れているもの"), "referrals.index", {**OUT, "overdue": "1"}),
            (Need.UNATTENDED, N_("断られた後の対応がまだのもの"), "referrals.index", {"unattended": "1"}),
            (Need.DRAFTS, N_("下書き"), "referrals.index", {**OUT, "status": "draft"}),
        ),
    ),
    (
        N_("お知らせと同意"),
        (
            (Need.NEWS, N_("回答・連絡あり"), "referrals.index", {"news": "1"}),
            (Need.STOPPED, N_("利用停止の報告"), "referrals.index", {"stopped": "1"}),
            (Need.LAPSING, N_("30日以内に終わる同意"), "consents.index", {"show": "30"}),
            (Need.FOLLOW_UPS, N_("会議で話すこと・地域課題"), "referrals.follow_ups", {}),
        ),
    ),
)


def cards(found: Today) -> list[tuple[str, list[Card]]]:
    return [
        (
            gettext(title),
            [card(found.counts[need], need, word, url_for(to, **asked)) for need, word, to, asked in row],
        )
        for title, row in GROUPS
    ]


def card(number: int, need: Need, word: str, url: str) -> Card:
    shown = str(number) if number < MOST else f"{MOST - 1}+"
    return Card(gettext(word), shown, url, need in ALERTS and number > 0, number == 0)


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    if actor.role is Role.AUDITOR:
        return redirect(url_for("audit.index"), 303)
    waiting = findings.open_count(db.read(), actor)
    if not can(actor, Permission.CASEWORK):
        return render_template("today/administrator.html", findings_waiting=waiting)
    found = queries.look(actor)
    return render_template(
        "today/index.html",
        found=found,
        meetings=meetings.look(actor),
        groups=cards(found),
        today=clock.today(),
        is_coordinator=actor.role is Role.COORDINATOR,
        findings_waiting=waiting,
    )
