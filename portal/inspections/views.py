"""All pages of inspections: importing this registers them."""

from portal.inspections import finding_views, sample_views
from portal.inspections.blueprint import bp

__all__ = ["bp", "finding_views", "sample_views"]
