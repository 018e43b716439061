"""All pages of activities, their series and partners."""

from portal.activities import models, partner_views
from portal.activities.blueprint import bp

__all__ = ["bp", "models", "partner_views"]
