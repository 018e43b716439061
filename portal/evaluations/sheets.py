"""The year as an Excel file: the table as the city prints it on A3, the figures with their definitions, and charts."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import xlsxwriter
from flask_babel import gettext
from markupsafe import Markup

from portal.core.labels import N_
from portal.evaluations.catalogue import FEW, Key
from portal.evaluations.models import Part
from portal.evaluations.params import area_word, unit_word, year_word
from portal.evaluations.table import RESULTS, Column, Figure, Row, Year, firsts_of
from portal.web import charts
from portal.web.formats import era_date, month_word, t

LINE, SIZE = 15.0, 10  # points
HIGHEST = 400.0  # Excel shows no row higher than 409 points


def breadth(text: str) -> int:
    """The width of a text in half-width characters; ambiguous characters count as wide."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def lines_of(text: str, width: int) -> int:
    """The number of lines of a text in a column of this width, rather one more than one less."""
    # A column's unit is 7 pixels, a half-width character of 10 points takes 6.7 of them; a word is not broken.
    room = max(2, math.floor((width * 7 - 8) / 6.9))
    return sum(max(1, math.ceil(breadth(line) / room)) for line in text.split("\n")) if text else 0


def height_of(text: str, width: int) -> float:
    return LINE * lines_of(text, width) + 4 if text else 0.0


def split(height: float) -> Sequence[float]:
    """The height as several rows that Excel can show."""
    count = max(1, math.ceil(height / HIGHEST))
    return [max(LINE, height / count)] * count


