"""The blueprint of emergency access, and what every page may ask: what I have open, and what waits for me."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, g
from flask_login import current_user

from portal.accounts import devices
from portal.accounts.confirming import OwnPassword
from portal.accounts.gate import signed_in
from portal.db import db
from portal.emergency import live_queries
from portal.emergency.live_queries import LiveAccess, Waiting

bp = Blueprint("emergency", __name__, url_prefix="/emergency")


def live() -> list[LiveAccess]:
    """What this member has open, asked once in a request, when a page first wants to know."""
    if not current_user.is_authenticated:
        return []
    if "emergency_live" not in g:
        g.emergency_live = live_queries.live(db.read(), signed_in())
    found: list[LiveAccess] = g.emergency_live
    return found


def waiting() -> Waiting:
    return live_queries.waiting(db.read(), signed_in())


def own_password(typed: str | None) -> OwnPassword:
    return OwnPassword(typed or "", devices.secret())


@bp.app_context_processor
def for_every_page() -> dict[str, Callable[[], Any]]:
    return {"emergency_live": live, "emergency_waiting": waiting}
