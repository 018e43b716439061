"""The program that prints, in a process of its own: pages of HTML come in, PDFs go out.

A worker would keep its weight for good, so none imports it: `portal.web.printer` starts it and keeps it for a
while. It imports nothing of the portal, gets no setting and no key, and reads two fonts and a style sheet.
"""

import os
import select
import signal
import sys
from functools import cache
from pathlib import Path
from typing import BinaryIO

from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

STATIC = Path(__file__).parents[2] / "static"
# A URL scheme of our own for the files that a document may name; it exists nowhere outside.
SHELF = {
    "tsunagu:regular.ttf": STATIC / "vendor/fonts/NotoSansJP_400Regular.ttf",
    "tsunagu:bold.ttf": STATIC / "vendor/fonts/NotoSansJP_700Bold.ttf",
}
LENGTH = 8  # bytes of the number that says how long what follows is
PRINTED, FAILED = b"P", b"F"


class NothingOutside(Exception):
    """A document asked for a file or an address that is not on the shelf."""


class Shelf(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
    """Hands out what stands on the shelf and refuses every file, network and data address."""

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        path = SHELF.get(url)
        if path is None:
            raise NothingOutside(url.partition(":")[0])
        return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": "font/ttf"})


@cache
def style() -> tuple[CSS, FontConfiguration]:
    """Style sheet and fonts, read once in each process: the fonts weigh 5 MB each."""
    fonts = FontConfiguration()
    sheet = (STATIC / "css/pdf.css").read_text(encoding="utf-8")
    return CSS(string=sheet, base_url="tsunagu:", url_fetcher=Shelf(), font_config=fonts), fonts


def pressed(html: str) -> bytes:
    """The page as a tagged PDF."""
    sheet, fonts = style()
    page = HTML(string=html, base_url="tsunagu:", url_fetcher=Shelf())
    pdf = page.write_pdf(stylesheets=[sheet], font_config=fonts, pdf_variant="pdf/ua-1", pdf_tags=True)
    return bytes(pdf or b"")


def answer_to(html: bytes) -> bytes:
    """The PDF, or the kind of error: the text of an exception may hold what the page says of a person."""
    try:
        return PRINTED + pressed(html.decode())
    except Exception as error:
        return FAILED + type(error).__name__.encode()


def work(asked: BinaryIO, answers: BinaryIO, *, prints: int, idle: float, longest: int) -> None:
    """Print until this many pages are printed, nothing came for `idle` seconds, or the parent is gone.

    A page that takes longer than `longest` seconds ends the process, also when nobody waits for it any more.
    """
    for _ in range(prints):
        if not select.select([asked], [], [], idle)[0]:
            return
        length = asked.read(LENGTH)
        if len(length) < LENGTH:
            return
        signal.alarm(longest)
        answer = answer_to(asked.read(int.from_bytes(length)))
        signal.alarm(0)
        answers.write(len(answer).to_bytes(LENGTH) + answer)
        answers.flush()


def main(prints: str, idle: str, longest: str) -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not get between the answers
    # Each page is asked for after the answer to the one before, so that no page waits in the buffer behind `select`.
    with answers:
        work(sys.stdin.buffer, answers, prints=int(prints), idle=float(idle), longest=int(longest))


if __name__ == "__main__":
    main(*sys.argv[1:])
