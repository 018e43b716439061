"""All pages of activities, their series and partners."""

from portal.activities import activity_views, attendance_views, models, partner_views, series_views
from portal.activities.blueprint import bp

__all__ = ["activity_views", "attendance_views", "bp", "models", "partner_views", "series_views"]
