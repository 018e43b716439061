"""The words of the monthly statistics, and their Excel file."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

import xlsxwriter
from flask_babel import gettext
from markupsafe import Markup

from portal.cases.codes import Outcome
from portal.core import clock
from portal.referrals.states import Refusal
from portal.statistics.small_numbers import Shown
from portal.statistics.tables import (
    DEFINITIONS,
    MONTHS,
    UNITS,
    Band,
    Flow,
    Item,
    ItemTable,
    Pair,
    Share,
    Statistics,
)
from portal.web.charts import Arrow, Pattern, network
from portal.web.formats import era_date, t
from portal.web.language import in_english

# More lines than this are too many to follow by eye.
MOST_ARROWS, MOST_AGENCIES = 30, 15


def number(value: Shown) -> str:
    return str(gettext("少数")) if value is None else f"{value:,}"


def month_word(month: int) -> str:
    return str(gettext("%(month)s月", month=month))


def year_word(year: int) -> str:
    return f"FY{year}" if in_english() else clock.era_fiscal_year(year)


def share_word(share: Share, *, full: bool = True) -> str:
    """92%（46/50件）, or 8割以上, or ―."""
    if share.band is not None:
        return t(share.band.word)
    if share.percent is None:
        return "―"
    if share.part is None or not full:
        return f"{share.percent}%"
    return str(gettext("%(n)s%%（%(done)s/%(due)s件）", n=share.percent, done=share.part, due=share.whole))


def picture(view: Statistics) -> Markup | None:
    """The busiest pairs among the busiest agencies; None when there is nothing to draw."""
    chosen: list[Pair] = []
    seen: set[object] = set()
    for pair in view.pairs:
        both = seen | {pair.sender, pair.recipient}
        if len(both) <= MOST_AGENCIES and len(chosen) < MOST_ARROWS:
            chosen.append(pair)
            seen = both
    if not chosen:
        return None
    arrows = [
        Arrow(
            sender=pair.sender,
            recipient=pair.recipient,
            weight=pair.sent,
            number=number(pair.sent),
            answer=share_word(pair.answered, full=False) if pair.sent is not None else "",
            pattern=pattern(pair),
        )
        for pair in chosen
    ]
    desc = gettext("、").join(
        gettext(
            "%(sender)sから%(recipient)sへ%(n)s件",
            sender=view.agencies[pair.sender],
            recipient=view.agencies[pair.recipient],
            n=number(pair.sent),
        )
        for pair in chosen
    )
    return network(arrows, view.agencies, title=gettext("機関から機関へのつなぎ"), desc=desc)  # type: ignore[arg-type]


def pattern(pair: Pair) -> Pattern:
    if pair.sent is None or pair.is_stuck:
        return Pattern.DOTTED
    share = pair.answered
    is_well = share.band is Band.MOST or (share.percent is not None and share.percent >= 80)
    return Pattern.FULL if is_well else Pattern.DASHED


# The monthly statistics as an Excel file: the national items by agency and month, the referrals, how it is counted.

A4, A3 = 9, 8
# How many recipients fit on A4, and on A3; with more, the pairs are only listed one under another.
WIDE, MOST_COLUMNS = 8, 30
# The height of a row whose words are broken once: the program that opens the file need not work it out.
TWO_LINES = 32


@dataclass(slots=True)
class Book:
    """The file with its kinds of cells."""

    book: Any
    head: Any
    cell: Any
    word: Any
    total: Any
    plain: Any
    title: Any

    @classmethod
    def of(cls, made: BytesIO) -> Book:
        as_they_are = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
        book = xlsxwriter.Workbook(made, {"in_memory": True, **as_they_are})
        lined = {"border": 1, "valign": "top", "text_wrap": True}
        return cls(
            book=book,
            head=book.add_format({**lined, "bold": True, "bg_color": "#E8F1FE"}),
            cell=book.add_format({**lined, "num_format": "#,##0"}),
            word=book.add_format({**lined, "align": "right"}),
            total=book.add_format({**lined, "num_format": "#,##0", "bold": True, "top": 2}),
            plain=book.add_format({"valign": "top"}),
            title=book.add_format({"bold": True, "font_size": 14}),
        )

    def sheet(self, name: str, title: str, *, paper: int = A4) -> Any:
        sheet = self.book.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(paper)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.5, right=0.5, top=0.7, bottom=0.7)
        sheet.set_footer("&R&P / &N")
        sheet.write_string(0, 0, title, self.title)
        return sheet

    def put(self, sheet: Any, row: int, column: int, value: Shown | str, form: Any = None) -> None:
        """Write a cell: numbers as numbers; a hidden number as its word."""
        if isinstance(value, int):
            sheet.write_number(row, column, value, form or self.cell)
        elif value is None:
            sheet.write_string(row, column, gettext("少数"), form or self.word)
        else:
            sheet.write_string(row, column, value, form or (self.word if value == "―" else self.cell))

    def line(self, sheet: Any, row: int, values: list[Any], form: Any = None) -> None:
        if form is self.head:
            sheet.set_row(row, TWO_LINES)
        for column, value in enumerate(values):
            self.put(sheet, row, column, value, form)


def workbook(view: Statistics) -> bytes:
    made = BytesIO()
    book = Book.of(made)
    items(book, view)
    referrals(book, view)
    counting(book, view)
    book.book.close()
    return made.getvalue()


def heading(view: Statistics) -> str:
    month = view.period.month
    parts = [year_word(view.period.year), month_word(month) if month else ""]
    parts.append(view.agencies[view.agency_id] if view.agency_id else "")
    return "　".join(part for part in parts if part)


def items(book: Book, view: Statistics) -> None:
    """One line for each item and agency, so that the whole can be filtered; the head stays in sight."""
    sheet = book.sheet(gettext("国の統計項目"), gettext("国の統計項目　%(word)s", word=heading(view)))
    months = [month_word(month) for month in MONTHS]
    book.line(sheet, 1, [gettext("項目"), gettext("機関"), *months, gettext("年度")], book.head)
    agencies = [key for key in view.agencies if view.agency_id in (None, key)]
    row = 2
    for item in Item:
        table = view.items[item]
        for key in agencies:
            if view.agency_id or any(number != 0 for number in table.months(key)):
                book.line(sheet, row, [gettext(item.word), view.agencies[key], *twelve(view, table, key)])
                row += 1
        if not view.agency_id:
            book.line(
                sheet, row, [gettext(item.word), gettext("合計"), *twelve(view, table, None)], book.total
            )
            row += 1
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 28)
    sheet.set_column(2, 2 + len(months), 8)
    sheet.freeze_panes(2, 2)
    sheet.repeat_rows(1)
    sheet.autofilter(1, 0, max(2, row - 1), 2 + len(months))


def twelve(view: Statistics, table: ItemTable, agency_id: UUID | None) -> list[Shown | str]:
    """The twelve months and the year; a month that has not begun stays empty."""
    *months, year = table.months(agency_id)
    begun = len(view.period.begun)
    return [*months[:begun], *([""] * (len(MONTHS) - begun)), year]


def referrals(book: Book, view: Statistics) -> None:
    """Write senders by recipients, then each pair in full, then what became of all referrals."""
    senders = [key for key in view.agencies if any(pair.sender == key for pair in view.pairs)]
    recipients = [key for key in view.agencies if any(pair.recipient == key for pair in view.pairs)]
    is_grid = len(recipients) <= MOST_COLUMNS
    title = gettext("機関から機関へのつなぎ　%(word)s", word=heading(view))
    sheet = book.sheet(gettext("つなぎ"), title, paper=A3 if is_grid and len(recipients) > WIDE else A4)
    row = 1
    if is_grid and senders:
        head = [gettext("送った機関（行）／届いた機関（列）"), *(view.agencies[key] for key in recipients)]
        book.line(sheet, row, head, book.head)
        sent = {(pair.sender, pair.recipient): pair.sent for pair in view.pairs}
        for row, sender in enumerate(senders, 2):
            line = [
                sent.get((sender, recipient), absent(view, sender, recipient)) for recipient in recipients
            ]
            book.line(sheet, row, [view.agencies[sender], *line])
        row += 2
    row = pairs(book, sheet, view, row)
    if view.flow:
        flow(book, sheet, view.flow, row + 1)
    sheet.set_column(0, 1, 28)
    sheet.set_column(2, max(8, len(recipients)), 13)
    sheet.freeze_panes(2, 1)


def absent(view: Statistics, sender: UUID, recipient: UUID) -> int | str:
    """What to show without a pair: 0, or the word for a month of other agencies that is not shown."""
    is_told = view.sees_all or view.period.month is None or view.own_id in (sender, recipient)
    return 0 if sender != recipient and is_told and view.agency_id in (None, sender, recipient) else "―"


def pairs(book: Book, sheet: Any, view: Statistics, row: int) -> int:
    head = [
        *(gettext("送った機関"), gettext("届いた機関"), gettext("送付")),
        *(gettext("期限までに受領（％）"), gettext("期限までに回答（％）")),
        *(gettext("回答までの開所日（中央値）"), gettext("受入不可（％）"), gettext("注意")),
    ]
    book.line(sheet, row, head, book.head)
    for pair in view.pairs:
        row += 1
        book.line(
            sheet,
            row,
            [
                view.agencies[pair.sender],
                view.agencies[pair.recipient],
                pair.sent,
                *(percent(pair.received), percent(pair.answered)),
                "―" if pair.median is None else pair.median,
                percent(pair.refused),
                gettext("▲滞り") if pair.is_stuck else "",
            ],
        )
    return row + 1


def percent(share: Share) -> int | str:
    return share_word(share) if share.percent is None else share.percent


def flow(book: Book, sheet: Any, found: Flow, row: int) -> None:
    medians = found.medians
    lines: list[tuple[str, Any]] = [
        (gettext("送付"), found.sent),
        (gettext("期限までに受領（％）"), percent(found.received)),
        (gettext("期限までに回答（％）"), percent(found.answered)),
        (gettext("受入不可"), found.refused),
        *((gettext("受入不可：%(word)s", word=gettext(code.word)), found.refusals[code]) for code in Refusal),
        (gettext("完了"), found.ended),
        *((gettext("完了：%(word)s", word=gettext(code.word)), found.outcomes[code]) for code in Outcome),
        (gettext("受領までの開所日（中央値）"), days(medians.received)),
        (gettext("回答までの開所日（中央値）"), days(medians.answered)),
        (gettext("支援開始までの日数（中央値）"), days(medians.started)),
        (gettext("終了までの日数（中央値）"), days(medians.ended)),
    ]
    book.line(sheet, row, [gettext("つなぎの数字"), gettext("数")], book.head)
    for at, (word, value) in enumerate(lines, row + 1):
        book.line(sheet, at, [word, value])


def days(median: int | None) -> int | str:
    return "―" if median is None else median


def counting(book: Book, view: Statistics) -> None:
    sheet = book.sheet(gettext("数え方"), gettext("項目の数え方"))
    book.line(sheet, 1, [gettext("項目"), gettext("単位"), gettext("数え方")], book.head)
    for row, item in enumerate(Item, 2):
        sheet.set_row(row, TWO_LINES)
        book.line(sheet, row, [gettext(item.word), gettext(UNITS[item]), gettext(DEFINITIONS[item])])
    first, last = view.period.bounds[0], view.last
    period = gettext("%(first)s から %(last)s まで", first=era_date(first), last=era_date(last))
    sheet.write_string(len(Item) + 3, 0, period, book.plain)
    if view.has_hidden:
        note = gettext(
            "「少数」は、%(least)sより少ない数か、ほかの数から計算できてしまうので伏せた数です。自分の機関の数は、すべて示します。",
            least=view.least,
        )
        sheet.write_string(len(Item) + 4, 0, note, book.plain)
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 1, 8)
    sheet.set_column(2, 2, 100)
    sheet.freeze_panes(2, 0)
