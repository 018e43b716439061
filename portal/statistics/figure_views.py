"""The page of figures, and the same as CSV and Excel."""

from __future__ import annotations

from datetime import date, timedelta
from io import BytesIO

import xlsxwriter
from flask import Blueprint, render_template, request, send_file
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext

from portal.accounts.gate import signed_in
from portal.auditing.exports import as_csv
from portal.core import clock
from portal.disclosures.models import Basis
from portal.referrals.states import Refusal
from portal.statistics import figures
from portal.statistics.figures import Figures, Pace
from portal.web.base_form import BaseForm
from portal.web.fields import EraDateField

bp = Blueprint("figures", __name__, url_prefix="/audit/figures")

LONGEST = timedelta(days=3 * 366)


class PeriodForm(BaseForm):
    class Meta:
        csrf = False

    first = EraDateField(lazy_gettext("いつから"))
    last = EraDateField(lazy_gettext("いつまで"))

    def period(self) -> tuple[date, date]:
        """The period asked for; the fiscal year so far when none, or an impossible one, is asked for."""
        begin, end = clock.fiscal_year_bounds(clock.fiscal_year(clock.today()))
        first = self.first.data if self.first.data and not self.first.errors else begin
        last = self.last.data if self.last.data and not self.last.errors else min(end, clock.today())
        if last < first:
            self.refuse(gettext("終わりの日は、始まりの日より後にしてください。"), "last")
            return begin, min(end, clock.today())
        if last - first > LONGEST:
            self.refuse(gettext("3年までの期間を指定してください。"), "first")
            return begin, min(end, clock.today())
        return first, last


def asked() -> tuple[PeriodForm, tuple[date, date]]:
    form = PeriodForm(formdata=request.args)
    form.validate()
    return form, form.period()


@bp.get("/")
def index() -> ResponseReturnValue:
    actor = signed_in()
    form, (first, last) = asked()
    form.first.data, form.last.data = form.first.data or first, form.last.data or last
    found = figures.read(actor, first, last)
    given = [code for code in Refusal if any(one.refusals.get(code) for one in found)]
    return render_template(
        "audit/figures.html", form=form, first=first, last=last, found=found, refusals=given, bases=Basis
    )


@bp.get("/figures.csv")
def as_comma_separated() -> ResponseReturnValue:
    _form, (first, last) = asked()
    content = as_csv(rows(figures.export(signed_in(), first, last)))
    return saved(content, f"tsunagu-figures-{first}-{last}.csv", "text/csv; charset=utf-8")


@bp.get("/figures.xlsx")
def as_workbook() -> ResponseReturnValue:
    _form, (first, last) = asked()
    content = workbook(rows(figures.export(signed_in(), first, last)))
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return saved(content, f"tsunagu-figures-{first}-{last}.xlsx", kind)


def saved(content: bytes, filename: str, kind: str) -> ResponseReturnValue:
    return send_file(BytesIO(content), mimetype=kind, download_name=filename, as_attachment=True)


def rows(found: list[Figures]) -> list[list[str]]:
    head = [
        gettext("機関"),
        *(
            gettext("届いたつなぎ"),
            gettext("受領"),
            gettext("受領：期限内％"),
            gettext("受領までの開所日（中央値）"),
        ),
        *(gettext("回答"), gettext("回答：期限内％"), gettext("回答までの開所日（中央値）")),
        *(gettext("受入不可：%(word)s", word=gettext(one.word)) for one in Refusal),
        *(gettext("提供：%(word)s", word=gettext(one.word)) for one in Basis),
        *(gettext("緊急閲覧"), gettext("緊急閲覧：不適切"), gettext("閲覧の記録")),
    ]
    return [head, *(line(one) for one in found)]


def line(one: Figures) -> list[str]:
    return [
        one.name,
        str(one.received.asked),
        *of_pace(one.received),
        *of_pace(one.answered),
        *(str(one.refusals.get(code, 0)) for code in Refusal),
        *(str(one.disclosures.get(code, 0)) for code in Basis),
        *(str(one.emergencies), str(one.unjustified), str(one.readings or 0)),
    ]


def of_pace(pace: Pace) -> list[str]:
    return [str(pace.done), shown(pace.share), shown(pace.median)]


def shown(number: int | None) -> str:
    return "" if number is None else str(number)


def workbook(lines: list[list[str]]) -> bytes:
    """One sheet: names as text, whatever they begin with, and numbers as numbers to be added up."""
    made = BytesIO()
    plain = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(made, {"in_memory": True, **plain})
    sheet = book.add_worksheet(gettext("機関ごとの数字"))
    head = book.add_format({"bold": True, "bg_color": "#E8F1FE", "border": 1, "text_wrap": True})
    cell = book.add_format({"border": 1})
    for number, texts in enumerate(lines):
        for column, text in enumerate(texts):
            if number and column and text:
                sheet.write_number(number, column, int(text), cell)
            else:
                sheet.write_string(number, column, text, cell if number else head)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, len(lines[0]) - 1, 11)
    sheet.freeze_panes(1, 1)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    book.close()
    return made.getvalue()
