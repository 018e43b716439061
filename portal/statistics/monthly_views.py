"""The monthly report: the list of months, one month, and its PDF."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from portal.accounts.gate import signed_in
from portal.core import clock
from portal.core.policy import Permission, require
from portal.disclosures.models import Basis
from portal.referrals.states import Refusal
from portal.statistics import monthly
from portal.statistics.monthly import Month, Monthly
from portal.web.language import in_english
from portal.web.printer import pdf_response, render_pdf

bp = Blueprint("monthly", __name__, url_prefix="/reports/monthly")

# Before this year there was no portal; a year of five digits is no year.
EARLIEST = 2020


def month_of(year: int, month: int) -> Month:
    """Raises NotFound: no such month, or one that has not begun."""
    try:
        found = Month.of(year, month)
    except ValueError as error:
        raise NotFound from error
    if year < EARLIEST or found.first > clock.today():
        raise NotFound
    return found


def word_of(month: Month) -> str:
    """令和8年11月; in English 2026-11."""
    return (
        f"{month.first:%Y-%m}" if in_english() else f"{clock.era_year(month.first.year)}{month.first.month}月"
    )


@bp.get("/")
def index() -> ResponseReturnValue:
    require(signed_in(), Permission.FIGURES_READ)
    months = [(month, word_of(month)) for month in monthly.months_back(clock.today())]
    return render_template("statistics/monthly_index.html", months=months)


def words(view: Monthly) -> dict[str, Any]:
    return {"view": view, "word": word_of(view.month), "refusals": Refusal, "bases": Basis}


@bp.get("/<int:year>/<int:month>")
def show(year: int, month: int) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.FIGURES_READ)
    view = monthly.read(actor, month_of(year, month))
    has_next = view.month.following <= clock.today()
    return render_template("statistics/monthly.html", has_next=has_next, **words(view))


@bp.get("/<int:year>/<int:month>.pdf")
def sheet(year: int, month: int) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.FIGURES_READ)
    view = monthly.read(actor, month_of(year, month))
    content = render_pdf("statistics/monthly.pdf.html", **words(view))
    return pdf_response(content, f"tsunagu-monthly-{year}-{month:02}.pdf")
