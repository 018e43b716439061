"""Each bench runs to its end in a tiny world and prints its figures (seen with `-s`). No time is checked here."""

import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from portal.core.db import db
from portal.seed.scale import FEWEST, FEWEST_AGENCIES, seed
from tests.bench.report import BROKEN, MISSED, Report
from tests.bench.worlds import file_name, keep
from tests.browsers import PASSWORD
from tests.conftest import NOWHERE
from tests.databases import ROOT, SQLiteFiles

ATTENDANCES = FEWEST // 5
WORLD = ("--database", "sqlite", "--referrals", str(FEWEST))
SHORT = (*WORLD, "--rounds", "1", "--seconds", "0.05")
# Each bench, what makes it tiny, and a figure that it has to print.
BENCHES = {
    "cold_pages": (("--rounds", "1", "--page", "people."), "pages, "),
    "audit": (("--verify", "300"), "a second); limit"),
    "guarded": ((*SHORT, "--writers", "2"), "entries a second"),
    "meetings": ((*SHORT, "--items", "1"), "PDF of 1 items in"),
    "memory": ((*WORLD, "--pages", "6", "--papers", "1"), "after 1 PDFs"),
    "pages": ((*SHORT, "--drafts", "50"), "memory of a worker"),
    "reports": ((*WORLD, "--rounds", "1", "--attendances", str(ATTENDANCES)), "the dearest year"),
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, _sqlite: SQLiteFiles, _application: Flask) -> Path:
    """A folder with the world that all benches copy: migrating and seeding take longer than what they measure."""
    folder, url = tmp_path_factory.mktemp("worlds"), _sqlite.fresh()
    db.bind(url)
    try:
        made = seed(FEWEST, agencies=FEWEST_AGENCIES, seed=1, password=PASSWORD, attendances=ATTENDANCES)
    finally:
        db.bind(NOWHERE)
    printed = "\t".join((made.email, PASSWORD, made.role.value, made.agency))
    for attendances in (None, ATTENDANCES):
        keep(url, printed, folder / file_name(FEWEST, attendances))
    _sqlite.drop(url)
    return folder


def test_no_bench_is_left_out() -> None:
    with_a_main = {
        path.stem for path in (ROOT / "tests/bench").glob("*.py") if "__main__" in path.read_text()
    }
    assert with_a_main == set(BENCHES)


# On PostgreSQL alone and through the whole demo; and those that start several servers or fill whole years.
LONG = {"cold_pages", "guarded", "memory", "reports"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n in LONG)) for n in BENCHES])
def test_it_measures(name: str, worlds: Path) -> None:
    arguments, figure = BENCHES[name]
    if WORLD[0] in arguments:
        arguments = (*arguments, "--worlds", str(worlds))
    done = subprocess.run(
        (sys.executable, "-m", f"tests.bench.{name}", *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    assert done.returncode in {0, MISSED}, done.stdout + done.stderr
    assert figure in done.stdout
    assert "seeded" not in done.stdout


def test_a_page_that_cannot_be_measured_is_no_missed_figure() -> None:
    report = Report()
    report.check(False, "too slow")
    assert report.status == MISSED
    report.fail("404")
    assert report.status == BROKEN
