"""The database is away, full or read-only: a page in plain words that keeps what was typed, and no restart afterwards."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask

from config import TestConfig
from portal.audit.checkpoint_store import keeping
from portal.core.db import db
from portal.web.headers import HEADERS
from tests.browsers import PASSWORD
from tests.conftest import KINDS, NOWHERE
from tests.databases import Databases
from tests.factories import make_agency, make_member, make_person, make_referral
from tests.servers import Server, serve
from tests.web.breaking import (
    HOST,
    Answer,
    Breakable,
    BreakableFile,
    BreakableServer,
    Visitor,
    fill,
    small_disk,
)

pytestmark = pytest.mark.either_database

READY = "/static/img/icon.svg"  # answers without any database
TYPED = "明日の午前に、お電話します。"
SECRET = "the-word-that-is-in-the-address"
# Nothing of these stands on a page or in the server's log: the driver's words, SQL, where the database lies.
TOLD = re.compile(
    r"sqlite|psycopg|postgres|SELECT|INSERT|UPDATE |Traceback|database is|disk I/O|/work|/tmp|\.db\b",
    re.IGNORECASE,
)


# What is shown without an entry in the log.
UNLOGGED = ("/agencies/", "/account", "/people/new")


@dataclass
class Office:
    """A portal as a city runs it, on a database that can be broken, and one referral between two agencies."""

    server: Server
    broken: Breakable
    log: Path
    email: str
    colleague: str
    person: str
    referral: str
    name: str

    def visitor(self) -> Visitor:
        return Visitor(self.server)

    def said(self) -> str:
        return self.log.read_text()

    def health(self, wanted: int) -> None:
        """As a monitor on the machine asks, until the last answer is old."""
        monitor, deadline = Visitor(self.server, host="127.0.0.1"), time.monotonic() + 20
        while (answer := monitor.ask("/healthz")).status != wanted and time.monotonic() < deadline:
            time.sleep(0.2)
        check_headers(answer)
        assert (answer.status, answer.text) == (wanted, "ok" if wanted == 200 else "unavailable")


@pytest.fixture(scope="module")
def _server() -> Iterator[BreakableServer]:
    server = BreakableServer()
    yield server
    server.close()


@contextmanager
def portal(
    broken: Breakable,
    folder: Path,
    *,
    is_away: bool = False,
    as_user: tuple[str, ...] = (),
    rights: int | None = None,
) -> Iterator[Office]:
    (folder / "kept").mkdir()
    db.bind(broken.url)
    keeping.bind(folder / "kept", is_strict=True)
    ours, theirs = (make_agency(name=f"見本機関{x}", short_name=x) for x in "甲乙")
    one, other = make_member(ours), make_member(theirs)
    person = make_person(one, family="鈴鹿", given="花子")
    referral = make_referral(one, other, person_id=person)
    keeping.bind(None, is_strict=False)
    db.bind(NOWHERE)
    keys = folder / "keys"  # made with the first entry
    shutil.copytree(TestConfig.KEY_DIR, keys)
    settings = {
        "PORTAL_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(),
        "TRUSTED_HOSTS": HOST,
        "PROXY_HOPS": "1",
        "KEY_DIR": str(keys),
        "CHECKPOINT_DIR": str(folder / "kept"),
    }
    if is_away:
        broken.away(None)
    if as_user:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
    if rights is not None:
        assert isinstance(broken, BreakableFile)
        broken.file.chmod(rights)
    log = folder / "log"
    with serve(broken.url, ready=READY, environment=settings, log_file=log, as_user=as_user) as server:
        try:
            yield Office(
                server,
                broken,
                log,
                one.email,
                other.email,
                f"/people/{person}",
                f"/referrals/{referral}",
                "鈴鹿",
            )
        finally:
            broken.mend(server)


@pytest.fixture
def broken(database: Databases, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Breakable]:
    if type(database).__name__ == "SQLiteFiles":
        url = database.fresh()
        yield BreakableFile(url, tmp_path / "data" / "in")
        database.drop(url)
    else:
        server: BreakableServer = request.getfixturevalue("_server")
        yield server.renew()


@pytest.fixture
def office(_application: Flask, broken: Breakable, tmp_path: Path) -> Iterator[Office]:
    with portal(broken, tmp_path) as found:
        yield found


def check_headers(answer: Answer) -> None:
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Strict-Transport-Security"]


def check_page(answer: Answer, status: int = 503) -> None:
    assert answer.status == status, answer.text
    check_headers(answer)
    assert '<link rel="stylesheet"' in answer.text
    assert "｜つなぐ" in answer.text
    assert not TOLD.search(answer.text), answer.text


def check_log(office: Office, *, at_most: int) -> None:
    """One line for each fault; nothing of what was typed, asked or found."""
    said = office.said()
    assert TYPED not in said
    assert office.name not in said
    assert "Traceback" not in said
    assert not re.search(r"SELECT|INSERT|UPDATE|\[SQL|parameters", said), said
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) <= at_most, said


def again(page: Answer) -> dict[str, str]:
    """The fields of the form that sends it once more."""
    fields = page.hidden('<form method="post" action="/referrals/')
    assert TYPED in fields["text"]
    return fields


def test_the_database_goes_away_and_comes_back(office: Office) -> None:
    visitor = office.visitor().sign_in(office.email)
    fields = visitor.ask(office.referral).hidden('id="message"')
    office.health(200)

    office.broken.away(office.server)
    office.health(503)
    read = visitor.ask(office.person)
    check_page(read)
    assert "いま、つなぐを使えません" in read.text
    assert f'href="{office.person}"' in read.text
    assert office.name not in read.text
    sent = visitor.ask(f"{office.referral}/messages", fields | {"text": TYPED})
    check_page(sent)
    assert f'<p class="quote">{TYPED}</p>' in sent.text
    assert "保存されたかどうかを確かめられません" in sent.text
    assert visitor.ask("/sign-in?next=%2F").status == 503  # whose cookie it is cannot be known
    assert office.visitor().ask("/sign-in").status == 200  # a stranger's page asks nothing
    stranger = office.visitor()
    tried = stranger.ask(
        "/sign-in",
        stranger.ask("/sign-in").hidden('action="/sign-in') | {"email": "a@example.jp", "password": SECRET},
    )
    check_page(tried)
    assert SECRET not in tried.text
    check_log(office, at_most=12)

    office.broken.mend(office.server)
    # Each thread of the worker finds the database again by itself, at its first request.
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(lambda _n: visitor.ask(office.person), range(16)))
    assert [one.status for one in answers] == [200] * 16
    for _ in range(2):  # sent again from the page, and by an impatient hand
        assert visitor.ask(f"{office.referral}/messages", again(sent)).status in {302, 303}
    assert office.broken.messages(TYPED) == 1
    office.health(200)


def test_reading_goes_on_while_nothing_can_be_written(office: Office) -> None:
    visitor = office.visitor().sign_in(office.email)
    fields = visitor.ask(office.referral).hidden('id="message"')

    office.broken.unwritable(office.server)
    office.health(503)
    for path in UNLOGGED:
        shown = visitor.ask(path)
        assert shown.status == 200, (path, shown.text)
        assert 'class="nav"' in shown.text
    for path in (office.person, office.referral, "/people/"):
        refused = visitor.ask(path)
        check_page(refused)
        assert "いま、記録を書き込めません" in refused.text
        assert "個人の情報を見たことは、必ず記録に残します。" in refused.text
        assert office.name not in refused.text
        assert 'href="/help/more"' in refused.text  # the way to what can be read
    sent = visitor.ask(f"{office.referral}/messages", fields | {"text": TYPED})
    check_page(sent)
    assert f'<p class="quote">{TYPED}</p>' in sent.text
    assert "記録を書き込めないため、保存できませんでした。" in sent.text
    stranger = office.visitor()
    form = stranger.ask("/sign-in").hidden('action="/sign-in')
    tried = stranger.ask("/sign-in", form | {"email": office.colleague, "password": PASSWORD})
    check_page(tried)
    assert PASSWORD not in tried.text
    check_log(office, at_most=12)

    office.broken.mend(office.server)
    assert office.broken.messages(TYPED) == 0
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(lambda _n: visitor.ask(office.person), range(16)))
    assert [one.status for one in answers] == [200] * 16
    for _ in range(2):
        assert visitor.ask(f"{office.referral}/messages", again(sent)).status in {302, 303}
    assert office.broken.messages(TYPED) == 1
    office.health(200)


def test_the_portal_starts_without_its_database(
    _application: Flask,  # noqa: PT019
    broken: Breakable,
    tmp_path: Path,
) -> None:
    with portal(broken, tmp_path, is_away=True) as office:
        office.health(503)
        visitor = office.visitor()
        assert visitor.ask("/sign-in").status == 200
        assert visitor.ask("/").status == 303
        form = visitor.ask("/sign-in").hidden('action="/sign-in')
        check_page(visitor.ask("/sign-in", form | {"email": office.email, "password": PASSWORD}))
        check_log(office, at_most=3)
        workers = office.server.workers()

        broken.mend(office.server)
        visitor.sign_in(office.email)
        assert visitor.ask(office.person).status == 200
        office.health(200)
        assert office.server.workers() == workers


def test_what_was_acknowledged_survives_a_restart_in_the_midst_of_work(
    _application: Flask,  # noqa: PT019
    _server: BreakableServer,  # noqa: PT019
    tmp_path: Path,
) -> None:
    """The server is killed twice while four people write; nobody's thread stays poisoned."""
    broken = _server.renew()
    with portal(broken, tmp_path) as office:
        visitor = office.visitor().sign_in(office.email)
        fields = visitor.ask(office.referral).hidden('id="message"')
        broken.restart()
        assert visitor.ask(office.person).status == 200  # the first one already

        stop = time.monotonic() + 6

        def write(person: int) -> list[str]:
            done: list[str] = []
            for n in range(1000):
                if time.monotonic() > stop:
                    break
                text = f"{person} {n} 番目の連絡"
                key = {"idempotency_key": str(uuid4())}
                answer = visitor.ask(f"{office.referral}/messages", fields | key | {"text": text})
                if answer.status in {302, 303}:
                    done.append(text)
                else:
                    check_page(answer)
                    assert text in answer.text
            return done

        with ThreadPoolExecutor(4) as several:
            writing = [several.submit(write, person) for person in range(4)]
            for _ in range(2):
                time.sleep(1.5)
                broken.restart()
            acknowledged = [text for one in writing for text in one.result()]
        assert len(acknowledged) > 4
        assert {text: broken.messages(text) for text in acknowledged} == dict.fromkeys(acknowledged, 1)
        with ThreadPoolExecutor(8) as several:
            assert {one.status for one in several.map(lambda _n: visitor.ask(office.person), range(16))} == {
                200
            }
        assert TYPED not in office.said()
        assert "Traceback" not in office.said()


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_is_full(
    _application: Flask,  # noqa: PT019
    _sqlite: Databases,  # noqa: PT019
    tmp_path: Path,
    kind: str,
) -> None:
    with small_disk(8 if kind == "sqlite" else 400) as disk:
        if disk is None:
            pytest.skip("nobody may mount a small disk here; the limit on files is tried above")
        broken = BreakableFile(_sqlite.fresh(), disk / "in") if kind == "sqlite" else BreakableServer(disk)
        with portal(broken, tmp_path) as office:
            visitor = office.visitor().sign_in(office.email)
            fields = visitor.ask(office.referral).hidden('id="message"')
            office.health(200)
            rest = fill(disk)
            sent = [
                visitor.ask(
                    f"{office.referral}/messages",
                    fields | {"text": TYPED * 250, "idempotency_key": str(uuid4())},
                )
                for _ in range(60)
            ][-1]
            check_page(sent)
            assert TYPED in sent.text
            office.health(503)
            assert visitor.ask("/agencies/").status == 200
            check_log(office, at_most=70)

            rest.unlink()
            sent_again = visitor.ask(f"{office.referral}/messages", again(sent))
            assert sent_again.status in {302, 303}
            assert visitor.ask(office.person).status == 200
            office.health(200)
        broken.close()


