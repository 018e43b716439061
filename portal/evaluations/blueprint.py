"""The blueprint of the yearly evaluation; each noun has its own views module."""

from flask import Blueprint

bp = Blueprint("evaluations", __name__, url_prefix="/reports/evaluation")
