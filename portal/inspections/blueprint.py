"""The blueprint of inspections; the pages, split by noun, register on it."""

from flask import Blueprint

bp = Blueprint("inspections", __name__, url_prefix="/inspections")
