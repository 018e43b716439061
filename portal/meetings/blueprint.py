"""The blueprint of meetings; the pages, split by noun, register on it."""

from flask import Blueprint

bp = Blueprint("meetings", __name__, url_prefix="/meetings")
