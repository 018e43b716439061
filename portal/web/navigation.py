"""The main navigation: which pages each role finds at the top of every page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, request, url_for
from flask_babel import gettext
from flask_login import current_user

from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, can


@dataclass(frozen=True, slots=True)
class Item:
    url: str
    label: str
    current: bool
    count: int | None = None


# Endpoint, word, and the permission without which the page is useless to the reader.
PAGES: tuple[tuple[str, str, Permission | None], ...] = (
    ("today.index", N_("今日"), Permission.CASEWORK),
    ("referrals.index", N_("つなぎ"), Permission.CASEWORK),
    ("people.index", N_("相談者"), Permission.CASEWORK),
    ("cases.index", N_("ケース"), Permission.CASEWORK),
    ("meetings.index", N_("会議"), Permission.CASEWORK),
    ("activities.index", N_("活動"), Permission.CASEWORK),
    ("consents.index", N_("同意"), Permission.CASEWORK),
    ("emergency.index", N_("緊急閲覧"), Permission.EMERGENCY_USE),
    ("audit.index", N_("監査記録"), Permission.AUDIT_READ),
    ("emergency.reviews", N_("緊急閲覧"), Permission.AUDIT_READ),
    ("exclusions.index", N_("利益相反"), Permission.AUDIT_READ),
    ("anomalies.index", N_("閲覧ログの点検"), Permission.WATCH_READ),
    ("retention.index", N_("保存期間"), Permission.RETENTION_READ),
    ("configuration.index", N_("設定"), Permission.SETTING_CHANGE),
    ("inspections.index", N_("点検"), Permission.INSPECT),
    ("evaluations.index", N_("年度の評価"), Permission.EVALUATION_READ),
    ("statistics.index", N_("統計"), Permission.STATISTICS_READ),
    ("monthly.index", N_("月次報告"), Permission.FIGURES_READ),
    ("checkpoints.index", N_("改ざん確認用の控え"), Permission.CHECKPOINT_READ),
    ("agencies.index", N_("機関"), None),
)


def items(actor: Actor) -> list[Item]:
    here = (request.endpoint or "").split(".")[0]
    shown = [page for page in PAGES if page[2] is None or can(actor, page[2])]
    found = [Item(url_for(e), gettext(word), e.split(".")[0] == here) for e, word, _needs in shown]
    if actor.administers or actor.role in {Role.AGENCY_ADMIN, Role.SYSTEM_ADMIN}:
        url = url_for("accounts.staff.index")
        found.append(Item(url, gettext("職員"), request.path.startswith(url)))
    return found


def init_app(app: Flask, signed_in: Callable[[], Actor]) -> None:
    @app.context_processor
    def navigation() -> dict[str, Any]:
        return {"nav": items(signed_in()) if current_user.is_authenticated else []}
