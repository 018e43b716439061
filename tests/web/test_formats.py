"""Template filters, rendered by templates in both languages."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask import Flask, render_template_string, request
from flask_babel import Babel
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.exceptions import UndefinedError
from markupsafe import Markup

from portal.core import clock
from portal.web import formats

pytestmark = pytest.mark.quick

Show = Callable[..., str]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An application with nothing but the filters and a small English catalogue."""
    folder: Path = tmp_path_factory.mktemp("translations")
    catalogue = Catalog(locale="en")
    catalogue.add("依頼中", "Requested")
    packed = BytesIO()
    write_mo(packed, catalogue)
    target = folder / "en" / "LC_MESSAGES" / "messages.mo"
    target.parent.mkdir(parents=True)
    target.write_bytes(packed.getvalue())

    app = Flask("pages")
    app.config.update(BABEL_TRANSLATION_DIRECTORIES=str(folder), BABEL_DEFAULT_LOCALE="ja")
    app.jinja_env.undefined = StrictUndefined
    Babel(app, locale_selector=lambda: request.args.get("lang", "ja"))
    formats.init_app(app)
    return app


@pytest.fixture
def show(pages: Flask) -> Iterator[Show]:
    """`show("{{ x|iso }}", x=…, lang="en")`: what a page prints."""

    def render(template: str, lang: str = "ja", **values: Any) -> str:
        with pages.test_request_context(f"/?lang={lang}"):
            return render_template_string(template, **values)

    return render


DAY = date(2026, 11, 23)
INSTANT = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)  # 9:30 in Japan
NIGHT = datetime(2026, 11, 22, 15, 5, tzinfo=UTC)  # 0:05 of the 23rd in Japan


@pytest.mark.parametrize(
    ("template", "value", "japanese", "english"),
    [
        ("era_date", DAY, "令和8年11月23日", "23 November 2026"),
        ("era_date", NIGHT, "令和8年11月23日", "23 November 2026"),
        ("era_date", date(2019, 5, 1), "令和元年5月1日", "1 May 2019"),
        ("era_datetime", INSTANT, "令和8年11月23日 9時30分", "23 November 2026 9:30"),
        ("era_datetime", NIGHT, "令和8年11月23日 0時05分", "23 November 2026 0:05"),
        ("era_datetime", INSTANT.astimezone(clock.JAPAN), "令和8年11月23日 9時30分", "23 November 2026 9:30"),
        ("era_short", DAY, "R8.11.23", "23 Nov 2026"),
        ("era_short", NIGHT, "R8.11.23", "23 Nov 2026"),
        ("weekday", DAY, "月", "Mon"),
        ("weekday", NIGHT, "月", "Mon"),
        ("weekday", date(2026, 11, 29), "日", "Sun"),
        ("iso", DAY, "2026-11-23", "2026-11-23"),
        ("iso", INSTANT, "2026-11-23T09:30:00+09:00", "2026-11-23T09:30:00+09:00"),
        ("iso", NIGHT, "2026-11-23T00:05:00+09:00", "2026-11-23T00:05:00+09:00"),
        ("t", "依頼中", "依頼中", "Requested"),
        ("t", "訳のない言葉 100%", "訳のない言葉 100%", "訳のない言葉 100%"),
    ],
)
def test_what_a_page_prints(show: Show, template: str, value: object, japanese: str, english: str) -> None:
    assert show(f"{{{{ x|{template} }}}}", x=value) == japanese
    assert show(f"{{{{ x|{template} }}}}", "en", x=value) == english


@pytest.mark.parametrize("name", [function.__name__ for function in formats.FILTERS])
def test_nothing_prints_nothing_and_a_misspelt_name_is_an_error(show: Show, name: str) -> None:
    for lang in ("ja", "en"):
        assert show(f"{{{{ x|{name} }}}}", lang, x=None) == ""
    with pytest.raises(UndefinedError):
        show(f"{{{{ misspelt|{name} }}}}")


def test_an_empty_word_does_not_print_the_catalogue_header(show: Show) -> None:
    assert show("{{ x|t }}", "en", x="") == ""


@pytest.mark.parametrize("name", ["era_date", "era_datetime", "era_short", "weekday", "iso"])
def test_an_instant_without_a_zone_is_refused(show: Show, name: str) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        show(f"{{{{ x|{name} }}}}", x=datetime(2026, 11, 23, 9, 30))  # noqa: DTZ001


def test_outside_a_request_dates_are_japanese() -> None:
    assert formats.era_date(DAY) == "令和8年11月23日"


@given(st.dates(date(1912, 7, 30), date(2099, 12, 31)))
def test_no_era_word_in_english(pages: Flask, day: date) -> None:
    with pages.test_request_context("/?lang=en"):
        said = formats.era_date(day) + formats.era_short(day) + formats.weekday(day)
    assert said.isascii()
    assert str(day.year) in said


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        (" \n ", ""),
        ("一行", "<p>一行</p>"),
        ("一\n二", "<p>一<br>二</p>"),
        ("一\r\n二\r三", "<p>一<br>二<br>三</p>"),
        ("一\n\n二\n三", "<p>一</p><p>二<br>三</p>"),
        ("一\n　\n\t\n二", "<p>一</p><p>二</p>"),
        ("\n\n一\n\n", "<p>一</p>"),
        ("<b>&\"'", "<p>&lt;b&gt;&amp;&#34;&#39;</p>"),
        ("<script>alert(1)</script>\n{{ 7*7 }} {x} %s", None),
    ],
)
def test_lines(show: Show, text: str, html: str | None) -> None:
    wanted = "<p>&lt;script&gt;alert(1)&lt;/script&gt;<br>{{ 7*7 }} {x} %s</p>" if html is None else html
    assert show("{{ x|lines }}", x=text) == wanted


def test_lines_escapes_even_what_calls_itself_safe_text_of_a_person() -> None:
    assert formats.lines(str(Markup("<b>x</b>"))) == "<p>&lt;b&gt;x&lt;/b&gt;</p>"


@given(st.text(alphabet="<>&\"'a\n \r") | st.text())
def test_lines_lets_no_markup_through(text: str) -> None:
    html = formats.lines(text)
    inside = html.replace("<p>", "").replace("</p>", "").replace("<br>", "")
    assert "<" not in inside
    assert ">" not in inside
    assert html.count("<p>") == html.count("</p>")


def test_lines_is_quick_on_a_long_text() -> None:
    assert formats.lines("\n \n" * 50_000 + "x") == "<p>x</p>"
    assert formats.lines("x" + "\n" * 100_000 + "y") == "<p>x</p><p>y</p>"
    assert formats.lines("x" + " \n" * 50_000 + " " * 100_000 + "y").startswith("<p>x")
