"""The language of a request: chosen in this browser, looked up once, and then asked for hundreds of times."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, g, has_app_context, has_request_context, session
from flask_babel import get_domain, get_locale


def chosen() -> str:
    """The language chosen in this browser, else Japanese whatever the browser asks for, and in commands."""
    config = current_app.config
    wanted = session.get("language") if has_request_context() else None
    return str(wanted if wanted in config["LANGUAGES"] else config["BABEL_DEFAULT_LOCALE"])


def catalogue() -> Any:
    """The words of this request's language. Flask-Babel finds them anew for each word, which cost half a page."""
    found = g.get("catalogue")
    if found is None:
        # Parsed once in each process: a catalogue is 100 kB.
        parsed = current_app.extensions.setdefault("catalogues", {})
        language = str(get_locale())
        if language not in parsed:
            parsed[language] = get_domain().get_translations()
        found = g.catalogue = parsed[language]
    return found


def translated(message: str) -> str:
    return str(catalogue().ugettext(message))


def translated_plural(one: str, many: str, number: int) -> str:
    return str(catalogue().ungettext(one, many, number))


def in_english() -> bool:
    """Whether the reader has chosen English; era words are for Japanese alone."""
    if not has_app_context():
        return False
    english = g.get("in_english")
    if english is None:
        locale = get_locale()
        english = g.in_english = locale is not None and locale.language == "en"
    return bool(english)


def init_app(app: Flask) -> None:
    """Give templates the quick lookup. After Babel, whose slow one this replaces."""
    app.jinja_env.install_gettext_callables(translated, translated_plural, newstyle=True)  # type: ignore[attr-defined]
