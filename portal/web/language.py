"""The language of a request: chosen in this browser, looked up once, then used hundreds of times."""

from __future__ import annotations

from typing import Any, cast

from flask import Flask, current_app, g, has_app_context, has_request_context, session
from flask_babel import get_domain, get_locale
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup


def chosen() -> str:
    """The language chosen in this browser, else Japanese whatever the browser asks for, and in commands."""
    config = current_app.config
    wanted = session.get("language") if has_request_context() else None
    return str(wanted if wanted in config["LANGUAGES"] else config["BABEL_DEFAULT_LOCALE"])


def catalogue() -> Any:
    """The catalogue of this request's language; Flask-Babel's lookup per word took half a page's time."""
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


def said() -> dict[str, Markup]:
    """Cache, by language, of the words without values that templates have used, as safe HTML."""
    found = g.get("said")
    if found is None:
        every = current_app.extensions.setdefault("said", {})
        found = g.said = every.setdefault(str(get_locale()), {})
    return cast(dict[str, Markup], found)


@pass_eval_context
def word(eval_context: EvalContext, message: str, /, **values: Any) -> str:
    """`_("…")` of templates. As in Jinja, always a format string, and values put into HTML are escaped."""
    if not eval_context.autoescape:
        return translated(message) % values
    if values:
        return Markup(translated(message)) % values  # noqa: S704 - what the catalogue says is our own
    known = said()
    found = known.get(message)
    if found is None:
        found = known[message] = Markup(translated(message)) % {}  # noqa: S704
    return found


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
    app.jinja_env.globals["_"] = word
