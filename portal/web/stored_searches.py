"""Searches that can be returned to: the address has a random id, and the words stay in this session's own cookie."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from flask import request, session

from portal.web.sealing import seal, unseal

STORED = "searches"
# So many are kept, the latest ones, and no more characters than a cookie has room for.
MOST, LONGEST = 12, 2000


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for; `is_gone` when the address names a search that this session does not have."""

    q: str = ""
    is_gone: bool = False


def store(q: str, owner: UUID) -> str:
    """Keep the words for this signed-in session; the id that an address may carry."""
    key = secrets.token_urlsafe(9)
    kept = [[key, seal(q, about(key, owner))], *session.get(STORED, [])][:MOST]
    while len(kept) > 1 and sum(len(sealed) for _key, sealed in kept) > LONGEST:
        kept.pop()
    session[STORED] = kept
    return key


def asked_search(owner: UUID) -> Search:
    """The search that the address names."""
    key = request.args.get("s", "")
    if not key:
        return Search()
    sealed = dict(session.get(STORED, [])).get(key)
    q = unseal(sealed, about(key, owner)) if sealed else None
    return Search(is_gone=True) if q is None else Search(q)


def about(key: str, owner: UUID) -> str:
    return f"search {key} of {owner.hex}"
