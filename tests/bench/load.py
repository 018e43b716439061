"""A load generator: a few connections to this machine, each asking again as soon as it is answered."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

CONNECTIONS = 4
MOST = 50_000


class Wrong(Exception):
    """An answer that a page measured must not give."""


@dataclass
class Load:
    """What came of it. Latencies are in seconds.

    `processor` is what the server spent on it in all, `ruled` what one bare page beside it cost; both in seconds.
    """

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    size: int = 0
    processor: float = 0.0
    ruled: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Connection:
    """Kept open as a browser keeps it, and as thin as possible: both processes share two cores."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body."""
        self.socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self.more()
        if b"connection: close" in lower:
            self.socket.close()
            self.open()
        return int(head[9:12]), head, body

    def more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise Wrong("the server hung up")
        return data


class Pressure:
    """Some connections share one row of requests, until time or requests run out or an answer is wrong."""

    def __init__(self, port: int, requests: Iterator[bytes], seconds: float, expect: int) -> None:
        self.port = port
        self.requests = islice(requests, MOST)
        self.expect = expect
        self.until = time.perf_counter() + seconds
        self.lock = threading.Lock()
        self.load = Load()
        self.problems: list[str] = []

    def next_request(self) -> bytes | None:
        if time.perf_counter() > self.until or self.problems:
            return None
        with self.lock:
            return next(self.requests, None)

    def visit(self) -> None:
        connection = Connection(self.port)
        try:
            while request := self.next_request():
                asked = time.perf_counter()
                status, _head, body = connection.ask(request)
                self.load.latencies.append(time.perf_counter() - asked)
                self.load.size = max(self.load.size, len(body))
                if status != self.expect:
                    self.problems.append(
                        f"{status} for {request[:60]!r}: {body[:400].decode(errors='replace')}"
                    )
        except (OSError, Wrong) as error:
            self.problems.append(repr(error))
        finally:
            connection.socket.close()


def press(port: int, requests: Iterator[bytes], *, seconds: float, expect: int = 200) -> Load:
    """Send requests for so many seconds, or until they run out.

    Raises:
        Wrong: an answer had another status.
    """
    pressure = Pressure(port, requests, seconds, expect)
    threads = [threading.Thread(target=pressure.visit) for _ in range(CONNECTIONS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pressure.load.seconds = time.perf_counter() - start
    if pressure.problems or not pressure.load.latencies:
        raise Wrong(pressure.problems[0] if pressure.problems else "there was nothing to send")
    return pressure.load
