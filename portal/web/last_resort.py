"""The answer when not even the page of an error can be made: no template, no catalogue, no session."""

from __future__ import annotations

from html import escape
from typing import Any

from werkzeug.wrappers import Response

from portal.core.faults import fault_of
from portal.web.headers import HEADERS, STRICT_TRANSPORT

# Where a page about to be made leaves what was typed, in case it fails.
TYPED_IN = "tsunagu.typed"
PAGE = """<!DOCTYPE html>
<html lang="ja">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow"><title>つなぐ / Tsunagu</title></head>
<body>
<h1>いま、つなぐを使えません</h1>
<p>しばらくしてから、もう一度お試しください。同じことが続くときは、システム管理者に知らせてください。</p>
<h1 lang="en">Tsunagu cannot be used just now</h1>
<p lang="en">Please try again in a little while. If it goes on, tell the system administrator.</p>
{typed}</body>
</html>
"""
TYPED = """<h2>入力した内容 / <span lang="en">What you typed</span></h2>
<p>必要なところを写してお使いください。<span lang="en">Copy what you need.</span></p>
"""


def last_resort(environ: dict[str, Any], error: BaseException) -> Response:
    status = 503 if fault_of(error) else 500
    response = Response(PAGE.format(typed=typed_in(environ)), status, mimetype="text/html")
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = "no-store"
    if environ.get("wsgi.url_scheme") == "https":
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    return response


def typed_in(environ: dict[str, Any]) -> str:
    """What was typed, if the failed page was to hold it."""
    fields: list[tuple[str, str]] = environ.get(TYPED_IN, [])
    texts = [value for _name, value in fields if " " in value or not value.isascii()]
    return TYPED + "".join(f"<pre>{escape(text)}</pre>\n" for text in texts) if texts else ""
