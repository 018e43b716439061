"""The blueprint that the auditor's pages hang themselves on."""

from flask import Blueprint

bp = Blueprint("audit", __name__, url_prefix="/audit")
