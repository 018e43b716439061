"""Case pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

bp = Blueprint("cases", __name__, url_prefix="/cases")


@bp.get("/")
def index() -> ResponseReturnValue:
    return "skeleton"
