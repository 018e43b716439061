"""Engines that outlive a test: new ones would compile every statement anew, a quarter of what a test takes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, event, make_url

from portal.core.db import Database

NAMES = ("engine", "read_engine", "unrestricted_engine")


class KeptEngines:
    """Binds a database object to one URL after the other with the same three engines for each kind of database.

    The pools are emptied at each change, so that no connection of one test is met by the next.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.bind_anew = database.bind
        self.kept: dict[URL, dict[str, Engine]] = {}
        database.bind = self.bind  # type: ignore[method-assign]
        # At the class: what is listened for there is called before the engine's own listeners.
        event.listen(Engine, "do_connect", self.connect)

    def bind(self, url: str, reader_url: str | None = None) -> None:
        address = make_url(url)
        kind = address.set(database="")
        if reader_url and reader_url != url:
            self.bind_anew(url, reader_url)
        elif kind not in self.kept:
            self.bind_anew(url)
            self.kept[kind] = {name: getattr(self.database, name) for name in NAMES}
        else:
            self.aim(self.kept[kind], address)

    def aim(self, engines: dict[str, Engine], address: URL) -> None:
        self.database.dispose()
        for name, engine in engines.items():
            engine.url = address
            setattr(self.database, name, engine)
        self.database.use_engines()

    def connect(self, dialect: Any, _record: object, given: list[Any], more: dict[str, Any]) -> None:
        """Let each new connection of a kept engine go where its URL points now."""
        for engines in self.kept.values():
            for engine in engines.values():
                if engine.dialect is dialect:
                    given[:], named = dialect.create_connect_args(engine.url)
                    more.update(named)
