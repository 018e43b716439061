"""Files of SQLite are their owner's alone, wherever they lie and whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.core.database_file import make_file
from portal.core.db import make_engine
from tests.databases import flask
from tests.servers import serve


@pytest.fixture
def open_umask() -> Iterator[None]:
    """As on a machine where every new file is for everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}


@pytest.mark.usefixtures("open_umask")
def test_what_the_portal_makes_is_its_owners_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    flask(url, "db", "upgrade")
    assert modes(tmp_path)["elsewhere.db"] == 0o600
    with serve(url) as server:
        assert server.answers("/sign-in")
        found = modes(tmp_path)
        assert {"elsewhere.db", "elsewhere.db-wal", "elsewhere.db-shm"} <= found.keys()
        assert set(found.values()) == {0o600}


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.usefixtures("open_umask")
def test_a_link_and_an_address_of_a_file_are_private_too(tmp_path: Path, readonly: bool) -> None:
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "link.db").symlink_to(tmp_path / "pointed_to.db")
    for address in (
        f"{tmp_path}/plain.db",
        f"{tmp_path}/link/link.db",
        f"file:{tmp_path}/named%20so.db?uri=true",
    ):
        engine = make_engine(f"sqlite:///{address}", readonly=readonly)
        make_file(engine.url)
        with engine.connect():
            assert set(modes(tmp_path).values()) == {0o600}, address
        engine.dispose()
    assert modes(tmp_path).keys() == {"plain.db", "pointed_to.db", "named so.db"}


@pytest.mark.usefixtures("open_umask")
def test_an_older_file_is_taken_back_from_others(tmp_path: Path) -> None:
    """Also what lies beside it while somebody is working; nobody loses their hold on the file by that."""
    url = f"sqlite:///{tmp_path}/old.db"
    working, opening = make_engine(url, readonly=False), make_engine(url, readonly=False)
    make_file(working.url)
    with working.connect() as first:
        first.exec_driver_sql("CREATE TABLE kept (x)")
        first.exec_driver_sql("INSERT INTO kept VALUES (1)")
        for path in tmp_path.iterdir():
            path.chmod(0o664)
        assert len(modes(tmp_path)) == 3
        with opening.connect():
            assert set(modes(tmp_path).values()) == {0o600}
        first.commit()
    with opening.connect() as second:
        assert second.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 1
    working.dispose()
    opening.dispose()
