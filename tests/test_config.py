"""What must be set before the portal starts anywhere but here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import DevelopmentConfig
from portal import create_app

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parent.parent
# `wsgi` cannot be imported here: it refuses.
WILL_NOT_START = 3


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", "import wsgi; print(wsgi.app.config['SESSION_COOKIE_NAME'])")
    settings = {k: v for k, v in os.environ.items() if k not in {"SECRET_KEY", "PORTAL_ENV"}} | environment
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)


def test_production_refuses_to_start_without_a_key() -> None:
    refused = start(PORTAL_ENV="production", SECRET_KEY="")
    assert refused.returncode
    assert "SECRET_KEY" in refused.stderr

    served = start(PORTAL_ENV="production", SECRET_KEY="a key of the office's own")
    assert served.stdout.strip() == "__Host-session", served.stderr


def test_unset_means_production() -> None:
    """Whoever forgets the setting must not serve an office with the settings of a desk."""
    served = start(SECRET_KEY="a key of the office's own")
    assert served.stdout.strip() == "__Host-session", served.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [({"SECRET_KEY": ""}, "SECRET_KEY"), ({"PORTAL_ENV": "prodction", "SECRET_KEY": "a key"}, "prodction")],
)
def test_what_is_missing_is_said_in_plain_words(environment: dict[str, str], said: str) -> None:
    refused = start(**environment)
    assert refused.returncode == WILL_NOT_START
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "起動しません" in refused.stderr or "です" in refused.stderr


def test_gunicorn_ends_rather_than_try_again_and_again() -> None:
    command = (sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", "127.0.0.1:0", "--no-control-socket")
    environment = {name: value for name, value in os.environ.items() if name != "PORTAL_ENV"}
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"SECRET_KEY": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == WILL_NOT_START
    assert "SECRET_KEY" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_key_is_known_to_whoever_reads_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DevelopmentConfig, "SECRET_KEY", "")
    with pytest.raises(RuntimeError, match="SECRET_KEY"):
        create_app(DevelopmentConfig)


def test_production_without_proxy_hops_says_so_once_at_start_up() -> None:
    production = {"PORTAL_ENV": "production", "SECRET_KEY": "a key of the office's own"}
    assert start(**production, PROXY_HOPS="0").stderr.count("PROXY_HOPS is not set") == 1
    assert "PROXY_HOPS" not in start(**production, PROXY_HOPS="1").stderr
    assert "PROXY_HOPS" not in start(PORTAL_ENV="development", SECRET_KEY="x", PROXY_HOPS="0").stderr
    # Nor in the mail that cron makes of what a command says.
    assert "PROXY_HOPS" not in start(**production, FLASK_RUN_FROM_CLI="true").stderr
