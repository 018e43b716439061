"""The portal's own log on a real database, as an auditor gets it: exported, with its key and the kept checkpoints."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy import make_url, select

from portal.audit import checkpoints, notes
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.audit.models import AuditCheckpoint, AuditHead
from portal.audit.vault import vault
from portal.core.db import db
from tests.audit.attacker import Loot, PostgreSQLAttacker, SQLiteAttacker
from tests.audit.verifying import Verdict, dump, run


class World:
    """A portal with a life of its own, and somebody who keeps its checkpoints."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.folder, self.numbers = app, folder, count()
        self.url = make_url(app.config["DATABASE_URL"])
        self.kept: list[str] = []
        self.checkpoint()
        with app.app_context():
            origin = db.read().scalar(select(AuditHead.origin))
            self.kept = list(db.read().scalars(select(AuditCheckpoint.note).order_by(AuditCheckpoint.size)))
        self.key = notes.vkey(str(origin), self.signing.public_key())

    @property
    def signing(self) -> Ed25519PrivateKey:
        return vault.ring.signing

    def checkpoint(self) -> None:
        with self.app.app_context(), db.transaction() as session:
            self.kept.append(checkpoints.make(session))

    def go_on(self) -> None:
        """A few more entries, and a checkpoint."""
        with self.app.app_context():
            for _ in range(5):
                audit.record(AuditEvent.AUDIT_READ, actor=None, period="all")
        self.checkpoint()

    def attack(self) -> SQLiteAttacker | PostgreSQLAttacker:
        db.dispose()
        if self.url.get_backend_name() == "sqlite":
            return SQLiteAttacker(Path(self.url.database or ""))
        return PostgreSQLAttacker(self.url.set(drivername="postgresql").render_as_string(hide_password=False))

    def rewrite(self, loot: Loot) -> None:
        self.attack().put(loot)

    def export(self, *options: str) -> Path:
        """What an auditor is handed: a copy of the file, or a dump."""
        to = self.folder / f"export{next(self.numbers)}"
        if self.url.get_backend_name() == "sqlite":
            db.dispose()
            to.write_bytes(Path(self.url.database or "").read_bytes())
            return to
        return dump(str(self.url.render_as_string(hide_password=False)), to, *options)

    def verdict(self, *options: str, data: Path | None = None) -> Verdict:
        return run(data or self.export(), [self.key], self.kept, *options)
