"""Signing in and out, one's own account, and the agency's staff."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.accounts.gate import public

bp = Blueprint("accounts", __name__)


@bp.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    return "skeleton"


@bp.get("/accounts/")
def index() -> ResponseReturnValue:
    return "skeleton"
