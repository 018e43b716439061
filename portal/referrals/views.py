"""Referral pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

bp = Blueprint("referrals", __name__, url_prefix="/referrals")


@bp.get("/")
def index() -> ResponseReturnValue:
    return "skeleton"
