"""Consent pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

bp = Blueprint("consents", __name__, url_prefix="/consents")


@bp.get("/")
def index() -> ResponseReturnValue:
    return "skeleton"
