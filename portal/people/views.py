"""Pages about people."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

bp = Blueprint("people", __name__, url_prefix="/people")


@bp.get("/")
def index() -> ResponseReturnValue:
    return "skeleton"
