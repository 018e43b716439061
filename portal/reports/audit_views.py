"""The auditor's pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

bp = Blueprint("audit", __name__, url_prefix="/audit")


@bp.get("/")
def index() -> ResponseReturnValue:
    return "skeleton"
