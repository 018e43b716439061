"""Addresses that come from outside: only a path of this portal is ever followed."""

import re

SAFE = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")


def local_path(wanted: str | None) -> str:
    """The path if it is one of this site (no host, no scheme, no control characters), else the first page."""
    return wanted if wanted and SAFE.fullmatch(wanted) else "/"
