"""The blueprint of activities, their series and partners; each noun has its own views module."""

from flask import Blueprint

bp = Blueprint("activities", __name__, url_prefix="/activities")
