"""A body above the limit gets the portal's page, from a real server; no connection breaks and no worker is held."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from flask import Flask

from portal.web.bodies import MOST_BYTES, DrainedBodies
from portal.web.headers import HEADERS
from tests.databases import Databases
from tests.servers import Server, serve

MEGABYTE = 1_000_000
HEAD = "POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
TITLE = "送信された内容が大きすぎます"


@pytest.fixture(scope="module")
def server(_sqlite: Databases) -> Iterator[Server]:
    with serve(_sqlite.fresh(), environment={"PORTAL_ENV": "browser"}) as running:
        yield running


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 60)


def send(connection: socket.socket, megabytes: int, *, is_chunked: bool) -> None:
    """All of it, as a program that only listens when it has spoken."""
    piece = b"a" * MEGABYTE
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {megabytes * MEGABYTE}"
    connection.sendall(f"{HEAD}{length}\r\n\r\n".encode())
    for _ in range(megabytes):
        connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
    if is_chunked:
        connection.sendall(b"0\r\n\r\n")


def answer_on(connection: socket.socket) -> str:
    received = b""
    while b"</html>" not in received:
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return received.decode()


def assert_is_our_page(answer: str) -> None:
    assert answer.startswith("HTTP/1.1 413 "), answer[:200]
    assert TITLE in answer
    assert "ブラウザーの「戻る」" in answer
    head = answer.split("\r\n\r\n")[0]
    for name, value in HEADERS.items():
        assert f"\r\n{name}: {value}" in head


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("megabytes", [3, 5, 50])
def test_what_is_sent_to_its_end_gets_a_page(server: Server, megabytes: int, is_chunked: bool) -> None:
    with connect(server) as connection:
        send(connection, megabytes, is_chunked=is_chunked)
        assert_is_our_page(answer_on(connection))
        # The connection goes on: what was thrown away is not taken for the next request.
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_what_is_far_too_large_is_not_read_to_its_end(server: Server) -> None:
    """500 MB: the answer comes while they are being sent, and the rest is not taken."""
    sent = 0

    def speak() -> None:
        nonlocal sent
        piece = b"a" * MEGABYTE
        try:
            connection.sendall(f"{HEAD}Content-Length: {500 * MEGABYTE}\r\n\r\n".encode())
            for _ in range(500):
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            return

    with connect(server) as connection:
        speaker = threading.Thread(target=speak)
        speaker.start()
        answer = answer_on(connection)
        speaker.join(60)
    assert_is_our_page(answer)
    assert sent < 2 * MOST_BYTES
    assert server.answers("/healthz")


def test_a_sender_who_stops_in_the_middle_holds_no_worker() -> None:
    """The bound in seconds, shorter here; the other end keeps the connection open and says nothing more."""
    near, far = socket.socketpair()
    with near, far, near.makefile("rb") as body:
        far.sendall(b"a" * 100)
        environ = {"wsgi.input": body, "CONTENT_LENGTH": "5000000", "gunicorn.socket": near}
        begun = time.monotonic()
        drained = DrainedBodies(lambda _environ, _start: [b"answer"], most_seconds=0.5)
        assert drained(environ, lambda *_given: None) == [b"answer"]  # type: ignore[arg-type, return-value]
        assert 0.4 < time.monotonic() - begun < 10


def multipart(fields: int, letters: int) -> dict[str, object]:
    """Made by hand: a large one would be a file that the test client leaves open."""
    part = '--x\r\nContent-Disposition: form-data; name="field{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(n, "a" * letters) for n in range(fields)) + "--x--\r\n"
    return {"data": body.encode(), "content_type": "multipart/form-data; boundary=x"}


def test_too_many_fields_and_a_field_too_large_get_the_page(app: Flask) -> None:
    for form in (multipart(1001, 1), multipart(1, 2_200_000), {"data": {"text": "あ" * 800_000}}):
        answer = app.test_client().post("/sign-in", **form)  # type: ignore[arg-type]
        assert answer.status_code == 413
        assert TITLE in answer.text
        assert "何も保存されていません" in answer.text
    assert app.test_client().post("/sign-in", **multipart(900, 1000)).status_code < 413  # type: ignore[arg-type]
