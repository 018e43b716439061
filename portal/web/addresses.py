"""Addresses of the portal: those built once, parts of them that name a thing, and those that come from outside."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask, abort, g, has_request_context, request
from werkzeug.routing import BaseConverter, ValidationError

# All of them are named in templates and code; the limit is for a server that is asked under many prefixes.
MOST = 1000


class KnownAddresses(Flask):
    """Flask that remembers the addresses that depend on no request, only on the prefix it is served under."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.known: dict[tuple[str, str, str], str] = {}

    def url_for(self, /, endpoint: str, **more: Any) -> str:
        """See Flask's own. An endpoint that begins with a dot belongs to the blueprint that answers."""
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


# An id that a page was asked for in its query or its form.

Id = TypeVar("Id", UUID, UUID | None)


def asked(name: str) -> UUID | None:
    """The id under this name. A value that is none leads nowhere, like an id that does not exist."""
    text = request.values.get(name, "")
    if not text:
        return None
    try:
        found = UUID(text)
    except ValueError:
        abort(404)
    return asking(found)


def asking(found: Id) -> Id:
    """Remember the id that the page looks for first: if it is refused, the audit log names this id."""
    if "asked_for" not in g and isinstance(found, UUID):
        g.asked_for = found
    return found


# Addresses that come from outside: only a path of this portal is ever followed.

SAFE = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")


def local_path(wanted: str | None) -> str:
    """The path if it is one of this site (no host, no scheme, no control characters), else the first page."""
    return wanted if wanted and SAFE.fullmatch(wanted) else "/"


# URL converters, so that a view receives the object and not its name.


def enum_converter(members: type[StrEnum]) -> type[BaseConverter]:
    """A converter for `/<kind:value>` URLs; an unknown value is a 404."""

    class EnumConverter(BaseConverter):
        def to_python(self, value: str) -> Any:
            try:
                return members(value)
            except ValueError as error:
                raise ValidationError from error

        def to_url(self, value: Any) -> str:
            return str(getattr(value, "value", value))

    return EnumConverter
