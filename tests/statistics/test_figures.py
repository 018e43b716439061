"""Figures of each agency, counted against a plain count, and the monthly report with its checkpoint."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from datetime import date
from io import BytesIO, StringIO

import pytest
from flask import Flask
from openpyxl import load_workbook

from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.disclosures.models import Basis
from portal.referrals.states import Refusal
from portal.statistics import figures
from portal.statistics.figures import median
from tests.browsers import Browser
from tests.conftest import CountQueries
from tests.factories import make_agency, make_member, make_referral, step

Visit = Callable[..., Browser]
Clock = Callable[..., None]


@pytest.mark.parametrize(
    ("took", "wanted"),
    [({}, None), ({3: 1}, 3), ({0: 1, 5: 1}, 0), ({1: 1, 2: 1, 9: 1}, 2), ({1: 3, 7: 2}, 1)],
)
def test_the_median_is_a_number_that_somebody_waited(took: dict[int, int], wanted: int | None) -> None:
    assert median(Counter(took)) == wanted


def test_how_soon_and_why_not(app: Flask, at: Clock) -> None:
    """Monday to Friday: over a weekend fewer business days pass than days."""
    at("2026-10-30T10:00")  # Friday
    sender = make_member(make_agency(name="送り手"))
    recipient = make_member(make_agency(name="受け手", weekly_closed="56"))
    sent = [make_referral(sender, recipient) for _ in range(4)]
    at("2026-11-02T10:00")  # the next business day
    step(recipient, sent[0], "accept")
    step(recipient, sent[1], "reject", refusal=Refusal.NO_CAPACITY)
    at("2026-11-27T10:00")
    step(recipient, sent[2], "reject", refusal=Refusal.NOT_ELIGIBLE)
    found = {one.name: one for one in figures.count(db.unrestricted(), date(2026, 10, 1), date(2026, 10, 31))}
    db.end()
    theirs = found["受け手"]
    assert (theirs.answered.asked, theirs.answered.done) == (4, 3)
    assert theirs.answered.median == 1, "Friday to Monday is one business day"
    assert (theirs.answered.due, theirs.answered.in_time) == (4, 2), "what is overdue counts as not in time"
    assert theirs.answered.share == 50
    assert theirs.refusals == {Refusal.NO_CAPACITY: 1, Refusal.NOT_ELIGIBLE: 1}
    assert found["送り手"].disclosures == {Basis.CONSENT: 4}
    assert found["送り手"].received.asked == 0
    none = figures.count(db.unrestricted(), date(2026, 9, 1), date(2026, 9, 30))
    assert all(one.answered.asked == one.refused == 0 for one in none)


def test_the_page_and_its_files_say_the_same(app: Flask, browser: Visit, count_queries: CountQueries) -> None:
    auditor = make_member(role=Role.AUDITOR)
    recipient = make_member(make_agency(name="=受け手"))
    make_referral(make_member(), recipient, status="rejected")
    desk = browser(auditor)
    with count_queries() as few:
        page = desk.get("/audit/figures/")
    assert "=受け手" in page.text
    lines = list(csv.reader(StringIO(desk.get("/audit/figures/figures.csv").data.decode("utf-8-sig"))))
    assert len({len(line) for line in lines}) == 1
    own = next(line for line in lines if line[0] == "'=受け手")
    assert own[1] == "1"
    sheet = load_workbook(BytesIO(desk.get("/audit/figures/figures.xlsx").data)).active
    assert sheet is not None
    cells = next(row for row in sheet.iter_rows() if row[0].value == "=受け手")
    assert cells[0].data_type == "s", "a name is never a formula"
    assert cells[1].value == 1
    for _ in range(3):
        make_referral(make_member(), make_member())
    with count_queries() as many:
        desk.get("/audit/figures/")
    assert len(few) == len(many)


def test_the_monthly_report_counts_the_own_agency_only(app: Flask, browser: Visit, at: Clock) -> None:
    at("2026-11-10T10:00")
    agency = make_agency(name="見る機関")
    mine, other, third = make_member(agency), make_member(), make_member()
    make_referral(mine, other)
    make_referral(other, mine, status="accepted")
    make_referral(other, mine, status="rejected")
    for _ in range(5):
        make_referral(other, third)
    admin = browser(make_member(agency, Role.AGENCY_ADMIN))
    page = admin.get("/reports/monthly/2026/11")
    assert page.status_code == 200
    assert "令和8年11月" in page.text
    text = "".join(page.text.split())
    assert 'data-label="送付">1件' in text
    assert 'data-label="送付">2件' in text
    assert "5件" not in text
    assert "改ざん確認用の控え" in text
    assert "月次報告" in admin.get("/reports/monthly/2026/10").text
    sheet = admin.get("/reports/monthly/2026/11.pdf")
    assert sheet.data.startswith(b"%PDF")
    assert clock.today().month == 11
