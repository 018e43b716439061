"""What a person reads on a page or on paper: the words without the tags."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path
from typing import Any

from pypdf import PdfReader

TRANSLATIONS = Path(__file__).resolve().parent.parent / "portal" / "translations"
COMPILED = TRANSLATIONS / "en" / "LC_MESSAGES" / "messages.mo"


def words_of(answer: Any) -> str:
    """The words of a page, runs of white space as one space; that of its `<main>` alone, without navigation."""
    main = re.search(r"<main\b.*</main>", answer.text, re.DOTALL)
    return plain(main[0] if main else answer.text)


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup))).strip()


def pdf_words(answer: Any) -> str:
    """The words of a PDF without any white space: a line may break anywhere."""
    assert answer.mimetype == "application/pdf", answer.text
    pages = PdfReader(io.BytesIO(answer.data)).pages
    return re.sub(r"\s+", "", "".join(page.extract_text() for page in pages))


def errors_of(answer: Any) -> str:
    """What stands beside the fields that were refused."""
    return " ".join(plain(found) for found in re.findall(r'<p class="error".*?</p>', answer.text, re.DOTALL))


def hidden(answer: Any, name: str) -> list[str]:
    """The values of the hidden fields of this name."""
    inputs = re.findall(r"<input\b[^>]*>", answer.text)
    found = [one for one in inputs if f'name="{name}"' in one and 'type="hidden"' in one]
    return [html.unescape(re.search(r'value="([^"]*)"', one)[1]) for one in found]  # type: ignore[index]
