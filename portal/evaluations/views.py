"""All pages of the yearly evaluation."""

from portal.evaluations import (
    area_views,
    closing_views,
    figure_views,
    models,
    sheet_views,
    text_views,
    year_views,
)
from portal.evaluations.blueprint import bp

__all__ = [
    "area_views",
    "bp",
    "closing_views",
    "figure_views",
    "models",
    "sheet_views",
    "text_views",
    "year_views",
]
