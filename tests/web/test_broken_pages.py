"""Our own mistakes: a page that keeps what was typed and tells nothing, and an answer even when no page can be made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from jinja2 import DictLoader, Environment
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from werkzeug.test import TestResponse

from portal.accounts.gate import public
from portal.core.db import db
from portal.core.faults import fault_of
from portal.web.headers import HEADERS
from tests.browsers import Browser
from tests.factories import make_agency, make_case, make_member

pytestmark = pytest.mark.both_databases

TYPED = "電話で <b>様子</b>を聞いた。"
HELD = "見本花子の住所"


@public
def broken(*_given: object, **_more: object) -> str:
    raise ZeroDivisionError(HELD)


@pytest.fixture
def in_use(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """As it runs in an office: no exception is passed on to the test."""
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    monkeypatch.setitem(app.config, "TESTING", False)
    return app


def check_headers(answer: TestResponse) -> None:
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    assert HELD not in answer.text
    assert "Zero" not in answer.text
    assert "<b>" not in answer.text


def test_a_mistake_of_ours_keeps_what_was_typed(
    in_use: Flask,
    browser: Callable[..., Browser],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    member = make_member()
    client, case = browser(member), make_case(member)
    monkeypatch.setitem(in_use.view_functions, "cases.show", broken)
    answer = client.get(f"/cases/{case}")
    assert answer.status_code == 500
    check_headers(answer)
    assert f'href="/cases/{case}"' in answer.text
    monkeypatch.setitem(in_use.view_functions, "people.new", broken)
    sent = {
        "family": TYPED,
        "given": "",
        "acting": str(member.actor.membership_id),
        "idempotency_key": "ab" * 16,
    }
    answer = client.post("/people/new?from=x", data=sent)
    assert answer.status_code == 500
    check_headers(answer)
    assert "電話で &lt;b&gt;様子&lt;/b&gt;を聞いた。" in answer.text
    assert 'action="/people/new?from=x"' in answer.text
    for name in sent:  # what was cleared stays cleared
        assert f'name="{name}"' in answer.text
    assert "同じものが二つできることはありません" in answer.text
    answer = client.post("/people/new", data={"family": TYPED, "new_password": "himitsu no kotoba"})
    assert "電話で &lt;b&gt;" in answer.text
    assert "himitsu" not in answer.text
    assert 'action="/people/new"' not in answer.text  # it would be sent without its password
    assert HELD not in capfd.readouterr().err


@pytest.mark.parametrize("fails", ["template", "clearing up"])
def test_when_no_page_can_be_made(in_use: Flask, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    monkeypatch.setitem(in_use.view_functions, "accounts.sign_in", broken)
    if fails == "template":
        monkeypatch.setattr(in_use, "jinja_env", Environment(loader=DictLoader({}), autoescape=True))
    else:  # after the page was made
        monkeypatch.setattr(in_use, "teardown_appcontext_funcs", [broken, *in_use.teardown_appcontext_funcs])
    answer = in_use.test_client().post("/sign-in", data={"email": TYPED, "password": "himitsu no kotoba"})
    assert answer.status_code == 500
    check_headers(answer)
    assert "いま、つなぐを使えません" in answer.text
    assert "himitsu" not in answer.text
    assert "電話で &lt;b&gt;様子" in answer.text


def test_a_reader_that_writes_is_a_mistake_and_no_fault_of_the_database(app: Flask) -> None:
    make_agency()
    with app.app_context(), pytest.raises(DBAPIError) as mistake:
        db.unrestricted.execute(text("UPDATE agency SET name = name"))
    assert fault_of(mistake.value) is None
    with app.app_context(), pytest.raises(DBAPIError) as mistake, db.transaction() as session:
        session.execute(text("SELECT nothing FROM agency"))
    assert fault_of(mistake.value) is None
