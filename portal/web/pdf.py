"""Pages on paper: a template becomes a PDF."""

from io import BytesIO
from typing import Any

from flask import current_app, render_template, request, send_file
from flask.typing import ResponseReturnValue

from portal.audit.services import request_id
from portal.errors import PortalError
from portal.web.printer import NotPrinted, printer
from portal.words import N_


class NoPaper(PortalError):
    """A page that could not be made into a PDF; the page itself can still be read."""

    status = 503
    title = N_("PDF を作れませんでした")
    next_step = N_(
        "少し待ってから、もう一度開いてください。同じことが続くときは、時刻と操作をシステム管理者に知らせてください。"
    )


def render_pdf(template: str, **context: Any) -> bytes:
    """The template, which extends `pdf/base.html`, as a tagged PDF; all that it says, dates included, is said here.

    Raises:
        NoPaper: the press could not print it.
    """
    html = render_template(template, **context)
    try:
        return printer.printed(html)
    except NotPrinted as error:
        current_app.logger.error("no PDF: %s in %s, request %s", error, request.endpoint, request_id.get())
        raise NoPaper from error


def pdf_response(content: bytes, filename: str) -> ResponseReturnValue:
    """Shown in the browser rather than saved: a shared computer keeps no copy in its downloads."""
    return send_file(BytesIO(content), mimetype="application/pdf", download_name=filename)
