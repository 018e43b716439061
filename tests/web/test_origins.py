"""A form of another site is refused whatever token it carries, and before anything is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit.events import AuditEvent
from portal.audit.models import AuditEntry
from portal.cases.models import ProgressNote
from portal.core.db import db
from portal.web.origins import is_own
from tests.browsers import Browser
from tests.factories import make_case, make_member

Open = Callable[..., Browser]

OWN = "https://tsunagu.example.jp"
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "same-site", "Origin": "null"},
    {"Sec-Fetch-Site": "something new"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "https://localhost"},
    {"Origin": "http://localhost.evil.example"},
]
OWN_PAGES = [
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "null"},
    {},
]


@pytest.fixture
def guarded(app: Flask) -> Iterator[Flask]:
    app.config["WTF_CSRF_ENABLED"] = True
    yield app
    app.config["WTF_CSRF_ENABLED"] = False


def token_of(page: str) -> str:
    (token,) = set(re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page))
    return token


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_form_is_refused_with_a_good_token(guarded: Flask, headers: dict[str, str]) -> None:
    client = guarded.test_client()
    token = token_of(client.get("/sign-in").text)
    form = {"csrf_token": token, "email": "x@example.jp", "password": "秘密のことば"}
    answer = client.post("/sign-in", data=form, headers=headers)
    assert answer.status_code == 403
    assert "つなぐの画面から送られたものではない" in answer.text
    assert "x@example.jp" not in answer.text
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize("headers", OWN_PAGES, ids=str)
def test_a_form_of_the_portal_is_taken(guarded: Flask, headers: dict[str, str]) -> None:
    client = guarded.test_client()
    token = token_of(client.get("/sign-in").text)
    form = {"csrf_token": token, "email": "x@example.jp", "password": "wrong"}
    assert client.post("/sign-in", data=form, headers=headers).status_code == 400


def test_reading_is_not_asked_where_it_comes_from(browser: Open) -> None:
    """A link in a mail or another office's page leads here; calendars fetch their file."""
    client = browser(make_member())
    for headers in FOREIGN:
        assert client.get("/account", headers=headers).status_code == 200
        assert client.head("/account", headers=headers).status_code == 200


def test_nothing_is_done_and_who_was_used_is_logged_without_the_text(app: Flask, browser: Open) -> None:
    member = make_member()
    case_id = make_case(member)
    client = browser(member)
    answer = client.post(
        f"/cases/{case_id}", data={"text": "よその文章です"}, headers={"Sec-Fetch-Site": "same-site"}
    )
    assert answer.status_code == 403
    assert "よその文章です" not in answer.text
    assert not db.read.scalars(select(ProgressNote.text)).all()
    entry = db.read.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc())).first()
    assert entry is not None
    assert entry.event == AuditEvent.ACCESS_REFUSED
    assert entry.object_id == case_id
    assert entry.staff_id == member.staff_id
    assert "よその".encode() not in entry.body


def test_a_stranger_learns_nothing_from_a_refusal(app: Flask) -> None:
    client = app.test_client()
    answers = {
        client.post(f"/{path}", headers={"Sec-Fetch-Site": "cross-site"}).status_code
        for path in ("account/password", f"people/{uuid4()}/x", "nowhere", f"cases/{uuid4()}")
    }
    assert answers == {403}


def test_the_origin_is_compared_whole() -> None:
    assert is_own(None, OWN.upper(), OWN)
    for other in (
        "http://tsunagu.example.jp",
        f"{OWN}:8443",
        f"{OWN}.evil.example",
        "https://example.jp",
        "",
    ):
        assert not is_own(None, other, OWN)
        assert not is_own("same-origin", other, OWN)
