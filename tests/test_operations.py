"""What docs/operations.md says is what is run here: nginx, the unit's gunicorn, cron and the commands, on both databases."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import pytest
from sqlalchemy import text

from portal.accounts import attempts
from portal.core.db import make_engine
from portal.web.headers import HEADERS
from tests.conftest import KINDS
from tests.databases import ROOT, Databases
from tests.documented import NAME, Answer, Office, Visitor, as_systemd_reads, block, commands

pytestmark = pytest.mark.either_database

ADMIN = "kanri@tsunagu.example.jp"
ONCE = [*HEADERS, "Strict-Transport-Security", "Cache-Control", "Content-Type"]


def needs(program: str) -> str:
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if not found:
        refuse = pytest.fail if os.environ.get("REQUIRE_POSTGRES") == "1" else pytest.skip
        refuse(f"docs/operations.md is not tested: there is no {program} here")
    return str(found)


class Running(Office):
    """The office with its first administrator, made as the document says."""

    password = ""


@pytest.fixture(scope="module", params=KINDS)
def office(request: pytest.FixtureRequest) -> Iterator[Running]:
    needs("nginx")
    if request.config.getoption("--database") not in {request.param, "both", None}:
        pytest.skip("another database was asked for")
    databases: Databases = request.getfixturevalue(f"_{request.param}")
    running = Running(databases.empty())
    printed = running.shell(commands(block("console", "accounts create")))
    running.password = next(line.split("\t")[1] for line in printed.splitlines() if line.startswith(ADMIN))
    install = commands(block("console", "require-hashes"))
    (copying,) = re.findall(r"^install .*", install, re.MULTILINE)
    running.shell(copying)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, running.folder)
        stack.enter_context(running.portal())
        stack.enter_context(running.proxy())
        yield running


def hashes_of_devices(office: Office) -> list[str]:
    engine = make_engine(office.database, readonly=True)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT device_hash FROM sign_in_attempt ORDER BY created_at, id"))
        hashes = [str(row[0]) for row in found]
    engine.dispose()
    return hashes


def forget_attempts(office: Office) -> None:
    engine = make_engine(office.database, readonly=False)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sign_in_attempt"))
    engine.dispose()


@pytest.fixture
def fresh(office: Running) -> Running:
    """Nobody has failed to sign in yet."""
    forget_attempts(office)
    return office


def assert_headers_once(answer: Answer) -> None:
    assert {name: len(answer.all(name)) for name in ONCE} == dict.fromkeys(ONCE, 1), answer.headers


def test_the_administrator_signs_in_over_https(fresh: Running) -> None:
    visitor = Visitor(fresh)
    answer = visitor.sign_in(ADMIN, fresh.password)
    assert answer.status == 303, answer.text
    cookies = answer.all("Set-Cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("__Host-session="))
    for flag in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert flag in session
    page = visitor.ask("GET", "/account")
    assert page.status == 200
    assert ADMIN in page.text
    assert_headers_once(page)
    for name, value in HEADERS.items():
        assert page.all(name) == [value]


def test_health_and_plain_http(office: Running) -> None:
    assert Visitor(office).ask("GET", "/healthz").status == 200
    plain = HTTPConnection("127.0.0.1", office.http, timeout=30)
    plain.request("GET", "/account?x=1", headers={"Host": NAME})
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}/account?x=1")
    plain.close()


def test_each_visitor_has_their_own_address_and_cannot_choose_another(fresh: Running) -> None:
    for source in ("127.0.0.2", "127.0.0.3"):
        assert Visitor(fresh, source).sign_in("x@example.jp", "wrong").status == 400
    forged = {
        "X_Forwarded_For": "198.51.100.7",
        "Forwarded": "for=198.51.100.7",
        "X_Real_IP": "198.51.100.7",
        "X_Forwarded_Proto": "http",
    }
    assert Visitor(fresh, "127.0.0.2").sign_in("y@example.jp", "wrong", **forged).status == 400
    first, second, third = hashes_of_devices(fresh)
    assert first != second
    assert first == third


def test_one_address_does_not_lock_out_another(fresh: Running) -> None:
    for _ in range(attempts.FREE_PER_ACCOUNT):
        assert Visitor(fresh, "127.0.0.2").sign_in(ADMIN, "wrong").status == 400
    assert Visitor(fresh, "127.0.0.2").sign_in(ADMIN, fresh.password).status == 429
    assert Visitor(fresh, "127.0.0.3").sign_in(ADMIN, fresh.password).status == 303


def test_a_forged_host_is_not_believed(office: Running) -> None:
    for path in ("/sign-in", "/healthz"):
        with pytest.raises(RemoteDisconnected):
            Visitor(office).ask("GET", path, Host="evil.example")
    plain = HTTPConnection("127.0.0.1", office.http, timeout=30)
    plain.request("GET", "/", headers={"Host": "evil.example"})
    with pytest.raises(RemoteDisconnected):
        plain.getresponse()
    plain.close()
    page = Visitor(office).ask(
        "GET", "/sign-in", X_Forwarded_Host="evil.example", Forwarded="host=evil.example"
    )
    assert page.status == 200
    assert "evil" not in page.text + str(page.headers)
    # Nor by the portal itself, should another proxy let the header through.
    inside = HTTPConnection("127.0.0.1", office.inside, timeout=30)
    inside.request("GET", "/sign-in", headers={"Host": NAME, "X-Forwarded-Host": "evil.example"})
    assert inside.getresponse().status == 200
    inside.close()


def test_a_form_of_a_foreign_page_is_refused(fresh: Running) -> None:
    for foreign in ("https://evil.example", f"http://{NAME}", f"https://{NAME}:8443"):
        answer = Visitor(fresh).sign_in(
            ADMIN, fresh.password, Origin=foreign, X_Forwarded_Host="evil.example"
        )
        assert answer.status == 403
    assert Visitor(fresh).sign_in(ADMIN, fresh.password, Origin=f"https://{NAME}").status == 303


@pytest.mark.parametrize("megabytes", [5, 31, 40])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_above_the_limit_gets_a_page(office: Running, megabytes: int, is_chunked: bool) -> None:
    piece = b"a" * 1_000_000
    body: object = iter([b"text=", *[piece] * megabytes]) if is_chunked else b"text=" + piece * megabytes
    answer = Visitor(office).ask("POST", "/sign-in", body, Content_Type="application/x-www-form-urlencoded")
    assert answer.status == 413
    assert "送信された内容が大きすぎます" in answer.text
    assert "ブラウザーの「戻る」" in answer.text
    assert_headers_once(answer)


def test_nginx_says_so_in_plain_words_when_the_portal_is_away(office: Running) -> None:
    away = Running(office.database)
    (away.nginx / "www").rmdir()
    (away.nginx / "www").symlink_to(office.nginx / "www")
    with away.proxy():
        for method in ("GET", "POST"):
            answer = Visitor(away).ask(method, "/people/")
            assert answer.status == 503
            assert "ただいま、つなぐを利用できません" in answer.text
            assert_headers_once(answer)
            for name in HEADERS.keys() - {"Content-Security-Policy"}:
                assert answer.all(name) == [HEADERS[name]]
    shutil.rmtree(away.folder)


def test_the_cron_line_keeps_a_checkpoint(office: Running) -> None:
    schedule, user, line = re.fullmatch(  # type: ignore[union-attr]
        r"(\S+ \S+ \S+ \S+ \S+)\s+(\S+)\s+(.*)\n", block("console", "audit checkpoint >/dev/null")
    ).groups()
    assert (schedule, user) == ("0 * * * *", "tsunagu")
    assert "%" not in line  # cron would take it for the end
    Visitor(office).sign_in("z@example.jp", "wrong")  # something to keep
    before = written(office.folder / "checkpoints")
    assert office.shell(line) == ""
    assert written(office.folder / "checkpoints") != before


def written(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_an_erasure_leaves_is_cleared_while_the_portal_runs(office: Running) -> None:
    if not office.database.startswith("sqlite"):
        pytest.skip("SQLite's own")
    Visitor(office, "127.0.0.4").sign_in("z@example.jp", "wrong")
    wal = Path(office.database.removeprefix("sqlite:///") + "-wal")
    assert wal.stat().st_size
    assert "flask retention clear-files" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    office.shell("set -a; . /etc/tsunagu/environment; flask --app wsgi retention clear-files")
    assert wal.stat().st_size == 0
    office.shell("set -a; . /etc/tsunagu/environment; flask --app wsgi retention clear-files --rebuild")
    assert Visitor(office).ask("GET", "/healthz").status == 200


def test_the_portal_warns_of_nothing(office: Running) -> None:
    """Not of a missing PROXY_HOPS, and of nothing else: this is how it should run."""
    assert "PROXY_HOPS" not in office.log.read_text(encoding="utf-8")


def test_the_shell_and_systemd_read_the_same_settings(office: Running) -> None:
    printed = office.shell("set -a; . /etc/tsunagu/environment; env -0")
    by_shell = dict(pair.split("=", 1) for pair in printed.split("\0") if pair)
    by_systemd = as_systemd_reads(office.environment_file.read_text(encoding="utf-8"))
    assert by_systemd["PROXY_HOPS"] == "1"
    assert {name: by_shell[name] for name in by_systemd} == by_systemd


def test_systemd_takes_the_unit(office: Running) -> None:
    program = needs("systemd-analyze")
    checked = subprocess.run(
        (program, "verify", "--man=no", str(office.service)), capture_output=True, text=True, check=False
    )
    assert "tsunagu.service" not in checked.stderr, checked.stderr
    assert checked.returncode == 0, checked.stderr
    assert office.unit["User"] == "tsunagu"
    assert office.unit["EnvironmentFile"] == str(office.environment_file)
