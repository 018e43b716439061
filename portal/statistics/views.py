"""The monthly statistics as a page, as a sheet and on paper."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, send_file
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from werkzeug.exceptions import NotFound
from wtforms import SelectField

from portal.accounts.gate import signed_in
from portal.cases.codes import Outcome
from portal.core import clock
from portal.core.policy import Permission, require
from portal.referrals.states import Refusal
from portal.statistics import services, sheets
from portal.statistics.sheets import month_word, number, picture, share_word, year_word
from portal.statistics.tables import DEFINITIONS, FEW_AGENCIES, MONTHS, MOST, UNITS, Item, Period, Statistics
from portal.web import charts
from portal.web.addresses import asking
from portal.web.base_form import BaseForm
from portal.web.printer import pdf_response, render_pdf

bp = Blueprint("statistics", __name__, url_prefix="/reports/statistics")

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# The law on which the national items rest came into force.
EARLIEST = 2015


class ChoiceForm(BaseForm):
    class Meta:
        csrf = False

    month = SelectField(lazy_gettext("期間"), default="")
    agency = SelectField(lazy_gettext("機関"), default="")
    item = SelectField(lazy_gettext("月ごとに見る項目"), default=Item.OPENED.value)


def asked(year: int) -> tuple[Period, UUID | None, Item]:
    """Raises NotFound: no such year, month, agency or item, or one that has not begun."""
    try:
        month = int(request.args.get("month") or 0) or None
        agency = request.args.get("agency")
        found = (
            Period(year, month),
            asking(UUID(agency)) if agency else None,
            Item(request.args.get("item") or "opened"),
        )
    except ValueError as error:
        raise NotFound from error
    is_month = month is None or month in MONTHS
    if not EARLIEST <= year <= clock.fiscal_year(clock.today()) or not is_month:
        raise NotFound
    if not found[0].has_begun:
        raise NotFound
    return found


@bp.get("/")
def index() -> ResponseReturnValue:
    """The current year."""
    return show(clock.fiscal_year(clock.today()))


@bp.get("/<int:year>")
def show(year: int) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.STATISTICS_READ)
    period, agency_id, item = asked(year)
    view = services.read(actor, period, agency_id)
    form = ChoiceForm(formdata=request.args)
    form.month.choices = [("", gettext("年度の合計")), *((str(m), month_word(m)) for m in period.begun)]
    form.agency.choices = [
        ("", gettext("すべて")),
        *((str(key), name) for key, name in view.agencies.items()),
    ]
    form.item.choices = [(one.value, gettext(one.word)) for one in Item]
    return render_template(
        "statistics/statistics.html",
        form=form,
        has_next=year < clock.fiscal_year(clock.today()),
        has_previous=year > EARLIEST,
        **words(view, item),
    )


@bp.get("/<int:year>.xlsx")
def workbook(year: int) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.STATISTICS_READ)
    period, agency_id, _item = asked(year)
    view = services.read(actor, period, agency_id, is_export=True)
    made = BytesIO(sheets.workbook(view))
    return send_file(made, XLSX, as_attachment=True, download_name=f"{filename(period)}.xlsx")


@bp.get("/<int:year>.pdf")
def paper(year: int) -> ResponseReturnValue:
    actor = signed_in()
    require(actor, Permission.STATISTICS_READ)
    period, agency_id, item = asked(year)
    view = services.read(actor, period, agency_id, is_export=True)
    content = render_pdf("statistics/statistics.pdf.html", printed_at=clock.now(), **words(view, item))
    return pdf_response(content, f"{filename(period)}.pdf")


def filename(period: Period) -> str:
    return f"tsunagu-statistics-{period.year}" + (f"-{period.month:02}" if period.month else "")


def words(view: Statistics, item: Item) -> dict[str, Any]:
    """The values that the page and the paper are made of."""
    month = view.period.month
    counting = [
        agency
        for agency in view.agencies
        if view.agency_id in (None, agency)
        and any(table.of(agency, None) != 0 for table in view.items.values())
    ]
    is_short = view.agency_id is not None or len(view.agencies) <= FEW_AGENCIES
    pairs = view.pairs if is_short else view.pairs[:MOST]
    heading = year_word(view.period.year)
    return {
        "view": view,
        "word": gettext("%(year)s %(month)s", year=heading, month=month_word(month)) if month else heading,
        "items": Item,
        "item": item,
        "definitions": DEFINITIONS,
        "units": UNITS,
        "counting": counting,
        "begun": view.period.begun,
        "months": [month_word(one) for one in MONTHS],
        "charts": [small(view, item) for item in Item],
        "refusals": Refusal,
        "outcomes": Outcome,
        "pairs": pairs,
        "more_pairs": len(view.pairs) - len(pairs),
        "grid": grid(view) if len(view.agencies) <= FEW_AGENCIES and not view.agency_id else None,
        "picture": picture(view),
        "number": number,
        "share": share_word,
    }


def small(view: Statistics, item: Item) -> tuple[Item, Any]:
    """The months of one item as a small chart; those that have not come are left out."""
    told = view.items[item].months(view.agency_id)[: len(view.period.begun)]
    values = [gettext("少数") if value is None else value for value in told]
    values += [None] * (len(MONTHS) - len(values))
    title = gettext("%(item)s：%(year)sの月ごと", item=gettext(item.word), year=year_word(view.period.year))
    return item, charts.bars(values, [str(month) for month in MONTHS], title=title)


def grid(view: Statistics) -> dict[str, Any]:
    """Senders by recipients: only those who sent or received."""
    found = {(pair.sender, pair.recipient): pair for pair in view.pairs}
    return {
        "senders": [key for key in view.agencies if any(sender == key for sender, _to in found)],
        "recipients": [key for key in view.agencies if any(to == key for _sender, to in found)],
        "pairs": found,
    }
