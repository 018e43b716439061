"""Whatever the portal denies leaves a trace, wherever it was raised and whichever page caught it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.auditing import entries
from portal.core.errors import Lack, NoBasis, NotAllowed, PortalError
from portal.core.policy import Role
from portal.disclosures.models import Basis
from tests.audit import denied
from tests.browsers import Browser
from tests.test_architecture import MODULES, name, parse
from tests.wall.drawing import is_there
from tests.wall.pages import Form, Page
from tests.wall.sweep import Tables, addresses, table_of
from tests.wall.test_canary_sweep import rights_of
from tests.wall.test_nothing_there import asks, at_ten, fillings
from tests.wall.world import World

pytestmark = pytest.mark.either_database

# Who catches a refusal: the door writes it down; the others only ask whether it would be one, or pass it on.
WRITES = {"note_refusal", "wait"}  # `wait` is the page that asks for patience, and notes it
ASKS_ONLY = {
    "portal/referrals/drafts.py": "a draft may wait for its consent, or another consent may cover it",
    "portal/referrals/preview.py": "the page that shows it writes it down",
    "portal/audit/commands.py": "a command of the machine: nobody was refused",
    "portal/accounts/commands.py": "a command of the machine: nobody was refused",
    "portal/retention/commands.py": "a command of the machine: nobody was refused",
    "portal/scenario/play.py": "the whole file is given up, and with it the world in which it was refused",
}
MOST = 12  # addresses of one page that are tried until this reader is shown one
# Fields of forms that are no ids of records, and are what they are on every page.
OWN = {"csrf_token", "acting", "idempotency_key", "version", "seen", "was", "next", "searched"}


def catchers(path: Path) -> Iterator[ast.ExceptHandler]:
    """Its handlers of refusals that do not pass them on."""
    kinds = {kind.__name__ for kind in every(PortalError)}
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            passes_on = any(isinstance(one, ast.Raise) and one.exc is None for one in ast.walk(node))
            if kinds & names(node.type) and not passes_on:
                yield node


def names(tree: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}


def test_whoever_catches_a_refusal_writes_it_down(app: Flask) -> None:
    silent = {name(path) for path in MODULES for handler in catchers(path) if not WRITES & names(handler)}
    assert silent == set(ASKS_ONLY)


def test_each_lack_has_words_and_a_page_of_its_own_kind() -> None:
    for lack in Lack:
        assert entries.ground(lack.value) == lack.word
    for basis in Basis:  # the codes stand in one column, and mean one thing each
        assert entries.ground(basis.value) == basis.word
    assert NotAllowed().lack is Lack.PERMISSION
    assert NoBasis().lack is Lack.CONSENT
    denying = [one for one in every(PortalError) if one.lack is None and one.status == 403]
    assert denying == []


def every(kind: type[PortalError]) -> Iterator[type[PortalError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from every(one)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("reader", ["b", "d", "a's admin", "auditor", "system_admin"])
def test_every_route_that_refuses_an_id_says_so_in_the_log(
    app: Flask,
    browser: Callable[..., Browser],
    at: Callable[..., None],
    copied: Callable[..., World],
    reader: str,
) -> None:
    """Each route with ids, asked for what this reader may not know of and for what is not there."""
    at("2026-11-23T10:00", tick=False)
    world = copied(at_ten)
    rights = rights_of(app, world, reader)
    client = browser(world.members[reader])
    adapter = app.url_map.bind("localhost")
    refused = 0
    for rule, argument, method in asks(app):
        table = table_of(argument, rights.tables)
        if table in {"staff", "invitation", "sign_in_session"} or (
            rule.endpoint.startswith("audit.") and rights.role is Role.AUDITOR
        ):
            continue
        hidden = [key for key in rights.tables[table] if not is_there(rights, table, key)]
        for one in (*hidden[:1], uuid4()):
            address = adapter.build(rule.endpoint, fillings(rule, argument, rights.tables, one))
            before = denied.length()
            data = {"text": "見本の言葉", "q": "見本の言葉"} if method == "POST" else None
            answer = client.open(address, method=method, data=data)
            if answer.status_code not in {403, 404}:
                continue
            found = denied.since(before)
            assert len(found) == 1, (method, address, answer.status_code, found)
            assert found[0]["staff"] == str(world.members[reader].staff_id)
            assert found[0]["ground"] in set(Lack), found
            refused += 1
    assert refused > 60


def chosen(form: Form) -> Iterator[str]:
    """The fields of a form whose value is the id of a record, or one of several."""
    for field in form.fields:
        values = [value for value in (field.value, *field.options) if value]
        if field.name and field.name not in OWN and any(map(is_id, values)):
            yield field.name


def is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def forms(client: Browser, app: Flask, tables: Tables) -> Iterator[tuple[str, Form]]:
    """A form of each kind that this reader is shown."""
    seen: set[Any] = set()
    opened: Counter[str] = Counter()
    adapter = app.url_map.bind("localhost")
    for address in addresses(app, tables):
        endpoint, _values = adapter.match(address.partition("?")[0])
        opened[endpoint] += 1
        is_paper = address.endswith(".pdf")
        if is_paper or endpoint in seen or opened[endpoint] > MOST or endpoint.startswith(("web.", "audit.")):
            continue
        answer = client.get(address)
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        seen.add(endpoint)
        for form in Page(answer.text, address).forms:
            kind = (endpoint, tuple(sorted({field.name for field in form.fields})))
            if form.method == "post" and kind not in seen:
                seen.add(kind)
                yield address, form


@pytest.mark.drawn(1, postgresql=0)
@pytest.mark.parametrize("reader", ["b", "a's coordinator"])
def test_a_foreign_id_in_any_form_is_noted(
    app: Flask,
    browser: Callable[..., Browser],
    at: Callable[..., None],
    copied: Callable[..., World],
    reader: str,
) -> None:
    """Every form that the reader is shown, sent with the id of a hidden person, and of nobody, in each field of ids."""
    at("2026-11-23T10:00", tick=False)
    world = copied(at_ten)
    rights = rights_of(app, world, reader)
    client = browser(world.members[reader])
    hidden = next(key for key in rights.tables["person"] if not is_there(rights, "person", key))
    tried: dict[str, int] = {}
    for address, form in list(forms(client, app, rights.tables)):
        for field in dict.fromkeys(chosen(form)):
            answers = []
            for asked in (hidden, uuid4()):
                before = denied.length()
                typed = {**form.typed(), **form.pressed(), field: [str(asked)]}
                answer = client.post(form.action, data=typed)
                noted = [one["object"][1] for one in denied.since(before)]
                assert str(asked) in noted, (address, form.action, field, answer.status_code, noted)
                answers.append((answer.status_code, len(noted)))
            assert answers[0] == answers[1], (address, field, answers)
            tried[field] = tried.get(field, 0) + 1
    assert {"worker", "recipients", "presenter"} <= set(tried), tried
    assert sum(tried.values()) >= 8
