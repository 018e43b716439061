"""Pages on paper: a template becomes a PDF."""

from importlib import import_module
from io import BytesIO
from typing import Any

from flask import render_template, send_file
from flask.typing import ResponseReturnValue


def render_pdf(template: str, **context: Any) -> bytes:
    """The template, which extends `pdf/base.html`, as a tagged PDF.

    The press is fetched when the first sheet is printed: it weighs 26 MB, and most workers print nothing.
    """
    html = render_template(template, **context)
    return bytes(import_module("portal.web.press").pressed(html))


def pdf_response(content: bytes, filename: str) -> ResponseReturnValue:
    """Shown in the browser rather than saved: a shared computer keeps no copy in its downloads."""
    return send_file(BytesIO(content), mimetype="application/pdf", download_name=filename)
