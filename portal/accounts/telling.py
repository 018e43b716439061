"""Telling whoever signed in what happened to the account before: once on the next page, then on the account page."""

from __future__ import annotations

from datetime import datetime

from flask import flash, session
from flask_babel import gettext

from portal.accounts.failed_queries import Before
from portal.policy import Actor
from portal.web.formats import era_datetime
from portal.web.language import in_english

KEPT = "before"  # in the cookie of this session: it is about this sign-in, and ends with it


def tell(before: Before, actor: Actor) -> None:
    moments = (before.last_at, before.failed_at)
    session[KEPT] = [before.failures, *(moment and moment.isoformat() for moment in moments)]
    if before.failures:
        flash((" " if in_english() else "").join(words(before, actor)), "warning")


def told() -> Before | None:
    """What was told when this session began."""
    kept = session.get(KEPT)
    if kept is None:
        return None
    failures, last_at, failed_at = kept
    return Before(moment(last_at), failures, moment(failed_at))


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def words(before: Before, actor: Actor) -> list[str]:
    """How often and when, and what to do."""
    values = {"n": before.failures, "failed": era_datetime(before.failed_at)}
    if before.last_at:
        said = gettext(
            "前回のサインイン（%(last)s）のあと、このアカウントへのサインインの失敗が%(n)s回ありました（最後は%(failed)s）。",
            last=era_datetime(before.last_at),
            **values,
        )
    else:
        said = gettext(
            "このアカウントへのサインインの失敗が%(n)s回ありました（最後は%(failed)s）。", **values
        )
    return [said, advice(actor)]


def advice(actor: Actor) -> str:
    if actor.agency_id is None:
        return str(gettext("心当たりがなければ、パスワードを変え、システム管理者に知らせてください。"))
    return str(gettext("心当たりがなければ、パスワードを変え、機関管理者に知らせてください。"))
