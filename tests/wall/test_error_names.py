"""Every form is sent empty: each error names its field as the page does, never by a name of the code."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask

from tests.audit.hands import SUMMARY
from tests.browsers import Browser
from tests.wall.pages import Form
from tests.wall.test_canary_sweep import settled, tables_of
from tests.wall.test_refusals_noted import forms

ITEM = re.compile(r"<li><a href=\"#[^\"]*\">([^<]*)</a></li>")
CHOSEN, PRESSED = {"checkbox", "radio"}, {"submit", "button", "image", "reset"}
JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")


def emptied(form: Form) -> dict[str, str]:
    """What is sent when nothing is chosen and every text is deleted: what the page hides in the form, and the button."""
    kept = {one.name: one.value for one in form.fields if one.kind == "hidden" and one.name}
    typed = [one.name for one in form.fields if one.kind not in {*CHOSEN, *PRESSED, "hidden"} and one.name]
    return kept | dict.fromkeys(typed, "") | {name: values[0] for name, values in form.pressed().items()}


def is_filled_in(form: Form) -> bool:
    """There is something to type or to choose; whoever signs out, or sends another language, reads no errors."""
    return not form.action.endswith("/language") and any(
        one.kind not in {*PRESSED, "hidden"} for one in form.fields
    )


def errors_above(html: str) -> list[str]:
    """What stands above a refused form, each with the name of its field."""
    return [unescape(item) for summary in SUMMARY.findall(html) for item in ITEM.findall(summary)]


@pytest.mark.drawn(1)
@pytest.mark.parametrize("reader", ["b", "a's coordinator", "a's admin", "auditor", "system_admin"])
def test_an_error_names_its_field_as_the_page_does(
    app: Flask, browser: Callable[..., Browser], copied: Callable[..., Any], reader: str
) -> None:
    world = copied(settled)
    client = browser(world.members[reader])
    found: list[str] = []
    # All forms first: sending one may change what the next page offers.
    for address, form in list(forms(client, app, tables_of(app))):
        if not is_filled_in(form):
            continue
        answer = client.post(form.action, data=emptied(form))
        assert answer.status_code < 500, address
        found += errors_above(answer.get_data(as_text=True) if answer.mimetype == "text/html" else "")
    nameless = sorted({error for error in found if not JAPANESE.search(error.partition("：")[0])})
    assert not nameless
    assert len(found) > 3
