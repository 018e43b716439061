"""Anything at all typed into any form: it is refused in words or kept and shown inert, and never a server error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from random import Random
from typing import Any
from urllib.parse import quote_plus
from zipfile import ZipFile

import pytest
from flask import Flask

from tests.browsers import Browser
from tests.factories import make_member
from tests.wall import oracle
from tests.wall.drawing import Draw
from tests.wall.pages import Form, Page
from tests.wall.sweep import IDS, addresses
from tests.wall.test_canary_sweep import few_of, rights_of
from tests.wall.world import World

pytestmark = pytest.mark.either_database

LONG = "長い文。" * 25_000
SHORT = 3  # of what is typed into each kind of form in a short run
HOSTILE = {
    "100 kB": LONG,
    "NUL": "前\x00後",
    "escape codes": "前\x1b[31m\x07後",
    "bidi": "\u202eしこわ\u2066\u2069\u200b\u200d\ufeff",
    "four bytes": "𠮷野家😀👨‍👩‍👧𪘂",
    "sql": "'; DROP TABLE person; -- \" OR 1=1 %' _",
    "template": "{{1337*1337}}{% raw %}${1337*1337}#{1337*1337}%(name)s{0.__class__}",
    "script": "\"><script>alert(1)</script><img src=x onerror=alert(1)>'",
    "new lines": "a\r\nSet-Cookie: evil=1\r\n\r\n<html>",
    "formula": "=cmd|' /C calc'!A0",
    "no number": "１e309",
    "id of nothing": "00000000-0000-0000-0000-000000000000",
}
ALSO_WHERE_SHAPED = {"100 kB", "NUL", "script", "no number", "id of nothing"}
BROKEN = [b"text=%ff%fe&family=%c3%28&q=%ed%a0%80", b"%", b"a=1&" * 2000, b"version=abc&acting=1"]
URL_ENCODED = "application/x-www-form-urlencoded"
LEAVE = re.compile(r"/sign-out|/account/sessions|/language|/account/password|/keep-alive")
# What a person would type where the portal wants something of a certain shape.
PLAUSIBLE = (
    (r"kana", "みほん"),
    (r"(_on|_from|_until|until|date|day|birth|_at)$", "2026-04-01"),
    (r"time|hours", "10:00"),
    (r"minutes", "10"),
    (r"email", "mihon@example.jp"),
    (r"telephone|fax", "090-0000-0000"),
    (r"^version$", "1"),
)
TYPED = {"text", "textarea", "search", "tel", "email", "hidden", "number", "date", "time", "password"}
SHAPED = re.compile("|".join(pattern for pattern, _ in PLAUSIBLE))


def plausible(name: str) -> str:
    return next((value for pattern, value in PLAUSIBLE if re.search(pattern, name)), "見本")


def filled(form: Form, evil: str, *, everywhere: bool) -> dict[str, list[str]]:
    """The form with something chosen everywhere, and the evil in the free fields, or in all that is typed."""
    found = form.typed()
    for field in form.fields:
        if field.kind in {"radio", "checkbox"} and field.name not in found:
            found[field.name] = [field.value]
        if field.kind not in TYPED or field.name in {"csrf_token", "acting"}:
            continue
        hidden = field.kind == "hidden"
        if everywhere or not (hidden or SHAPED.search(field.name)):
            found[field.name] = [evil]
        elif not found.get(field.name, [""])[0]:
            found[field.name] = [plausible(field.name)]
    for field in form.fields:
        if field.kind == "select" and not found.get(field.name, [""])[0] and len(field.options) > 1:
            found[field.name] = [field.options[1]]
    return found


def body_of(data: dict[str, list[str]]) -> str:
    return "&".join(f"{quoted(name)}={quoted(value)}" for name, values in data.items() for value in values)


quoted = cache(quote_plus)  # 100 kB of Japanese take long to write so


def forms_of(client: Browser, asked: list[str]) -> Iterator[Form]:
    """One form of each kind among these pages."""
    known = set()
    for address in asked:
        answer = client.get(address)
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        for form in Page(answer.get_data(as_text=True), address).forms:
            kind = (IDS.sub("<id>", form.action), *sorted({field.name for field in form.fields}))
            if form.method == "post" and kind not in known and not LEAVE.search(form.action):
                known.add(kind)
                yield form


def packed(sheet: bytes) -> str:
    """What stands in a sheet, as it stands there."""
    with ZipFile(BytesIO(sheet)) as parts:
        return "".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())


def is_inert(answer: Any) -> bool:
    text = packed(answer.data) if answer.data.startswith(b"PK") else answer.get_data(as_text=True)
    return (
        "<script>alert" not in text
        and "<img src=x" not in text
        and "1787569" not in text
        and "evil" not in str(answer.headers.getlist("Set-Cookie"))
    )


def any_world() -> World:
    return World()


@dataclass(frozen=True, slots=True)
class Typing:
    """What is typed into one kind of form: in a long run everything, in a short one what the seed draws for it."""

    seed: int
    is_long: bool

    def some(self, form: Form, reader: str) -> list[tuple[str, bool]]:
        """Names in `HOSTILE`, and whether it stands in fields of a certain shape, too."""
        every = [
            (name, wide)
            for name in HOSTILE
            for wide in (False, True)
            if not wide or name in ALSO_WHERE_SHAPED
        ]
        return every if self.is_long else self.chance(form, reader).sample(every, SHORT)

    def broken(self, form: Form, reader: str) -> list[bytes]:
        return BROKEN if self.is_long else [self.chance(form, reader).choice(BROKEN)]

    def afterwards(self, asked: list[str], reader: str) -> list[str]:
        """Pages that are opened once all of it has been typed."""
        return asked if self.is_long else Random(f"{self.seed} {reader}").sample(asked, len(asked) // 3)

    def chance(self, form: Form, reader: str) -> Random:
        return Random(f"{self.seed} {IDS.sub('<id>', form.action)} {reader}")


@pytest.fixture
def typing(draw: Draw) -> Typing:
    return Typing(draw.seed, draw.is_long)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("reader", ["a", "b", "a's admin", "system_admin", "stranger"])
def test_whatever_is_typed_the_portal_keeps_its_head(
    app: Flask, browser: Callable[..., Browser], copied: Callable[..., World], reader: str, typing: Typing
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        world = copied(any_world)
        rights = rights_of(app, world, reader)
        client = browser(world.members.get(reader))
        few = few_of(rights.tables, 1)
        asked = [address for address in addresses(app, few) if not address.endswith(".pdf")]
        tried = answered = 0
        for form in list(forms_of(client, asked)):
            for name, everywhere in typing.some(form, reader):
                data = filled(form, HOSTILE[name], everywhere=everywhere)
                answer = client.post(form.action, data=body_of(data), content_type=URL_ENCODED)
                assert answer.status_code < 500, (form.action, name, everywhere)
                assert is_inert(answer), (form.action, name)
                tried += 1
                answered += answer.status_code < 400
            for body in typing.broken(form, reader):
                answer = client.post(form.action, data=body, content_type=URL_ENCODED)
                assert answer.status_code < 500, (form.action, body[:40])
        assert tried >= SHORT
        assert answered or reader == "stranger"
        for address in typing.afterwards(asked, reader):
            answer = client.get(address)
            assert answer.status_code < 500, address
            assert is_inert(answer), address
            assert answer.data.startswith(b"PK") or "\x00" not in answer.get_data(as_text=True), address
    finally:
        app.config["PROPAGATE_EXCEPTIONS"] = None
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        assert rows("SELECT count(*) FROM person")[0][0] >= len(world.people)


@pytest.mark.one_database
def test_addresses_nobody_meant_are_no_server_error(
    app: Flask, browser: Callable[..., Browser], draw: Draw
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = browser(make_member())
    odd = ("%00", "%ff", "..%2f..%2fetc%2fpasswd", "%E2%80%AE", "{{7*7}}", "'", "x" * 3000)
    try:
        for rule in app.url_map.iter_rules():
            head = rule.rule.partition("<")[0]
            chance = Random(f"{draw.seed} {rule.rule}")
            for word in odd if draw.is_long else chance.sample(odd, 2):
                for address in (
                    f"{head}{word}",
                    f"{head}?after={word}&q={word}&person={word}&show={word}&box={word}",
                ):
                    answer = client.get(address)
                    assert answer.status_code < 500, address
    finally:
        app.config["PROPAGATE_EXCEPTIONS"] = None
