"""docs/operations.md, set up as it says: its own environment file, unit, nginx and commands, in a folder of their own.

Only what a machine must lend is put in place of what the document names: paths, ports, the name's certificate, the user.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.databases import ROOT, scratch

DOCUMENT = ROOT / "docs" / "operations.md"
NAME = "tsunagu.example.jp"
# The shell ends the program when its own input ends, and that happens however the tests end.
KEEPER = '"$@" & child=$!; read -r _; kill $child; wait $child'
MAIN = """
daemon off;
pid {nginx}/pid;
error_log {nginx}/error.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    include /etc/nginx/mime.types;
    access_log {nginx}/access.log;
    client_body_temp_path {nginx}/body;
    proxy_temp_path {nginx}/proxy;
    fastcgi_temp_path {nginx}/fastcgi;
    uwsgi_temp_path {nginx}/uwsgi;
    scgi_temp_path {nginx}/scgi;
    include {nginx}/site;
}}
"""


def block(language: str, holding: str) -> str:
    """The one block of code of this language that holds these words."""
    found = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (text,) = (text for text in found if holding in text)
    return text


def commands(text: str) -> str:
    """What the administrator types, as a script; who is root and who is `tsunagu` is the same person here."""
    typed = re.sub(r"^# ", "", text, flags=re.MULTILINE)
    return re.sub(r"sudo (--preserve-env )?-u tsunagu ", "", typed)


def as_systemd_reads(text: str) -> dict[str, str]:
    """An EnvironmentFile: no comment behind a value, quotes taken off."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.split("=", 1) for line in lines if line and line[0] not in "#;")
    return {name: value.strip().strip("\"'") for name, value in pairs}


def unit(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text.replace("\\\n", " "), re.MULTILINE))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def make_certificate(folder: Path) -> None:
    """A certificate that nobody but the test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))


def ordinary_user() -> dict[str, int | list[int]]:
    """nginx runs without the rights of root, also where the tests have them."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def kept(command: list[str], log: Path, **options: object) -> Iterator[None]:
    """Run a program until the block ends."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            ("/bin/sh", "-c", KEEPER, "sh", *command),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **options,  # type: ignore[call-overload]
        ) as keeper,
    ):
        try:
            yield
        finally:
            keeper.stdin.close()
            keeper.wait(timeout=60)


@dataclass
class Office:
    """The documented installation, on this database. A `Visitor` goes in through its door."""

    database: str
    folder: Path = field(default_factory=lambda: scratch("tsunagu-office-"))
    http: int = field(default_factory=free_port)
    https: int = field(default_factory=free_port)
    inside: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.chmod(0o711)
        for name in ("etc/keys", "data", "checkpoints", "nginx/tls", "nginx/www"):
            (self.folder / name).mkdir(parents=True)
        self.nginx, self.log = self.folder / "nginx", self.folder / "portal.log"
        make_certificate(self.nginx / "tls")
        self.environment_file = self.folder / "etc" / "environment"
        said = block("sh", "PORTAL_ENV")
        said = said.replace("SECRET_KEY=…", f"SECRET_KEY={secrets.token_urlsafe(48)}")
        said = said.replace("sqlite:////var/lib/tsunagu/tsunagu.db", self.database)
        self.environment_file.write_text(self.placed(said), encoding="utf-8")
        self.service = self.folder / "tsunagu.service"
        self.service.write_text(self.placed(block("ini", "ExecStart")), encoding="utf-8")
        self.unit = unit(self.service.read_text(encoding="utf-8"))
        site = self.placed(block("nginx", "proxy_pass"))
        if not has_ipv6():
            site = re.sub(r"^ *listen \[.*\n", "", site, flags=re.MULTILINE)
        (self.nginx / "site").write_text(site, encoding="utf-8")
        (self.nginx / "nginx.conf").write_text(MAIN.format(nginx=self.nginx), encoding="utf-8")
        if user := ordinary_user():
            for path in (self.nginx, *self.nginx.rglob("*")):
                os.chown(path, user["user"], user["group"])  # type: ignore[arg-type]

    def placed(self, text: str) -> str:
        """The text with this machine's paths and ports."""
        places = {
            "/opt/tsunagu/.venv/bin": str(Path(sys.executable).parent),
            "/opt/tsunagu": str(ROOT),
            "/etc/tsunagu": str(self.folder / "etc"),
            "/var/lib/tsunagu": str(self.folder / "data"),
            "/srv/tsunagu-checkpoints": str(self.folder / "checkpoints"),
            "/etc/ssl/tsunagu": str(self.nginx / "tls"),
            "/var/www/tsunagu": str(self.nginx / "www"),
            "127.0.0.1:8000": f"127.0.0.1:{self.inside}",
        }
        for there, here in places.items():
            text = text.replace(there, here)
        for port, ours in ((80, self.http), (443, self.https)):
            text = re.sub(rf"listen {port}\b", f"listen 127.0.0.1:{ours}", text)
            text = text.replace(f"listen [::]:{port}", f"listen [::1]:{ours}")
        return text

    def shell(self, script: str) -> str:
        """Run documented commands; returns what they print."""
        script = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH\n{self.placed(script)}"
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        done = subprocess.run(
            ("/bin/sh", "-ec", script), cwd=ROOT, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def portal(self) -> Iterator[None]:
        """gunicorn, by the very line of the unit."""
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        settings = clean | as_systemd_reads(self.environment_file.read_text(encoding="utf-8"))
        line = shlex.split(self.unit["ExecStart"])
        with kept(line, self.log, cwd=self.unit["WorkingDirectory"], env=settings, umask=0o077):
            wait_until_open(self.inside, self.log)
            yield

    @contextmanager
    def proxy(self) -> Iterator[None]:
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        line = [program, "-p", str(self.nginx), "-c", str(self.nginx / "nginx.conf")]
        line += ["-e", str(self.nginx / "error.log")]
        user = ordinary_user()
        checked = subprocess.run((*line, "-t"), capture_output=True, text=True, check=False, **user)  # type: ignore[call-overload]
        assert checked.returncode == 0, checked.stderr
        assert "[warn]" not in checked.stderr, checked.stderr
        with kept(line, self.nginx / "out.log", **user):
            wait_until_open(self.https, self.nginx / "error.log")
            yield

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.nginx / "tls" / "fullchain.pem"))

    def connect(self, source: str = "127.0.0.1") -> HTTPConnection:
        """A connection through nginx from one of this machine's own addresses."""
        plain = socket.create_connection(("127.0.0.1", self.https), 60, (source, 0))
        connection = HTTPConnection(NAME)
        connection.sock = self.trusting().wrap_socket(plain, server_hostname=NAME)
        return connection


def wait_until_open(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text() if log.exists() else "nothing was logged"
            time.sleep(0.05)


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    text: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Visitor:
    """A browser of one device: it keeps cookies, and comes from an address of its own."""

    office: Office
    source: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        connection = self.office.connect(self.source)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, sent)  # type: ignore[arg-type]
            response = connection.getresponse()
            answer = Answer(response.status, response.getheaders(), response.read().decode())
        finally:
            connection.close()
        for cookie in answer.all("Set-Cookie"):
            name, value = cookie.split(";", 1)[0].split("=", 1)
            self.cookies[name] = value
        return answer

    def sign_in(self, email: str, password: str, **headers: str) -> Answer:
        page = self.ask("GET", "/sign-in").text
        (token,) = set(re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page))
        form = urlencode({"csrf_token": token, "email": email, "password": password})
        return self.ask("POST", "/sign-in", form, Content_Type="application/x-www-form-urlencoded", **headers)
