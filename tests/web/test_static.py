"""What a browser loads: light, all our own, and nothing that the CSP would refuse."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
STYLES_AND_SCRIPTS = sorted([*STATIC.rglob("*.css"), *STATIC.rglob("*.js")])
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_all_styles_and_scripts_weigh_at_most_72_kb() -> None:
    assert STYLES_AND_SCRIPTS
    assert sum(path.stat().st_size for path in STYLES_AND_SCRIPTS) <= 72_000


def matching(pattern: str, paths: list[Path]) -> list[str]:
    return [name(path) for path in paths if re.search(pattern, path.read_text(encoding="utf-8"))]


def test_no_template_carries_inline_style_or_script() -> None:
    assert matching(r"\sstyle\s*=|<style|\son[a-z]+\s*=\s*[\"']|javascript:", TEMPLATES) == []
    assert matching(r"<script(?![^>]*\ssrc=)", TEMPLATES) == []


def test_nothing_comes_from_outside() -> None:
    outside = r"""(?:src|href)=["'](?:https?:)?//|url\(["']?(?:https?:)?//|@import|from ["']https?:"""
    assert matching(outside, [*TEMPLATES, *STYLES_AND_SCRIPTS]) == []


def test_no_field_is_disabled_or_has_a_placeholder() -> None:
    assert matching(r"\splaceholder\s*=|\sdisabled[\s>=]", TEMPLATES) == []
