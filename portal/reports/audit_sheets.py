"""Entries as a CSV file and as an Excel sheet: nothing in them is ever taken for a formula."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO

import xlsxwriter
from flask_babel import gettext

from portal import clock
from portal.reports.audit_entries import Entry
from portal.reports.audit_lives import Stood
from portal.web.formats import era_date, t
from portal.words import N_

BOM = "\ufeff"
FORMULA = tuple("=+-@\t\r\n")
# The word of a column and how many characters of it are seen.
COLUMNS = (
    *(
        (N_("番号"), 8),
        (N_("日時"), 20),
        (N_("できごと"), 26),
        (N_("結果"), 6),
        (N_("機関"), 22),
        (N_("職員"), 14),
    ),
    *(
        (N_("役割"), 12),
        (N_("対象"), 16),
        (N_("つなぎ・ケースの番号"), 18),
        (N_("相談者番号"), 16),
        (N_("根拠"), 16),
    ),
    *((N_("区分"), 30), (N_("方法"), 10), (N_("人数"), 8)),
)
STOOD = (N_("そのときの同意・根拠"), 34)
A4 = 9


def neutral(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would take for a formula, of any width."""
    first = unicodedata.normalize("NFKC", text[:1])
    return f"'{text}" if first.startswith(FORMULA) else text


def rows(entries: Sequence[Entry], stood: Mapping[int, Stood] | None) -> list[list[str]]:
    """The head and a line for each entry, in the reader's language; times as clocks in Japan show them."""
    columns = [*COLUMNS, *([STOOD] if stood is not None else [])]
    found = [[gettext(word) for word, _width in columns]]
    for entry in entries:
        line = [
            str(entry.seq),
            f"{clock.in_japan(entry.at):%Y-%m-%d %H:%M:%S}",
            t(entry.event),
            gettext("許可") if entry.is_allowed else gettext("拒否"),
            entry.agency,
            entry.staff,
            t(entry.role),
            t(entry.thing),
            entry.number,
            entry.person_number,
            t(entry.ground),
            joined(entry.categories),
            t(entry.channel),
            entry.bucket,
        ]
        found.append(line if stood is None else [*line, in_words(stood[entry.seq])])
    return found


def joined(words: Sequence[str]) -> str:
    return str(gettext("、")).join(t(word) for word in words)


def in_words(stood: Stood) -> str:
    parts = [t(stood.word), joined([category.word for category in stood.categories])]
    if stood.until:
        parts.append(gettext("%(day)sまで", day=era_date(stood.until)))
    return "　".join(part for part in parts if part)


def as_csv(lines: Sequence[Sequence[str]]) -> bytes:
    """UTF-8 with the mark by which Excel knows it."""
    text = StringIO(newline="")
    csv.writer(text).writerows([[neutral(cell) for cell in line] for line in lines])
    return (BOM + text.getvalue()).encode()


def as_xlsx(lines: Sequence[Sequence[str]], title: str) -> bytes:
    """One sheet of strings, its head frozen, on A4 across the long side."""
    made = BytesIO()
    plain = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(made, {"in_memory": True, **plain})
    sheet = book.add_worksheet(gettext("監査記録"))
    head = book.add_format(
        {"bold": True, "bg_color": "#E8F1FE", "border": 1, "text_wrap": True, "valign": "top"}
    )
    cell = book.add_format({"border": 1, "text_wrap": True, "valign": "top"})
    for number, line in enumerate(lines):
        for column, text in enumerate(line):
            sheet.write_string(number, column, text, head if number == 0 else cell)
    for column, (_word, width) in enumerate([*COLUMNS, STOOD][: len(lines[0])]):
        sheet.set_column(column, column, width)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(1, len(lines) - 1), len(lines[0]) - 1)
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_header(f"&L{plain_header(title)}&R&P / &N")
    book.close()
    return made.getvalue()


def plain_header(text: str) -> str:
    """A title for the head of the paper: `&` begins a command there."""
    return text.replace("&", "&&")[:100]
