"""What a reader may not know of answers byte for byte like what does not exist, to whatever they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from werkzeug.routing import Rule, UUIDConverter

from portal.core.policy import Role
from tests.browsers import Browser
from tests.wall.canaries import ReadingRights
from tests.wall.drawing import OPEN, Draw, is_there
from tests.wall.sweep import Tables, table_of, values_of
from tests.wall.test_canary_sweep import rights_of
from tests.wall.world import World

pytestmark = pytest.mark.both_databases

PASSING = {"Date", "Set-Cookie", "Content-Length"}  # the bytes themselves are compared


def at_ten() -> World:
    return World()


def was_told(rights: ReadingRights, item: UUID) -> bool:
    """Whoever was told owes the word that they stopped, long after the item is gone from their sight."""
    lines = rights.tables["disclosure"].values()
    return (item, rights.works) in {(line["source_id"], line["to_agency_id"]) for line in lines}


def asks(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every route with an id, with each of its ids in turn and each method."""
    for rule in app.url_map.iter_rules():
        for name in sorted(rule.arguments):
            if isinstance(rule._converters[name], UUIDConverter):  # noqa: SLF001
                for method in sorted({"GET", "POST"} & (rule.methods or set())):
                    yield rule, name, method


def fillings(rule: Rule, name: str, tables: Tables, one: UUID) -> dict[str, Any]:
    """The other arguments are of records that exist, so that this id alone makes the difference."""
    found: dict[str, Any] = {}
    for other in rule.arguments:
        if other == name:
            found[other] = one
            continue
        known = values_of(rule, other, tables)
        row = tables[table_of(name, tables)].get(one)
        found[other] = next((v for v in known if row and v in row.values()), known[0])
    return found


def answer(client: Browser, method: str, address: str, one: UUID) -> tuple[int, list[tuple[str, str]], str]:
    """Without the id that was asked for: a page may say it again."""
    # A form with plausible words: refused for its words, a page would say less than it could.
    data = {"text": "見本", "q": "見本", "note": "見本", "idempotency_key": "k"} if method == "POST" else None
    got = client.open(address, method=method, data=data)
    headers = sorted((k, v.replace(str(one), "")) for k, v in got.headers if k not in PASSING)
    return got.status_code, headers, got.get_data(as_text=True).replace(str(one), "")


@pytest.mark.either_database
@pytest.mark.drawn(1)
@pytest.mark.parametrize("reader", ["a", "b", "c", "d", "a's admin", "auditor", "system_admin"])
def test_what_may_not_be_known_answers_like_what_is_not_there(
    app: Flask,
    browser: Callable[..., Browser],
    at: Callable[..., None],
    copied: Callable[..., World],
    reader: str,
    draw: Draw,
) -> None:
    at("2026-11-23T10:00", tick=False)
    world = copied(at_ten)
    rights = rights_of(app, world, reader)
    client = browser(world.members[reader])
    adapter = app.url_map.bind("localhost")
    compared = 0
    for rule, name, method in asks(app):
        table = table_of(name, rights.tables)
        if table in {"staff", "invitation", "sign_in_session"} | OPEN:
            continue
        if rule.endpoint.startswith("audit.") and rights.role is Role.AUDITOR:
            continue
        hidden = [key for key in rights.tables[table] if not is_there(rights, table, key)]
        if rule.endpoint == "meetings.stop_confirm":
            hidden = [key for key in hidden if not was_told(rights, key)]
        # Some of all, and some that name the reader's own agency: a draft that is not sent yet.
        mine = [key for key in hidden if rights.works and rights.works in rights.tables[table][key].values()]
        chance, most = Random(f"{draw.seed} {rule.rule} {name} {reader}"), 4 if draw.is_long else 1
        some = (*chance.sample(hidden, min(most, len(hidden))), *chance.sample(mine, min(most, len(mine))))
        for one in dict.fromkeys(some):
            filled = fillings(rule, name, rights.tables, one)
            nobody = uuid4()
            unknown = adapter.build(rule.endpoint, {**filled, name: nobody})
            missing = answer(client, method, unknown, nobody)
            got = answer(client, method, adapter.build(rule.endpoint, filled), one)
            assert got == missing, (method, rule.rule, got[0], missing[0])
            # 409: of a meeting that is over, whichever item is asked for.
            assert got[0] in {302, 303, 403, 404, 409}, (method, rule.rule)
            compared += 1
    assert compared > 60


def test_no_other_agency_s_account_is_there(
    app: Flask, browser: Callable[..., Browser], at: Callable[..., None], copied: Callable[..., World]
) -> None:
    """An administrator of one agency learns nothing of another's staff, invitations or sessions."""
    at("2026-11-23T10:00", tick=False)
    world = copied(at_ten)
    rights = rights_of(app, world, "a's admin")
    client = browser(world.members["a's admin"])
    adapter = app.url_map.bind("localhost")
    others = {
        "staff": [world.b.staff_id, world.members["auditor"].staff_id],
        "sign_in_session": list(rights.tables["sign_in_session"]),
    }
    for rule, name, method in asks(app):
        for one in others.get(table_of(name, rights.tables), []):
            nobody = uuid4()
            missing = answer(client, method, adapter.build(rule.endpoint, {name: nobody}), nobody)
            got = answer(client, method, adapter.build(rule.endpoint, {name: one}), one)
            assert got == missing, (method, rule.rule)
            assert missing[0] in {303, 404}
