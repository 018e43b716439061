"""Addresses that are the same on every page are built once: those of the navigation, of style sheets and scripts."""

from __future__ import annotations

from typing import Any

from flask import Flask, has_request_context, request

# All of them are named in templates and code; the limit is for a server that is asked under many prefixes.
MOST = 1000


class KnownAddresses(Flask):
    """Flask, but it remembers the addresses that hold nothing of a request but the prefix the portal is served under."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.known: dict[tuple[str, str, str], str] = {}

    def url_for(self, /, endpoint: str, **more: Any) -> str:
        """See Flask's own. An endpoint that begins with a dot is one of the blueprint that answers."""
        is_file = endpoint == "static" and more.keys() == {"filename"}
        if (more and not is_file) or endpoint.startswith(".") or not has_request_context():
            return super().url_for(endpoint, **more)
        key = (request.root_path, endpoint, more.get("filename", ""))
        address = self.known.get(key)
        if address is None:
            address = super().url_for(endpoint, **more)
            if len(self.known) < MOST:
                self.known[key] = address
        return address
