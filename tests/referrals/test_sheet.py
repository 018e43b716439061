"""The referral on paper: each side's own copy, the recipient's copy for the sender, the log of printing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from pypdf import PdfReader
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.cases.codes import Domain
from portal.core.db import db
from portal.people import services as people
from portal.people.categories import Category
from portal.referrals.states import ReferralKind, ReferralStatus
from tests.browsers import Browser
from tests.factories import Member, make_agency, make_consent, make_member, make_person, make_referral

Browsers = Callable[..., Browser]
S = ReferralStatus


@pytest.fixture
def sides(app: object, at: Callable[..., None]) -> tuple[Member, Member]:
    at("2026-04-01T10:00")
    return (
        make_member(make_agency(name="甲機関", telephone="079-000-0001"), name="甲野 一郎"),
        make_member(make_agency(name="乙機関", telephone="079-000-0002")),
    )


def told(ours: Member, theirs: Member, **more: object) -> UUID:
    person = make_person(
        ours, family="山田", given="太郎", family_kana="やまだ", given_kana="たろう", address="見本市隠町1"
    )
    people.update_information(ours.actor, person, Category.HEALTH, text="健康の記載")
    people.update_information(ours.actor, person, Category.FINANCES, text="収入の記載")
    consent = make_consent(ours, person, [theirs], ["basic", "health"])
    return make_referral(
        ours,
        theirs,
        person_id=person,
        consent_id=consent,
        categories=["basic", "health"],
        goals=((Domain.SOCIAL, "週に一度、外に出る"),),
        **more,
    )


def pdf(browser: Browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer.mimetype == "application/pdf"
    pages = PdfReader(BytesIO(answer.data)).pages
    return "\n".join(page.extract_text() for page in pages)


def test_each_side_prints_what_it_may_see(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = told(ours, theirs)
    us, them = browser(ours), browser(theirs)
    own, copy, received = (
        pdf(us, f"/referrals/{key}/sheet.pdf"),
        pdf(us, f"/referrals/{key}/sheet.pdf?copy=recipient"),
        pdf(them, f"/referrals/{key}/sheet.pdf"),
    )
    facts = ("つなぎ票", "甲機関", "乙機関", "079-000-0001", "079-000-0002", "令和8年4月1日", "山田 太郎")
    for text in (own, copy, received):
        for fact in (*facts, "健康の記載", "働く準備を始めたい", "週に一度、外に出る", "取扱注意"):
            assert fact in text, fact
        assert "令和8年9月28日まで" in text  # the consent
    assert "収入の記載" in own
    assert "こちらの機関の控え" in own
    for text in (copy, received):
        assert "収入の記載" not in text
        assert "回答欄" in text
    assert "受け入れられません" in received


def test_the_recipient_has_no_other_copy(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = told(ours, theirs)
    them = browser(theirs)
    for path in ("sheet", "sheet?copy=recipient", "sheet?copy=own"):
        assert "収入の記載" not in them.get(f"/referrals/{key}/{path}").text


TITLES = [
    ("referral", "つなぎ票"),
    ("transfer", "移管票"),
    ("joint_interview", "同席依頼票"),
    ("advice", "助言依頼票"),
]


def test_the_title_says_the_kind(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    them = browser(theirs)
    for kind, title in TITLES:
        key = make_referral(ours, theirs, kind=ReferralKind(kind))
        assert f"{title} R8-" in them.get(f"/referrals/{key}/sheet").text


def test_an_anonymous_sheet_names_nobody(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    person = make_person(ours, family="秘密山", given="太郎", family_kana="ひみつやま", given_kana="たろう")
    key = make_referral(
        ours, theirs, person_id=person, kind="advice", basis="anonymous", anonymous_age_band="20-24"
    )
    us, them = browser(ours), browser(theirs)
    assert "秘密山" in pdf(us, f"/referrals/{key}/sheet.pdf")
    for text in (
        pdf(us, f"/referrals/{key}/sheet.pdf?copy=recipient"),
        pdf(them, f"/referrals/{key}/sheet.pdf"),
    ):
        assert "秘密山" not in text
        assert "ひみつやま" not in text
        assert "20代前半" in text


def test_a_draft_has_no_sheet(sides: tuple[Member, Member], browser: Browsers) -> None:
    ours, theirs = sides
    key = make_referral(ours, theirs, status=S.DRAFT)
    assert browser(ours).get(f"/referrals/{key}/sheet.pdf").status_code == 409


def test_printing_is_logged_and_the_file_name_tells_nothing(
    sides: tuple[Member, Member], browser: Browsers
) -> None:
    ours, theirs = sides
    key = told(ours, theirs)
    answer = browser(theirs).get(f"/referrals/{key}/sheet.pdf")
    assert "filename=tsunagu-R8-0001.pdf" in answer.headers["Content-Disposition"]
    db.end()
    readings = select(AuditEntry).where(AuditEntry.event == "referral:read", AuditEntry.object_id == key)
    [reading] = db.read.scalars(readings)
    db.end()
    assert reading.staff_id == theirs.staff_id
    assert '"channel":"print"' in reading.body.decode()


def dark_pixels(pdf: bytes, folder: Path) -> int:
    folder.mkdir()
    (folder / "sheet.pdf").write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "80", "-png", "sheet.pdf", "page"], cwd=folder, check=True)
    pages = [Image.open(path).convert("L") for path in sorted(folder.glob("page*.png"))]
    assert all(abs(page.width / page.height - 210 / 297) < 0.01 for page in pages)  # A4, upright
    return sum(sum(page.histogram()[:128]) for page in pages)


def test_the_printed_page_is_a_picture_of_japanese(
    sides: tuple[Member, Member], browser: Browsers, tmp_path: Path
) -> None:
    """Boxes in the place of letters read well as text. As boxes, 鬱 and 一 would take the same ink."""
    ours, theirs = sides
    ink = []
    for letter in "鬱一":
        person = make_person(ours)
        key = make_referral(ours, theirs, person_id=person, need=letter * 30)
        answer = browser(theirs).get(f"/referrals/{key}/sheet.pdf")
        ink.append(dark_pixels(answer.data, tmp_path / letter))
    assert ink[0] > ink[1] + 30 * 30
    assert ink[1] > 2000
