"""Addresses of style sheets and scripts: with their version, so that an update is seen at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from flask import Flask


def version_of(folder: Path) -> str:
    """A short hash over the files that browsers get: it changes when any of them does."""
    digest = hashlib.sha256()
    for path in sorted(p for kind in ("css", "js", "img") for p in (folder / kind).rglob("*") if p.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def init_app(app: Flask) -> None:
    version = version_of(Path(app.static_folder or ""))

    @app.url_defaults
    def add(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values["v"] = version