def test_a_file_that_may_not_be_written(
    _application: Flask,  # noqa: PT019
    _sqlite: Databases,  # noqa: PT019
    tmp_path: Path,
) -> None:
    """Its rights were lost, as by a copy made by root: the portal starts, shows what it may, and recovers."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        broken = BreakableFile(_sqlite.fresh(), folder / "in")
        nobody = (
            ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
        )
        with portal(broken, folder, as_user=nobody, rights=0o444) as office:
            office.health(503)
            visitor = office.visitor()
            form = visitor.ask("/sign-in").hidden('action="/sign-in')
            check_page(visitor.ask("/sign-in", form | {"email": office.email, "password": PASSWORD}))
            check_log(office, at_most=3)
            for file in broken.folder.iterdir():  # those beside it were made with its rights
                file.chmod(0o666)
            office.health(200)


def test_the_health_of_a_database_that_somebody_holds(office: Office) -> None:
    """In bounded time, and however often it is asked, with a write every few seconds."""
    office.health(200)
    monitor = Visitor(office.server, host="127.0.0.1")
    before = office.broken.written()
    with ThreadPoolExecutor(8) as several:
        assert {one.status for one in several.map(lambda _n: monitor.ask("/healthz"), range(200))} == {200}
    assert office.broken.written() - before < 200_000
    with office.broken.held():
        time.sleep(5.1)  # the last answer is old
        begun = time.monotonic()
        assert monitor.ask("/healthz").status == 503
        assert time.monotonic() - begun < 8
    office.health(200)


def test_only_the_portals_own_names_are_answered(office: Office) -> None:
    for host in ("evil.example", "127.0.0.1", "localhost:8000", "tsunagu.example.jp.evil.example", "a b", ""):
        stranger = Visitor(office.server, host=host)
        for page in (
            stranger.ask("/sign-in"),
            stranger.ask("/nowhere"),
            stranger.ask("/sign-in", {"email": TYPED, "password": SECRET}),
        ):
            check_page(page, 400)
            assert "このアドレスでは使えません" in page.text
            assert "evil" not in page.text
            assert SECRET not in page.text
    own = ("127.0.0.1", "127.0.0.1:8000", "localhost", "[::1]:8000", HOST)
    assert {Visitor(office.server, host=host).ask("/healthz").status for host in own} == {200}
    others = ("evil.example", "127.0.0.1.evil.example", "127.0.0.2", "")
    assert {Visitor(office.server, host=host).ask("/healthz").status for host in others} == {400}
    check_log(office, at_most=0)
