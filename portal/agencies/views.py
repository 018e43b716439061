"""Agency pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

bp = Blueprint("agencies", __name__, url_prefix="/agencies")


@bp.get("/")
def index() -> ResponseReturnValue:
    return "skeleton"
