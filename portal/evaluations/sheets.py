"""The year as an Excel file: the table as the city prints it on A3, and the figures with native charts."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import xlsxwriter
from flask_babel import gettext

from portal.evaluations.asked import area_word, unit_word, year_word
from portal.evaluations.cell_heights import LINE, SIZE, height_of, lines_of, split
from portal.evaluations.figure_sheet import add_figures
from portal.evaluations.models import Part
from portal.evaluations.seen import RESULTS, Column, Figure, Row, Year
from portal.web.formats import era_date, t

A3 = 8
FONT = "BIZ UDPGothic"
# Widths of the columns in characters: area, last year, plan, this year. Together the breadth of an A3 sheet.
WIDTHS = (15, 68, 50, 72)
# What nothing typed may become: a number, a formula, a link.
PLAIN = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}


def workbook(view: Year) -> bytes:
    """Both sheets."""
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
    """One area: 実績, 評価 and 課題 below one another, its name and its plan beside all three. The next free line."""
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
    """More lines below the three parts when the plan is longer than they are."""
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
    """A text in one cell, or in as many merged below one another as it needs."""
    if rows > 1:
        sheet.merge_range(at, column, at + rows - 1, column, "", cell_format)
    sheet.write_string(at, column, text, cell_format)


def part_of(column: Column | None, part: Part) -> str:
    """A part under its head; the figures stand above the results."""
    if column is None:
        return gettext("（この年度から加わった項目）") if part is Part.RESULT else ""
    words = [column.texts.get(part, "")]
    if part is Part.RESULT:
        words = [*in_lines(column), *words]
    text = "\n".join(word for word in words if word)
    return f"【{t(part.word)}】\n{text}" if text else f"【{t(part.word)}】"


def in_lines(column: Column) -> list[str]:
    """The figures, a line for each kind of activity and for the rest."""
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
    """延べ人数 15人; a small number as 少数; what today's records say beside a frozen one."""
    number = gettext("少数") if figure.is_few else f"{figure.value}{unit_word(figure.spec.unit)}"
    words = f"{t(figure.what.word)} {number}"
    if figure.now is not None:
        words += gettext("（その後の記録では%(n)s）", n=figure.now)
    return words


def notes_of(view: Year) -> list[str]:
    """What stands under the table: what was added, that small numbers are not shown, which closing this is."""
    found = [
        gettext("追記（%(day)s）：%(text)s", day=era_date(one.at), text=one.text) for one in view.additions
    ]
    if not view.eyes.is_inside:
        found.append(gettext("%(n)s人より少ない数は「少数」と示しています。", n=view.eyes.least))
    if view.closing:
        found.append(
            gettext(
                "%(day)sに確定　指紋 %(digest)s　監査記録の照合票 %(size)s件目",
                day=era_date(view.closing.at),
                digest=view.closing.digest,
                size=view.closing.checkpoint_size,
            )
        )
    return found
