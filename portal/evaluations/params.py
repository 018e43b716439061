"""The programme and the year that an address of the evaluation means, and the words for both."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from werkzeug.exceptions import NotFound

from portal.agencies.models import Agency
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Actor, Permission, require
from portal.evaluations import programmes
from portal.evaluations.catalogue import AREAS, MATTERS, PERSONS, TIMES
from portal.evaluations.models import Part
from portal.referrals.forms import uuid_or_none
from portal.web.addresses import asking
from portal.web.formats import t
from portal.web.language import in_english

# Before it there were no programmes of this kind (the law is of 2015).
EARLIEST = 2015
IN_ENGLISH = {PERSONS: "people", TIMES: "times", MATTERS: "cases"}
OWN_NAMES = frozenset(area.name for area in AREAS)


def programme_of(actor: Actor) -> Agency:
    """The programme of this address.

    Raises:
        NotAllowed: this reader has nothing to do with evaluations.
        NoResultFound, NotFound: there is no such programme.
    """
    require(actor, Permission.EVALUATION_READ)
    asked = request.args.get("agency")
    wanted = uuid_or_none(asked) if asked else None
    if asked and wanted is None:
        raise NotFound
    return programmes.chosen(db.read(), actor, asking(wanted))


def check_year(year: int) -> None:
    """Raises NotFound: too long ago, or further away than the year whose plan is being made."""
    if not EARLIEST <= year <= clock.fiscal_year(clock.today()) + 1:
        raise NotFound


def to(endpoint: str, **values: Any) -> str:
    """The address of a page of the same programme's evaluation."""
    if agency := request.args.get("agency"):
        values["agency"] = agency
    return url_for(f"evaluations.{endpoint}", **values)


def year_word(year: int) -> str:
    """令和2年度, in English fiscal year 2020."""
    return f"FY {year}" if in_english() else clock.era_fiscal_year(year)


def area_word(name: str) -> str:
    """The name of an area: those the portal comes with in the reader's language, own ones as they were typed."""
    return t(name) if name in OWN_NAMES else name


def unit_word(unit: str, *, alone: bool = False) -> str:
    """The counter behind a number; English has none there, and a word of its own in a column of units."""
    return IN_ENGLISH[unit] * alone if in_english() else unit


def shared() -> dict[str, Any]:
    """The functions that every template of the evaluation may use."""
    return {"to": to, "year_word": year_word, "area_word": area_word, "unit_word": unit_word, "Part": Part}
