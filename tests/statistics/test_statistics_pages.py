"""The pages of the monthly statistics: who may open them, what they show, and the same as a sheet and as a picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask
from openpyxl import load_workbook
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.web.charts import Arrow, Pattern, network
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_case, make_member, make_referral

Visit = Callable[..., Browser]
Clock = Callable[..., None]
SVG = "{http://www.w3.org/2000/svg}"
TABLES = (
    "国の統計項目（機関ごと）",
    "月ごとの数",
    "送った機関（行）から届いた機関（列）へ",
    "組合せごとの数字",
)
YEAR = "/reports/statistics/2026"


def world(at: Clock) -> tuple[Member, Member]:
    at("2026-06-05T10:00")
    sender = make_member(make_agency(name="=送り手 見本"))
    recipient = make_member(make_agency(name="受け手 見本"))
    for _ in range(4):
        make_referral(sender, recipient, status="accepted")
    make_referral(recipient, sender, status="rejected")
    make_case(sender)
    at("2026-07-20T10:00")
    return sender, recipient


def pictures(page: str) -> list[ElementTree.Element]:
    found = re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    return [ElementTree.fromstring(one) for one in found]  # noqa: S314 (our own)


def cells(page: str, caption: str) -> list[list[str]]:
    """The lines of the table with this caption, as one reads them."""
    table = re.search(rf"<caption[^>]*>{re.escape(caption)}</caption>.*?</table>", page, re.DOTALL)
    assert table, caption
    rows = re.findall(r"<tr.*?</tr>", table[0], re.DOTALL)
    return [
        [
            " ".join(re.sub("<.*?>", " ", cell).split())
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.STAFF, 200),
        (Role.COORDINATOR, 200),
        (Role.AGENCY_ADMIN, 200),
        (Role.AUDITOR, 200),
        (Role.SYSTEM_ADMIN, 403),
    ],
)
def test_who_may_open_it(app: Flask, browser: Visit, role: Role, status: int) -> None:
    desk = browser(make_member(role=role))
    year = clock.fiscal_year(clock.today())
    assert desk.get("/reports/statistics/").status_code == status, "the running year"
    for ending in ("", ".xlsx", ".pdf"):
        assert desk.get(f"/reports/statistics/{year}{ending}").status_code == status
    assert browser().get(f"/reports/statistics/{year}").status_code == 303, "a stranger signs in first"


@pytest.mark.parametrize(
    "address",
    [
        "2014",
        "2027",
        "12026",
        "2026?month=13",
        "2026?month=x",
        "2026?month=8",
        "2026?item=unknown",
        "2026?agency=x",
        "2026?agency=01a06b2c-bc28-78b5-a622-181e81ca8f02",
        "2026.xlsx?month=99",
        "2026.pdf?month=99",
    ],
)
def test_what_there_is_not(app: Flask, browser: Visit, at: Clock, address: str) -> None:
    at("2026-07-20T10:00")
    assert browser(make_member()).get(f"/reports/statistics/{address}").status_code == 404


def test_an_empty_year(app: Flask, browser: Visit, at: Clock) -> None:
    at("2026-07-20T10:00")
    for who in (make_member(role=Role.AUDITOR), make_member()):
        desk = browser(who)
        page = desk.get(YEAR).text
        assert "この年度の数字は、まだありません。" in page
        assert "この期間に、示せるつなぎはありません。" in page
        assert load_workbook(BytesIO(desk.get(f"{YEAR}.xlsx").data)).sheetnames == [
            "国の統計項目",
            "つなぎ",
            "数え方",
        ]
        assert desk.get(f"{YEAR}.pdf").data.startswith(b"%PDF")


def test_the_page_for_one_of_the_two(app: Flask, browser: Visit, at: Clock) -> None:
    sender, _recipient = world(at)
    page = browser(sender).get(YEAR).text
    assert "統計　令和8年度" in page
    assert ["=送り手 見本", "1", "0", "0", "0", "0", "4"] in cells(page, "国の統計項目（機関ごと）")
    pairs = cells(page, "組合せごとの数字")
    assert pairs[1][:5] == ["=送り手 見本", "受け手 見本", "4", "100%（4/4件）", "100%（4/4件）"]
    assert pairs[2][:3] == ["受け手 見本", "=送り手 見本", "1"]
    assert "少数" not in "".join(cell for caption in TABLES for row in cells(page, caption) for cell in row)
    for word in ("新規相談受付", "プラン作成", "就労支援対象者", "就労者", "増収者", "つなぎ（他機関へ）"):
        assert word in page
    months = cells(browser(sender).get(f"{YEAR}?item=referred").text, "つなぎ（他機関へ）：機関と月ごと")
    assert months[1] == ["=送り手 見本", "0", "0", "4", "0", *["―"] * 8, "4"]
    assert "令和8年度 6月" in browser(sender).get(f"{YEAR}?month=6").text


def test_the_page_for_somebody_else(app: Flask, browser: Visit, at: Clock) -> None:
    sender, recipient = world(at)
    desk = browser(make_member())
    page = desk.get(YEAR).text
    pairs = cells(page, "組合せごとの数字")
    assert pairs[2] == ["受け手 見本", "=送り手 見本", "少数", "―", "―", "―", "―"]
    assert "「少数」は、3より少ない数か" in page
    other = desk.get(f"{YEAR}?agency={sender.agency_id}").text
    assert "ほかの機関の理由や結果の内訳は、その機関と監査だけが見られます。" in other
    assert "受入不可：" not in other
    assert "受入不可：受入の余裕がない" in browser(recipient).get(f"{YEAR}?agency={recipient.agency_id}").text
    sheets = load_workbook(BytesIO(desk.get(f"{YEAR}.xlsx").data))
    values = [cell for row in sheets["つなぎ"].iter_rows(values_only=True) for cell in row]
    assert "少数" in values
    assert 1 not in values


def test_the_sheet_says_the_same(app: Flask, browser: Visit, at: Clock) -> None:
    world(at)
    answer = browser(make_member(role=Role.AUDITOR)).get(f"{YEAR}.xlsx")
    assert "tsunagu-statistics-2026.xlsx" in answer.headers["Content-Disposition"]
    book = load_workbook(BytesIO(answer.data))
    items, referrals = book["国の統計項目"], book["つなぎ"]
    assert items.freeze_panes == "C3"
    for sheet in book:
        assert sheet.page_setup.orientation == "landscape"
        assert str(sheet.page_setup.paperSize) == "9"
    lines = list(items.iter_rows(min_row=3))
    line = next(
        row for row in lines if (row[0].value, row[1].value) == ("つなぎ（他機関へ）", "=送り手 見本")
    )
    assert line[1].data_type == "s", "a name is never a formula"
    assert [cell.value for cell in line[2:6]] == [0, 0, 4, 0]
    assert line[4].data_type == "n"
    assert (line[6].value or "", line[14].value) == ("", 4), "a month that has not come stays empty"
    total = next(row for row in lines if (row[0].value, row[1].value) == ("つなぎ（他機関へ）", "合計"))
    assert total[14].value == 5
    grid = list(referrals.iter_rows(min_row=2, max_row=4, max_col=3, values_only=True))
    assert grid[1] == ("=送り手 見本", "―", 4)
    assert grid[2] == ("受け手 見本", 1, "―")


def test_the_picture_is_well_formed_and_says_what_the_table_says(
    app: Flask, browser: Visit, at: Clock
) -> None:
    sender, _recipient = world(at)
    page = browser(sender).get(YEAR).text
    *small, network_of = pictures(page)
    assert len(small) == 6
    for picture in (*small, network_of):
        assert picture.attrib["role"] == "img"
        title = picture.find(f"{SVG}title")
        assert title is not None
        assert title.text
        for element in picture.iter():
            assert not {"style", "class"} & set(element.attrib) - ({"class"} if element is picture else set())
            assert element.tag != f"{SVG}script"
    written = [word.text for word in network_of.iter(f"{SVG}text")]
    pairs = cells(page, "組合せごとの数字")[1:]
    assert [word for word in written if word and word.isdigit()] == [pair[2] for pair in pairs]
    desc = network_of.find(f"{SVG}desc")
    assert desc is not None
    assert desc.text == "=送り手 見本から受け手 見本へ4件、受け手 見本から=送り手 見本へ1件"
    lines = list(network_of.iter(f"{SVG}path"))
    widths = [float(line.attrib["stroke-width"]) for line in lines]
    assert widths[0] > widths[1]


def test_arrows_stand_apart_and_nothing_gets_out_of_its_place(app: Flask) -> None:
    hostile = '"><script>alert(1)</script>'
    names = {n: f"{hostile}{n}" for n in range(15)}
    arrows = [
        Arrow(n, (n + step) % 15, n + step, str(n + step), "8割以上", Pattern.DOTTED)
        for n in range(15)
        for step in (1, 2)
    ]
    with app.test_request_context():
        picture = ElementTree.fromstring(str(network(arrows, names, title=hostile, desc=hostile)))  # noqa: S314
    assert not list(picture.iter(f"{SVG}script"))
    height = float(picture.attrib["height"])
    places = [(word.attrib["x"], word.attrib["y"]) for word in picture.iter(f"{SVG}text")]
    assert len(places) == len(set(places))
    assert all(0 < float(y) < height for _x, y in places)
    assert {line.attrib["stroke-dasharray"] for line in picture.iter(f"{SVG}path")} == {"2 5"}


def test_reading_and_taking_out_are_logged(app: Flask, browser: Visit, at: Clock) -> None:
    sender, recipient = world(at)
    desk = browser(sender)
    desk.get(f"{YEAR}?month=6")
    desk.get(f"{YEAR}.xlsx?agency={recipient.agency_id}")
    desk.get(f"{YEAR}.pdf")
    statement = (
        select(AuditEntry.event).where(AuditEntry.staff_id == sender.staff_id).order_by(AuditEntry.seq)
    )
    events = db.read.scalars(statement).all()
    db.end()
    assert events[-3:] == ["statistics:read", "figures:exported", "figures:exported"]
