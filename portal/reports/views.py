"""The Today page: what needs me."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

bp = Blueprint("today", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    return "skeleton"
