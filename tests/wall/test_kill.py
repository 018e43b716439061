"""kill -9 in the middle of posts: what was acknowledged is there, once, and sending it again makes no twin."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from flask import Flask

from portal.core.db import db
from tests.audit.worlds import World
from tests.browsers import PASSWORD, Browser
from tests.factories import make_case, make_member
from tests.servers import Server, serve
from tests.wall import oracle
from verify_audit import SOUND

pytestmark = pytest.mark.either_database


class Client:
    """A person at a browser who presses the button again when nothing came back."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}

    def post(self, path: str, data: dict[str, str]) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        try:
            connection.request("POST", path, urlencode(data), headers)
            answer = connection.getresponse()
            answer.read()
            for value in answer.headers.get_all("Set-Cookie") or []:
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(value).items()}
            return answer.status, answer.headers.get("Location", "")
        finally:
            connection.close()

    def insist(self, path: str, data: dict[str, str], until: float) -> bool:
        """Whether it was acknowledged in the end; the same form each time."""
        while time.monotonic() < until:
            try:
                status, where = self.post(path, data)
            except (OSError, HTTPException):
                time.sleep(0.05)
                continue
            assert "/sign-in" not in where, "the session was lost"
            assert status in {302, 303}, status
            return True
        return False


def kill_now_and_then(server: Server, kills: int, killed: Counter[int], over: threading.Event) -> None:
    """Ends worker processes of this very server, at moments nobody expects."""
    chance = random.Random(7)
    while killed.total() < kills and not over.is_set():
        time.sleep(chance.uniform(0.1, 0.8))
        workers = server.workers()
        if workers:
            pid = chance.choice(workers)
            os.kill(pid, signal.SIGKILL)
            killed[pid] += 1
    over.set()


def test_nothing_acknowledged_is_lost(app: Flask, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """With --long at 200 moments. The log verifies afterwards, from outside, against every checkpoint kept."""
    member = make_member()
    case_id = make_case(member)
    database = app.config["DATABASE_URL"]
    world = World(app, tmp_path)  # somebody keeps the checkpoint of before
    db.dispose()  # the server has it for itself
    acknowledged: dict[str, list[str]] = {"people": [], "notes": []}
    unsure: list[str] = []
    killed: Counter[int] = Counter()
    over = threading.Event()
    kills = 200 if pytestconfig.getoption("--long") else 12
    with serve(database, workers=2, environment={"CHECKPOINT_DIR": str(tmp_path)}) as server:
        client = Client(server)
        status, _where = client.post("/sign-in", {"email": member.email, "password": PASSWORD})
        assert status in {302, 303}
        killer = threading.Thread(target=kill_now_and_then, args=(server, kills, killed, over), daemon=True)
        killer.start()
        number = 0
        # A slow machine that is killed all the time acknowledges little: it goes on until there is something to lose.
        while not over.is_set() or len(acknowledged["people"]) < 4:
            number += 1
            for kind, path, data in forms(case_id, number):
                known = acknowledged[kind] if client.insist(path, data, time.monotonic() + 60) else unsure
                known.append(data["text"] if kind == "notes" else data["household"])
        killer.join()
    assert not unsure
    assert killed.total() == kills
    with oracle.reading(database) as rows:
        people = Counter(text for (text,) in rows("SELECT household FROM person WHERE household <> ''"))
        notes = Counter(text for (text,) in rows("SELECT text FROM progress_note"))
        assert people == Counter(acknowledged["people"])
        assert notes == Counter(acknowledged["notes"])
        entries = [seq for (seq,) in rows("SELECT seq FROM audit_entry ORDER BY seq")]
        assert entries == list(range(1, len(entries) + 1))
        if database.startswith("sqlite"):
            assert rows("PRAGMA integrity_check") == [("ok",)]
    world.checkpoint()
    result = world.verdict()
    assert result.exit == SOUND, result.text


def forms(case_id: object, number: int) -> list[tuple[str, str, dict[str, str]]]:
    """A person and a note, each with a word of its own and the key of its form."""
    person = {
        "family": "見本",
        "given": f"{number}",
        "family_kana": "みほん",
        "given_kana": "いち",
        "household": f"世帯 {number}",
        "idempotency_key": uuid4().hex,
        "distinct": "1",
    }
    note = {
        "held_on": "2026-04-01",
        "method": "visit",
        "category": "life_history",
        "minutes": "10",
        "text": f"経過 {number}",
        "idempotency_key": uuid4().hex,
    }
    return [("people", "/people/new", person), ("notes", f"/cases/{case_id}", note)]


def test_a_form_filled_in_again_with_other_words_is_not_taken_for_the_first(
    app: Flask, browser: Callable[..., Browser]
) -> None:
    """The browser's Back button shows the form with its old key; what is typed then must not be dropped."""
    member = make_member()
    case_id = make_case(member)
    page = browser(member)
    for kind, path, data in forms(case_id, 1):
        word = "text" if kind == "notes" else "household"
        for text in ("はじめ", "はじめ", "つぎ", "つぎ"):
            assert page.post(path, data=data | {word: text}).status_code in {302, 303}
    with oracle.reading(app.config["DATABASE_URL"]) as rows:
        assert Counter(rows("SELECT text FROM progress_note")) == {("はじめ",): 1, ("つぎ",): 1}
        assert Counter(rows("SELECT household FROM person WHERE household <> ''")) == {
            ("はじめ",): 1,
            ("つぎ",): 1,
        }
