"""What `./run`, `./test` and `make` set up, and that they say so in plain words when they cannot."""

from __future__ import annotations

import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_words import ENGLISH, JAPANESE, ROOT
from tests.words import TRANSLATIONS

HEADER = re.compile(r"\A# .*?\n\n", re.DOTALL)
ONE = 'msgid "ケース"\nmsgstr "Case"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as `compile_words` and `make words` read, with the libraries of this run."""
    for name in (".ci", "portal", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "instance").mkdir()
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def catalogue(checkout: Path) -> Path:
    return checkout / ENGLISH.relative_to(ROOT)


def set_up_words(checkout: Path) -> subprocess.CompletedProcess[str]:
    """The step of set-up that `./run`, `./test` and `make install` share."""
    command = ("bash", "-c", "set -euo pipefail; . .ci/prepare.sh; compile_words; echo served")
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def make_words(checkout: Path) -> subprocess.CompletedProcess[str]:
    """`make words`, without installing anything."""
    command = ("make", "--old-file=tools", "words")
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def test_set_up_compiles_every_word(checkout: Path) -> None:
    done = set_up_words(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "served\n", "")
    with catalogue(checkout).with_suffix(".mo").open("rb") as file:
        words = gettext.GNUTranslations(file)
    assert words.gettext("つなぐ") == "Tsunagu"


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "no header": (lambda text: HEADER.sub("", text), "header"),
    "fuzzy header": (
        lambda text: text.replace('\nmsgid ""', '\n#, fuzzy\nmsgid ""', 1),
        "header is marked fuzzy",
    ),
    "fuzzy word": (lambda text: text.replace(ONE, "#, fuzzy\n" + ONE), "「ケース」"),
    "empty word": (lambda text: text.replace(ONE, ONE.replace("Case", "")), "「ケース」"),
    "torn line": (lambda text: text.replace(ONE, ONE.replace('Case"', "Case")), "broken"),
    "lost placeholder": (lambda text: text.replace('"age %(age)s"', '"age %(years)s"'), "「%(age)s歳」"),
    "no words": (lambda text: HEADER.search(text)[0], "holds no words"),  # type: ignore[index]
    "half an entry": (lambda text: text.partition(ONE)[0] + 'msgid "ケース"\n', "cannot be read"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_set_up_stops_when_a_catalogue_does_not_compile(checkout: Path, how: str) -> None:
    """`pybabel compile` says nothing of a catalogue without a header, skips it and ends with 0."""
    change, said = BROKEN[how]
    path = catalogue(checkout)
    whole = path.read_text(encoding="utf-8")
    path.write_text(change(whole), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != whole, "nothing was broken"
    done = set_up_words(checkout)
    assert done.returncode
    assert not done.stdout, "set-up went on"
    assert said in done.stderr
    assert JAPANESE.search(done.stderr)
    assert "Mend the catalogue" in done.stderr
    assert "Traceback" not in done.stderr
    assert not path.with_suffix(".mo").exists()


def test_set_up_stops_without_any_catalogue(checkout: Path) -> None:
    catalogue(checkout).unlink()
    done = set_up_words(checkout)
    assert done.returncode
    assert "no catalogue" in done.stderr


def test_a_half_written_file_is_written_anew(checkout: Path) -> None:
    """Whatever its time says: a copy of the folder may have any."""
    assert not set_up_words(checkout).returncode
    compiled = catalogue(checkout).with_suffix(".mo")
    whole = compiled.read_bytes()
    compiled.write_bytes(whole[:1000])
    os.utime(compiled, (2**31, 2**31))
    assert not set_up_words(checkout).returncode
    assert compiled.read_bytes() == whole
    before = compiled.stat().st_mtime_ns
    assert not set_up_words(checkout).returncode
    assert compiled.stat().st_mtime_ns == before, "written without need"
    assert [path.name for path in compiled.parent.iterdir()].count("messages.mo") == 1
    assert len(list(compiled.parent.iterdir())) == 2


def test_make_words_keeps_the_header_and_changes_nothing_that_is_there(checkout: Path) -> None:
    path = catalogue(checkout)
    whole = path.read_bytes()
    done = make_words(checkout)
    assert not done.returncode, done.stderr
    assert path.read_bytes() == whole


def test_make_words_stops_where_the_header_is_lost(checkout: Path) -> None:
    """An update would put one there that is marked fuzzy."""
    path = catalogue(checkout)
    lost = HEADER.sub("", path.read_text(encoding="utf-8"))
    path.write_text(lost, encoding="utf-8")
    done = make_words(checkout)
    assert done.returncode
    assert "header" in done.stderr
    assert path.read_text(encoding="utf-8") == lost


def test_a_new_word_waits_for_its_english(checkout: Path) -> None:
    page = checkout / "templates" / "base.html"
    page.write_text(page.read_text(encoding="utf-8") + '{{ _("あたらしいことば") }}', encoding="utf-8")
    added = make_words(checkout)
    assert not added.returncode, added.stderr
    assert "「あたらしいことば」" in added.stderr
    refused = set_up_words(checkout)
    assert refused.returncode
    assert "「あたらしいことば」" in refused.stderr
    path = catalogue(checkout)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('msgid "あたらしいことば"\nmsgstr ""', 'msgid "あたらしいことば"\nmsgstr "New"'),
        encoding="utf-8",
    )
    assert not set_up_words(checkout).returncode


def test_no_other_language_is_left_out() -> None:
    """Every folder of translations has the one catalogue that set-up compiles."""
    assert [path.name for path in TRANSLATIONS.iterdir()] == ["en"]