# The charts of a year: months of activities, and goals by domain.


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart and the same numbers as a table."""

    title: str
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


SCORES = (N_("達成"), N_("一部達成"), N_("未達成"))


def picture_title(key: Key) -> str:
    kind = key.kind
    return f"{t(kind.word)}　{t(key.what.word)}" if kind else t(key.what.word)


def of_months(view: Year) -> list[Picture]:
    labels = [month_word(day, short=True) for day in firsts_of(view.year)]
    found = []
    for one in view.months:
        title = picture_title(one.key)
        svg = charts.bars(list(one.values), labels, title=title)
        rows = [list(line) for line in zip(labels, one.values, strict=True)]
        found.append(Picture(title, svg, [gettext("月"), unit_word(one.key.spec.unit, alone=True)], rows))
    return found


def of_goals(view: Year) -> Picture | None:
    """The chart of goals; None unless every number may be shown."""
    scored = [one for one in view.goals if one.scored]
    if not scored or any(one.scored == FEW for one in scored):
        return None
    rows = [(t(one.domain.word), (one.achieved, one.partial, one.not_achieved)) for one in scored]
    words = [t(word) for word in SCORES]
    title = str(gettext("目標の達成"))
    return Picture(title, charts.shares(rows, words, title=title), words, [])


# The second sheet of the Excel file: every figure with its definition, goals, months, and native charts of them.

FIGURE_WIDTHS = (26, 46, 8, 14, 14, 74)
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
        widths: Sequence[int] = FIGURE_WIDTHS,
    ) -> None:
        """Add a line: words as text, numbers as numbers, fractions as percentages; as high as its text."""
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
    for column, width in enumerate(FIGURE_WIDTHS):
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
            name = picture_title(key)
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
    """Write the monthly numbers on `data` and their charts on the sheet of figures."""
    widths = [10, *[16] * len(view.months)]
    for column, width in enumerate(widths):
        data.sheet.set_column(column, column, width)
    data.heading(gettext("月ごとの活動"))
    data.line([gettext("月"), *(picture_title(one.key) for one in view.months)], head=True, widths=widths)
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
        place_chart(sheet, chart, picture_title(one.key))


def place_chart(sheet: Sheet, chart: Any, title: str) -> None:
    """Place a chart: two stand side by side, six on a page."""
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


# The year as an Excel file: the table as the city prints it on A3, and the figures with native charts.

A3 = 8
FONT = "BIZ UDPGothic"
# Widths of the columns in characters: area, last year, plan, this year. Together the breadth of an A3 sheet.
WIDTHS = (15, 68, 50, 72)
# What nothing typed may become: a number, a formula, a link.
PLAIN = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}


def workbook(view: Year) -> bytes:
    """The workbook with both sheets."""
    made = BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, **PLAIN})
    add_table(book, view)
    add_figures(book, view, FONT)
    book.close()
    return made.getvalue()


def title_of(view: Year) -> str:
    return str(
        gettext("%(programme)sの評価　%(year)s", programme=view.programme.name, year=year_word(view.year))
    )


def heads_of(view: Year) -> list[str]:
    this, before = year_word(view.year), year_word(view.year - 1)
    as_of = gettext("%(year)sの実績（%(day)s現在）", year=this, day=era_date(view.as_of))
    return [
        gettext("項目"),
        gettext("%(year)sの評価（実績・評価・課題）", year=before),
        gettext("%(year)sの取組計画", year=this),
        as_of if view.has_begun else gettext("%(year)sの実績", year=this),
    ]


@dataclass(frozen=True, slots=True)
class Formats:
    title: Any
    head: Any
    area: Any
    text: Any


def add_table(book: Any, view: Year) -> None:
    sheet = book.add_worksheet(gettext("評価の表"))
    common = {"font_name": FONT, "font_size": SIZE, "text_wrap": True, "valign": "top", "border": 1}
    formats = Formats(
        title=book.add_format({"font_name": FONT, "font_size": 16, "bold": True, "valign": "vcenter"}),
        head=book.add_format(
            {**common, "bold": True, "align": "center", "valign": "vcenter", "bg_color": "#E8F1FE"}
        ),
        area=book.add_format({**common, "bold": True, "align": "center", "valign": "vcenter"}),
        text=book.add_format(common),
    )
    for column, width in enumerate(WIDTHS):
        sheet.set_column(column, column, width)
    sheet.merge_range(0, 0, 0, len(WIDTHS) - 1, title_of(view), formats.title)
    sheet.set_row(0, 30)
    for column, word in enumerate(heads_of(view)):
        sheet.write_string(1, column, word, formats.head)
    sheet.set_row(1, 26)
    at = 2
    for row in view.rows:
        at = add_area(sheet, at, row, formats)
    for text in notes_of(view):
        sheet.merge_range(at, 0, at, len(WIDTHS) - 1, text, formats.text)
        sheet.set_row(at, LINE * lines_of(text, sum(WIDTHS)) + 4)
        at += 1
    sheet.set_landscape()
    sheet.set_paper(A3)
    sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0, 1)
    sheet.freeze_panes(2, 1)
    foot = title_of(view).replace("&", "&&")[:100]  # `&` begins a command there
    sheet.set_footer(f"&L{foot}&R&P / &N")
    sheet.print_area(0, 0, max(at - 1, 2), len(WIDTHS) - 1)


def add_area(sheet: Any, at: int, row: Row, formats: Formats) -> int:
    """Add one area: 実績, 評価 and 課題 below one another, name and plan beside them; returns the next line."""
    begin = at
    for part in RESULTS:
        last, this = part_of(row.last, part), part_of(row.this, part)
        rows = split(max(height_of(last, WIDTHS[1]), height_of(this, WIDTHS[3])))
        place(sheet, at, 1, len(rows), last, formats.text)
        place(sheet, at, 3, len(rows), this, formats.text)
        for height in rows:
            sheet.set_row(at, height)
            at += 1
    needed = max(height_of(row.plan, WIDTHS[2]), height_of(area_word(row.name), WIDTHS[0]))
    at = stretch(sheet, begin, at, needed, row, formats)
    place(sheet, begin, 0, at - begin, area_word(row.name), formats.area)
    place(sheet, begin, 2, at - begin, row.plan, formats.text)
    return at


def stretch(sheet: Any, begin: int, at: int, needed: float, row: Row, formats: Formats) -> int:
    """Add lines below the three parts when the plan is longer than they are."""
    have = sum(
        max(
            LINE, height_of(part_of(row.last, part), WIDTHS[1]), height_of(part_of(row.this, part), WIDTHS[3])
        )
        for part in RESULTS
    )
    if needed <= have:
        return at
    for height in split(needed - have):
        sheet.write_blank(at, 1, None, formats.text)
        sheet.write_blank(at, 3, None, formats.text)
        sheet.set_row(at, height)
        at += 1
    return at


def place(sheet: Any, at: int, column: int, rows: int, text: str, cell_format: Any) -> None:
    """Write a text into one cell, or into as many merged cells below one another as it needs."""
    if rows > 1:
        sheet.merge_range(at, column, at + rows - 1, column, "", cell_format)
    sheet.write_string(at, column, text, cell_format)


def part_of(column: Column | None, part: Part) -> str:
    """A part with its heading; the figures stand above the results."""
    if column is None:
        return gettext("（この年度から加わった項目）") if part is Part.RESULT else ""
    words = [column.texts.get(part, "")]
    if part is Part.RESULT:
        words = [*in_lines(column), *words]
    text = "\n".join(word for word in words if word)
    return f"【{t(part.word)}】\n{text}" if text else f"【{t(part.word)}】"


def in_lines(column: Column) -> list[str]:
    """The figures, one line for each kind of activity and one for the rest."""
    found = []
    for group in column.groups:
        if group.is_empty:
            continue
        words = gettext("、").join(in_words(figure) for figure in group.figures if figure.value)
        found.append(
            gettext("［%(kind)s］%(words)s", kind=t(group.kind.word), words=words) if group.kind else words
        )
    return [line for line in found if line]


def in_words(figure: Figure) -> str:
    """A figure such as 延べ人数 15人; a small number as 少数; the present number beside a frozen one."""
    number = gettext("少数") if figure.is_few else f"{figure.value}{unit_word(figure.spec.unit)}"
    words = f"{t(figure.what.word)} {number}"
    if figure.now is not None:
        words += gettext("（その後の記録では%(n)s）", n=figure.now)
    return words


def notes_of(view: Year) -> list[str]:
    """Notes under the table: what was added later, that small numbers are hidden, which closing this is."""
    found = [
        gettext("追記（%(day)s）：%(text)s", day=era_date(one.at), text=one.text) for one in view.additions
    ]
    if not view.masking.is_inside:
        found.append(gettext("%(n)s人より少ない数は「少数」と示しています。", n=view.masking.least))
    if view.closing:
        found.append(
            gettext(
                "%(day)sに確定　ハッシュ値 %(digest)s　監査記録の改ざん確認用の控え %(size)s件目",
                day=era_date(view.closing.at),
                digest=view.closing.digest,
                size=view.closing.checkpoint_size,
            )
        )
    return found
