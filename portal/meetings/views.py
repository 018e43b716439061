"""All pages of meetings: importing this registers them."""

from portal.meetings import agenda_models, models
from portal.meetings.blueprint import bp

__all__ = ["agenda_models", "bp", "models"]
