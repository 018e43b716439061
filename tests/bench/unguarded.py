"""The portal without its log and without its walls: what they cost is measured against this, and nothing else is."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, true

import portal
from config import ENVIRONMENTS
from portal.audit import guard, services
from portal.wall import predicates


def nothing(*_given: Any, **_named: Any) -> None:
    pass


def everything(*_given: Any, **_named: Any) -> ColumnElement[bool]:
    return true()


def create_app() -> Flask:
    guard.install = services.record = services.record_reading = nothing
    predicates.sees = predicates.present = predicates.tells = everything

    class Open(ENVIRONMENTS[os.environ.get("PORTAL_ENV", "test")]):  # type: ignore[misc]
        SECOND_WALL = False

    return portal.create_app(Open)
