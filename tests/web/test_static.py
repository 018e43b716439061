"""What a browser loads: light, all our own, and nothing that the CSP would refuse."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
STYLES_AND_SCRIPTS = sorted([*STATIC.rglob("*.css"), *STATIC.rglob("*.js")])
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_all_styles_and_scripts_weigh_at_most_60_kb() -> None:
    assert STYLES_AND_SCRIPTS
    assert sum(path.stat().st_size for path in STYLES_AND_SCRIPTS) <= 60_000


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_template_carries_inline_style_or_script(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=\s*[\"']|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("path", [*TEMPLATES, *STYLES_AND_SCRIPTS], ids=name)
def test_nothing_comes_from_outside(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"""(?:src|href)=["'](?:https?:)?//|url\(["']?(?:https?:)?//|@import|from ["']https?:""", text
    )


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_field_is_disabled_or_has_a_placeholder(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\splaceholder\s*=|\sdisabled[\s>=]", text)
