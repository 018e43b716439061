"""Settings for each environment. Only `wsgi.py` and the tests import this module."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent
STATE = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tsunagu"
LOCAL_SECRET = ROOT / "instance" / "secret_key"


def local_secret() -> str:
    """The key that `./run` made for this machine; empty when there is none, and then nothing starts."""
    return LOCAL_SECRET.read_text().strip() if LOCAL_SECRET.is_file() else ""


class Config:
    """Defaults that are safe in production and fine to publish; anything else comes from the environment."""

    SECRET_KEY = os.environ.get("SECRET_KEY", "")
    DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite:///{ROOT}/instance/tsunagu.db"
    # On PostgreSQL: a database user for readers that can switch to no other role; unset, the owner.
    READER_DATABASE_URL = os.environ.get("READER_DATABASE_URL") or None
    # Off only where its cost is measured, or the other wall is tested alone.
    SECOND_WALL = os.environ.get("SECOND_WALL", "on") != "off"
    PAGE_SIZE = 25
    # The key that signs checkpoints and the one that wraps each person's; never in the database, nor in its backup.
    KEY_DIR = os.environ.get("KEY_DIR") or str(ROOT / "instance" / "keys")
    # Where the portal keeps the checkpoints of its log: another disk or machine than the database's.
    CHECKPOINT_DIR = os.environ.get("CHECKPOINT_DIR") or str(STATE / "checkpoints")
    # Whether a log whose checkpoints are missing there is mistrusted.
    CHECKPOINT_STRICT = True

    LANGUAGES = ("ja", "en")
    BABEL_DEFAULT_LOCALE = "ja"
    BABEL_DEFAULT_TIMEZONE = "Asia/Tokyo"

    # 64 MiB and three passes: about a fifth of a second for us, expensive for whoever stole the table.
    ARGON2 = {"time_cost": 3, "memory_kib": 65536, "parallelism": 1}
    SESSION_IDLE_MINUTES = 30
    SESSION_IDLE_MINUTES_PRIVILEGED = 15
    SESSION_ABSOLUTE_HOURS = 12
    SESSION_COOKIE_NAME = "__Host-session"
    SESSION_COOKIE_HTTPONLY = True
    SESSION_COOKIE_SAMESITE = "Lax"
    SESSION_COOKIE_SECURE = True
    PREFERRED_URL_SCHEME = "https"
    # A token lives as long as its session: a form left open over lunch must not lose its text.
    WTF_CSRF_TIME_LIMIT = None
    # The portal asks browsers not to say where they come from (Referrer-Policy); the token proves it.
    WTF_CSRF_SSL_STRICT = False

    # The names the portal answers to, with blanks between; others are refused. Unset: any name.
    TRUSTED_HOSTS: list[str] | None = os.environ.get("TRUSTED_HOSTS", "").split() or None
    # How many proxies of our own, such as nginx, stand in front: trusted for the address and for https.
    PROXY_HOPS = int(os.environ.get("PROXY_HOPS", "0"))
    MAX_CONTENT_LENGTH = 2 * 1024 * 1024
    # 100,000 Japanese characters are 900 kB once they are URL-encoded; Flask's own limit is 500 kB.
    MAX_FORM_MEMORY_SIZE = MAX_CONTENT_LENGTH


class DevelopmentConfig(Config):
    """This machine only, over plain http."""

    SECRET_KEY = os.environ.get("SECRET_KEY") or local_secret()
    SESSION_COOKIE_NAME = "session"
    SESSION_COOKIE_SECURE = False
    PREFERRED_URL_SCHEME = "http"
    TRUSTED_HOSTS = None
    CHECKPOINT_STRICT = False  # throwing away a database of one's own machine is no crime


class TestConfig(DevelopmentConfig):
    __test__ = False
    TESTING = True
    SECRET_KEY = "test only"
    KEY_DIR = str(ROOT / "instance" / "test-keys")
    CHECKPOINT_DIR = os.environ.get("CHECKPOINT_DIR", "")  # kept nowhere, unless a test says where
    ARGON2 = {"time_cost": 1, "memory_kib": 8, "parallelism": 1}
    WTF_CSRF_ENABLED = False


class BrowserConfig(DevelopmentConfig):
    """For the tests in a real browser: as an office has it, but passwords are cheap to check."""

    SECRET_KEY = TestConfig.SECRET_KEY
    KEY_DIR = TestConfig.KEY_DIR
    CHECKPOINT_DIR = TestConfig.CHECKPOINT_DIR
    ARGON2 = TestConfig.ARGON2


ENVIRONMENTS = {
    "production": Config,
    "development": DevelopmentConfig,
    "test": TestConfig,
    "browser": BrowserConfig,
}
