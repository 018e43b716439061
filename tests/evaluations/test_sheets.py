"""The year as Excel and as PDF: the layout of the city's table, numbers as numbers, words never as formulas."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
from flask import Flask
from openpyxl.worksheet.worksheet import Worksheet
from pypdf import PdfReader

from portal.agencies.models import AgencyKind
from portal.audit.models import AuditEntry
from portal.core.db import db
from portal.core.policy import Role
from portal.evaluations.models import Part
from portal.evaluations.sheets import HIGHEST, LINE, lines_of, split
from tests.activity_factories import make_activity, make_attendance, make_text
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_member
from tests.words import pdf_words

pytestmark = pytest.mark.quick

Visit = Callable[..., Browser]
ROOT = "/reports/evaluation"
HOSTILE = ["=1+1", "+81", "@SUM(A1)", "{=A1}", "-2", "https://example.jp/", "<script>", "&R&P"]


@pytest.fixture
def worker(app: Flask, at: Callable[..., None]) -> Member:
    at("2021-04-20T10:00", tick=False)
    return make_member(
        make_agency(name="見本就労準備", kind=AgencyKind.EMPLOYMENT_PREPARATION), role=Role.COORDINATOR
    )


def cafe(member: Member, day: str, heads: int) -> None:
    activity_id = make_activity(member, held_on=date.fromisoformat(day))
    for _head in range(heads):
        make_attendance(member, activity_id, is_first=True)


def book_of(answer: Any) -> Any:
    assert answer.status_code == 200
    return openpyxl.load_workbook(io.BytesIO(answer.data))


def words_in(sheet: Worksheet) -> str:
    return "\n".join(str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None)


def test_the_table_has_the_layout_of_the_city(browser: Visit, worker: Member) -> None:
    cafe(worker, "2019-10-10", 5)
    cafe(worker, "2020-06-10", 4)
    make_text(worker, 2019, "place", Part.FINDING, text="去年わかったこと")
    make_text(worker, 2020, "place", Part.PLAN, text="今年すること")
    make_text(worker, 2020, "place", Part.RESULT, text="今年したこと")
    answer = browser(worker).get(f"{ROOT}/2020.xlsx")
    assert "tsunagu-evaluation-2020.xlsx" in answer.headers["Content-Disposition"]
    sheet = book_of(answer).worksheets[0]
    assert [cell.value for cell in sheet[2]] == [
        "項目",
        "令和元年度の評価（実績・評価・課題）",
        "令和2年度の取組計画",
        "令和2年度の実績（令和3年3月31日現在）",
    ]
    merged = {str(one) for one in sheet.merged_cells.ranges}
    assert "A1:D1" in merged
    assert {"A3:A5", "C3:C5"} <= merged, "name and plan stand beside 実績, 評価 and 課題"
    assert sheet["A3"].value == "地域での居場所・役割"
    assert sheet["B3"].value == "【実績】\n［カフェ（居場所）］開催 1回、延べ人数 5人、実人数 5人"
    assert sheet["B4"].value == "【評価】\n去年わかったこと"
    assert sheet["C3"].value == "今年すること"
    assert (
        sheet["D3"].value == "【実績】\n［カフェ（居場所）］開催 1回、延べ人数 4人、実人数 4人\n今年したこと"
    )
    assert sheet["D3"].alignment.wrap_text
    assert int(sheet.page_setup.paperSize) == 8, "A3"
    assert sheet.page_setup.orientation == "landscape"
    assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sheet.print_title_rows == "$1:$2"


def test_figures_are_numbers_and_charts_are_native(browser: Visit, worker: Member) -> None:
    cafe(worker, "2019-10-10", 5)
    for day, heads in (("2020-06-10", 4), ("2020-07-10", 3)):
        cafe(worker, day, heads)
    answer = browser(worker).get(f"{ROOT}/2020.xlsx")
    book = book_of(answer)
    assert book.sheetnames == ["評価の表", "数字", "月ごと"]
    figures = {row[1]: row for row in book["数字"].iter_rows(values_only=True) if row[1]}
    visits = figures["カフェ（居場所）　延べ人数"]
    assert visits[:5] == ("地域での居場所・役割", "カフェ（居場所）　延べ人数", "人", 5, 7)
    assert all(type(value) is int for value in visits[3:5])
    assert "同じ人が3回来れば3" in visits[5]
    months = list(book["月ごと"].iter_rows(min_row=3, values_only=True))
    assert [row[0] for row in months] == [f"{n}月" for n in (4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3)]
    assert [row[1] for row in months] == [0, 0, 4, 3, *[0] * 8]
    with ZipFile(io.BytesIO(answer.data)) as file:
        charts = [name for name in file.namelist() if name.startswith("xl/charts/chart")]
        assert len(charts) == 1
        assert "'月ごと'!$B$3:$B$14" in file.read(charts[0]).decode().replace("月ごと!", "'月ごと'!")


def test_no_typed_word_becomes_a_formula_or_a_link(browser: Visit, worker: Member) -> None:
    for part, text in zip(Part, HOSTILE, strict=False):
        make_text(worker, 2020, "place", part, text=text)
    for area, text in zip(("outreach", "employment", "consultation"), HOSTILE[4:], strict=False):
        make_text(worker, 2020, area, Part.PLAN, text=text)
    visit = browser(worker)
    name = "=cmd|' /C calc'!A0"
    change = {"name": name, "kinds": ["cafe"], "measures": [], "version": "0"}
    assert visit.post(f"{ROOT}/areas/place", data=change).status_code == 303
    answer = visit.get(f"{ROOT}/2020.xlsx")
    book = book_of(answer)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert not any(cell.hyperlink for cell in cells)
    values = [cell.value for cell in cells]
    assert name in values
    assert "=1+1" in values
    with ZipFile(io.BytesIO(answer.data)) as file:
        sheets = [file.read(one).decode() for one in file.namelist() if one.startswith("xl/worksheets/sheet")]
    assert not any("<f>" in sheet or "<f " in sheet for sheet in sheets)


def test_rows_are_as_high_as_their_words(browser: Visit, worker: Member) -> None:
    long = "長い文章です。" * 700
    make_text(worker, 2020, "place", Part.PLAN, text=long)
    make_text(worker, 2020, "outreach", Part.RESULT, text="一行\n" * 60)
    sheet = book_of(browser(worker).get(f"{ROOT}/2020.xlsx")).worksheets[0]
    heights = {n: sheet.row_dimensions[n].height for n in range(1, sheet.max_row + 1)}
    assert max(heights.values()) <= 409
    for merged in sheet.merged_cells.ranges:
        text = sheet.cell(merged.min_row, merged.min_col).value or ""
        if merged.min_row < 3:
            continue
        width = (15, 68, 50, 72)[merged.min_col - 1] if merged.min_col == merged.max_col else 205
        room = sum(heights[n] for n in range(merged.min_row, merged.max_row + 1))
        assert room >= LINE * lines_of(text, width), f"{merged}: {text[:20]} is cut off"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 50, 0),
        ("あ", 50, 1),
        ("あ" * 24, 50, 1),
        ("あ" * 26, 50, 2),
        ("a" * 48, 50, 1),
        ("a\n\nb", 50, 3),
    ],
)
def test_lines_are_counted_by_the_breadth_of_the_characters(text: str, width: int, lines: int) -> None:
    assert lines_of(text, width) == lines


def test_a_high_row_is_split() -> None:
    assert split(10) == [LINE]
    assert len(split(HIGHEST * 2.5)) == 3
    assert sum(split(1000)) == 1000


def test_outside_small_numbers_are_words_everywhere(browser: Visit, worker: Member) -> None:
    cafe(worker, "2020-06-10", 2)
    cafe(worker, "2020-07-10", 7)
    make_activity(worker, held_on=date(2019, 6, 10))
    cafe(worker, "2019-10-10", 1)
    outside = browser(make_member())
    answer = outside.get(f"{ROOT}/2020.xlsx")
    book = book_of(answer)
    rows = {row[1]: row for row in book["数字"].iter_rows(values_only=True) if row[1]}
    assert rows["カフェ（居場所）　延べ人数"][3:5] == ("少数", 9)
    assert "月ごと" not in book.sheetnames, "a month tells that there were two"
    assert "延べ人数 少数" in words_in(book.worksheets[0])
    with ZipFile(io.BytesIO(answer.data)) as file:
        assert not any(name.startswith("xl/charts/") for name in file.namelist())
    words = pdf_words(outside.get(f"{ROOT}/2020.pdf"))
    assert "延べ人数少数" in words
    assert "延べ人数1人" not in words
    assert "3人より少ない数は「少数」" in words
    assert "延べ人数1人" in pdf_words(browser(worker).get(f"{ROOT}/2020.pdf"))


def test_the_pdf_is_a3_across_and_says_the_same(browser: Visit, worker: Member) -> None:
    cafe(worker, "2020-06-10", 4)
    make_text(worker, 2020, "place", Part.RESULT, text="今年したこと<script>")
    answer = browser(worker).get(f"{ROOT}/2020.pdf?as_of=2020-12-31")
    page = PdfReader(io.BytesIO(answer.data)).pages[0]
    assert (round(float(page.mediabox.width)), round(float(page.mediabox.height))) == (1191, 842)
    words = pdf_words(answer)
    for word in (
        "見本就労準備の評価令和2年度",
        "令和2年12月31日現在",
        "今年したこと<script>",
        "延べ人数4人",
        "取扱注意",
    ):
        assert word in words


def test_long_texts_go_on_over_the_page(browser: Visit, worker: Member) -> None:
    lines = "\n".join(f"行{n:03}" for n in range(200))
    make_text(worker, 2020, "place", Part.PLAN, text=lines)
    answer = browser(worker).get(f"{ROOT}/2020.pdf")
    words = pdf_words(answer)
    assert len(PdfReader(io.BytesIO(answer.data)).pages) > 2
    assert all(f"行{n:03}" in words for n in range(200))


def test_what_is_taken_along_is_logged(browser: Visit, worker: Member) -> None:
    visit = browser(worker)
    for form in ("xlsx", "pdf"):
        visit.get(f"{ROOT}/2020.{form}")
    found = db.read().query(AuditEntry).filter(AuditEntry.event == "figures:exported").count()
    db.end()
    assert found == 2


def test_a_closed_year_says_so_on_paper(browser: Visit, worker: Member) -> None:
    cafe(worker, "2020-06-10", 4)
    visit = browser(worker)
    sent = {"as_of": "2021-03-31", "checked": "1"}
    assert visit.post(f"{ROOT}/2020/close", data=sent).status_code == 303
    cafe(worker, "2020-07-10", 3)
    visit.post(f"{ROOT}/2020/add", data={"text": "あとでわかったこと"})
    words = words_in(book_of(visit.get(f"{ROOT}/2020.xlsx")).worksheets[0])
    assert "延べ人数 4人（その後の記録では7）" in words
    assert "あとでわかったこと" in words
    assert "に確定　ハッシュ値 " in words
    paper = pdf_words(visit.get(f"{ROOT}/2020.pdf"))
    assert "あとでわかったこと" in paper
    assert "監査記録の改ざん確認用の控え" in paper
