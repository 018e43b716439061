"""The press: WeasyPrint with our own style sheet and fonts, and nothing fetched from anywhere else."""

from functools import cache
from pathlib import Path
from threading import Lock

from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

STATIC = Path(__file__).parents[2] / "static"
# A scheme of our own: what a document may name, and nothing that exists outside it.
SHELF = {
    "tsunagu:regular.ttf": STATIC / "vendor/fonts/NotoSansJP_400Regular.ttf",
    "tsunagu:bold.ttf": STATIC / "vendor/fonts/NotoSansJP_700Bold.ttf",
}

# Pango's font map is shared by all threads of a worker and does not stand two of them at once.
PRESS = Lock()


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
    with PRESS:
        sheet, fonts = style()
        page = HTML(string=html, base_url="tsunagu:", url_fetcher=Shelf())
        pdf = page.write_pdf(stylesheets=[sheet], font_config=fonts, pdf_variant="pdf/ua-1", pdf_tags=True)
    return bytes(pdf or b"")
