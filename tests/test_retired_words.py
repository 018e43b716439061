"""A word that the pages have dropped does not come back: the table stands in docs/glossary.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
HEADING = "## 使わない言葉"
ROW = re.compile(r"^\| (?P<old>.+?) (?<!\\)\| (?P<new>.+?) \|$", re.MULTILINE)


def dropped() -> dict[str, str]:
    """Each pattern of the table, and what is said in its place."""
    table = GLOSSARY.read_text(encoding="utf-8").partition(HEADING)[2].partition("| --- | --- |")[2]
    return {row["old"].replace(r"\|", "|"): row["new"] for row in ROW.finditer(table)}


def said() -> dict[Path, str]:
    """Whatever ends on a page, on paper or in what a command prints."""
    found = [
        *(ROOT / "portal").rglob("*.py"),
        *(ROOT / "portal/translations").rglob("*.po"),
        *(ROOT / "templates").rglob("*.*"),
        *(ROOT / "static").rglob("*.js"),
        ROOT / "verify_audit.py",
    ]
    return {path: path.read_text(encoding="utf-8") for path in found}


def test_a_word_that_was_dropped_does_not_come_back() -> None:
    patterns = {re.compile(old): new for old, new in dropped().items()}
    assert len(patterns) > 25
    back = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1} {hit[0]} → {new}"
        for path, text in said().items()
        for old, new in patterns.items()
        for hit in old.finditer(text)
    ]
    assert not back, "\n".join(back)


def test_it_finds_one() -> None:
    """The patterns are such that they find what they are for."""
    words = {"停止確認": "停止確認済み", "未達(?!成)": "未達として終了", "(?<!緊急)閲覧の点検": "閲覧の点検"}
    assert words.keys() <= dropped().keys()
    assert all(re.search(old, text) for old, text in words.items())
    assert not re.search("未達(?!成)", "未達成")
