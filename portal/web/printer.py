"""Pages on paper: a template becomes a PDF by a PDF process that is kept running beside a worker."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

from flask import current_app, render_template, request, send_file
from flask.typing import ResponseReturnValue

from portal.audit.services import request_id
from portal.core.errors import PortalError
from portal.core.labels import N_

PROGRAM = Path(__file__).with_name("pdf.py")
LENGTH = 8
PRINTED = b"P"
# A PDF process is replaced after this many pages, and ends after this many idle seconds; a start takes one.
PRINTS = 50
IDLE = 120.0
# Seconds for one page, with the wait for the pages before it; nginx gives up after 60.
LONGEST = 45
# What the libraries of the PDF process need from the machine; no setting of the portal and no key is among them.
PASSED_ON = (
    "PATH",
    "HOME",
    "XDG_CACHE_HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "FONTCONFIG_PATH",
    "FONTCONFIG_FILE",
)


class NotPrinted(Exception):
    """The PDF process made no PDF of this page; says the kind of error, never what the page holds."""


class Gone(Exception):
    """The PDF process ended before it answered."""


@dataclass
class PdfProcess:
    """A running PDF process and the line to it, which is its input and its output."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def start(cls, prints: int, idle: float, longest: int) -> PdfProcess:
        folder = tempfile.TemporaryDirectory(prefix="tsunagu-pdf-")
        here, there = socket.socketpair()
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with there:
            # -I: nothing is imported from the folder the portal runs in, so no PDF process carries the portal along.
            process = subprocess.Popen(  # noqa: S603 - our own program, and no word of the page
                (sys.executable, "-I", str(PROGRAM), str(prints), str(idle), str(longest)),
                stdin=there.fileno(),
                stdout=there.fileno(),
                stderr=subprocess.DEVNULL,  # its warnings repeat the page
                cwd=folder.name,
                env=environment | {"TMPDIR": folder.name},
            )
        return cls(process, here, folder)

    def ask(self, page: bytes, until: float) -> bytes:
        """The answer of the PDF process.

        Raises:
            Gone: it ended first.
            TimeoutError: it did not answer in time.
        """
        try:
            self.line.settimeout(left_until(until))
            self.line.sendall(len(page).to_bytes(LENGTH) + page)
            return self.receive(int.from_bytes(self.receive(LENGTH, until)), until)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone from None

    def receive(self, length: int, until: float) -> bytes:
        received = bytearray()
        while len(received) < length:
            self.line.settimeout(left_until(until))
            some = self.line.recv(min(length - len(received), 1 << 16))
            if not some:
                raise Gone
            received += some
        return bytes(received)

    def stop(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.wait()
        with suppress(OSError):
            self.folder.cleanup()


def left_until(until: float) -> float:
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@dataclass
class Printer:
    """Prints with one PDF process, one page after the other, from whichever thread of the worker."""

    prints: int = PRINTS
    idle: float = IDLE
    longest: int = LONGEST
    child: PdfProcess | None = None
    owner: int = 0
    turn: Lock = field(default_factory=Lock)

    def printed(self, html: str) -> bytes:
        """The page as a PDF.

        Raises:
            NotPrinted: the PDF process failed at it, twice ended over it, or took too long.
        """
        until = monotonic() + self.longest
        if not self.turn.acquire(timeout=self.longest):
            raise NotPrinted("the pages before it took too long")
        try:
            answer = self.answer_to(html.encode(), until)
        finally:
            self.turn.release()
        if answer[:1] != PRINTED:
            raise NotPrinted(answer[1:].decode(errors="replace"))
        return answer[1:]

    def answer_to(self, page: bytes, until: float) -> bytes:
        """The answer of the PDF process; if it just ended because it was idle, another one is started."""
        for _ in range(2):
            try:
                return self.running().ask(page, until)
            except Gone:
                self.stop()
            except TimeoutError:
                self.stop()
                raise NotPrinted("it took too long") from None
            except BaseException:
                self.stop()  # a late answer must not be taken for the next page's
                raise
        raise NotPrinted("the PDF process ended")

    def running(self) -> PdfProcess:
        if self.child is not None and self.owner != os.getpid():
            self.child = None  # it belongs to the process that this one was forked from
        if self.child is None:
            self.child, self.owner = PdfProcess.start(self.prints, self.idle, self.longest), os.getpid()
        return self.child

    def stop(self) -> None:
        """End the PDF process, if there is one; the next page starts another."""
        child, self.child = self.child, None
        if child is not None and self.owner == os.getpid():
            child.stop()


printer = Printer()
atexit.register(printer.stop)


# Pages on paper: a template becomes a PDF.


class NoPaper(PortalError):
    """A page that could not be made into a PDF; the page itself can still be read."""

    status = 503
    title = N_("PDF を作れませんでした")
    next_step = N_(
        "少し待ってから、もう一度開いてください。同じことが続くときは、時刻と操作をシステム管理者に知らせてください。"
    )


def render_pdf(template: str, **context: Any) -> bytes:
    """The template, which extends `pdf/base.html`, as a tagged PDF; everything in it is rendered here.

    Raises:
        NoPaper: the PDF process could not print it.
    """
    html = render_template(template, **context)
    try:
        return printer.printed(html)
    except NotPrinted as error:
        current_app.logger.error("no PDF: %s in %s, request %s", error, request.endpoint, request_id.get())
        raise NoPaper from error


def pdf_response(content: bytes, filename: str) -> ResponseReturnValue:
    """The PDF, shown in the browser rather than saved: a shared computer keeps no copy in its downloads."""
    return send_file(BytesIO(content), mimetype="application/pdf", download_name=filename)
