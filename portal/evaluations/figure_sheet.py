"""The second sheet of the Excel file: every figure with its definition, goals, months, and native charts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext

from portal.evaluations.asked import area_word, unit_word, year_word
from portal.evaluations.cell_heights import LINE, height_of
from portal.evaluations.figures import FEW
from portal.evaluations.pictures import SCORES, title_of
from portal.evaluations.seen import Year
from portal.evaluations.table import firsts_of
from portal.web.formats import month_word, t

WIDTHS = (26, 46, 8, 14, 14, 74)
A3 = 8
CHART_ROWS = 14
ON_A_PAGE = 6
# Two charts side by side; the second begins at this column.
BESIDE, CHART_WIDTH, CHART_HEIGHT = 2, 490, CHART_ROWS * 20 - 15
PATTERNS = ({"color": "#0017C1"}, {"color": "#9DB7F9"}, {"color": "#FFFFFF"})


class Sheet:
    """The sheet and the next free line of it."""

    def __init__(self, book: Any, font: str, name: str) -> None:
        self.book, self.name = book, name
        self.sheet = book.add_worksheet(self.name)
        common = {"font_name": font, "font_size": 10, "text_wrap": True, "valign": "top", "border": 1}
        self.head = book.add_format({**common, "bold": True, "bg_color": "#E8F1FE"})
        self.cell = book.add_format(common)
        self.number = book.add_format({**common, "num_format": "#,##0"})
        self.share = book.add_format({**common, "num_format": "0%"})
        self.title = book.add_format({"font_name": font, "font_size": 12, "bold": True})
        self.at, self.charts = 0, 0
        self.breaks: list[int] = []
        self.sheet.set_landscape()
        # No page is fitted here: Excel would then break pages through the charts.
        self.sheet.set_paper(A3)
        self.sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
        self.sheet.set_print_scale(70)
        self.sheet.set_footer("&R&P / &N")

    def heading(self, text: str) -> None:
        self.sheet.write_string(self.at, 0, text, self.title)
        self.at += 1

    def line(
        self,
        cells: Sequence[str | int | float | None],
        *,
        head: bool = False,
        widths: Sequence[int] = WIDTHS,
    ) -> None:
        """Words as words, numbers as numbers, a fraction as a percentage; as high as its words need."""
        words = [(cell, width) for cell, width in zip(cells, widths, strict=False) if isinstance(cell, str)]
        self.sheet.set_row(self.at, max([LINE + 3, *(height_of(cell, width) for cell, width in words)]))
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
    """The sheet of figures with all charts, then the numbers of the months on a sheet of their own."""
    sheet = Sheet(book, font, gettext("数字"))
    for column, width in enumerate(WIDTHS):
        sheet.sheet.set_column(column, column, width)
    add_every(sheet, view)
    if view.has_begun:
        add_goals(sheet, view)
        if view.months:
            add_months(sheet, Sheet(book, font, gettext("月ごと")), view)


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
                    unit_word(key.spec.unit, alone=True),
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
    for column, fill in enumerate(PATTERNS, 1):
        chart.add_series(
            {
                "name": [sheet.name, first - 1, column],
                "categories": [sheet.name, first, 0, last, 0],
                "values": [sheet.name, first, column, last, column],
                "data_labels": {
                    "value": True,
                    "num_format": "0;;",
                    "font": {"color": "#FFFFFF" if column == 1 else "#1A1A1A"},
                },
                "fill": fill,
                "border": {"color": "#4D4D4D"},
            }
        )
    chart.set_y_axis({"reverse": True})
    chart.set_x_axis({"major_gridlines": {"visible": False}})
    chart.set_legend({"position": "bottom"})
    place_chart(sheet, chart, gettext("目標の達成"))


def add_months(sheet: Sheet, data: Sheet, view: Year) -> None:
    """The numbers on `data`, their charts on the sheet of figures."""
    widths = [10, *[16] * len(view.months)]
    for column, width in enumerate(widths):
        data.sheet.set_column(column, column, width)
    data.heading(gettext("月ごとの活動"))
    data.line([gettext("月"), *(title_of(one.key) for one in view.months)], head=True, widths=widths)
    first = data.at
    for place, day in enumerate(firsts_of(view.year)):
        data.line([month_word(day), *(one.values[place] for one in view.months)], widths=widths)
    for column, one in enumerate(view.months, 1):
        chart = sheet.book.add_chart({"type": "column"})
        chart.add_series(
            {
                "name": [data.name, first - 1, column],
                "categories": [data.name, first, 0, first + 11, 0],
                "values": [data.name, first, column, first + 11, column],
                "data_labels": {"value": True, "num_format": "0;;"},
                "fill": PATTERNS[0],
            }
        )
        chart.set_legend({"none": True})
        chart.set_y_axis({"min": 0, "major_gridlines": {"visible": False}, "num_format": "0"})
        place_chart(sheet, chart, title_of(one.key))


def place_chart(sheet: Sheet, chart: Any, title: str) -> None:
    """Two stand side by side, and six on a page of their own."""
    chart.set_title({"name": title, "name_font": {"size": 11}, "overlay": False})
    chart.set_size({"width": CHART_WIDTH, "height": CHART_HEIGHT})
    if sheet.charts % ON_A_PAGE == 0:
        sheet.breaks.append(sheet.at)
        sheet.sheet.set_h_pagebreaks(sheet.breaks)
    column = BESIDE if sheet.charts % 2 else 0
    sheet.sheet.insert_chart(sheet.at, column, chart, {"description": title})
    sheet.charts += 1
    if sheet.charts % 2 == 0:
        sheet.at += CHART_ROWS
