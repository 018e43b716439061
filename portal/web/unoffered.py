"""Values that a form was sent and had never offered: kept for the length of the request, for the door to note."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from flask import g
from wtforms import Field, FieldList, SelectField, SelectMultipleField

# As our pages write them; the key of a form is 32 digits without dashes.
ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST = 20  # of one request: whoever sends a thousand is noted all the same


def choosers(fields: Iterable[Field]) -> Iterator[SelectField | SelectMultipleField]:
    """The fields that offer choices, those in lists of fields too."""
    for field in fields:
        if isinstance(field, FieldList):
            yield from choosers(field.entries)
        elif isinstance(field, SelectField | SelectMultipleField):
            yield field


def note(fields: Iterable[Field], guarded: frozenset[str]) -> None:
    """Keep the ids, and of the `guarded` fields any value, that were sent and are on no list."""
    found = g.setdefault("unoffered", {})
    for field in choosers(fields):
        sent = {str(value) for value in field.raw_data or () if value}
        sent -= {str(value) for value, *_rest in field.iter_choices()} if sent and field.choices else set()
        for value in sorted(sent):
            if ID.fullmatch(value.lower()):
                found[UUID(value)] = None
            elif field.name in guarded:
                found[None] = None


def noted() -> list[Any]:
    """The ids, and None for another value of a guarded field; forgotten afterwards."""
    return list(g.pop("unoffered", {}))[:MOST]
