"""The second sheet of the Excel file: every figure with its definition, goals, months, and native charts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext

from portal.evaluations.asked import area_word, year_word
from portal.evaluations.figures import FEW, Key
from portal.evaluations.pictures import SCORES, title_of
from portal.evaluations.seen import Year
from portal.evaluations.table import firsts_of
from portal.web.formats import month_word, t

WIDTHS = (26, 44, 10, 12, 12, 70)
A4 = 9
CHART_ROWS = 15


class Sheet:
    """The sheet and the next free line of it."""

    def __init__(self, book: Any, font: str) -> None:
        self.book = book
        self.name = gettext("数字")
        self.sheet = book.add_worksheet(self.name)
        common = {"font_name": font, "font_size": 10, "text_wrap": True, "valign": "top", "border": 1}
        self.head = book.add_format({**common, "bold": True, "bg_color": "#E8F1FE"})
        self.cell = book.add_format(common)
        self.number = book.add_format({**common, "num_format": "#,##0"})
        self.share = book.add_format({**common, "num_format": "0%"})
        self.title = book.add_format({"font_name": font, "font_size": 12, "bold": True})
        self.at = 0

    def heading(self, text: str) -> None:
        self.sheet.write_string(self.at, 0, text, self.title)
        self.at += 1

    def line(self, cells: Sequence[str | int | float | None], *, head: bool = False) -> None:
        """Words as words, numbers as numbers, a fraction as a percentage."""
        for column, cell in enumerate(cells):
            match cell:
                case str():
                    self.sheet.write_string(self.at, column, cell, self.head if head else self.cell)
                case int():
                    self.sheet.write_number(self.at, column, cell, self.number)
                case float():
                    self.sheet.write_number(self.at, column, cell, self.share)
                case None:
                    self.sheet.write_blank(self.at, column, None, self.cell)
        self.at += 1


def cell_of(value: int | None) -> str | int | None:
    return gettext("少数") if value == FEW else value


def add_figures(book: Any, view: Year, font: str) -> None:
    sheet = Sheet(book, font)
    for column, width in enumerate(WIDTHS):
        sheet.sheet.set_column(column, column, width)
    add_every(sheet, view)
    if view.has_begun:
        add_goals(sheet, view)
        add_months(sheet, view)
    paper = sheet.sheet
    paper.set_landscape()
    paper.set_paper(A4)
    paper.fit_to_pages(1, 0)
    paper.set_footer("&R&P / &N")


def add_every(sheet: Sheet, view: Year) -> None:
    sheet.heading(gettext("項目ごとの数字"))
    years = [year_word(view.year - 1), year_word(view.year)]
    sheet.line([gettext("項目"), gettext("何の数か"), gettext("単位"), *years, gettext("数え方")], head=True)
    for row in view.rows:
        before = {figure.key: figure.value for figure in row.last.figures} if row.last else {}
        this = {figure.key: figure.value for figure in row.this.figures}
        for key in [*this, *(key for key in before if key not in this)]:
            values = [before.get(key), this.get(key)]
            if not any(values):
                continue
            name = title_of(key)
            sheet.line(
                [
                    area_word(row.name),
                    name,
                    t(key.spec.unit),
                    *(cell_of(value) for value in values),
                    t(key.spec.definition),
                ]
            )
    sheet.at += 1


def add_goals(sheet: Sheet, view: Year) -> None:
    sheet.heading(gettext("目標の達成"))
    sheet.line(
        [gettext("領域"), *(t(word) for word in SCORES), gettext("評価した目標"), gettext("達成率")],
        head=True,
    )
    first = sheet.at
    for one in view.goals:
        numbers = (one.achieved, one.partial, one.not_achieved, one.scored)
        rate = None if one.rate is None else one.rate / 100
        sheet.line([t(one.domain.word), *(cell_of(value) for value in numbers), rate])
    last = sheet.at - 1
    sheet.at += 1
    if any(one.scored == FEW for one in view.goals) or not any(one.scored for one in view.goals):
        return
    chart = sheet.book.add_chart({"type": "bar", "subtype": "percent_stacked"})
    for column in range(1, 4):
        chart.add_series(
            {
                "name": [sheet.name, first - 1, column],
                "categories": [sheet.name, first, 0, last, 0],
                "values": [sheet.name, first, column, last, column],
                "data_labels": {"value": True},
            }
        )
    place_chart(sheet, chart, gettext("目標の達成"))


def add_months(sheet: Sheet, view: Year) -> None:
    if not view.months:
        return
    sheet.heading(gettext("月ごとの活動"))
    sheet.line([gettext("月"), *(title_of(one.key) for one in view.months)], head=True)
    first = sheet.at
    for place, day in enumerate(firsts_of(view.year)):
        sheet.line([month_word(day), *(one.values[place] for one in view.months)])
    last = sheet.at - 1
    sheet.at += 1
    for column, one in enumerate(view.months, 1):
        add_chart(sheet, one.key, first, last, column)


def add_chart(sheet: Sheet, key: Key, first: int, last: int, column: int) -> None:
    chart = sheet.book.add_chart({"type": "column"})
    chart.add_series(
        {
            "name": [sheet.name, first - 1, column],
            "categories": [sheet.name, first, 0, last, 0],
            "values": [sheet.name, first, column, last, column],
            "data_labels": {"value": True},
            "fill": {"color": "#0017C1"},
        }
    )
    chart.set_legend({"none": True})
    chart.set_y_axis({"min": 0, "major_gridlines": {"visible": False}, "num_format": "0"})
    place_chart(sheet, chart, title_of(key))


def place_chart(sheet: Sheet, chart: Any, title: str) -> None:
    chart.set_title({"name": title, "name_font": {"size": 11}, "overlay": False})
    chart.set_size({"width": 640, "height": CHART_ROWS * 20 - 10})
    sheet.sheet.insert_chart(sheet.at, 0, chart, {"description": title})
    sheet.at += CHART_ROWS
