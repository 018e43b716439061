"""The PDF process is a process of its own: kept warm, replaced when it is gone, told nothing but the page."""

import ast
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from portal.web import printer as module
from portal.web.printer import NotPrinted, Printer
from tests.browsers import Browser
from tests.factories import make_agency, make_consent, make_member, make_person, make_referral
from tests.words import words_of

PORTAL = Path(module.__file__).parents[1]
SHEET = '<!doctype html><html lang="ja"><title>送り状</title><p>{}</p>'


@pytest.fixture
def printer() -> Iterator[Printer]:
    made = Printer()
    yield made
    made.stop()


@pytest.fixture
def fake(printer: Printer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Printer]:
    """A PDF process that answers by these lines of Python: `page` is what came in, `answer(bytes)` sends."""

    def make(lines: str) -> Printer:
        program = tmp_path / "pdf.py"
        begin = """
import json, os, sys, time
page = sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(8), "big"))
def answer(what):
    sys.stdout.buffer.write(len(what).to_bytes(8, "big") + what)
    sys.stdout.buffer.flush()
"""
        program.write_text(begin + lines)
        monkeypatch.setattr(module, "PROGRAM", program)
        return printer

    return make


def words(pdf: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


def gone(printer: Printer) -> bool:
    """Whether the PDF process ends by itself within some seconds."""
    assert printer.child
    return printer.child.process.wait(timeout=10) is not None


def test_two_presses_print_the_same_bytes(printer: Printer) -> None:
    other = Printer()
    try:
        assert printer.printed(SHEET.format("同じ")) == other.printed(SHEET.format("同じ"))
    finally:
        other.stop()


def test_a_press_that_is_gone_is_replaced(printer: Printer) -> None:
    printer.printed(SHEET.format("一"))
    assert printer.child
    first = printer.child.process
    first.kill()
    first.wait()
    assert "二" in words(printer.printed(SHEET.format("二")))
    assert printer.child.process.pid != first.pid


def test_an_idle_press_ends_by_itself_and_the_next_page_starts_another(printer: Printer) -> None:
    printer.idle = 0.2
    printer.printed(SHEET.format("一"))
    assert gone(printer)
    assert "二" in words(printer.printed(SHEET.format("二")))


def test_a_press_is_started_anew_after_so_many_pages(printer: Printer) -> None:
    printer.prints = 1
    printer.printed(SHEET.format("一"))
    assert gone(printer)


def test_threads_get_each_its_own_page(printer: Printer) -> None:
    pages = [f"第{number}面" for number in range(6)]
    with ThreadPoolExecutor(3) as threads:
        printed = list(threads.map(lambda page: words(printer.printed(SHEET.format(page))), pages))
    assert [page.partition("\n")[0] for page in printed] == pages


def test_a_page_that_takes_too_long_is_given_up_and_the_next_is_not_its_answer(
    fake: Callable[[str], Printer],
) -> None:
    slow = fake("time.sleep(0.5 if page == b'slow' else 0)\nanswer(b'P' + page)")
    slow.longest = 0.2  # type: ignore[assignment]
    with pytest.raises(NotPrinted, match="too long"):
        slow.printed("slow")
    slow.longest = 20
    assert slow.printed("next") == b"next"


def test_a_press_that_ends_over_a_page_is_asked_twice_and_no_more(
    fake: Callable[[str], Printer], tmp_path: Path
) -> None:
    fragile = fake(f"open({str(tmp_path / 'asked')!r}, 'a').write('x')\nsys.exit(1)")
    with pytest.raises(NotPrinted):
        fragile.printed("page")
    assert (tmp_path / "asked").read_text() == "xx"


def test_what_goes_wrong_is_said_by_its_kind_alone(
    printer: Printer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = module.PROGRAM.read_text().replace("def pressed(", "def unused(")
    program = tmp_path / "pdf.py"
    program.write_text(
        real.replace("def unused(", "def pressed(html):\n    raise ValueError(html)\n\n\ndef unused(")
    )
    monkeypatch.setattr(module, "PROGRAM", program)
    with pytest.raises(NotPrinted) as error:
        printer.printed("山田 太郎")
    assert str(error.value) == "ValueError"


def test_the_press_is_told_no_setting_and_no_key(
    fake: Callable[[str], Printer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "KEY_DIR", "PYTHONPATH"):
        monkeypatch.setenv(name, "not for the PDF process")
    told = json.loads(fake("answer(b'P' + json.dumps(dict(os.environ)).encode())").printed("page"))
    assert "not for the PDF process" not in told.values()


def test_its_folder_goes_with_it(printer: Printer) -> None:
    printer.printed(SHEET.format("一"))
    assert printer.child
    folder = Path(printer.child.folder.name)
    assert folder.is_dir()
    printer.stop()
    assert not folder.exists()


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_worker_carries_the_press_and_the_press_carries_no_portal() -> None:
    program = PORTAL / "web/pdf.py"
    assert not [name for name in imported(program) if name.startswith("portal")]
    carriers = [
        path.name
        for path in PORTAL.rglob("*.py")
        if path != program
        and any(name.startswith(("weasyprint", "portal.web.pdf")) for name in imported(path))
    ]
    assert carriers == []


def test_a_failed_pdf_says_so_and_what_to_do(
    app: Any, browser: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = make_member(make_agency()), make_member(make_agency())
    person = make_person(ours, family="山田", given="太郎")
    consent = make_consent(ours, person, [theirs], ["basic"])
    referral = make_referral(ours, theirs, person_id=person, consent_id=consent, categories=["basic"])

    def fail(_self: Printer, _html: str) -> bytes:
        raise NotPrinted("it took too long")

    monkeypatch.setattr(Printer, "printed", fail)
    answer = browser(ours).get(f"/referrals/{referral}/sheet.pdf")
    assert answer.status_code == 503
    assert "PDF を作れませんでした" in words_of(answer)
    assert "山田" not in words_of(answer)


def test_the_clock_of_the_page_is_the_workers(printer: Printer, at: Callable[..., None]) -> None:
    now = printer.printed(SHEET.format("同じ"))
    at("2031-01-01T00:00")
    assert printer.printed(SHEET.format("同じ")) == now
