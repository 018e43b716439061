"""PDFs: Japanese in our own fonts, tagged, and nothing of this machine in them."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel, get_locale
from fontTools.ttLib import TTFont
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
from pypdf import PdfReader

from portal.web import formats
from portal.web.pdf import SHELF, NothingOutside, Shelf
from portal.web.printer import pdf_response, render_pdf

ROOT = Path(__file__).parents[2]
SENTENCE = "髙橋 﨑子さんは㈱見本で①９時〜17時に働く"
SHEET = """{% extends "pdf/base.html" %}
{% block title %}送り状{% endblock title %}
{% block content %}<p>{{ sentence }}</p>{{ extra|safe }}{% endblock content %}"""

Render = Callable[..., PdfReader]


@pytest.fixture
def paper() -> Flask:
    """The kit without the portal around it: base template, filters, two languages."""
    app = Flask(__name__)
    Babel(app, default_locale="ja")
    formats.init_app(app)
    loader = ChoiceLoader([DictLoader({"sheet.html": SHEET}), FileSystemLoader(ROOT / "templates")])
    app.jinja_env.loader = loader
    app.jinja_env.globals.update(get_locale=get_locale)
    return app


@pytest.fixture
def render(paper: Flask) -> Render:
    def pdf(extra: str = "", **context: Any) -> PdfReader:
        with paper.test_request_context():
            return PdfReader(
                BytesIO(render_pdf("sheet.html", sentence=SENTENCE, extra=extra, actor=None, **context))
            )

    return pdf


def fonts_of(reader: PdfReader) -> set[str]:
    found: set[str] = set()
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            found.add(str(font.get_object()["/BaseFont"]))
    return found


def test_japanese_is_written_in_our_own_embedded_fonts(render: Render) -> None:
    reader = render()
    assert SENTENCE in re.sub(r"\s*\n\s*", "", reader.pages[0].extract_text())
    assert all("Noto-Sans-JP" in name for name in fonts_of(reader))


@pytest.mark.parametrize("weight", SHELF)
def test_the_vendored_fonts_know_every_sign_of_a_name(weight: str) -> None:
    with TTFont(SHELF[weight]) as font:
        known = font.getBestCmap()
    assert [sign for sign in SENTENCE + "﨑濵邊𠮷々ヶ〒※" if ord(sign) not in known and sign != " "] == []


def test_it_is_tagged_and_says_its_language(render: Render) -> None:
    root = render().trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "ja"


def test_no_file_and_no_address_gets_in(render: Render, tmp_path: Path) -> None:
    secret = tmp_path / "secret.svg"
    secret.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="9"><text y="9">CANARY</text></svg>'
    )
    reader = render(
        f'<img src="{secret.as_uri()}" alt="a"><object data="{secret.as_uri()}"></object>'
        f'<link rel="attachment" href="{secret.as_uri()}"><img src="http://127.0.0.1:9/x.png" alt="b">'
        f'<link rel="stylesheet" href="{secret.as_uri()}">'
    )
    assert "CANARY" not in "".join(page.extract_text() for page in reader.pages)
    assert not reader.attachments
    assert not any(page.images for page in reader.pages)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://example.jp/", "data:text/plain,x", "tsunagu:../config.py", ""]
)
def test_the_shelf_holds_two_fonts_and_nothing_else(url: str) -> None:
    with pytest.raises(NothingOutside):
        Shelf().fetch(url)


def test_it_opens_in_the_browser_instead_of_the_downloads(paper: Flask) -> None:
    with paper.test_request_context():
        answer = pdf_response(b"%PDF-1.7", "tsunagu-R8-0012.pdf")
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == "inline; filename=tsunagu-R8-0012.pdf"
